//! An automatic stage: whether its limits hold now, for an image, an index, or what cannot be scanned.
//!
//! The limits of one image are judged in `image.rs`. DESIGN §3 "Who is held by a gate, and where".

use super::image::{self, ImageVerdict};
use super::{Court, words};
use crate::decision::{Limit, LimitResult, Reason, Rule, RuleResult};
use crate::facts::{Child, Target};
use crate::file::{Limits, WaivableRule};
use crate::reason::Code;

/// Judges an automatic stage.
pub(super) fn judge(court: &mut Court<'_>, stage: &str, limits: &Limits) -> RuleResult {
    let verdict = match &court.facts.subject {
        Target::Image(facts) => image::judge(court, stage, limits, Some(facts), ""),
        Target::Index(children) => of_index(court, stage, limits, children),
        Target::Unscannable { kind } => of_unscannable(court, stage, limits, kind),
        // Evidence never comes so far; it has nothing that could violate a limit.
        Target::Evidence => ImageVerdict::default(),
    };
    let satisfied = verdict.reasons.is_empty();
    for instant in &verdict.instants {
        court.horizon.may_change_at(*instant);
    }
    let summary = verdict.summary.clone().unwrap_or_else(|| summary(&verdict));
    court.exceptions.extend(verdict.exceptions);
    court.warnings.extend(verdict.warnings);
    RuleResult {
        rule: Rule::Stage(stage.to_owned()),
        satisfied,
        automatic: true,
        summary,
        reasons: verdict.reasons,
        counted: Vec::new(),
        limits: verdict.limits,
    }
}

fn summary(verdict: &ImageVerdict) -> String {
    if verdict.reasons.is_empty() {
        return "its limits hold".to_owned();
    }
    let failing = verdict.limits.iter().filter(|limit| !limit.satisfied);
    let failing = words::listed(failing.map(|limit| limit.limit));
    let how = if verdict.is_waiting() {
        "cannot be judged yet"
    } else {
        "not within its limits"
    };
    if failing.is_empty() {
        how.to_owned()
    } else {
        format!("{how}: {failing}")
    }
}

/// An index passes with one runnable image within the limits: the one that is pulled is judged by itself again.
fn of_index(court: &Court<'_>, stage: &str, limits: &Limits, children: &[Child]) -> ImageVerdict {
    let judged: Vec<(String, ImageVerdict)> = children
        .iter()
        .filter(|child| child.runnable)
        .map(|child| {
            let label = label(child);
            let verdict = image::judge(court, stage, limits, child.facts.as_ref(), &label);
            (label, verdict)
        })
        .collect();
    let instants = judged
        .iter()
        .flat_map(|(_, verdict)| verdict.instants.clone())
        .collect();
    let (within, outside): (Vec<_>, Vec<_>) = judged
        .into_iter()
        .partition(|(_, verdict)| verdict.reasons.is_empty());
    let verdict = if within.is_empty() {
        none_within(court, stage, outside)
    } else {
        some_within(stage, within, &outside)
    };
    ImageVerdict {
        instants,
        ..verdict
    }
}

fn label(child: &Child) -> String {
    let digest = child.digest.short();
    match &child.platform {
        Some(platform) => format!("{} ({digest}): ", words::quoted(platform)),
        None => format!("{digest}: "),
    }
}

fn some_within(
    stage: &str,
    within: Vec<(String, ImageVerdict)>,
    outside: &[(String, ImageVerdict)],
) -> ImageVerdict {
    let names = words::listed(within.iter().map(|(label, _)| label.trim_end_matches(": ")));
    let mut chosen = within
        .into_iter()
        .map(|(_, verdict)| verdict)
        .next()
        .unwrap_or_default();
    chosen.summary = Some(format!("its limits hold for {names}"));
    chosen.warnings.extend(outside.iter().map(|(label, _)| {
        format!(
            "{} is not within the limits of stage {stage}, and is refused by itself",
            label.trim_end_matches(": ")
        )
    }));
    chosen
}

fn none_within(
    court: &Court<'_>,
    stage: &str,
    outside: Vec<(String, ImageVerdict)>,
) -> ImageVerdict {
    let waits = outside.iter().any(|(_, verdict)| verdict.is_waiting());
    let mut whole = ImageVerdict::default();
    if !waits {
        whole
            .reasons
            .push(no_runnable_child(court, stage, outside.len()));
    }
    // While one image may still turn out to be within the limits, what is wrong with the others refuses nothing.
    for (_, verdict) in outside
        .into_iter()
        .filter(|(_, verdict)| !waits || verdict.is_waiting())
    {
        whole.reasons.extend(verdict.reasons);
        whole.warnings.extend(verdict.warnings);
        merge_limits(&mut whole.limits, verdict.limits);
    }
    whole
}

fn no_runnable_child(court: &Court<'_>, stage: &str, judged: usize) -> Reason {
    let message = if judged == 0 {
        "the index lists no image that can be run and that this repository holds".to_owned()
    } else {
        let images = words::count(judged, "image", "images");
        format!("none of the {images} that the index lists is within the limits of stage {stage}")
    };
    let code = Code::NoRunnableChild;
    Reason {
        code,
        message,
        candidate: None,
        limit: None,
        next: court.next(code, stage),
    }
}

/// A limit of the whole holds where it holds for every image; the first image that violates it has the word.
fn merge_limits(whole: &mut Vec<LimitResult>, limits: Vec<LimitResult>) {
    for limit in limits {
        match whole.iter_mut().find(|known| known.limit == limit.limit) {
            Some(known) if known.satisfied => *known = limit,
            Some(_) => {}
            None => whole.push(limit),
        }
    }
}

fn of_unscannable(court: &Court<'_>, stage: &str, limits: &Limits, kind: &str) -> ImageVerdict {
    let what = format!("an artifact of type {}", words::quoted(kind));
    let passes = |why: &str| {
        let summary = format!("{what} cannot be scanned, and {why} lets it pass");
        let limit = LimitResult {
            limit: Limit::Inventory,
            satisfied: true,
            summary: summary.clone(),
        };
        ImageVerdict {
            summary: Some(summary),
            limits: vec![limit],
            ..ImageVerdict::default()
        }
    };
    if limits.allow_unscannable {
        return passes("the policy");
    }
    if let Some(exception) = image::waiver(court, |waived| waived == WaivableRule::Unscannable, &[])
    {
        return ImageVerdict {
            exceptions: vec![image::use_of(exception, what.clone(), false)],
            instants: vec![exception.until_at],
            ..passes("an exception")
        };
    }
    unscannable(court, stage, format!("{what} cannot be scanned"))
}

fn unscannable(court: &Court<'_>, stage: &str, message: String) -> ImageVerdict {
    let (code, limit) = (Code::Unscannable, Limit::Inventory);
    let next = court.next(code, stage);
    let result = LimitResult {
        limit,
        satisfied: false,
        summary: message.clone(),
    };
    let reason = Reason {
        code,
        message,
        candidate: None,
        limit: Some(limit),
        next,
    };
    ImageVerdict {
        limits: vec![result],
        reasons: vec![reason],
        ..ImageVerdict::default()
    }
}
