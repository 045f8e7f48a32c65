//! An answer in one line, cut to fit: as docker prints it after a refused pull, and notary after a refused update.
//!
//! It must stand alone, so it names the image, the gate, what is missing and the next step. It is cut at whole reasons:
//! what has no place in it is counted, with the command that shows it. All details are in the tree (`node.rs`).

use super::line::{Line, Piece, Rank, bytes, counted, cut, cut_bytes};
use super::{BreakGlassUsed, Decision, Outcome, Reason, RuleResult};
use crate::gate::{Verification, instant};
use crate::reason::Class;

/// The longest sentence of one answer, in bytes as they stand in JSON.
pub const SENTENCE_BYTES_MAX: usize = 640;

/// How many of several answers are given their whole length.
const SENTENCES_MAX: usize = 2;

/// The least that one of several answers gets, in bytes.
const SHARE_BYTES_MIN: usize = 400;

/// The longest command that has a place in it, in characters.
const COMMAND_CHARACTERS_MAX: usize = 200;

/// How much of a break-glass's reason has a place in it, in characters.
const REASON_CHARACTERS_MAX: usize = 80;

/// How many characters of a repository's name are shown.
const NAME_CHARACTERS_MAX: usize = 100;

/// The answers of all gates that say the same, in one line as docker prints it.
#[must_use]
pub fn message(decisions: &[Decision]) -> String {
    let sentences = decisions.len().clamp(1, SENTENCES_MAX);
    within(decisions, SENTENCE_BYTES_MAX * sentences)
}

/// Several answers of gates in one line of at most `bytes_max` bytes, as they stand in JSON. One that has no place in it
/// is counted, with the command that shows it.
#[must_use]
pub fn within(decisions: &[Decision], bytes_max: usize) -> String {
    let shown = (bytes_max / SHARE_BYTES_MIN).clamp(1, decisions.len().max(1));
    let left_out = decisions.get(shown..).unwrap_or_default();
    let rest = match left_out {
        [] => String::new(),
        [first, ..] if first.outcome.passes() => format!(
            " {}: {}",
            counted(left_out.len(), "more gate", "more gates"),
            first.command()
        ),
        [first, ..] => format!(
            " {}: {}",
            counted(left_out.len(), "more gate says no", "more gates say no"),
            first.command()
        ),
    };
    let rest = match bytes(&rest) <= bytes_max / 2 {
        true => rest,
        false => String::new(),
    };
    let spaces = shown.saturating_sub(1);
    let room = bytes_max.saturating_sub(bytes(&rest) + spaces) / shown;
    let sentences: Vec<String> = decisions
        .iter()
        .take(shown)
        .map(|decision| decision.within(room))
        .collect();
    cut_bytes(&format!("{}{rest}", sentences.join(" ")), bytes_max)
}

impl Decision {
    /// The answer in one line of at most [`SENTENCE_BYTES_MAX`] bytes.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.within(SENTENCE_BYTES_MAX)
    }

    /// The answer in one line of at most `bytes_max` bytes, as they stand in JSON.
    #[must_use]
    pub fn within(&self, bytes_max: usize) -> String {
        let (image, gate) = (self.image(), self.gate_name());
        let head = match (self.outcome, &self.break_glass) {
            (_, Some(used)) => self.by_break_glass(used),
            (Outcome::Allow, None) if self.would_be.is_some() => {
                format!("{image} passes {gate}, which is in mode dry-run; enforced, it would not")
            }
            (Outcome::Allow, None) => format!("{image} may pass {gate}"),
            (Outcome::Warn, None) => format!("{image} passes {gate} with a warning"),
            (Outcome::Deny, None) => format!("{image} may not pass {gate}"),
            (Outcome::NotReady, None) => format!("{image} may not pass {gate} yet"),
        };
        let is_good = self.outcome == Outcome::Allow && self.would_be.is_none();
        let (pieces, tail) = match is_good {
            true => (met(&self.rules), until(self.holds_until)),
            false => (missing(&self.rules), next(&self.rules)),
        };
        let line = Line {
            head,
            pieces,
            tail,
            whole: self.command(),
        };
        line.within(bytes_max)
    }

    /// The command that shows the whole answer.
    fn command(&self) -> String {
        let image = format!("{}@{}", self.repository, self.digest);
        command(&match self.gate.is_empty() {
            true => format!("countersign verify {image}"),
            false => format!("countersign gate {image} --gate {}", self.gate),
        })
    }

    /// That two people opened the gate, until when, and why.
    fn by_break_glass(&self, used: &BreakGlassUsed) -> String {
        let (image, gate) = (self.image(), self.gate_name());
        let (index, until) = (of_index(used.index.as_ref()), instant(used.until_at));
        if self.would_be.is_none() {
            return format!(
                "{image} may pass {gate}; break-glass {}{index} lasts until {until}",
                used.id
            );
        }
        format!(
            "{image} passes {gate} by break-glass {}{index} until {until} ({}); without it, it would not",
            used.id,
            cut(&used.reason, REASON_CHARACTERS_MAX)
        )
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
        image(&self.repository, &self.digest)
    }
}

