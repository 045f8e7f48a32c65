//! What the receipt of an answer has to say, if there is to be one: from the answer and the policies in force, with no clock and no
//! state. Two that say the same need not both be signed.

use oci::Digest;
use policy::{Decision, Policy};
use serde_json::json;
use trust::receipt::{INPUTS_MAX, POLICIES_MAX, WARNING_CHARACTERS_MAX, WARNINGS_MAX};

/// What a receipt has to say besides its times. A duration is in milliseconds, an instant in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The SHA-256 of the policy's text in hexadecimal.
    pub policy_digest: String,
    /// Every policy with a gate of this name for the repository.
    pub policies: Vec<String>,
    /// What a host should know besides that the image may pass.
    pub warnings: Vec<String>,
    /// The manifests of the signatures that count, each once.
    pub inputs: Vec<Digest>,
    /// How long it is valid at most.
    pub valid_milliseconds: i64,
    /// When time alone may change the answer.
    pub holds_until: Option<i64>,
}

impl Wanted {
    /// Nothing where the image does not pass, where no policy asks for receipts of this gate, or where another policy is in force than
    /// the one that answered: that one will be asked too.
    #[must_use]
    pub fn of(decision: &Decision, policies: &[Policy]) -> Option<Wanted> {
        if !decision.outcome.passes() {
            return None;
        }
        let of_gate: Vec<&Policy> = policies
            .iter()
            .filter(|policy| {
                policy.covers(&decision.repository) && policy.gates.contains_key(&decision.gate)
            })
            .collect();
        let policy = of_gate.iter().find(|policy| {
            policy.name == decision.policy && policy.digest == decision.policy_digest
        })?;
        // A host asks for a receipt of each of them: where one asks for receipts, all sign.
        let shortest = of_gate
            .iter()
            .filter_map(|policy| policy.receipt_valid_milliseconds)
            .min()?;
        // More are not told apart by any receipt: then there is none, and hosts ask the server.
        if of_gate.len() > POLICIES_MAX {
            return None;
        }
        Some(Wanted {
            policy_digest: decision.policy_digest.clone(),
            policies: of_gate.iter().map(|policy| policy.name.clone()).collect(),
            warnings: warnings(decision),
            inputs: inputs(decision),
            valid_milliseconds: policy.receipt_valid_milliseconds.unwrap_or(shortest),
            holds_until: decision.holds_until,
        })
    }

    /// All of it in short, and the same for the same.
    #[must_use]
    pub fn says(&self) -> String {
        let all = json!([
            self.policy_digest,
            self.policies,
            self.warnings,
            self.inputs,
            self.valid_milliseconds,
            self.holds_until,
        ]);
        Digest::sha256(all.to_string().as_bytes()).hex().to_owned()
    }
}

fn warnings(decision: &Decision) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(used) = &decision.break_glass {
        warnings.push(format!(
            "by break-glass {}: asked for by {}, confirmed by {}: {}",
            used.id, used.asked_by, used.confirmed_by, used.reason
        ));
    }
    if let Some(would_be) = decision.would_be {
        warnings.push(format!("enforced, it would be {would_be}"));
    }
    warnings.extend(decision.warnings.iter().cloned());
    let cut = |text: String| text.chars().take(WARNING_CHARACTERS_MAX).collect();
    warnings.into_iter().take(WARNINGS_MAX).map(cut).collect()
}

fn inputs(decision: &Decision) -> Vec<Digest> {
    let counted = decision.rules.iter().flat_map(|rule| &rule.counted);
    let mut inputs: Vec<Digest> = counted.map(|counted| counted.manifest.clone()).collect();
    inputs.sort();
    inputs.dedup();
    inputs.truncate(INPUTS_MAX);
    inputs
}
