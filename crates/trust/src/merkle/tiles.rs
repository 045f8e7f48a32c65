//! The tree cut into tiles, as logs serve it: which tiles a root or a proof needs, and the root or proof from them. Deliberately
//! fetches nothing, and believes nothing: what is made of tiles is compared with a signed root, or proves nothing.
//! C2SP `tlog-tiles`, "Merkle Tree".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Hash, MerkleError, node_hash};

/// Hashes of a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree that one tile spans.
const TILE_HEIGHT: u32 = 8;
/// The highest level of tiles whose number a path can hold. tlog-tiles "Merkle Tree"
pub const TILE_LEVEL_MAX: u8 = 63;
/// The longest path of a tile that is read, in bytes: a number of 64 bits has seven parts.
const PATH_BYTES_MAX: usize = 64;

/// One tile of a tree, by where it lies and how far it is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// The level: 0 has the hashes of leaves, each further level the roots of full tiles below.
    pub level: u8,
    /// Its place in its level, counted from 0.
    pub index: u64,
    /// How many hashes it has, from 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The tile that holds a node in a tree of `size` leaves, as full as it is there; none where the tree has no such node.
    #[must_use]
    pub fn holding(level: u8, node: u64, size: u64) -> Option<Self> {
        let nodes = nodes_at(level, size);
        let index = node / TILE_WIDTH;
        let width = nodes
            .saturating_sub(index.saturating_mul(TILE_WIDTH))
            .min(TILE_WIDTH);
        (node < nodes).then_some(Self {
            level,
            index,
            width: u16::try_from(width).unwrap_or(u16::MAX),
        })
    }

    /// Reads `<L>/<N>[.p/<W>]`. Each tile has one path.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let level: u8 = level.parse().ok()?;
        let (index, width) = parse_place(rest)?;
        let tile = Self {
            level,
            index,
            width,
        };
        (level <= TILE_LEVEL_MAX && tile.to_string() == path).then_some(tile)
    }

    /// Reads `<N>[.p/<W>]`, what the path of a bundle of entries has in place of a tile of level 0.
    #[must_use]
    pub fn parse_entries(path: &str) -> Option<Self> {
        let (index, width) = parse_place(path)?;
        let tile = Self {
            level: 0,
            index,
            width,
        };
        (tile.place() == path).then_some(tile)
    }

    /// `<N>[.p/<W>]`.
    #[must_use]
    pub fn place(&self) -> String {
        let mut parts = vec![format!("{:03}", self.index % 1_000)];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            parts.push(format!("x{:03}", rest % 1_000));
            rest /= 1_000;
        }
        parts.reverse();
        let place = parts.join("/");
        if self.is_full() {
            place
        } else {
            format!("{place}.p/{}", self.width)
        }
    }

    /// Whether it has all its hashes, and never changes any more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// Whether a tree of `size` leaves has all its hashes.
    #[must_use]
    pub fn is_in(&self, size: u64) -> bool {
        let end = self
            .index
            .checked_mul(TILE_WIDTH)
            .and_then(|start| start.checked_add(u64::from(self.width)));
        end.is_some_and(|end| end <= nodes_at(self.level, size))
    }

    /// The number of its first node in its level.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH)
    }
}

/// `<L>/<N>[.p/<W>]`, as in the path of a request.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.level, self.place())
    }
}

fn parse_place(text: &str) -> Option<(u64, u16)> {
    if text.len() > PATH_BYTES_MAX {
        return None;
    }
    let (place, width) = match text.split_once(".p/") {
        Some((place, width)) => (
            place,
            width
                .parse()
                .ok()
                .filter(|width| (1..=255).contains(width))?,
        ),
        None => (text, 256),
    };
    let mut index = 0_u64;
    for part in place.split('/') {
        let digits = part.strip_prefix('x').unwrap_or(part);
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        index = index
            .checked_mul(1_000)?
            .checked_add(digits.parse().ok()?)?;
    }
    Some((index, width))
}

/// How many nodes a level of tiles has in a tree of `size` leaves.
fn nodes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT)
        .unwrap_or(0)
}

/// Tiles that somebody gave.
#[derive(Debug, Clone, Default)]
pub struct Tiles(BTreeMap<(u8, u64), Vec<Hash>>);

