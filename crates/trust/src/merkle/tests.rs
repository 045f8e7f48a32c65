//! The tree: the reference log's roots, and laws over all small trees.

use proptest::prelude::*;

use super::*;

/// The leaves of Certificate Transparency's reference tests, and the root after each.
const REFERENCE: [(&str, &str); 8] = [
    (
        "",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    ),
    (
        "00",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    ),
    (
        "10",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    ),
    (
        "2021",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (
        "3031",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    ),
    (
        "40414243",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    ),
    (
        "5051525354555657",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    ),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

fn leaves(count: usize) -> Vec<Hash> {
    (0..count)
        .map(|number| leaf_hash(&number.to_be_bytes()))
        .collect()
}

fn hash(hex_text: &str) -> Hash {
    hex::decode(hex_text).unwrap().try_into().unwrap()
}

/// RFC 6962 section 2.1, written as it stands there.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        more => {
            let mut k = 1;
            while k * 2 < more.len() {
                k *= 2;
            }
            node_hash(
                &root_by_definition(&more[..k]),
                &root_by_definition(&more[k..]),
            )
        }
    }
}

#[test]
fn the_reference_log_has_its_roots() {
    let mut frontier = Frontier::new();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(frontier.root(), hash(empty));
    for (leaf, root) in REFERENCE {
        frontier.append(leaf_hash(&hex::decode(leaf).unwrap()));
        assert_eq!(frontier.root(), hash(root), "{} leaves", frontier.size());
    }
}

#[test]
fn the_reference_log_has_its_proofs() {
    let leaves: Vec<Hash> = REFERENCE
        .iter()
        .map(|(leaf, _)| leaf_hash(&hex::decode(leaf).unwrap()))
        .collect();
    let hex = |proof: Vec<Hash>| proof.iter().map(hex::encode).collect::<Vec<_>>();
    // RFC 6962 section 2.1.3 draws these for a tree of 7: PATH(3, D[7]) = [c, g, l], PROOF(6, D[7]) = [i, j, k].
    let seven = &leaves[..7];
    let c = hex::encode(leaves[2]);
    let g = hex::encode(node_hash(&leaves[0], &leaves[1]));
    let i = hex::encode(node_hash(&leaves[4], &leaves[5]));
    let j = hex::encode(leaves[6]);
    let k = hex::encode(root_by_definition(&leaves[..4]));
    let l = hex::encode(root_by_definition(&leaves[4..7]));
    assert_eq!(hex(inclusion_proof(seven, 3).unwrap()), [c, g, l]);
    assert_eq!(hex(consistency_proof(seven, 6).unwrap()), [i, j, k]);
}

#[test]
fn every_leaf_of_every_small_tree_is_in_it() {
    for size in 1..=70 {
        let leaves = leaves(size);
        let root = root(&leaves);
        assert_eq!(root, root_by_definition(&leaves));
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = inclusion_proof(&leaves, index as u64).unwrap();
            assert_eq!(
                verify_inclusion(leaf, index as u64, size as u64, &proof, &root),
                Ok(()),
                "{index} of {size}"
            );
        }
    }
}

