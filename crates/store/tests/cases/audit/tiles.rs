//! The log as others read it: what is served makes the root that was signed, and nothing else is served.

use store::Error;
use store::audit::{self, SignedCheckpoint};
use trust::checkpoint::{self, Checkpoint};
use trust::merkle::{
    Hash, TILE_WIDTH, Tile, Tiles, leaf_hash, root, tiles_for_inclusion, tiles_for_root,
    verify_consistency, verify_inclusion,
};

use super::{sealed, verify};
use crate::fixture::{Fixture, Image, NOW};

/// A log of more than `rows` rows, sealed.
async fn long(rows: usize) -> Fixture {
    let fixture = sealed().await;
    add(&fixture, rows).await;
    audit::seal(&fixture.store, NOW).await.unwrap();
    fixture
}

async fn add(fixture: &Fixture, rows: usize) {
    let values = vec!["(1, 'principal:1', 'demo', 'x', '{}')"; rows].join(", ");
    let insert =
        format!("INSERT INTO audit (happened_at, actor, act, object, detail) VALUES {values}");
    fixture.edit(&insert).await;
}

/// The newest checkpoint as the log's key signed it.
async fn newest(fixture: &Fixture) -> (SignedCheckpoint, Checkpoint) {
    let newest = audit::newest(&fixture.store).await.unwrap().unwrap();
    let key = audit::verifier(&fixture.store, NOW).await.unwrap();
    let verified = checkpoint::verify(&newest.note, key.name(), key.key()).unwrap();
    let checkpoint = verified.value().clone();
    assert_eq!(checkpoint.size, newest.size);
    (newest, checkpoint)
}

async fn tiles(fixture: &Fixture, wanted: impl IntoIterator<Item = Tile>) -> Tiles {
    let mut tiles = Tiles::new();
    for tile in wanted {
        let bytes = audit::tile(&fixture.store, tile).await.unwrap().unwrap();
        tiles.insert(tile, &bytes).unwrap();
    }
    tiles
}

fn entries_of(bundle: &[u8]) -> Vec<Vec<u8>> {
    let (mut entries, mut rest) = (Vec::new(), bundle);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry.to_vec());
        rest = after;
    }
    entries
}

#[tokio::test]
async fn entries_and_tiles_make_the_root_that_was_signed() {
    let fixture = long(600).await;
    let (_, signed) = newest(&fixture).await;
    let mut leaves: Vec<Hash> = Vec::new();
    while (leaves.len() as u64) < signed.size {
        let tile = Tile::holding(0, leaves.len() as u64, signed.size).unwrap();
        let bundle = audit::entries(&fixture.store, tile).await.unwrap().unwrap();
        let entries = entries_of(&bundle);
        let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let bytes = audit::tile(&fixture.store, tile).await.unwrap().unwrap();
        assert_eq!(
            hashes.concat(),
            bytes,
            "a bundle hashes to the tile beside it"
        );
        leaves.extend(hashes);
    }
    assert_eq!(root(&leaves), signed.root);
    let of_tiles = tiles(&fixture, tiles_for_root(signed.size)).await;
    assert_eq!(of_tiles.root(signed.size), Ok(signed.root));
    for index in [0, 255, 256, 511, 512, signed.size - 1] {
        let tiles = tiles(&fixture, tiles_for_inclusion(index, signed.size)).await;
        let proof = tiles.inclusion_proof(index, signed.size).unwrap();
        let leaf = &leaves[usize::try_from(index).unwrap()];
        assert_eq!(
            verify_inclusion(leaf, index, signed.size, &proof, &signed.root),
            Ok(())
        );
    }
    // An entry says what the row says.
    let first = audit::rows(&fixture.store, 0, 1).await.unwrap();
    let tile = Tile {
        level: 0,
        index: 0,
        width: 1,
    };
    let bundle = audit::entries(&fixture.store, tile).await.unwrap().unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&entries_of(&bundle)[0]).unwrap();
    assert_eq!(
        (entry[0].as_i64(), entry[4].as_str()),
        (Some(0), Some(first[0].act.as_str()))
    );
}

#[tokio::test]
async fn the_log_is_shown_to_have_grown_from_every_checkpoint() {
    let fixture = sealed().await;
    let mut signed = vec![newest(&fixture).await.1];
    for rows in [1, 1, 2, 130, 130, 300] {
        add(&fixture, rows).await;
        audit::seal(&fixture.store, NOW).await.unwrap();
        signed.push(newest(&fixture).await.1);
    }
    for (number, new) in signed.iter().enumerate() {
        for old in &signed[..=number] {
            let proof = audit::consistency_proof(&fixture.store, old.size, new.size)
                .await
                .unwrap();
            let outcome = verify_consistency((old.size, &old.root), (new.size, &new.root), &proof);
            assert_eq!(outcome, Ok(()), "{} to {}", old.size, new.size);
        }
    }
}