impl Verification {
    /// The answer in one line of at most [`SENTENCE_BYTES_MAX`] bytes.
    #[must_use]
    pub fn sentence(&self) -> String {
        let what = match self.policy.is_empty() {
            true => "verified".to_owned(),
            false => format!("signed as policy {} asks", self.policy),
        };
        let attested = self.attested.iter();
        let attested: String = attested.map(|kind| format!(" --type {kind}")).collect();
        let (word, pieces, tail) = match self.verified {
            true => ("is", met(&self.rules), until(self.holds_until)),
            false => ("is not", missing(&self.rules), next(&self.rules)),
        };
        let line = Line {
            head: format!("{} {word} {what}", self.image()),
            pieces,
            tail,
            whole: command(&format!(
                "countersign verify {}@{}{attested}",
                self.repository, self.digest
            )),
        };
        line.within(SENTENCE_BYTES_MAX)
    }

    /// The repository and enough of the digest to recognise it.
    pub(super) fn image(&self) -> String {
        image(&self.repository, &self.digest)
    }
}

/// ` of the index sha256:…`, for what an index brought along; nothing for what is its own.
pub(crate) fn of_index(index: Option<&oci::Digest>) -> String {
    let Some(digest) = index else {
        return String::new();
    };
    format!(
        " of the index {}:{}…",
        digest.algorithm().as_str(),
        digest.short()
    )
}

fn image(repository: &oci::RepositoryName, digest: &oci::Digest) -> String {
    format!(
        "{}@{}:{}…",
        cut(repository.as_str(), NAME_CHARACTERS_MAX),
        digest.algorithm().as_str(),
        digest.short()
    )
}

/// Half a command is worse than none.
fn command(text: &str) -> String {
    match text.chars().count() <= COMMAND_CHARACTERS_MAX {
        true => text.to_owned(),
        false => "countersign gate, or countersign verify".to_owned(),
    }
}

/// What is missing, and who signed without counting.
fn missing(rules: &[RuleResult]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let failing = rules.iter().filter(|rule| !rule.satisfied);
    for (place, rule) in failing.enumerate() {
        let mut texts: Vec<(Rank, String)> = Vec::new();
        let blocking = rule
            .reasons
            .iter()
            .filter(|reason| reason.code.class() != Class::Candidate);
        for reason in blocking {
            let rank = if texts.is_empty() {
                Rank::Rule
            } else {
                Rank::More
            };
            let text = match (rank, rule.automatic) {
                (Rank::Rule, true) => format!("{}: {}", rule.rule, reason.message),
                _ => reason.message.clone(),
            };
            texts.push((rank, text));
        }
        if texts.is_empty() {
            texts.push((Rank::Rule, summary(rule)));
        }
        let candidates = rule
            .reasons
            .iter()
            .filter(|reason| reason.code.class() == Class::Candidate);
        texts.extend(candidates.map(|reason| (Rank::Candidate, candidate(reason))));
        let mut said: Vec<(Rank, String)> = Vec::new();
        for text in texts {
            if !said.contains(&text) {
                said.push(text);
            }
        }
        pieces.extend(said.into_iter().map(|(rank, text)| Piece {
            rule: place,
            rank,
            text,
        }));
    }
    pieces
}

/// Who signed, and which limits hold.
fn met(rules: &[RuleResult]) -> Vec<Piece> {
    let met = rules.iter().enumerate();
    met.map(|(place, rule)| Piece {
        rule: place,
        rank: Rank::Rule,
        text: summary(rule),
    })
    .collect()
}

/// `stage ci signed by robot ci-shop`, `stage scan: its limits hold`.
fn summary(rule: &RuleResult) -> String {
    let name = rule.rule.to_string();
    match &rule.rule {
        super::Rule::Stage(_) if rule.summary.starts_with(&name) => rule.summary.clone(),
        super::Rule::Stage(_) if rule.automatic => format!("{name}: {}", rule.summary),
        super::Rule::Stage(_) => format!("{name} {}", rule.summary),
        super::Rule::Target | super::Rule::Policy => rule.summary.clone(),
    }
}

/// `person quentin: author`
fn candidate(reason: &Reason) -> String {
    let signer = reason
        .candidate
        .as_ref()
        .and_then(|candidate| candidate.signer.as_deref());
    match signer {
        Some(signer) => format!("{signer}: {}", reason.code),
        None => reason.code.to_string(),
    }
}

/// The next step of the first rule that refuses, as the end of a line.
fn next(rules: &[RuleResult]) -> String {
    let blocking = || {
        let failing = rules.iter().filter(|rule| !rule.satisfied);
        let reasons = failing.flat_map(|rule| &rule.reasons);
        reasons.filter(|reason| reason.code.class() != Class::Candidate)
    };
    let denying = blocking().filter(|reason| reason.code.class() == Class::Deny);
    let next = denying
        .chain(blocking())
        .find_map(|reason| reason.next.as_deref());
    match next {
        Some(next) if next.chars().count() <= COMMAND_CHARACTERS_MAX => format!(". Next: {next}"),
        _ => String::new(),
    }
}

fn until(holds_until: Option<i64>) -> String {
    match holds_until {
        Some(at) => format!("; this holds until {}", instant(at)),
        None => String::new(),
    }
}
