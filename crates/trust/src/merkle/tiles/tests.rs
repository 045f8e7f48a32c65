//! Tiles against the naive tree: every size to some hundreds, the specification's own numbers, paths that are none.

use super::*;
use crate::merkle::{
    consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency, verify_inclusion,
};

fn leaves(count: u64) -> Vec<Hash> {
    (0..count)
        .map(|number| leaf_hash(&number.to_be_bytes()))
        .collect()
}

/// A tile by its definition: MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l]).
fn by_definition(leaves: &[Hash], tile: Tile) -> Vec<u8> {
    let span = 256_usize.pow(u32::from(tile.level));
    let first = usize::try_from(tile.index).unwrap() * 256;
    (first..first + usize::from(tile.width))
        .flat_map(|node| root(&leaves[node * span..(node + 1) * span]))
        .collect()
}

fn given(leaves: &[Hash], wanted: BTreeSet<Tile>) -> Tiles {
    let mut tiles = Tiles::new();
    for tile in wanted {
        tiles.insert(tile, &by_definition(leaves, tile)).unwrap();
    }
    tiles
}

#[test]
fn roots_of_all_sizes_are_those_of_the_naive_tree() {
    let all = leaves(700);
    for size in 0..=700 {
        let tiles = given(&all[..size], tiles_for_root(size as u64));
        assert_eq!(tiles.root(size as u64), Ok(root(&all[..size])), "{size}");
    }
}

#[test]
fn inclusion_proofs_are_those_of_the_naive_tree() {
    let all = leaves(600);
    for size in (1..=70).chain([255, 256, 257, 300, 511, 512, 513, 600]) {
        let (leaves, size) = (&all[..size], size as u64);
        let root = root(leaves);
        for index in 0..size {
            let tiles = given(leaves, tiles_for_inclusion(index, size));
            let proof = tiles.inclusion_proof(index, size).unwrap();
            assert_eq!(
                proof,
                inclusion_proof(leaves, index).unwrap(),
                "{index} of {size}"
            );
            let leaf = &leaves[usize::try_from(index).unwrap()];
            assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()));
        }
    }
}

#[test]
fn consistency_proofs_are_those_of_the_naive_tree() {
    let all = leaves(513);
    for new in (0..=40).chain([255, 256, 257, 300, 513]) {
        let (leaves, new) = (&all[..new], new as u64);
        let new_root = root(leaves);
        for old in 0..=new {
            let tiles = given(leaves, tiles_for_consistency(old, new));
            let proof = tiles.consistency_proof(old, new).unwrap();
            assert_eq!(
                proof,
                consistency_proof(leaves, old).unwrap(),
                "{old} to {new}"
            );
            let old_root = root(&leaves[..usize::try_from(old).unwrap()]);
            assert_eq!(
                verify_consistency((old, &old_root), (new, &new_root), &proof),
                Ok(())
            );
        }
    }
}

#[test]
fn upper_levels_stand_for_what_is_below_them() {
    let all = leaves(70_000);
    let size = 70_000;
    let wanted = tiles_for_inclusion(123, size);
    // The specification's example: 273 full tiles and one of 112, one full tile and one of 17, one of 1.
    let last = |level: u8| Tile::holding(level, nodes_at(level, size) - 1, size).unwrap();
    assert_eq!(
        last(0),
        Tile {
            level: 0,
            index: 273,
            width: 112
        }
    );
    assert_eq!(
        last(1),
        Tile {
            level: 1,
            index: 1,
            width: 17
        }
    );
    assert_eq!(
        last(2),
        Tile {
            level: 2,
            index: 0,
            width: 1
        }
    );
    assert!(wanted.len() < 6, "{wanted:?}");
    let tiles = given(&all, wanted);
    assert_eq!(
        tiles.inclusion_proof(123, size).unwrap(),
        inclusion_proof(&all, 123).unwrap()
    );
    let tiles = given(&all, tiles_for_root(size));
    assert_eq!(tiles.root(size), Ok(root(&all)));
    let tiles = given(&all, tiles_for_consistency(65_537, size));
    assert_eq!(
        tiles.consistency_proof(65_537, size).unwrap(),
        consistency_proof(&all, 65_537).unwrap()
    );
}

