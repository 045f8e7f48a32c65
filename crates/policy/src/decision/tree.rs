//! How the tree of an answer grows: from a decision of a gate, and from what the signatures come to.

use super::node::{Candidate, Mark, Node, NodeKind, TreeLine};
use super::{
    BreakGlassUsed, Counted, Decision, ExceptionUsed, Limit, LimitResult, Outcome, Reason, Rule,
    RuleResult, of_index,
};
use crate::gate::{Verification, instant};
use crate::reason::Class;

impl Decision {
    /// The tree as text, a line each, without a line end after the last.
    #[must_use]
    pub fn tree(&self) -> String {
        self.explain().tree()
    }

    /// The tree as lines: the answer, each rule with its signatures and reasons, exceptions and warnings.
    #[must_use]
    pub fn tree_lines(&self) -> Vec<TreeLine> {
        self.explain().lines()
    }

    /// The whole answer in words: gate, rules, and of each what counts, what does not and why, and the next step.
    #[must_use]
    pub fn explain(&self) -> Node {
        let mark = match &self.break_glass {
            Some(_) if self.would_be.is_some() => Mark::Note,
            _ => mark_of(self.outcome),
        };
        let mut root = Node::new(NodeKind::Gate, mark, self.headline());
        root.children
            .extend(self.break_glass.iter().map(of_break_glass));
        root.children.extend(self.rules.iter().map(of_rule));
        root.children
            .extend(self.exceptions_used.iter().map(of_exception));
        finished(root, &self.warnings, self.holds_until)
    }

    fn headline(&self) -> String {
        let would_be = match self.would_be {
            Some(outcome) if self.break_glass.is_some() => {
                format!(" (by break-glass; enforced, without it, it would be {outcome})")
            }
            Some(outcome) => format!(" (mode {}, enforced it would be {outcome})", self.mode),
            None => String::new(),
        };
        format!(
            "{}{would_be}: {} at {}{}",
            self.outcome,
            self.image(),
            self.gate_name(),
            of_policy(&self.policy, &self.policy_digest)
        )
    }
}

impl Verification {
    /// The whole answer in words, as that of a gate.
    #[must_use]
    pub fn explain(&self) -> Node {
        let (mark, word) = match self.verified {
            true => (Mark::Pass, "verified"),
            false => (Mark::Fail, "not verified"),
        };
        let policy = match (&self.attested, self.policy.is_empty()) {
            (Some(kind), _) => format!(", attestations of type `{kind}`"),
            (None, true) => ", and no policy says who has to sign".to_owned(),
            (None, false) => of_policy(&self.policy, &self.policy_digest),
        };
        let headline = format!("{word}: {}{policy}", self.image());
        let mut root = Node::new(NodeKind::Policy, mark, headline);
        root.children.extend(self.rules.iter().map(of_rule));
        if !self.others.is_empty() {
            let text = "signatures that are of no use to these stages";
            let mut others = Node::new(NodeKind::Rule, Mark::Note, text);
            others.children.extend(self.others.iter().map(of_reason));
            root.children.push(others);
        }
        finished(root, &self.warnings, self.holds_until)
    }
}

/// `, policy shop 35a65c96fd9b`
fn of_policy(name: &str, digest: &str) -> String {
    match digest.get(..12) {
        Some(digest) => format!(", policy {name} {digest}"),
        None => String::new(),
    }
}

/// Adds what stands at the end of every answer.
fn finished(mut root: Node, warnings: &[String], holds_until: Option<i64>) -> Node {
    let warnings = warnings
        .iter()
        .map(|warning| Node::new(NodeKind::Warning, Mark::Note, format!("warning: {warning}")));
    root.children.extend(warnings);
    let until = holds_until.map(|at| {
        let text = format!("holds until {}", instant(at));
        Node::new(NodeKind::Until, Mark::Note, text)
    });
    root.children.extend(until);
    root
}

