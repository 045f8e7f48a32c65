//! The audit log as a transparency log: C2SP `tlog-tiles` at `/tlog`, `tlog-witness` at `/witness`, section by section, two servers
//! that sign for each other, and who may read what.

use server::AppOptions;
use store::keys::{self, Purpose};
use store::{audit, outbox, witness};
use trust::checkpoint::{Checkpoint, VerifierKey, verify_cosignature};
use trust::merkle::{Frontier, Tile, leaf_hash};
use trust::witness::{ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint};

use crate::world::{Answer, NOW, World};

/// A server in whose log there is something.
async fn sealed(options: AppOptions) -> World {
    let world = World::with(options).await;
    for name in ["maria", "omar"] {
        world.person(name, &[]).await;
    }
    world.person("ada", &[("auditor", "**")]).await;
    audit::seal(world.app.store(), NOW).await.unwrap();
    world
}

async fn key_of(world: &World) -> VerifierKey {
    let key = world.ask("GET", "/tlog/key").empty().await.expect(200);
    String::from_utf8(key.body)
        .unwrap()
        .trim_end()
        .parse()
        .unwrap()
}

async fn checkpoint(world: &World) -> (Answer, Checkpoint) {
    let answer = world
        .ask_as("ada", "GET", "/tlog/checkpoint")
        .empty()
        .await
        .expect(200);
    let key = key_of(world).await;
    let note = std::str::from_utf8(&answer.body).unwrap();
    let verified = trust::checkpoint::verify(note, key.name(), key.key()).unwrap();
    let checkpoint = verified.value().clone();
    (answer, checkpoint)
}

#[tokio::test]
async fn checkpoint_tiles_and_entries_are_as_the_specification_has_them() {
    let world = sealed(AppOptions::default()).await;
    let (answer, checkpoint) = checkpoint(&world).await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    let tile = Tile::holding(0, 0, checkpoint.size).unwrap();
    let answer = world
        .ask("GET", &format!("/tlog/tile/{tile}"))
        .empty()
        .await
        .expect(200);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert!(answer.header("cache-control").contains("immutable"));
    assert!(
        answer.header("cache-control").contains("private"),
        "a shared cache asks nobody who reads"
    );
    assert_eq!(answer.body.len(), usize::from(tile.width) * 32);
    let place = format!("/tlog/tile/entries/{}", tile.place());
    let bundle = world.ask("GET", &place).empty().await.expect(200);
    assert_eq!(bundle.header("content-type"), "application/octet-stream");
    let (mut rest, mut frontier) = (bundle.body.as_slice(), Frontier::new());
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        frontier.append(leaf_hash(entry));
        rest = after;
    }
    assert_eq!(
        (frontier.size(), frontier.root()),
        (checkpoint.size, checkpoint.root)
    );
    let head = world.ask("HEAD", &place).empty().await.expect(200);
    assert_eq!(head.header("content-length"), bundle.body.len().to_string());
}

#[tokio::test]
async fn what_is_no_tile_or_not_signed_yet_is_absent_and_not_kept() {
    let world = sealed(AppOptions::default()).await;
    let size = checkpoint(&world).await.1.size;
    for path in [
        "0/000",
        "0/001",
        "1/000",
        "1/000.p/1",
        "00/000",
        "0/0",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "64/000",
        "x/000",
        "0/x000/001",
        "entries/000",
        "entries/0",
        "entries/000.p/0",
        "entries",
        "0/000.p/1/2",
        "0/x018/x446/x744/x073/x709/x551/616",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!("0/000.p/{}", size + 1),
        format!("entries/000.p/{}", size + 1),
    ]) {
        let answer = world
            .ask("GET", &format!("/tlog/tile/{path}"))
            .empty()
            .await
            .expect(404);
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    world
        .ask("POST", "/tlog/checkpoint")
        .empty()
        .await
        .expect(405);
}

#[tokio::test]
async fn the_log_is_read_by_those_who_may_read_the_audit() {
    let world = sealed(AppOptions::default()).await;
    for path in [
        "checkpoint",
        "key",
        "tile/0/000.p/1",
        "tile/entries/000.p/1",
    ] {
        let path = format!("/tlog/{path}");
        world.ask_as_nobody("GET", &path).empty().await.expect(401);
        world
            .ask_as("maria", "GET", &path)
            .empty()
            .await
            .expect(403);
        world.ask_as("ada", "GET", &path).empty().await.expect(200);
    }
}

#[tokio::test]
async fn an_entry_that_was_edited_is_not_served() {
    let world = sealed(AppOptions::default()).await;
    world.edit("UPDATE audit SET detail = '{}' WHERE leaf_index = 1");
    world
        .ask("GET", "/tlog/tile/entries/000.p/1")
        .empty()
        .await
        .expect(200);
    let answer = world
        .ask("GET", "/tlog/tile/entries/000.p/2")
        .empty()
        .await
        .expect(500);
    assert_eq!(answer.header("cache-control"), "no-store");
}