#[test]
fn every_small_tree_grew_from_every_smaller_one() {
    let all = leaves(70);
    for new in 0..=all.len() {
        let new_root = root(&all[..new]);
        for old in 0..=new {
            let proof = consistency_proof(&all[..new], old as u64).unwrap();
            let old_root = root(&all[..old]);
            let verdict =
                verify_consistency((old as u64, &old_root), (new as u64, &new_root), &proof);
            assert_eq!(verdict, Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn leaves_and_nodes_are_never_confused() {
    // The bytes of a node's children as one leaf: without the prefixes, this tree of one would have the root of two.
    let two = leaves(2);
    assert_ne!(leaf_hash(&two.concat()), root(&two));
    assert_eq!(root(&leaves(1)), leaves(1)[0]);
}

#[test]
fn requests_out_of_range_are_named() {
    let three = leaves(3);
    assert_eq!(
        inclusion_proof(&three, 3),
        Err(MerkleError::Index { index: 3, size: 3 })
    );
    assert_eq!(
        inclusion_proof(&[], 0),
        Err(MerkleError::Index { index: 0, size: 0 })
    );
    assert_eq!(
        consistency_proof(&three, 4),
        Err(MerkleError::Shrunk { old: 4, new: 3 })
    );
    let root = root(&three);
    assert_eq!(
        verify_inclusion(&three[0], 3, 3, &[], &root),
        Err(MerkleError::Index { index: 3, size: 3 })
    );
    assert_eq!(
        verify_inclusion(&three[0], 0, 0, &[], &root),
        Err(MerkleError::Index { index: 0, size: 0 })
    );
    let shrunk = verify_consistency((4, &root), (3, &root), &[]);
    assert_eq!(shrunk, Err(MerkleError::Shrunk { old: 4, new: 3 }));
}

#[test]
fn proofs_of_the_wrong_length_do_not_prove() {
    let seven = leaves(7);
    let root = root(&seven);
    let long = vec![[0; 32]; PROOF_HASHES_MAX + 1];
    assert_eq!(
        verify_inclusion(&seven[0], 0, u64::MAX, &long, &root),
        Err(MerkleError::Length { hashes: 65 })
    );
    assert_eq!(
        verify_consistency((1, &root), (u64::MAX, &root), &long),
        Err(MerkleError::Length { hashes: 65 })
    );
    assert_eq!(
        verify_consistency((3, &root), (7, &root), &[]),
        Err(MerkleError::Length { hashes: 0 })
    );
    assert_eq!(
        verify_consistency((7, &root), (7, &root), &[root]),
        Err(MerkleError::Length { hashes: 1 })
    );
    assert_eq!(
        verify_consistency((0, &root), (7, &root), &[]),
        Err(MerkleError::Root),
        "an empty log has one root"
    );
}

#[test]
fn a_root_is_not_passed_off_as_that_of_a_longer_log() {
    // Every hash fits; only the claimed size needs more of them.
    let two = leaves(2);
    let whole = root(&two);
    let missing = Err(MerkleError::Length { hashes: 0 });
    assert_eq!(verify_inclusion(&whole, 0, 2, &[], &whole), missing);
    assert_eq!(verify_consistency((2, &whole), (4, &whole), &[]), missing);
    let one = inclusion_proof(&two, 0).unwrap();
    let missing = Err(MerkleError::Length { hashes: 1 });
    assert_eq!(verify_inclusion(&two[0], 0, 4, &one, &whole), missing);
}

#[test]
fn a_frontier_can_be_put_away() {
    let mut frontier = Frontier::new();
    for leaf in leaves(21) {
        frontier.append(leaf);
    }
    let again = Frontier::from_parts(frontier.size(), frontier.nodes().to_vec()).unwrap();
    assert_eq!(again, frontier);
    assert_eq!(frontier.nodes().len(), 3);
    let error = Frontier::from_parts(22, frontier.nodes()[..2].to_vec()).unwrap_err();
    assert_eq!(
        error,
        MerkleError::Frontier {
            size: 22,
            wanted: 3,
            found: 2
        }
    );
    assert_eq!(Frontier::from_parts(0, vec![]).unwrap(), Frontier::new());
}

proptest! {
    #[test]
    fn no_altered_inclusion_proof_proves(size in 1usize..300, pick: usize, alter: usize, bit in 0usize..256, kind in 0..5) {
        let leaves = leaves(size);
        let index = pick % size;
        let root = root(&leaves);
        let mut proof = inclusion_proof(&leaves, index as u64).unwrap();
        let (mut leaf, mut at, mut of, mut top) = (leaves[index], index as u64, size as u64, root);
        let flip = |hash: &mut Hash| hash[bit / 8] ^= 1 << (bit % 8);
        match kind {
            0 => flip(&mut leaf),
            1 => flip(&mut top),
            2 if !proof.is_empty() => { let n = alter % proof.len(); flip(&mut proof[n]); }
            2 => proof.push(root),
            3 => { let n = alter % (proof.len() + 1); proof.insert(n, leaves[alter % size]); }
            _ if size > 1 => at = (at + 1 + (alter % (size - 1)) as u64) % of,
            _ => of += 1,
        }
        prop_assert!(verify_inclusion(&leaf, at, of, &proof, &top).is_err());
    }

    #[test]
    fn no_cut_proof_proves(size in 2usize..300, pick: usize, cut: usize) {
        let leaves = leaves(size);
        let index = pick % size;
        let mut proof = inclusion_proof(&leaves, index as u64).unwrap();
        proof.remove(cut % proof.len());
        prop_assert!(verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root(&leaves)).is_err());
    }

    #[test]
    fn no_altered_consistency_proof_proves(new in 2usize..300, pick: usize, alter: usize, bit in 0usize..256, kind in 0..5) {
        let leaves = leaves(new);
        let old = 1 + pick % (new - 1);
        let (mut old_root, mut new_root) = (root(&leaves[..old]), root(&leaves));
        let mut proof = consistency_proof(&leaves, old as u64).unwrap();
        let flip = |hash: &mut Hash| hash[bit / 8] ^= 1 << (bit % 8);
        let n = alter % proof.len();
        match kind {
            0 => flip(&mut old_root),
            1 => flip(&mut new_root),
            2 => flip(&mut proof[n]),
            3 => { proof.remove(n); }
            _ => proof.insert(n, leaves[alter % new]),
        }
        prop_assert!(verify_consistency((old as u64, &old_root), (new as u64, &new_root), &proof).is_err());
    }

    #[test]
    fn a_rewritten_past_has_no_proof(new in 2usize..120, pick: usize, edit: usize) {
        let honest = leaves(new);
        let old = 1 + pick % (new - 1);
        let mut edited = honest.clone();
        edited[edit % old] = leaf_hash(b"edited");
        let proof = consistency_proof(&edited, old as u64).unwrap();
        let verdict = verify_consistency((old as u64, &root(&honest[..old])), (new as u64, &root(&edited)), &proof);
        // A proof from a power of two starts at the old root, and shows nothing about another one.
        let expected = if old.is_power_of_two() { MerkleError::Root } else { MerkleError::Rewritten };
        prop_assert_eq!(verdict, Err(expected));
    }

    #[test]
    fn attack_no_junk_proof_accuses_an_honest_log(new in 2usize..120, pick: usize, alter: usize, junk: Hash, kind in 0..4) {
        let leaves = leaves(new);
        let old = 1 + pick % (new - 1);
        let mut proof = consistency_proof(&leaves, old as u64).unwrap();
        let n = alter % proof.len();
        match kind {
            0 => proof[n] = junk,
            1 => proof.swap(n, 0),
            2 => proof = vec![junk; proof.len()],
            _ => proof = consistency_proof(&leaves, 1 + (alter % (new - 1)) as u64).unwrap(),
        }
        let verdict = verify_consistency((old as u64, &root(&leaves[..old])), (new as u64, &root(&leaves)), &proof);
        prop_assert_ne!(verdict, Err(MerkleError::Rewritten));
    }

    #[test]
    fn appending_gives_the_root_of_the_whole(size in 0usize..600) {
        prop_assert_eq!(root(&leaves(size)), root_by_definition(&leaves(size)));
    }
}
