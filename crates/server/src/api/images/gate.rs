//! `GET /gate?ref&gate&principal`: what the gates say of an image. For a principal, by the gates that hold them there, as the
//! registry would ask them; else by the named gate of every policy that covers the repository.

use crate::api::{Answer, Call};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult, shown};
use crate::view;
use axum::Json;
use client::api::gate::{GateAnswer, Outcome};
use policy::decision::{Mark, Node, NodeKind, message};
use policy::gate::{self as gates, Hold};
use policy::verb::Pull;
use policy::{Ceiling, Decision, Policy, Who};
use store::catalogue::StoredManifest;
use store::decisions::{self, GateName};
use store::policies;

/// What there is to answer.
enum Said {
    /// The decisions of at least one gate.
    By(Vec<Decision>),
    /// No gate holds whoever was asked about, and why the image passes therefore.
    NotHeld(String),
}

/// `GET /gate?ref&gate&principal`
pub(crate) async fn gate(call: Call) -> Answer<GateAnswer> {
    let asker = &call.asker;
    let manifest = view::find(asker, call.required("ref")?).await?;
    let policies = policies::current(asker.store()).await?;
    let question = Question {
        asker,
        manifest: &manifest,
        policies: &policies,
    };
    let said = match (call.parameter("gate"), call.parameter("principal")) {
        (gate, Some(principal)) => question.of_principal(principal, gate).await?,
        (Some(gate), None) => question.of_gate(gate).await?,
        (None, None) => {
            return Err(ApiError::invalid(
                "say which `gate` is asked, or for which `principal`",
            ));
        }
    };
    answer(said).map(Json)
}

struct Question<'a> {
    asker: &'a Asker,
    manifest: &'a StoredManifest,
    policies: &'a [Policy],
}

impl Question<'_> {
    async fn of_principal(&self, name: &str, gate: Option<&str>) -> ApiResult<Said> {
        let who = self.who(name)?;
        let repository = &self.manifest.repository;
        let held = match gates::hold(self.policies, self.asker.directory(), &who, repository) {
            Hold::NoPolicy => return Ok(self.no_policy()),
            Hold::Gates(held) => self.names(held),
            Hold::Free | Hold::Ungated => Vec::new(),
        };
        let asked: Vec<GateName> = held
            .into_iter()
            .filter(|held| gate.is_none_or(|gate| held.gate == gate))
            .collect();
        if !asked.is_empty() {
            return self.decide(&asked).await;
        }
        match gate {
            Some(gate) if self.covering(gate).is_empty() => Err(self.no_gate(gate)),
            Some(gate) => Ok(Said::NotHeld(format!(
                "gate {gate} does not hold {} in {repository}",
                shown(name)
            ))),
            None => Ok(Said::NotHeld(format!(
                "no gate holds {} in {repository}",
                shown(name)
            ))),
        }
    }

    async fn of_gate(&self, gate: &str) -> ApiResult<Said> {
        let covering = self.covering(gate);
        if !covering.is_empty() {
            return self.decide(&covering).await;
        }
        let repository = &self.manifest.repository;
        let is_elsewhere = self
            .policies
            .iter()
            .any(|policy| policy.gates.contains_key(gate));
        let is_ours =
            |policy: &Policy| policy.covers(repository) || policy.lists_as_ungated(repository);
        if is_elsewhere && !self.policies.iter().any(is_ours) {
            return Ok(self.no_policy());
        }
        Err(self.no_gate(gate))
    }

    /// As whom someone would pull: who may do so only as anybody may is held as anybody is.
    fn who(&self, name: &str) -> ApiResult<Who> {
        if name == "anonymous" {
            return Ok(Who::Anonymous);
        }
        let who = Who::Principal(self.asker.named(name)?.id);
        let (directory, repository) = (self.asker.directory(), Some(&self.manifest.repository));
        let anonymous_pull = self.asker.app().options().anonymous_pull;
        let permit = policy::access::<Pull>(
            directory,
            &who,
            repository,
            &Ceiling::All,
            anonymous_pull,
            self.asker.now(),
        );
        Ok(permit.map_or(who, |permit| permit.who().clone()))
    }

    fn names(&self, held: Vec<(usize, String)>) -> Vec<GateName> {
        let name = |(index, gate): (usize, String)| {
            Some(GateName::new(&self.policies.get(index)?.name, gate))
        };
        held.into_iter().filter_map(name).collect()
    }

    fn covering(&self, gate: &str) -> Vec<GateName> {
        let mut covering = view::covering(self.policies, &self.manifest.repository);
        covering.retain(|covering| covering.gate == gate);
        covering
    }

    async fn decide(&self, gates: &[GateName]) -> ApiResult<Said> {
        let StoredManifest {
            repository, digest, ..
        } = self.manifest;
        let (store, now) = (self.asker.store(), self.asker.now());
        Ok(Said::By(
            decisions::decide_each(store, repository, digest, gates, now).await?,
        ))
    }

    fn no_policy(&self) -> Said {
        let StoredManifest {
            repository, digest, ..
        } = self.manifest;
        Said::By(vec![gates::no_policy(repository, digest, self.asker.now())])
    }

    fn no_gate(&self, gate: &str) -> ApiError {
        view::no_gate(self.policies, &self.manifest.repository, gate)
    }
}