impl Tiles {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes of a tile, which must be as many as it has hashes. The fuller one of two stays.
    pub fn insert(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), MerkleError> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() != usize::from(tile.width) {
            return Err(MerkleError::TileLength { bytes: bytes.len() });
        }
        let kept = self.0.entry((tile.level, tile.index)).or_default();
        if kept.len() < hashes.len() {
            *kept = hashes.to_vec();
        }
        Ok(())
    }

    /// The root of the first `size` leaves.
    pub fn root(&self, size: u64) -> Result<Hash, MerkleError> {
        match size {
            0 => Ok(super::root(&[])),
            _ => subtree(&mut &*self, 0, size),
        }
    }

    /// The hashes that prove that leaf `index` is among the first `size`.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, MerkleError> {
        inclusion(&mut &*self, index, size)
    }

    /// The hashes that prove that the log of `new` leaves grew from the one of `old`.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, MerkleError> {
        consistency(&mut &*self, old, new)
    }
}

/// The tiles that the root of a log of `size` leaves is made from.
#[must_use]
pub fn tiles_for_root(size: u64) -> BTreeSet<Tile> {
    Wanted::collect(size, |wanted| {
        (size > 0)
            .then(|| subtree(wanted, 0, size))
            .transpose()
            .map(drop)
    })
}

/// The tiles that an inclusion proof is made from.
#[must_use]
pub fn tiles_for_inclusion(index: u64, size: u64) -> BTreeSet<Tile> {
    Wanted::collect(size, |wanted| inclusion(wanted, index, size).map(drop))
}

/// The tiles that a consistency proof is made from.
#[must_use]
pub fn tiles_for_consistency(old: u64, new: u64) -> BTreeSet<Tile> {
    Wanted::collect(new, |wanted| consistency(wanted, old, new).map(drop))
}

/// Where the hashes in tiles come from.
trait Nodes {
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, MerkleError>;
}

impl Nodes for &Tiles {
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, MerkleError> {
        let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        let hashes = self.0.get(&(level, index / TILE_WIDTH));
        let hash = hashes.and_then(|hashes| hashes.get(place)).copied();
        hash.ok_or(MerkleError::NoTile {
            level,
            index: index / TILE_WIDTH,
        })
    }
}

/// Writes down what is asked for instead of answering it.
struct Wanted {
    size: u64,
    tiles: BTreeSet<Tile>,
}

impl Wanted {
    fn collect(
        size: u64,
        walk: impl FnOnce(&mut Self) -> Result<(), MerkleError>,
    ) -> BTreeSet<Tile> {
        let mut wanted = Self {
            size,
            tiles: BTreeSet::new(),
        };
        match walk(&mut wanted) {
            Ok(()) => wanted.tiles,
            // A proof that there is none of needs nothing.
            Err(_) => BTreeSet::new(),
        }
    }
}

impl Nodes for Wanted {
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, MerkleError> {
        self.tiles.extend(Tile::holding(level, index, self.size));
        Ok(Hash::default())
    }
}

// RFC 6962 section 2.1.1
fn inclusion(nodes: &mut impl Nodes, index: u64, size: u64) -> Result<Vec<Hash>, MerkleError> {
    if index >= size {
        return Err(MerkleError::Index { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + left_part(end - start);
        if index < middle {
            proof.push(subtree(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

// RFC 6962 section 2.1.2
fn consistency(nodes: &mut impl Nodes, old: u64, new: u64) -> Result<Vec<Hash>, MerkleError> {
    if old > new {
        return Err(MerkleError::Shrunk { old, new });
    }
    let mut proof = Vec::new();
    if old == 0 {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, new);
    while old < end {
        let middle = start + left_part(end - start);
        if old <= middle {
            proof.push(subtree(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(nodes, start, middle)?);
            start = middle;
        }
    }
    // Where the old tree is no subtree of the new one, its last part is needed as well.
    if start > 0 {
        proof.push(subtree(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the leaves from `start` to `end`, which is a subtree of a log.
fn subtree(nodes: &mut impl Nodes, start: u64, end: u64) -> Result<Hash, MerkleError> {
    let leaves = end - start;
    if leaves.is_power_of_two() {
        let height = leaves.trailing_zeros();
        return complete(nodes, height, start >> height);
    }
    let middle = start + left_part(leaves);
    let left = subtree(nodes, start, middle)?;
    let right = subtree(nodes, middle, end)?;
    Ok(node_hash(&left, &right))
}

/// The root of a complete subtree: number `index` of those of its height.
fn complete(nodes: &mut impl Nodes, height: u32, index: u64) -> Result<Hash, MerkleError> {
    if height.is_multiple_of(TILE_HEIGHT) {
        let level = u8::try_from(height / TILE_HEIGHT).unwrap_or(u8::MAX);
        return nodes.node(level, index);
    }
    let left = complete(nodes, height - 1, index << 1)?;
    let right = complete(nodes, height - 1, (index << 1) | 1)?;
    Ok(node_hash(&left, &right))
}

/// RFC 6962 section 2.1: the largest power of two smaller than the whole, which has two leaves or more.
fn left_part(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

#[cfg(test)]
mod tests;
