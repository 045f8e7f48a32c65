//! A decision in one line, as docker prints it after a refused pull.
//!
//! It must stand alone, so it names the image, the gate, what is missing and the next step, and it is never longer than
//! a terminal can bear; all details are in the decision itself and in its tree.

use super::{BreakGlassUsed, Decision, Outcome, Reason, RuleResult};
use crate::reason::Class;

/// The longest sentence, in characters.
pub const SENTENCE_CHARACTERS_MAX: usize = 400;

/// The longest next step that has a place in it, in characters.
const NEXT_CHARACTERS_MAX: usize = 200;

/// How many signatures that do not count are named for one rule.
const CANDIDATES_MAX: usize = 4;

/// How much of a break-glass's reason has a place in it, in characters.
const REASON_CHARACTERS_MAX: usize = 80;

/// How many findings of one rule are named.
const NAMED_MAX: usize = 2;

impl Decision {
    /// The answer in one line of at most [`SENTENCE_CHARACTERS_MAX`] characters.
    #[must_use]
    pub fn sentence(&self) -> String {
        let gate = self.gate_name();
        let image = self.image();
        if let Some(used) = &self.break_glass {
            return self.by_break_glass(used);
        }
        match self.outcome {
            Outcome::Allow if self.would_be.is_some() => self.refusal(&format!(
                "{image} passes {gate}, which is in mode dry-run; enforced, it would not"
            )),
            Outcome::Allow => bounded(&format!("{image} may pass {gate}{}", self.until())),
            Outcome::Warn => self.refusal(&format!("{image} passes {gate} with a warning")),
            Outcome::Deny => self.refusal(&format!("{image} may not pass {gate}")),
            Outcome::NotReady => self.refusal(&format!("{image} may not pass {gate} yet")),
        }
    }

    fn by_break_glass(&self, used: &BreakGlassUsed) -> String {
        let (image, gate) = (self.image(), self.gate_name());
        let until = crate::gate::instant(used.until_at);
        if self.would_be.is_none() {
            return bounded(&format!(
                "{image} may pass {gate}; break-glass {} lasts until {until}",
                used.id
            ));
        }
        self.refusal(&format!(
            "{image} passes {gate} by break-glass {} until {until} ({}); without it, it would not",
            used.id,
            cut(&used.reason, REASON_CHARACTERS_MAX)
        ))
    }

    /// `gate production`.
    pub(super) fn gate_name(&self) -> String {
        if self.gate.is_empty() {
            "any gate".to_owned()
        } else {
            format!("gate {}", self.gate)
        }
    }

    /// The repository and enough of the digest to recognise it.
    pub(super) fn image(&self) -> String {
        let algorithm = self.digest.algorithm();
        format!(
            "{}@{}:{}…",
            cut(self.repository.as_str(), 100),
            algorithm.as_str(),
            self.digest.short()
        )
    }

    fn until(&self) -> String {
        match self.holds_until {
            Some(instant) => format!("; this holds until {}", crate::gate::instant(instant)),
            None => String::new(),
        }
    }

    /// The longest of several wordings that fits: with the candidates, without them, with fewer rules.
    fn refusal(&self, head: &str) -> String {
        let failing: Vec<&RuleResult> = self.rules.iter().filter(|rule| !rule.satisfied).collect();
        let next = self
            .next()
            // Half a command is worse than none; the tree has it.
            .filter(|next| next.chars().count() <= NEXT_CHARACTERS_MAX)
            .map(|next| format!(". Next: {next}"))
            .unwrap_or_default();
        let wordings = [
            clauses(&failing, detailed),
            clauses(&failing, short),
            clauses(failing.get(..1).unwrap_or_default(), short)
                + &match failing.len().saturating_sub(1) {
                    1 => "; and 1 more rule".to_owned(),
                    more => format!("; and {more} more rules"),
                },
        ];
        let fitting = wordings
            .iter()
            .map(|wording| format!("{head}: {wording}{next}"))
            .find(|sentence| fits(sentence));
        fitting.unwrap_or_else(|| {
            let first = failing.first().map(|rule| short(rule)).unwrap_or_default();
            let room = SENTENCE_CHARACTERS_MAX
                .saturating_sub(head.chars().count() + next.chars().count() + 3);
            bounded(&format!("{head}: {}{next}", cut(&first, room)))
        })
    }

    /// The next step of the first rule that refuses.
    fn next(&self) -> Option<&str> {
        let denying = self
            .blocking()
            .filter(|reason| reason.code.class() == Class::Deny);
        denying
            .chain(self.blocking())
            .find_map(|reason| reason.next.as_deref())
    }
}

fn clauses(rules: &[&RuleResult], clause: impl Fn(&RuleResult) -> String) -> String {
    let clauses: Vec<String> = rules.iter().map(|rule| clause(rule)).collect();
    clauses.join("; ")
}

/// What is missing, and who signed without counting.
fn detailed(rule: &RuleResult) -> String {
    let mut candidates: Vec<String> = Vec::new();
    for reason in rule
        .reasons
        .iter()
        .filter(|reason| reason.code.class() == Class::Candidate)
    {
        let signer = reason
            .candidate
            .as_ref()
            .and_then(|candidate| candidate.signer.as_deref());
        let text = match signer {
            Some(signer) => format!("{signer}: {}", reason.code),
            None => reason.code.to_string(),
        };
        if !candidates.contains(&text) {
            candidates.push(text);
        }
    }
    if candidates.is_empty() {
        return short(rule);
    }
    let more = match candidates.len().saturating_sub(CANDIDATES_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    candidates.truncate(CANDIDATES_MAX);
    format!(
        "{}, not counted: {}{more}",
        short(rule),
        candidates.join(", ")
    )
}

/// What is missing.
fn short(rule: &RuleResult) -> String {
    let mut messages: Vec<&str> = Vec::new();
    for reason in blocking(rule) {
        if !messages.contains(&reason.message.as_str()) {
            messages.push(&reason.message);
        }
    }
    let named: Vec<&str> = messages.iter().take(NAMED_MAX).copied().collect();
    let text = if named.is_empty() {
        rule.summary.clone()
    } else {
        named.join(", ")
    };
    let more = match messages.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if rule.automatic {
        format!("{}: {text}{more}", rule.rule)
    } else {
        format!("{text}{more}")
    }
}

fn blocking(rule: &RuleResult) -> impl Iterator<Item = &Reason> {
    rule.reasons
        .iter()
        .filter(|reason| reason.code.class() != Class::Candidate)
}

fn fits(text: &str) -> bool {
    text.chars().count() <= SENTENCE_CHARACTERS_MAX
}

fn bounded(text: &str) -> String {
    cut(text, SENTENCE_CHARACTERS_MAX)
}

fn cut(text: &str, characters_max: usize) -> String {
    if text.chars().nth(characters_max).is_none() {
        return text.to_owned();
    }
    let start: String = text
        .chars()
        .take(characters_max.saturating_sub(1))
        .collect();
    format!("{start}…")
}
