//! The problems of a layer, at most so many of a kind: a hostile layer must not turn its own faults into a flood.

use std::collections::BTreeMap;

use oci::Digest;
use sbom::{Problem, ProblemKind};

/// Problems in the order they came, and how many more of each kind there were.
pub(crate) struct Problems {
    listed: Vec<Problem>,
    count: BTreeMap<ProblemKind, usize>,
    max: usize,
}

impl Problems {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            listed: Vec::new(),
            count: BTreeMap::new(),
            max,
        }
    }

    pub(crate) fn add(&mut self, problem: Problem) {
        let count = self.count.entry(problem.kind).or_default();
        *count += 1;
        if *count <= self.max {
            self.listed.push(problem);
        }
    }

    /// Adds a problem that can show up again and again, once.
    pub(crate) fn add_once(&mut self, problem: Problem) {
        if !self.listed.contains(&problem) {
            self.add(problem);
        }
    }

    /// The problems, each naming the layer.
    pub(crate) fn finish(self, layer: &Digest) -> Vec<Problem> {
        let mut problems = self.listed;
        for (kind, count) in self.count {
            if let Some(more) = count.checked_sub(self.max).filter(|more| *more > 0) {
                problems.push(Problem {
                    kind,
                    detail: format!("and {more} more of this kind"),
                    path: None,
                    layer: None,
                });
            }
        }
        for problem in &mut problems {
            problem.layer = Some(layer.clone());
        }
        problems
    }
}