#[test]
fn a_full_tile_has_an_upper_one_at_once() {
    // tlog-tiles: a tree of size 256 has a full tile of level 0 and one of level 1 with width 1.
    assert_eq!(
        Tile::holding(1, 0, 256),
        Some(Tile {
            level: 1,
            index: 0,
            width: 1
        })
    );
    assert_eq!(Tile::holding(1, 0, 255), None, "empty tiles are not served");
    assert!(
        Tile {
            level: 0,
            index: 0,
            width: 256
        }
        .is_in(256)
    );
    assert!(
        !Tile {
            level: 0,
            index: 1,
            width: 1
        }
        .is_in(256)
    );
    assert!(
        !Tile {
            level: 0,
            index: u64::MAX,
            width: 256
        }
        .is_in(u64::MAX)
    );
    assert!(
        !Tile {
            level: 63,
            index: 0,
            width: 1
        }
        .is_in(u64::MAX)
    );
}

#[test]
fn paths_are_those_of_the_specification() {
    for (path, level, index, width) in [
        ("0/x001/x234/067", 0, 1_234_067, 256),
        ("0/000", 0, 0, 256),
        ("1/000.p/17", 1, 0, 17),
        ("63/x123/456.p/255", 63, 123_456, 255),
        ("0/x018/x446/x744/x073/x709/x551/615", 0, u64::MAX, 256),
    ] {
        let tile = Tile {
            level,
            index,
            width,
        };
        assert_eq!(Tile::parse(path), Some(tile), "{path}");
        assert_eq!(tile.to_string(), path);
    }
    assert_eq!(
        Tile::parse_entries("x001/x234/067.p/8"),
        Some(Tile {
            level: 0,
            index: 1_234_067,
            width: 8
        })
    );
}

#[test]
fn what_is_no_path_is_none() {
    for path in [
        "",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "00/000",
        "+0/000",
        "64/000",
        "256/000",
        "-1/000",
        "0/x000/001",
        "0/001/002",
        "0/x001",
        "0/x001/x002",
        "0/X001/002",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000.p/+1",
        "0/000.p/",
        "0/000.p/1/",
        "0/000/",
        "/0/000",
        "0//000",
        "0/000.p/1.p/1",
        "0/..",
        "0/x018/x446/x744/x073/x709/x551/616",
        "0/\u{0663}00",
        "entries/000",
    ] {
        assert_eq!(Tile::parse(path), None, "{path:?}");
    }
    assert_eq!(
        Tile::parse(&format!("0/{}000", "x000/".repeat(1_000))),
        None
    );
}

#[test]
fn a_tile_of_another_length_is_refused_and_a_missing_one_named() {
    let tile = Tile {
        level: 0,
        index: 0,
        width: 2,
    };
    let mut tiles = Tiles::new();
    for bytes in [0, 32, 63, 65, 96] {
        assert_eq!(
            tiles.insert(tile, &vec![0; bytes]),
            Err(MerkleError::TileLength { bytes })
        );
    }
    tiles.insert(tile, &[7; 64]).unwrap();
    assert_eq!(
        tiles.root(3),
        Err(MerkleError::NoTile { level: 0, index: 0 })
    );
    // One that is less full takes nothing away.
    tiles.insert(Tile { width: 1, ..tile }, &[9; 32]).unwrap();
    assert!(tiles.root(2).is_ok());
    assert_eq!(
        tiles.inclusion_proof(2, 2),
        Err(MerkleError::Index { index: 2, size: 2 })
    );
    assert_eq!(
        tiles.consistency_proof(3, 2),
        Err(MerkleError::Shrunk { old: 3, new: 2 })
    );
}
