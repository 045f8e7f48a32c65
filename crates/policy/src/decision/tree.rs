//! A decision as indented lines, for the command line and for the console.
//!
//! The lines carry depth and mark, so that each surface can draw them in its way; the words are the same everywhere.

use std::fmt;

use super::{Counted, Decision, Limit, Outcome, Reason, Rule, RuleResult};
use crate::reason::{Class, Code};

/// What a line says about its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// It is met, or counts.
    Pass,
    /// It is not met, or does not count.
    Fail,
    /// It waits for something.
    Wait,
    /// It only explains.
    Note,
    /// What to do next.
    Next,
}

impl Mark {
    /// One character for a terminal.
    #[must_use]
    pub fn symbol(self) -> char {
        match self {
            Mark::Pass => '✓',
            Mark::Fail => '✗',
            Mark::Wait => '…',
            Mark::Note => '·',
            Mark::Next => '→',
        }
    }
}

/// One line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeLine {
    /// How far it is indented.
    pub depth: usize,
    /// What it says.
    pub mark: Mark,
    /// The words.
    pub text: String,
    /// The code of the reason it shows, for a link to its page.
    pub code: Option<Code>,
}

impl fmt::Display for TreeLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:indent$}{} {}",
            "",
            self.mark.symbol(),
            self.text,
            indent = self.depth * 2
        )
    }
}

impl Decision {
    /// The tree as text, a line each, without a line end after the last.
    #[must_use]
    pub fn tree(&self) -> String {
        let lines: Vec<String> = self.tree_lines().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    /// The tree as lines: the answer, each rule with its reasons and signatures, exceptions and warnings.
    #[must_use]
    pub fn tree_lines(&self) -> Vec<TreeLine> {
        let mut tree = Tree::default();
        let mark = match &self.break_glass {
            Some(_) if self.would_be.is_some() => Mark::Note,
            _ => mark_of(self.outcome),
        };
        tree.line(0, mark, self.headline());
        if let Some(used) = &self.break_glass {
            tree.line(
                1,
                Mark::Note,
                format!(
                    "break-glass {}: asked for by {}, confirmed by {}, until {}: {}",
                    used.id,
                    used.asked_by,
                    used.confirmed_by,
                    crate::gate::instant(used.until_at),
                    used.reason
                ),
            );
        }
        for rule in &self.rules {
            tree.rule(rule);
        }
        for exception in &self.exceptions_used {
            let exploited = if exception.known_exploited {
                " (known to be exploited)"
            } else {
                ""
            };
            tree.line(
                1,
                Mark::Note,
                format!(
                    "exception for {}{exploited}: {}, by {}, until {}, used for {}",
                    exception.waives,
                    exception.reason,
                    exception.owner,
                    crate::gate::instant(exception.until_at),
                    exception.applied_to
                ),
            );
        }
        for warning in &self.warnings {
            tree.line(1, Mark::Note, format!("warning: {warning}"));
        }
        if let Some(instant) = self.holds_until {
            tree.line(
                1,
                Mark::Note,
                format!("holds until {}", crate::gate::instant(instant)),
            );
        }
        tree.lines
    }

    fn headline(&self) -> String {
        let would_be = match self.would_be {
            Some(outcome) if self.break_glass.is_some() => {
                format!(" (by break-glass; enforced, without it, it would be {outcome})")
            }
            Some(outcome) => format!(" (mode {}, enforced it would be {outcome})", self.mode),
            None => String::new(),
        };
        let policy = match self.policy_digest.get(..12) {
            Some(digest) => format!(", policy {} {digest}", self.policy),
            None => String::new(),
        };
        format!(
            "{}{would_be}: {} at {}{policy}",
            self.outcome,
            self.image(),
            self.gate_name()
        )
    }
}

#[derive(Debug, Default)]
struct Tree {
    lines: Vec<TreeLine>,
}

impl Tree {
    fn line(&mut self, depth: usize, mark: Mark, text: String) {
        self.lines.push(TreeLine {
            depth,
            mark,
            text,
            code: None,
        });
    }