/// Sends the newest checkpoint of a log to a witness, as the job does.
async fn ask(log: &World, at: &World, old: u64) -> Answer {
    let newest = audit::newest(log.app.store()).await.unwrap().unwrap();
    let request = AddCheckpoint {
        old_size: old,
        proof: audit::consistency_proof(log.app.store(), old.min(newest.size), newest.size)
            .await
            .unwrap(),
        note: newest.note,
    };
    at.ask_as_nobody("POST", "/witness/add-checkpoint")
        .body(request.to_text())
        .await
}

/// A log, and a witness that watches it.
async fn pair() -> (World, World) {
    let log = sealed(AppOptions::default()).await;
    let options = AppOptions {
        witnessed_logs: vec![key_of(&log).await],
        ..AppOptions::default()
    };
    (log, World::with(options).await)
}

#[tokio::test]
async fn a_witness_signs_what_grew_and_says_where_it_is() {
    let (log, at) = pair().await;
    let answer = ask(&log, &at, 0).await.expect(200);
    let newest = audit::newest(log.app.store()).await.unwrap().unwrap();
    let key: VerifierKey = {
        let key = at
            .ask_as_nobody("GET", "/witness/key")
            .empty()
            .await
            .expect(200);
        String::from_utf8(key.body)
            .unwrap()
            .trim_end()
            .parse()
            .unwrap()
    };
    let line = String::from_utf8(answer.body).unwrap();
    assert!(
        line.starts_with("\u{2014} ") && line.ends_with('\n'),
        "{line}"
    );
    let cosignature = verify_cosignature(&format!("{}{line}", newest.note), &key).unwrap();
    assert_eq!(cosignature.time, NOW.unsigned_abs() / 1_000);

    // tlog-witness: the size of the last one that was signed, in a media type of its own.
    log.person("eve", &[]).await;
    audit::seal(log.app.store(), NOW).await.unwrap();
    let conflict = ask(&log, &at, 0).await.expect(409);
    assert_eq!(conflict.header("content-type"), "text/x.tlog.size");
    assert_eq!(conflict.body, format!("{}\n", newest.size).into_bytes());
    ask(&log, &at, newest.size).await.expect(200);

    let origin = oci::Digest::sha256(key_of(&log).await.name().as_bytes());
    let path = format!("/witness/{}/checkpoint", origin.hex());
    let seen = at.ask_as_nobody("GET", &path).empty().await.expect(200);
    let seen = String::from_utf8(seen.body).unwrap();
    assert!(verify_cosignature(&seen, &key).is_ok(), "{seen}");
    at.ask_as_nobody("GET", "/witness/none/checkpoint")
        .empty()
        .await
        .expect(404);
}

