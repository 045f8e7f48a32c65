//! An answer as a tree of words: gate, rule, candidates, and why each counts or does not, with its code and the next step.
//!
//! There is one such tree for every surface: command line and console draw its lines, the API gives it as it is, and what
//! docker and notary print is cut from the same words (`sentence.rs`). Deliberately nothing is decided here.

use std::collections::BTreeSet;
use std::fmt;

use oci::Digest;
use serde::{Deserialize, Serialize};

use super::{CandidateRef, Counted};
use crate::reason::Code;

/// What a node says of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It is met, or counts.
    Pass,
    /// It is not met, or does not count.
    Fail,
    /// It waits for something.
    Wait,
    /// It only explains.
    Note,
    /// What to do next; of lines only, a node has its step with it.
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

/// What a node is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// The answer of one gate of one policy.
    Gate,
    /// What the signatures come to, by one policy or by none.
    Policy,
    /// Two people opened the gate for a while.
    BreakGlass,
    /// A rule: a stage, or what kind of thing is pulled.
    Rule,
    /// A limit of an automatic stage.
    Limit,
    /// Why a rule or a limit is not met.
    Reason,
    /// A signature that was looked at.
    Candidate,
    /// An exception that was applied.
    Exception,
    /// What does not refuse, but should be known.
    Warning,
    /// Until when the answer holds.
    Until,
}

/// A part of an answer, with its parts. As JSON its keys are in camel case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// What it is about.
    pub kind: NodeKind,
    /// What it says of it.
    pub mark: Mark,
    /// The words, in one line.
    pub text: String,
    /// The stable code of the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What to do next: a command where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The signature it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// Its parts.
    #[serde(default)]
    pub children: Vec<Node>,
}

/// A signature that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Whether it counts.
    pub counts: bool,
    /// The signer in words, or the key that the signature names, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Its format.
    pub format: String,
    /// The row number of the evidence.
    pub evidence: i64,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// When its bytes were first stored, in milliseconds since the epoch.
    pub stored_at: i64,
    /// The first instant at which it no longer counts, where there is one, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_until: Option<i64>,
}

impl From<&Counted> for Candidate {
    fn from(counted: &Counted) -> Self {
        Candidate {
            counts: true,
            signer: Some(format!("{} {}", counted.kind, counted.name)),
            format: counted.format.clone(),
            evidence: counted.evidence,
            manifest: counted.manifest.clone(),
            stored_at: counted.stored_at,
            counts_until: counted.counts_until,
        }
    }
}

impl From<&CandidateRef> for Candidate {
    fn from(candidate: &CandidateRef) -> Self {
        Candidate {
            counts: false,
            signer: candidate.signer.clone(),
            format: candidate.format.clone(),
            evidence: candidate.evidence,
            manifest: candidate.manifest.clone(),
            stored_at: candidate.stored_at,
            counts_until: None,
        }
    }
}

impl Node {
    /// A node without parts.
    #[must_use]
    pub fn new(kind: NodeKind, mark: Mark, text: impl Into<String>) -> Self {
        Node {
            kind,
            mark,
            text: text.into(),
            code: None,
            next: None,
            candidate: None,
            children: Vec::new(),
        }
    }

    /// The tree as text, a line each, without a line end after the last.
    #[must_use]
    pub fn tree(&self) -> String {
        let lines: Vec<String> = self.lines().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    /// The tree as lines.
    #[must_use]
    pub fn lines(&self) -> Vec<TreeLine> {
        let mut lines = Vec::new();
        self.draw(0, &mut BTreeSet::new(), &mut lines);
        lines
    }

    /// A step is said once a rule, and of signatures only where one is wanted.
    fn draw<'a>(&'a self, depth: usize, said: &mut BTreeSet<&'a str>, lines: &mut Vec<TreeLine>) {
        let mut of_rule = BTreeSet::new();
        let said = match self.kind {
            NodeKind::Rule => &mut of_rule,
            _ => said,
        };
        lines.push(TreeLine {
            depth,
            mark: self.mark,
            text: self.text.clone(),
            code: self.code,
        });
        let next = self.next.as_deref();
        if let Some(next) = next.filter(|next| said.insert(next)) {
            lines.push(TreeLine {
                depth: depth + 1,
                mark: Mark::Next,
                text: next.to_owned(),
                code: None,
            });
        }
        if self.mark == Mark::Pass {
            let candidates = self
                .children
                .iter()
                .filter(|child| child.kind == NodeKind::Candidate);
            said.extend(candidates.filter_map(|child| child.next.as_deref()));
        }
        for child in &self.children {
            child.draw(depth + 1, said, lines);
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
    /// The words, without the code.
    pub text: String,
    /// The code of the reason it shows.
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
        )?;
        match self.code {
            Some(code) => write!(formatter, " [{code}]"),
            None => Ok(()),
        }
    }
}
