//! Proofs over a tree: made from all leaf hashes, verified with a few. Deliberately no partial answers: a proof
//! verifies with exactly the hashes it needs, or not at all. RFC 6962 sections 2.1.1 and 2.1.2, RFC 9162 sections
//! 2.1.3 and 2.1.4.

use super::{Hash, MerkleError, PROOF_HASHES_MAX, node_hash, root};

/// The hashes that prove that leaf `index` (from 0) is in the tree of these leaf hashes.
pub fn inclusion_proof(leaves: &[Hash], index: u64) -> Result<Vec<Hash>, MerkleError> {
    let at = usize::try_from(index).ok().filter(|at| *at < leaves.len());
    let at = at.ok_or(MerkleError::Index {
        index,
        size: size_of(leaves),
    })?;
    let mut proof = Vec::new();
    let (mut rest, mut at) = (leaves, at);
    while rest.len() > 1 {
        let (left, right) = halves(rest);
        if at < left.len() {
            proof.push(root(right));
            rest = left;
        } else {
            proof.push(root(left));
            at -= left.len();
            rest = right;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The hashes that prove that the tree of these leaf hashes grew from the one of its first `old_size`.
pub fn consistency_proof(leaves: &[Hash], old_size: u64) -> Result<Vec<Hash>, MerkleError> {
    let shrunk = MerkleError::Shrunk {
        old: old_size,
        new: size_of(leaves),
    };
    let mut old = usize::try_from(old_size)
        .ok()
        .filter(|old| *old <= leaves.len())
        .ok_or(shrunk)?;
    let mut proof = Vec::new();
    if old == 0 {
        return Ok(proof);
    }
    let mut rest = leaves;
    let mut is_whole_old_tree = true;
    while old < rest.len() {
        let (left, right) = halves(rest);
        if old <= left.len() {
            proof.push(root(right));
            rest = left;
        } else {
            proof.push(root(left));
            old -= left.len();
            rest = right;
            is_whole_old_tree = false;
        }
    }
    if !is_whole_old_tree {
        proof.push(root(rest));
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the leaf with this hash is number `index` (from 0) of the `size` leaves under this root.
/// RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), MerkleError> {
    if index >= size {
        return Err(MerkleError::Index { index, size });
    }
    let length = MerkleError::Length {
        hashes: proof.len(),
    };
    if proof.len() > PROOF_HASHES_MAX {
        return Err(length);
    }
    let mut path = Path {
        node: index,
        last: size - 1,
    };
    let mut hash = *leaf;
    for sibling in proof {
        match path.step().ok_or_else(|| length.clone())? {
            Side::Left => hash = node_hash(sibling, &hash),
            Side::Right => hash = node_hash(&hash, sibling),
        }
    }
    if !path.is_at_top() {
        return Err(length);
    }
    if hash == *root {
        Ok(())
    } else {
        Err(MerkleError::Root)
    }
}

/// Checks that the log with the new root has the log with the old root as its beginning. Every log grew from the empty
/// one. RFC 9162 section 2.1.4.2.
///
/// # Errors
/// [`MerkleError::Rewritten`] where the proof itself shows that the new log begins with other entries; that cannot be seen where the
/// old size is a power of two, for then the proof starts at the old root. All others say nothing about the log: the proof may be junk.
pub fn verify_consistency(
    (old_size, old_root): (u64, &Hash),
    (new_size, new_root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), MerkleError> {
    let length = MerkleError::Length {
        hashes: proof.len(),
    };
    if old_size > new_size {
        return Err(MerkleError::Shrunk {
            old: old_size,
            new: new_size,
        });
    }
    if old_size == 0 || old_size == new_size {
        let expected = if old_size == 0 { root(&[]) } else { *new_root };
        return verify_same(&expected, old_root, proof);
    }
    if proof.len() > PROOF_HASHES_MAX {
        return Err(length);
    }
    let mut path = Path {
        node: old_size - 1,
        last: new_size - 1,
    };
    path.skip_complete();
    let mut hashes = proof.iter();
    // The old tree is itself one subtree of the new one: its root is where the proof starts.
    let start = if old_size.is_power_of_two() {
        old_root
    } else {
        hashes.next().ok_or_else(|| length.clone())?
    };
    let (mut old, mut new) = (*start, *start);
    for sibling in hashes {
        match path.step().ok_or_else(|| length.clone())? {
            Side::Left => {
                old = node_hash(sibling, &old);
                new = node_hash(sibling, &new);
            }
            Side::Right => new = node_hash(&new, sibling),
        }
    }
    if !path.is_at_top() {
        return Err(length);
    }
    if new != *new_root {
        return Err(MerkleError::Root);
    }
    // The sizes fix the shape of the tree, so what hashes to the new root is its nodes, and some of them are all of the old tree.
    if old == *old_root {
        Ok(())
    } else {
        Err(MerkleError::Rewritten)
    }
}

/// Nothing to prove: the roots are equal and no hashes are needed.
fn verify_same(expected: &Hash, found: &Hash, proof: &[Hash]) -> Result<(), MerkleError> {
    if !proof.is_empty() {
        return Err(MerkleError::Length {
            hashes: proof.len(),
        });
    }
    if expected == found {
        Ok(())
    } else {
        Err(MerkleError::Root)
    }
}

/// The way from a node up to the root: its number on its level, and the number of the last node there.
struct Path {
    node: u64,
    last: u64,
}

enum Side {
    Left,
    Right,
}

impl Path {
    /// The side on which the next sibling stands, after which the path is one level higher; none at the root.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // A last node without a sibling rises until it has one.
            while self.node & 1 == 0 && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Some(side)
    }

    /// Rises while the node ends a complete subtree.
    fn skip_complete(&mut self) {
        while self.node & 1 == 1 {
            self.up();
        }
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    fn is_at_top(&self) -> bool {
        self.last == 0
    }
}

/// RFC 6962 section 2.1: the left part is the largest power of two smaller than the whole. Needs two leaves or more.
fn halves(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    let middle = leaves.len().div_ceil(2).next_power_of_two();
    leaves.split_at_checked(middle).unwrap_or((leaves, &[]))
}

fn size_of(leaves: &[Hash]) -> u64 {
    u64::try_from(leaves.len()).unwrap_or(u64::MAX)
}
