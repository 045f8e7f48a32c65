//! What receipts come to, in the words that people read.

use super::{Accepted, Passage};
use crate::output;

impl Passage {
    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let gate = match self.gate.as_str() {
            "" => "any gate".to_owned(),
            gate => format!("gate {gate}"),
        };
        let mut lines = Vec::new();
        if self.verified {
            lines.push(format!("✓ {gate}: allowed by receipt"));
        } else {
            lines.push(format!("✗ {gate}: not allowed by receipt"));
        }
        for receipt in &self.receipts {
            lines.push(format!(
                "  ✓ receipt {} of policy {} ({}), signed {}, valid until {}",
                receipt.sequence,
                receipt.policy,
                receipt.policy_digest.get(..12).unwrap_or_default(),
                output::instant(receipt.decided_at),
                output::instant(receipt.valid_until_at)
            ));
            let warnings = receipt.warnings.iter();
            lines.extend(warnings.map(|warning| format!("    · {}", one_line(warning))));
        }
        for refused in &self.refused {
            let receipt = match refused.receipt.as_str() {
                "" => String::new(),
                name => format!("receipt {name}: "),
            };
            lines.push(format!(
                "  ✗ {receipt}{} [{}]",
                refused.message, refused.code
            ));
        }
        lines
    }

    /// What no receipt can prove to somebody who asks nobody.
    pub(crate) fn not_proved(&self) -> Vec<String> {
        let each = |receipt: &Accepted| {
            format!(
                "that gate {} of policy {} still says so: it was asked at {}; what was revoked or found since then stops this image \
                 here at {}, when the receipt ends",
                self.gate,
                receipt.policy,
                output::instant(receipt.decided_at),
                output::instant(receipt.valid_until_at)
            )
        };
        self.receipts.iter().map(each).collect()
    }
}

/// A warning holds what people wrote, such as the reason of a break-glass.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}
