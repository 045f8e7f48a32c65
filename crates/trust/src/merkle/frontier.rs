//! The growing edge of a tree: enough to append and to know the root, in at most 64 hashes. Deliberately not enough for
//! proofs, which need the leaves. RFC 9162 section 2.1.2.

use sha2::{Digest as _, Sha256};

use super::{Hash, MerkleError, node_hash};

/// The roots of the complete subtrees that make up the log, largest first: one for each bit that is set in its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The frontier of a log that was put away: its size and nodes, as they were.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Result<Self, MerkleError> {
        let wanted = size.count_ones();
        if usize::try_from(wanted) != Ok(nodes.len()) {
            return Err(MerkleError::Frontier {
                size,
                wanted,
                found: nodes.len(),
            });
        }
        Ok(Self { size, nodes })
    }

    /// Adds a leaf's hash at the end.
    pub fn append(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing 1 of the size is a complete subtree that the new leaf completes a larger one with.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// The root of the log as it is now.
    #[must_use]
    pub fn root(&self) -> Hash {
        let smallest_first = self.nodes.iter().rev().copied();
        smallest_first
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The nodes to put away, with the size.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }
}
