//! What a policy would change for the images in stock: every gate is asked twice about each, under the text in force and under
//! the new one. Nothing is kept and nothing told.

use crate::asker::Asker;
use crate::error::ApiResult;
use client::api::policies::{Lint, LintSeverity, PolicyChange, PolicyReport};
use policy::{Decision, Directory, Facts, Policy, gate};
use std::collections::BTreeSet;
use store::decisions::{self, Subject};
use store::{Store, catalogue, policies};

/// Images that are judged.
const IMAGES_MAX: u64 = 20_000;
/// Changes that are listed.
const CHANGES_MAX: usize = 2_000;
/// Images that are looked up at a time.
const IMAGES_AT_A_TIME: u32 = 500;

/// Fills in what would change if `new` were applied now.
pub(super) async fn run(
    asker: &Asker,
    new: &Policy,
    report: PolicyReport,
) -> ApiResult<PolicyReport> {
    let in_force = policies::current(asker.store()).await?;
    let old = in_force.iter().find(|policy| policy.name == new.name);
    let trial = Trial {
        directory: asker.directory(),
        old,
        new,
        now: asker.now(),
    };
    let mut report = PolicyReport {
        digest: Some(new.digest.clone()),
        ..report
    };
    let mut after: Option<Subject> = None;
    loop {
        let subjects = decisions::stock(asker.store(), after.as_ref(), IMAGES_AT_A_TIME).await?;
        let Some(last) = subjects.last() else {
            return Ok(report);
        };
        after = Some(last.clone());
        for subject in subjects.iter().filter(|subject| trial.concerns(subject)) {
            if report.images >= IMAGES_MAX || report.changes.len() >= CHANGES_MAX {
                report.lints.push(cut_short(report.images));
                return Ok(report);
            }
            let changes = match decisions::gather(
                asker.store(),
                &subject.repository,
                &subject.digest,
                &new.name,
            )
            .await
            {
                // The two texts are compared: what opens a gate whatever they say is left out.
                Ok(facts) => trial.changes(&Facts {
                    break_glass: Vec::new(),
                    ..facts
                }),
                // Deleted since it was listed.
                Err(store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            report.images += 1;
            report
                .changes
                .extend(tagged(asker.store(), subject, changes).await?);
        }
    }
}

fn cut_short(images: u64) -> Lint {
    Lint {
        severity: LintSeverity::Warning,
        code: "limit-exceeded".to_owned(),
        message: format!(
            "only the first {images} images of the stock were judged: there may be more changes"
        ),
        line: None,
        column: None,
    }
}

/// The two texts that are compared.
struct Trial<'a> {
    directory: &'a Directory,
    old: Option<&'a Policy>,
    new: &'a Policy,
    now: i64,
}

impl Trial<'_> {
    fn concerns(&self, subject: &Subject) -> bool {
        self.new.covers(&subject.repository)
            || self.old.is_some_and(|old| old.covers(&subject.repository))
    }

    /// The gates that would answer differently, in the order of their names.
    fn changes(&self, facts: &Facts) -> Vec<PolicyChange> {
        let names = |policy: &Policy| policy.gates.keys().cloned().collect::<BTreeSet<String>>();
        let mut gates = names(self.new);
        gates.extend(self.old.map(names).unwrap_or_default());
        gates
            .iter()
            .filter_map(|gate| self.change(facts, gate))
            .collect()
    }

    fn change(&self, facts: &Facts, name: &str) -> Option<PolicyChange> {
        let before = self.old.and_then(|old| self.decide(facts, old, name));
        let after = self.decide(facts, self.new, name);
        let outcome =
            |decision: &Option<Decision>| decision.as_ref().map(|decision| decision.outcome);
        if outcome(&before) == outcome(&after) {
            return None;
        }
        let sentence = match &after {
            Some(after) => after.sentence(),
            None => format!("gate {name} no longer looks at {}", facts.repository),
        };
        Some(PolicyChange {
            repository: facts.repository.to_string(),
            digest: facts.digest.clone(),
            tags: Vec::new(),
            gate: name.to_owned(),
            before: outcome(&before).map(|outcome| outcome.to_string()),
            after: outcome(&after).map(|outcome| outcome.to_string()),
            sentence,
        })
    }

    fn decide(&self, facts: &Facts, policy: &Policy, name: &str) -> Option<Decision> {
        let is_asked = policy.gates.contains_key(name) && policy.covers(&facts.repository);
        is_asked.then(|| gate::evaluate(facts, policy, name, self.directory, self.now))
    }
}

