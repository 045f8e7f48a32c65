//! The order of stages: which must come before which, and whether that is possible.
//!
//! `except: [author]` looks at the signers of `ci`, so `ci` has to be judged before: it counts as an edge too.

use std::collections::{BTreeMap, BTreeSet};

use super::Stage;
use crate::lint::Position;

/// The stage whose signers are authors of the image.
pub(crate) const AUTHOR_STAGE: &str = "ci";

/// The stages that must be judged before this one.
fn before<'a>(stages: &'a BTreeMap<String, Stage>, name: &str) -> Vec<&'a str> {
    let Some(stage) = stages.get(name) else {
        return Vec::new();
    };
    let mut before: Vec<&str> = stage.after.iter().map(String::as_str).collect();
    let author_stage = stages
        .get_key_value(AUTHOR_STAGE)
        .map(|(name, _)| name.as_str());
    if stage.except_author && name != AUTHOR_STAGE {
        before.extend(author_stage.filter(|author| !before.contains(author)));
    }
    before
}

/// These stages and all they wait for, each after those it waits for; unknown names are left out.
pub(crate) fn closure<'a>(
    stages: &'a BTreeMap<String, Stage>,
    wanted: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let mut sorted: Vec<&str> = Vec::new();
    // A stage goes in once all it waits for is in; one pass adds at least one, or there is a cycle.
    let mut open = reachable(stages, wanted);
    while !open.is_empty() {
        let ready: Vec<&str> = open
            .iter()
            .copied()
            .filter(|name| {
                before(stages, name)
                    .iter()
                    .all(|other| !open.contains(other) || other == name)
            })
            .collect();
        if ready.is_empty() {
            break;
        }
        for name in ready {
            open.remove(name);
            sorted.push(name);
        }
    }
    sorted
}

/// These stages and those they come after, directly or not; unknown names are left out.
pub(crate) fn required<'a>(
    stages: &'a BTreeMap<String, Stage>,
    wanted: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    walk(stages, wanted, |name| {
        stages
            .get(name)
            .map(|stage| stage.after.iter().map(String::as_str).collect())
            .unwrap_or_default()
    })
}

fn reachable<'a>(
    stages: &'a BTreeMap<String, Stage>,
    wanted: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    walk(stages, wanted, |name| before(stages, name))
}

fn walk<'a>(
    stages: &'a BTreeMap<String, Stage>,
    wanted: impl IntoIterator<Item = &'a str>,
    next: impl Fn(&'a str) -> Vec<&'a str>,
) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut todo: Vec<&str> = wanted.into_iter().collect();
    while let Some(name) = todo.pop() {
        let Some((name, _)) = stages.get_key_value(name) else {
            continue;
        };
        if seen.insert(name.as_str()) {
            todo.extend(next(name));
        }
    }
    seen
}

/// One message for each stage that waits, directly or not, for itself.
pub(super) fn cycles(stages: &BTreeMap<String, Stage>) -> Vec<(Position, String)> {
    let mut found = Vec::new();
    for (name, stage) in stages {
        let waits_for = reachable(stages, before(stages, name));
        if !waits_for.contains(name.as_str()) {
            continue;
        }
        let by_after = |name: &str| {
            stages
                .get(name)
                .map(|stage| stage.after.clone())
                .unwrap_or_default()
        };
        let is_only_author = stage.except_author
            && !by_after(name).iter().any(|other| {
                other == name || reachable(stages, [other.as_str()]).contains(name.as_str())
            });
        found.push((stage.at, if is_only_author {
            format!("stage `{name}` excepts the author, who may have signed for `{AUTHOR_STAGE}`, but `{AUTHOR_STAGE}` comes after `{name}`; change one of them")
        } else {
            format!("stage `{name}` waits for itself, through {}; remove one `after`", quoted(&waits_for))
        }));
    }
    found
}

fn quoted(names: &BTreeSet<&str>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