fn of_rule(rule: &RuleResult) -> Node {
    let kind = if rule.automatic { " (automatic)" } else { "" };
    let text = match &rule.rule {
        Rule::Stage(_) => format!("{}{kind}: {}", rule.rule, without_stage(rule)),
        Rule::Target | Rule::Policy => rule.summary.clone(),
    };
    let is_under_a_limit = |reason: &&Reason| {
        rule.limits
            .iter()
            .any(|limit| reason.limit == Some(limit.limit))
    };
    let reasons: Vec<&Reason> = rule
        .reasons
        .iter()
        .filter(|reason| !is_under_a_limit(reason))
        .collect();
    let (mut node, rest) = heading(
        Node::new(NodeKind::Rule, mark_of_rule(rule), text),
        &rule.summary,
        &reasons,
    );
    for limit in &rule.limits {
        node.children.push(of_limit(limit, rule));
    }
    node.children.extend(rule.counted.iter().map(of_counted));
    node.children
        .extend(rest.iter().map(|reason| of_reason(reason)));
    node
}

fn of_limit(limit: &LimitResult, rule: &RuleResult) -> Node {
    let is_its = |reason: &&Reason, limit: Limit| reason.limit == Some(limit);
    let reasons: Vec<&Reason> = rule
        .reasons
        .iter()
        .filter(|reason| is_its(reason, limit.limit))
        .collect();
    let mark = if limit.satisfied {
        Mark::Pass
    } else {
        failing_mark(&reasons)
    };
    let text = format!("{}: {}", limit.limit, limit.summary);
    let (mut node, rest) = heading(
        Node::new(NodeKind::Limit, mark, text),
        &limit.summary,
        &reasons,
    );
    node.children
        .extend(rest.iter().map(|reason| of_reason(reason)));
    node
}

/// A node that stands above reasons. Where the first of them says just the same, its code and its next step go with the
/// node, and the others are left.
fn heading<'a, 'b>(
    mut node: Node,
    summary: &str,
    reasons: &'a [&'b Reason],
) -> (Node, &'a [&'b Reason]) {
    match reasons.split_first() {
        Some((first, rest)) if first.message == summary => {
            node.code = Some(first.code);
            node.next = first.next.clone();
            (node, rest)
        }
        _ => (node, reasons),
    }
}

fn of_counted(counted: &Counted) -> Node {
    let Counted {
        kind, name, format, ..
    } = counted;
    let stored = instant(counted.stored_at);
    let until = match counted.counts_until {
        Some(at) => format!(", counts until {}", instant(at)),
        None => String::new(),
    };
    let text = format!("{kind} {name} signed ({format}, stored {stored}{until})");
    Node {
        candidate: Some(Candidate::from(counted)),
        ..Node::new(NodeKind::Candidate, Mark::Pass, text)
    }
}

fn of_reason(reason: &Reason) -> Node {
    let message = &reason.message;
    let node = match reason.code.class() {
        Class::Candidate => Node {
            candidate: reason.candidate.as_ref().map(Candidate::from),
            ..Node::new(
                NodeKind::Candidate,
                Mark::Note,
                format!("does not count: {message}"),
            )
        },
        Class::Deny => Node::new(NodeKind::Reason, Mark::Fail, message),
        Class::NotReady => Node::new(NodeKind::Reason, Mark::Wait, message),
    };
    Node {
        code: Some(reason.code),
        next: reason.next.clone(),
        ..node
    }
}

fn of_break_glass(used: &BreakGlassUsed) -> Node {
    let text = format!(
        "break-glass {}{}: asked for by {}, confirmed by {}, until {}: {}",
        used.id,
        of_index(used.index.as_ref()),
        used.asked_by,
        used.confirmed_by,
        instant(used.until_at),
        used.reason
    );
    Node::new(NodeKind::BreakGlass, Mark::Note, text)
}

fn of_exception(exception: &ExceptionUsed) -> Node {
    let exploited = if exception.known_exploited {
        " (known to be exploited)"
    } else {
        ""
    };
    let text = format!(
        "exception for {}{exploited}: {}, by {}, until {}, used for {}",
        exception.waives,
        exception.reason,
        exception.owner,
        instant(exception.until_at),
        exception.applied_to
    );
    Node::new(NodeKind::Exception, Mark::Note, text)
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
    if rule.reasons.is_empty() {
        return Mark::Wait;
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