async fn tagged(
    store: &Store,
    subject: &Subject,
    changes: Vec<PolicyChange>,
) -> ApiResult<Vec<PolicyChange>> {
    if changes.is_empty() {
        return Ok(changes);
    }
    let tags = catalogue::tags_of(store, subject.repository_id, &subject.digest).await?;
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    Ok(changes
        .into_iter()
        .map(|change| PolicyChange {
            tags: tags.clone(),
            ..change
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Digest;
    use policy::facts::AdvisoryState;
    use policy::{Target, file};

    fn facts(repository: &str) -> Facts {
        Facts {
            repository: repository.parse().unwrap(),
            digest: Digest::sha256(b"image"),
            tag: None,
            first_pushed_by: None,
            subject: Target::Unscannable {
                kind: "application/vnd.cncf.helm.config.v1+json".to_owned(),
            },
            evidence: Vec::new(),
            listed_by: BTreeSet::new(),
            advisories: AdvisoryState {
                ready: true,
                snapshot: String::new(),
            },
            stage_records: std::collections::BTreeMap::new(),
            break_glass: Vec::new(),
        }
    }

    fn policy(repositories: &str, gates: &str) -> Policy {
        let text = format!(
            "version: 1\nrepositories: ['{repositories}']\nstages: {{ci: {{signers: [{{robot: ci-shop}}]}}}}\ngates: {gates}\n"
        );
        file::load(&text, "shop").unwrap()
    }

    fn changes(
        old: Option<&Policy>,
        new: &Policy,
        repository: &str,
    ) -> Vec<(String, Option<String>, Option<String>)> {
        let directory = Directory::default();
        let trial = Trial {
            directory: &directory,
            old,
            new,
            now: 0,
        };
        let found = trial.changes(&facts(repository));
        found
            .into_iter()
            .map(|change| (change.gate, change.before, change.after))
            .collect()
    }

    fn row(
        gate: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> (String, Option<String>, Option<String>) {
        (
            gate.to_owned(),
            before.map(str::to_owned),
            after.map(str::to_owned),
        )
    }

    #[test]
    fn only_gates_that_answer_differently_are_listed() {
        const ENFORCE: &str = "{production: {holds-for: everyone, require: [ci]}}";
        const WARN: &str = "{production: {holds-for: everyone, require: [ci], mode: warn}}";
        const OTHER: &str = "{staging: {holds-for: everyone, require: [ci]}}";
        let (enforce, warn, other) = (
            policy("shop/**", ENFORCE),
            policy("shop/**", WARN),
            policy("shop/**", OTHER),
        );
        assert_eq!(
            changes(None, &enforce, "shop/web"),
            [row("production", None, Some("deny"))]
        );
        assert!(changes(Some(&enforce), &enforce, "shop/web").is_empty());
        assert_eq!(
            changes(Some(&enforce), &warn, "shop/web"),
            [row("production", Some("deny"), Some("warn"))]
        );
        let moved = [
            row("production", Some("deny"), None),
            row("staging", None, Some("deny")),
        ];
        assert_eq!(changes(Some(&enforce), &other, "shop/web"), moved);
        let elsewhere = policy("base/**", ENFORCE);
        assert_eq!(
            changes(Some(&enforce), &elsewhere, "shop/web"),
            [row("production", Some("deny"), None)]
        );
        assert!(changes(None, &enforce, "base/debian").is_empty());
    }
}