    fn rule(&mut self, rule: &RuleResult) {
        let kind = if rule.automatic { " (automatic)" } else { "" };
        let text = match &rule.rule {
            Rule::Stage(_) => format!("{}{kind}: {}", rule.rule, without_stage(rule)),
            Rule::Target | Rule::Policy => rule.summary.clone(),
        };
        let of_limit = |limit: Limit| -> Vec<&Reason> {
            rule.reasons
                .iter()
                .filter(|reason| reason.limit == Some(limit))
                .collect()
        };
        let is_under_a_limit = |reason: &&Reason| {
            rule.limits
                .iter()
                .any(|limit| reason.limit == Some(limit.limit))
        };
        let of_rule: Vec<&Reason> = rule
            .reasons
            .iter()
            .filter(|reason| !is_under_a_limit(reason))
            .collect();
        let rest = self.heading(1, mark_of_rule(rule), text, &rule.summary, &of_rule);
        for limit in &rule.limits {
            let reasons = of_limit(limit.limit);
            let mark = if limit.satisfied {
                Mark::Pass
            } else {
                failing_mark(&reasons)
            };
            let text = format!("{}: {}", limit.limit, limit.summary);
            let rest = self.heading(2, mark, text, &limit.summary, &reasons);
            self.reasons(3, rest);
        }
        for counted in &rule.counted {
            let stored = crate::gate::instant(counted.stored_at);
            let Counted {
                kind, name, format, ..
            } = counted;
            self.line(
                2,
                Mark::Pass,
                format!("{kind} {name} signed ({format}, stored {stored})"),
            );
        }
        self.reasons(2, rest);
    }

    /// A line that stands above reasons. Where the first of them says just the same, its code and its next step go
    /// with the line, and the others are left.
    fn heading<'a, 'b>(
        &mut self,
        depth: usize,
        mark: Mark,
        text: String,
        summary: &str,
        reasons: &'a [&'b Reason],
    ) -> &'a [&'b Reason] {
        match reasons.split_first() {
            Some((first, rest)) if first.message == summary => {
                let text = format!("{text} [{}]", first.code);
                self.lines.push(TreeLine {
                    depth,
                    mark,
                    text,
                    code: Some(first.code),
                });
                self.next(depth + 1, first);
                rest
            }
            _ => {
                self.line(depth, mark, text);
                reasons
            }
        }
    }

    fn reasons(&mut self, depth: usize, reasons: &[&Reason]) {
        for reason in reasons {
            let (mark, text) = match reason.code.class() {
                Class::Candidate => (
                    Mark::Note,
                    format!("does not count: {} [{}]", reason.message, reason.code),
                ),
                Class::Deny => (Mark::Fail, format!("{} [{}]", reason.message, reason.code)),
                Class::NotReady => (Mark::Wait, format!("{} [{}]", reason.message, reason.code)),
            };
            self.lines.push(TreeLine {
                depth,
                mark,
                text,
                code: Some(reason.code),
            });
            if mark != Mark::Note {
                self.next(depth + 1, reason);
            }
        }
    }

    fn next(&mut self, depth: usize, reason: &Reason) {
        if let Some(next) = &reason.next {
            self.line(depth, Mark::Next, next.clone());
        }
    }
}

/// The summary of a stage often begins with the stage, which the line has said already.
fn without_stage(rule: &RuleResult) -> &str {
    let prefix = format!("{} ", rule.rule);
    rule.summary.strip_prefix(&prefix).unwrap_or(&rule.summary)
}

fn mark_of(outcome: Outcome) -> Mark {
    match outcome {
        Outcome::Allow => Mark::Pass,
        Outcome::Warn => Mark::Note,
        Outcome::Deny => Mark::Fail,
        Outcome::NotReady => Mark::Wait,
    }
}

fn mark_of_rule(rule: &RuleResult) -> Mark {
    if rule.satisfied {
        return Mark::Pass;
    }
    failing_mark(&rule.reasons.iter().collect::<Vec<_>>())
}

fn failing_mark(reasons: &[&Reason]) -> Mark {
    let waits = reasons
        .iter()
        .any(|reason| reason.code.class() == Class::NotReady);
    let denies = reasons
        .iter()
        .any(|reason| reason.code.class() == Class::Deny);
    if waits && !denies {
        Mark::Wait
    } else {
        Mark::Fail
    }
}