#[tokio::test]
async fn only_what_a_checkpoint_speaks_of_is_served() {
    let fixture = sealed().await;
    let (_, signed) = newest(&fixture).await;
    fixture.push("shop/web", &["2"], &Image::new("b")).await;
    let size = u16::try_from(signed.size).unwrap();
    for (level, index, width) in [
        (0, 0, size + 1),
        (0, 0, 256),
        (0, 1, 1),
        (1, 0, 1),
        (63, 0, 1),
        (0, u64::MAX, 256),
    ] {
        let tile = Tile {
            level,
            index,
            width,
        };
        assert_eq!(
            audit::tile(&fixture.store, tile).await.unwrap(),
            None,
            "{tile}"
        );
        if level == 0 {
            assert_eq!(
                audit::entries(&fixture.store, tile).await.unwrap(),
                None,
                "{tile}"
            );
        }
    }
    // Any number of hashes up to there: each was once the end of a checkpoint, or may have been.
    for width in 1..=size {
        let tile = Tile {
            level: 0,
            index: 0,
            width,
        };
        let bytes = audit::tile(&fixture.store, tile).await.unwrap().unwrap();
        assert_eq!(bytes.len(), usize::from(width) * 32);
    }
}

#[tokio::test]
async fn a_row_that_was_edited_is_not_served_as_an_entry() {
    let fixture = sealed().await;
    fixture
        .edit("UPDATE audit SET detail = '{}' WHERE leaf_index = 3")
        .await;
    let bundle = |width| Tile {
        level: 0,
        index: 0,
        width,
    };
    assert!(
        audit::entries(&fixture.store, bundle(3))
            .await
            .unwrap()
            .is_some()
    );
    let outcome = audit::entries(&fixture.store, bundle(4)).await;
    assert!(
        matches!(&outcome, Err(Error::AuditBroken(why)) if why.contains("place 3")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_row_that_is_longer_than_an_entry_is_sealed_by_its_hash() {
    let fixture = sealed().await;
    let before = newest(&fixture).await.1.size;
    let detail = "x".repeat(70_000);
    let insert = format!(
        "INSERT INTO audit (happened_at, actor, act, object, detail) VALUES (1, 'principal:1', 'demo', 'x', '\"{detail}\"')"
    );
    fixture.edit(&insert).await;
    audit::seal(&fixture.store, NOW).await.unwrap();
    let (_, signed) = newest(&fixture).await;
    let tile = Tile::holding(0, before, signed.size).unwrap();
    let bundle = audit::entries(&fixture.store, tile).await.unwrap().unwrap();
    let entry = entries_of(&bundle).pop().unwrap();
    let hash = oci::Digest::sha256(format!("\"{detail}\"").as_bytes());
    assert!(
        String::from_utf8(entry)
            .unwrap()
            .ends_with(&format!("{{\"sha256\":\"{}\"}}]", hash.hex()))
    );
    assert!(verify(&fixture).await.is_intact());
    fixture
        .edit("UPDATE audit SET detail = '\"y\"' WHERE act = 'demo'")
        .await;
    assert!(!verify(&fixture).await.is_intact());
}

#[tokio::test]
async fn a_log_that_was_sealed_before_there_were_tiles_gets_them() {
    let fixture = long(600).await;
    let kept = fixture.number("SELECT COUNT(*) FROM audit_nodes").await;
    assert!(kept >= 2, "{kept}");
    fixture.edit("DELETE FROM audit_nodes").await;
    fixture.edit("DELETE FROM audit_checkpoints").await;
    let fixture = fixture.restart().await;
    assert_eq!(audit::newest(&fixture.store).await.unwrap(), None);
    audit::seal(&fixture.store, NOW).await.unwrap();
    let (_, signed) = newest(&fixture).await;
    let upper = Tile::holding(1, 0, signed.size).unwrap();
    assert_eq!(u64::from(upper.width), signed.size / TILE_WIDTH);
    let of_tiles = tiles(&fixture, tiles_for_root(signed.size)).await;
    assert_eq!(of_tiles.root(signed.size), Ok(signed.root));
}

#[tokio::test]
async fn two_logs_have_two_names() {
    let (one, other) = (sealed().await, sealed().await);
    let name = |key: trust::checkpoint::VerifierKey| key.name().to_owned();
    let one = name(audit::verifier(&one.store, NOW).await.unwrap());
    let other = name(audit::verifier(&other.store, NOW).await.unwrap());
    assert!(
        one.starts_with("countersign.dev/audit/") && one != other,
        "{one} {other}"
    );
}