#[tokio::test]
async fn attack_a_history_rewritten_with_the_logs_own_key_gets_no_signature() {
    let (log, at) = pair().await;
    ask(&log, &at, 0).await.expect(200);
    let seen = audit::newest(log.app.store()).await.unwrap().unwrap();
    let signer = keys::signer(log.app.store(), Purpose::Checkpoint, NOW)
        .await
        .unwrap();
    let origin = key_of(&log).await.name().to_owned();
    // No proof goes with the second: anybody could have sent it.
    let codes = [(seen.size, "fork"), (seen.size + 1, "proof")];
    for (size, code) in codes {
        let checkpoint = Checkpoint {
            origin: origin.clone(),
            size,
            root: [9; 32],
        };
        let request = AddCheckpoint {
            old_size: seen.size,
            proof: Vec::new(),
            note: trust::checkpoint::sign(&checkpoint, signer.as_ref()).unwrap(),
        };
        let send = at.ask_as_nobody("POST", "/witness/add-checkpoint");
        let answer = send.body(request.to_text()).await.expect(422);
        assert_eq!(answer.json()["error"]["code"], code);
    }
    let events = outbox::events(at.app.store(), 0, 100).await.unwrap();
    let told = events
        .iter()
        .filter(|event| event.kind == "witness.refused");
    let reasons: Vec<_> = told
        .map(|event| event.data["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["fork"]);
}

#[tokio::test]
async fn attack_anybody_sends_a_true_checkpoint_with_a_junk_proof() {
    let (log, at) = pair().await;
    ask(&log, &at, 0).await.expect(200);
    let seen = audit::newest(log.app.store()).await.unwrap().unwrap();
    log.person("eve", &[]).await;
    audit::seal(log.app.store(), NOW).await.unwrap();
    let newest = audit::newest(log.app.store()).await.unwrap().unwrap();
    let refused = async || {
        let text = at.ask("GET", "/metrics").empty().await.expect(200).body;
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.lines();
        let refused =
            lines.find_map(|line| line.strip_prefix("countersign_witness_proofs_refused_total "));
        refused.unwrap().to_owned()
    };
    assert_eq!(refused().await, "0");
    for proof in [Vec::new(), vec![[9; 32]; 3], vec![[9; 32]; 63]] {
        let request = AddCheckpoint {
            old_size: seen.size,
            proof,
            note: newest.note.clone(),
        };
        // tlog-witness: a proof that does not verify is answered 422.
        let send = at.ask_as_nobody("POST", "/witness/add-checkpoint");
        let answer = send.body(request.to_text()).await.expect(422);
        assert_eq!(answer.json()["error"]["code"], "proof");
    }
    let events = outbox::events(at.app.store(), 0, 100).await.unwrap();
    let mut kinds = events.iter().map(|event| event.kind.as_str());
    assert!(!kinds.any(|kind| kind == "witness.refused"), "{events:?}");
    ask(&log, &at, seen.size).await.expect(200);
    // Neither what was signed nor what no log signed is counted.
    let of_nobody = at.ask_as_nobody("POST", "/witness/add-checkpoint");
    of_nobody
        .body("old 0\n\nx\n1\n\n".to_owned())
        .await
        .expect(404);
    assert_eq!(refused().await, "3");
}

#[tokio::test]
async fn attack_a_log_that_shrank_gets_no_signature() {
    let (log, at) = pair().await;
    let old = audit::newest(log.app.store()).await.unwrap().unwrap();
    ask(&log, &at, 0).await.expect(200);
    log.person("eve", &[]).await;
    audit::seal(log.app.store(), NOW).await.unwrap();
    ask(&log, &at, old.size).await.expect(200);
    let size = audit::newest(log.app.store()).await.unwrap().unwrap().size;
    let shrunk = AddCheckpoint {
        old_size: size,
        proof: Vec::new(),
        note: old.note,
    };
    let send = |request: AddCheckpoint| {
        at.ask_as_nobody("POST", "/witness/add-checkpoint")
            .body(request.to_text())
    };
    let answer = send(shrunk.clone()).await.expect(400);
    assert_eq!(answer.json()["error"]["code"], "shrink");
    send(AddCheckpoint {
        old_size: 0,
        ..shrunk
    })
    .await
    .expect(409);
}

#[tokio::test]
async fn a_witness_refuses_as_the_specification_says() {
    let (log, at) = pair().await;
    let send = |text: String| {
        at.ask_as_nobody("POST", "/witness/add-checkpoint")
            .body(text)
    };
    let newest = audit::newest(log.app.store()).await.unwrap().unwrap();
    let good = AddCheckpoint {
        old_size: 0,
        proof: Vec::new(),
        note: newest.note,
    }
    .to_text();
    send(good.replacen("old 0", "old 00", 1)).await.expect(400);
    send(String::new()).await.expect(400);
    send(good.replacen(&format!("\n{}\n", newest.size), "\n1\n", 1))
        .await
        .expect(403);
    send(good.replacen("old 0\n", &format!("old 0\n{}=\n", "A".repeat(43)), 1))
        .await
        .expect(422);
    send("x".repeat(ADD_CHECKPOINT_BYTES_MAX + 1))
        .await
        .expect(413);
    at.ask_as_nobody("GET", "/witness/add-checkpoint")
        .empty()
        .await
        .expect(405);
    // A server that watches no log knows none.
    log.ask_as_nobody("POST", "/witness/add-checkpoint")
        .body(good)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_server_that_is_no_witness_has_no_key_and_asking_makes_none() {
    let (log, at) = pair().await;
    let key = async |world: &World| {
        let ask = world.ask_as_nobody("GET", "/witness/key").empty();
        ask.await
    };
    let made = async |world: &World| {
        let keys = keys::public_keys(world.app.store(), Purpose::Witness);
        keys.await.unwrap().len()
    };
    let answer = key(&log).await.expect(404);
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("`witness-of`"), "{message}");
    assert_eq!(made(&log).await, 0);
    key(&at).await.expect(200);
    assert_eq!(made(&at).await, 1);
}

#[tokio::test]
async fn two_servers_sign_for_each_other() {
    let one = sealed(AppOptions::default()).await;
    let watches = |log: VerifierKey| AppOptions {
        witnessed_logs: vec![log],
        ..AppOptions::default()
    };
    let other = sealed(watches(key_of(&one).await)).await;
    let one_watching = one.again(watches(key_of(&other).await));
    for (log, at) in [(&one_watching, &other), (&other, &one_watching)] {
        let answer = ask(log, at, 0).await.expect(200);
        let newest = audit::newest(log.app.store()).await.unwrap().unwrap();
        let key = witness::verifier(at.app.store(), NOW).await.unwrap();
        let line = String::from_utf8(answer.body).unwrap();
        let cosignature = verify_cosignature(&format!("{}{line}", newest.note), &key).unwrap();
        audit::keep_cosignature(log.app.store(), &newest, &key, &cosignature, NOW)
            .await
            .unwrap();
        let served = log.ask("GET", "/tlog/checkpoint").empty().await.expect(200);
        let served = String::from_utf8(served.body).unwrap();
        assert!(verify_cosignature(&served, &key).is_ok(), "{served}");
        let own = key_of(log).await;
        assert!(trust::checkpoint::verify(&served, own.name(), own.key()).is_ok());
    }
}