fn answer(said: Said) -> ApiResult<GateAnswer> {
    let decisions = match said {
        Said::NotHeld(sentence) => {
            let node = Node::new(NodeKind::Gate, Mark::Pass, format!("allow: {sentence}"));
            return Ok(GateAnswer {
                outcome: Outcome::Allow,
                sentence,
                tree: node.tree(),
                explanation: vec![view::value(&node)?],
                decisions: Vec::new(),
            });
        }
        Said::By(decisions) => decisions,
    };
    let worst = decisions
        .iter()
        .map(|decision| decision.outcome)
        .max_by_key(|outcome| rank(*outcome));
    let outcome = worst.unwrap_or(policy::Outcome::Deny);
    // All that say the same as the worst; of those that allow, one is enough, but for gates that were broken open.
    let count = if outcome == policy::Outcome::Allow {
        let broken = decisions
            .iter()
            .filter(|decision| decision.break_glass.is_some());
        broken.count().max(1)
    } else {
        decisions.len()
    };
    let mut speaking: Vec<Decision> = decisions
        .iter()
        .filter(|decision| rank(decision.outcome) == rank(outcome))
        .cloned()
        .collect();
    speaking.sort_by_key(|decision| decision.break_glass.is_none());
    speaking.truncate(count);
    let explanation: Vec<Node> = decisions.iter().map(Decision::explain).collect();
    Ok(GateAnswer {
        outcome: on_the_wire(outcome),
        sentence: message(&speaking),
        tree: view::tree(&explanation),
        explanation: view::values(&explanation)?,
        decisions: view::values(&decisions)?,
    })
}

/// How bad an outcome is.
fn rank(outcome: policy::Outcome) -> u8 {
    match outcome {
        policy::Outcome::Allow => 0,
        policy::Outcome::Warn => 1,
        policy::Outcome::NotReady => 2,
        policy::Outcome::Deny => 3,
    }
}

fn on_the_wire(outcome: policy::Outcome) -> Outcome {
    match outcome {
        policy::Outcome::Allow => Outcome::Allow,
        policy::Outcome::Warn => Outcome::Warn,
        policy::Outcome::NotReady => Outcome::NotReady,
        policy::Outcome::Deny => Outcome::Deny,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Digest;

    fn decision(gate: &str, outcome: policy::Outcome) -> Decision {
        let decision = gates::no_policy(&"shop/web".parse().unwrap(), &Digest::sha256(b"image"), 0);
        Decision {
            gate: gate.to_owned(),
            outcome,
            ..decision
        }
    }

    #[test]
    fn the_worst_decision_is_the_answer_and_speaks() {
        use policy::Outcome::{Allow, Deny, NotReady, Warn};
        for (outcomes, expected) in [
            (vec![Allow, Allow], Outcome::Allow),
            (vec![Allow, Warn], Outcome::Warn),
            (vec![Warn, NotReady, Allow], Outcome::NotReady),
            (vec![NotReady, Deny], Outcome::Deny),
            (vec![], Outcome::Deny),
        ] {
            let decisions = outcomes
                .iter()
                .map(|outcome| decision("production", *outcome))
                .collect();
            assert_eq!(
                answer(Said::By(decisions)).unwrap().outcome,
                expected,
                "{outcomes:?}"
            );
        }
        let both = answer(Said::By(vec![
            decision("staging", Allow),
            decision("production", Deny),
        ]))
        .unwrap();
        assert!(
            both.sentence.contains("production") && !both.sentence.contains("staging"),
            "{}",
            both.sentence
        );
        assert_eq!((both.decisions.len(), both.explanation.len()), (2, 2));
        assert_eq!(both.explanation[1]["mark"], "fail");
    }

    #[test]
    fn whoever_is_not_held_passes_without_a_decision() {
        let answer = answer(Said::NotHeld("no gate holds maria in shop/web".to_owned())).unwrap();
        assert_eq!(answer.outcome, Outcome::Allow);
        assert!(answer.decisions.is_empty());
        assert_eq!(answer.tree, "✓ allow: no gate holds maria in shop/web");
        assert_eq!(answer.explanation[0]["kind"], "gate");
    }
}
