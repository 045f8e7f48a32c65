//! The Merkle tree of a log: its root, and proofs that a leaf is in it and that it only grew. Deliberately only hashes
//! in and out: what a leaf means, where leaves are kept and who signs the root are elsewhere. RFC 6962 section 2.1
//! (trees), RFC 9162 section 2.1.3 and 2.1.4 (verification), SHA-256.

use sha2::{Digest as _, Sha256};

mod frontier;
mod proof;
mod tiles;

pub use frontier::Frontier;
pub use proof::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use tiles::{
    TILE_LEVEL_MAX, TILE_WIDTH, Tile, Tiles, tiles_for_consistency, tiles_for_inclusion,
    tiles_for_root,
};

/// A node of the tree.
pub type Hash = [u8; 32];

/// The longest proof that is read: a tree has at most 2^64 leaves.
pub const PROOF_HASHES_MAX: usize = 64;

/// The hash of a leaf's bytes. RFC 6962 section 2.1: a prefix keeps leaves and nodes apart.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(bytes)
        .finalize()
        .into()
}

/// The hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of a tree with these leaf hashes; of none, the hash of no bytes.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.append(*leaf);
    }
    frontier.root()
}

/// Why a proof cannot be made or does not prove.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// There is no such leaf.
    #[error("there is no leaf {index} in a log of {size}")]
    Index {
        /// The leaf asked for, counted from 0.
        index: u64,
        /// How many leaves there are.
        size: u64,
    },
    /// The older log is the longer one.
    #[error("a log of {new} entries cannot have grown from one of {old}: entries are missing")]
    Shrunk {
        /// The size of the older log.
        old: u64,
        /// The size of the newer log.
        new: u64,
    },
    /// The proof has not the length that these sizes need.
    #[error("the proof has {hashes} hashes, which does not fit the size of the log")]
    Length {
        /// How many hashes it has.
        hashes: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to another root: the log was changed")]
    Root,
    /// The proof leads to the new root, and to another old one. Nobody can make such a proof but from entries that the new root
    /// commits to: whoever signed both roots signed two histories.
    #[error("the proof leads to the new root from other entries: the log was changed")]
    Rewritten,
    /// A tile has not the length of its hashes.
    #[error("a tile of the log has {bytes} bytes, which does not fit its width")]
    TileLength {
        /// How many bytes it has.
        bytes: usize,
    },
    /// A tile is needed and was not given.
    #[error("tile {index} of level {level} of the log is missing")]
    NoTile {
        /// Its level.
        level: u8,
        /// Its place in its level.
        index: u64,
    },
    /// The nodes of a frontier do not fit its size.
    #[error("a log of {size} entries has {wanted} open nodes, not {found}")]
    Frontier {
        /// How many leaves there are said to be.
        size: u64,
        /// How many nodes that needs.
        wanted: u32,
        /// How many nodes there are.
        found: usize,
    },
}

#[cfg(test)]
mod tests;
