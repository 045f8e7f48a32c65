//! Witnesses that sign, that are behind, that refuse, lie or are away: what is kept, and what is told.

use super::*;
use crate::renewing::tests::World;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use store::outbox;
use trust::checkpoint::{VerifierKind, cosign};
use trust::{Algorithm, PrivateKey, Signer};

const NAME: &str = "other.example/witness";

/// A witness on this machine that answers as a test wants it to.
struct Neighbour {
    url: String,
    key: VerifierKey,
    /// The old sizes that it was asked with.
    asked: Arc<Mutex<Vec<u64>>>,
}

/// Starts a witness; `answer` is given its key and each request.
fn neighbour(
    answer: impl Fn(&PrivateKey, &AddCheckpoint) -> (u16, String) + Send + 'static,
) -> Neighbour {
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let verifier = VerifierKey::new(NAME, VerifierKind::Witness, key.public_key()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/witness/", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<u64>>> = Arc::default();
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read(&mut stream);
            seen.lock().unwrap().push(request.old_size);
            let (status, body) = answer(&key, &request);
            let head = format!(
                "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    Neighbour {
        url,
        key: verifier,
        asked,
    }
}

fn read(stream: &mut TcpStream) -> AddCheckpoint {
    let mut reader = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("POST /witness/add-checkpoint "), "{line}");
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let lower = line.to_lowercase();
        assert!(
            !lower.starts_with("authorization"),
            "no credentials are sent"
        );
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    AddCheckpoint::parse(&body).unwrap()
}

/// A server that has something in its log, with these witnesses.
async fn world(witnesses: &[&Neighbour]) -> World {
    let mut world = World::new().await;
    let client = WitnessClient::new(&[]).unwrap();
    let witnesses = witnesses
        .iter()
        .map(|neighbour| Witness::new(&neighbour.url, neighbour.key.clone(), client.clone()));
    world.context = world.context.clone().with_witnesses(witnesses.collect());
    world.begin("shop/web").await;
    seal(&world).await;
    world
}

async fn seal(world: &World) -> u64 {
    audit::seal(&world.context.store, world.context.now())
        .await
        .unwrap()
        .size
}

/// Adds to the log.
async fn grow(world: &World) -> u64 {
    world.begin(&format!("shop/{}", seal(world).await)).await;
    seal(world).await
}

fn signed(key: &PrivateKey, request: &AddCheckpoint) -> (u16, String) {
    (
        200,
        cosign(&request.note, NAME, key, 1_800_000_000)
            .unwrap()
            .line,
    )
}

/// What was told of witnesses: reason and size.
async fn told(world: &World) -> Vec<(String, u64)> {
    let events = outbox::events(&world.context.store, 0, 100).await.unwrap();
    let events = events
        .into_iter()
        .filter(|event| event.kind == "audit.witness-refused");
    let text = |data: &Value| data["reason"].as_str().unwrap().to_owned();
    events
        .map(|event| (text(&event.data), event.data["size"].as_u64().unwrap()))
        .collect()
}

async fn cosigned(world: &World, neighbour: &Neighbour) -> u64 {
    audit::cosigned_size(&world.context.store, &neighbour.key)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_witness_signs_each_new_checkpoint_once() {
    let (one, other) = (neighbour(signed), neighbour(signed));
    let world = world(&[&one, &other]).await;
    let first = seal(&world).await;
    ask_all(&world.context).await.unwrap();
    ask_all(&world.context).await.unwrap();
    let second = grow(&world).await;
    ask_all(&world.context).await.unwrap();
    for neighbour in [&one, &other] {
        assert_eq!(
            *neighbour.asked.lock().unwrap(),
            [0, first],
            "with the proof from where it was"
        );
        assert_eq!(cosigned(&world, neighbour).await, second);
    }
    let note = audit::checkpoint(&world.context.store, world.context.now())
        .await
        .unwrap()
        .unwrap();
    assert!(
        verify_cosignature(&note, &one.key).is_ok()
            && verify_cosignature(&note, &other.key).is_ok()
    );
    assert_eq!(told(&world).await, []);
}

#[tokio::test]
async fn a_witness_is_asked_again_after_an_hour_and_after_a_start() {
    let witness = neighbour(signed);
    let mut world = world(&[&witness]).await;
    let size = seal(&world).await;
    ask_all(&world.context).await.unwrap();
    world.pass(AGAIN_MILLISECONDS - 1);
    ask_all(&world.context).await.unwrap();
    assert_eq!(*witness.asked.lock().unwrap(), [0]);
    world.pass(1);
    ask_all(&world.context).await.unwrap();
    assert_eq!(*witness.asked.lock().unwrap(), [0, size]);
    let again = Witness::new(
        &witness.url,
        witness.key.clone(),
        WitnessClient::new(&[]).unwrap(),
    );
    world.context = world.context.clone().with_witnesses(vec![again]);
    ask_all(&world.context).await.unwrap();
    assert_eq!(*witness.asked.lock().unwrap(), [0, size, size]);
}

#[tokio::test]
async fn a_witness_that_is_elsewhere_is_asked_from_there() {
    let size = Arc::new(Mutex::new(0));
    let last = Arc::clone(&size);
    let witness = neighbour(move |key, request| match *last.lock().unwrap() {
        at if at == request.old_size => signed(key, request),
        at => (409, format!("{at}\n")),
    });
    let world = world(&[&witness]).await;
    *size.lock().unwrap() = 1;
    ask_all(&world.context).await.unwrap();
    assert_eq!(*witness.asked.lock().unwrap(), [0, 1]);
    assert_eq!(cosigned(&world, &witness).await, seal(&world).await);
    assert_eq!(told(&world).await, []);
}

#[tokio::test]
async fn attack_a_log_that_the_witness_knows_longer_is_told_as_shrunk() {
    let witness = neighbour(|_, _| (409, "1000000\n".to_owned()));
    let world = world(&[&witness]).await;
    let size = seal(&world).await;
    ask_all(&world.context).await.unwrap();
    ask_all(&world.context).await.unwrap();
    assert_eq!(
        told(&world).await,
        [("shrink".to_owned(), size)],
        "once, while it goes on"
    );
    assert_eq!(cosigned(&world, &witness).await, 0);
}

#[tokio::test]
async fn attack_a_log_that_forked_is_told_as_inconsistent() {
    let witness = neighbour(|key, request| match request.old_size {
        0 => signed(key, request),
        _ => (422, "another root\n was signed\u{7}".to_owned()),
    });
    let world = world(&[&witness]).await;
    let first = seal(&world).await;
    ask_all(&world.context).await.unwrap();
    let second = grow(&world).await;
    ask_all(&world.context).await.unwrap();
    assert_eq!(told(&world).await, [("inconsistent".to_owned(), second)]);
    assert_eq!(cosigned(&world, &witness).await, first);
    let events = outbox::events(&world.context.store, 0, 100).await.unwrap();
    let event = events
        .iter()
        .find(|event| event.kind == "audit.witness-refused")
        .unwrap();
    assert_eq!(event.data["cosignedSize"].as_u64(), Some(first));
    assert!(
        event.data["message"]
            .as_str()
            .unwrap()
            .ends_with("another root was signed"),
        "{event:?}"
    );
}

#[tokio::test]
async fn attack_a_signature_of_somebody_else_is_not_kept() {
    let stranger = neighbour(|_, request| {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        signed(&key, request)
    });
    let other_text = neighbour(|key, request| {
        let changed = request
            .note
            .replacen("countersign.dev", "countersigm.dev", 1);
        (200, cosign(&changed, NAME, key, 5).unwrap().line)
    });
    let noise = neighbour(|_, _| (200, "thank you".to_owned()));
    for neighbour in [&stranger, &other_text, &noise] {
        let world = world(&[neighbour]).await;
        ask_all(&world.context).await.unwrap();
        let reasons: Vec<_> = told(&world)
            .await
            .into_iter()
            .map(|(reason, _)| reason)
            .collect();
        assert_eq!(reasons, ["cosignature"]);
        assert_eq!(cosigned(&world, neighbour).await, 0);
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason_and_a_failure_is_not() {
    for (status, expected) in [
        (400, &["form"][..]),
        (403, &["signature"]),
        (404, &["unknown-log"]),
        (500, &[]),
        (503, &[]),
        (302, &[]),
    ] {
        let witness = neighbour(move |_, _| (status, String::new()));
        let world = world(&[&witness]).await;
        ask_all(&world.context).await.unwrap();
        let reasons: Vec<_> = told(&world)
            .await
            .into_iter()
            .map(|(reason, _)| reason)
            .collect();
        assert_eq!(reasons, expected, "{status}");
    }
}

#[tokio::test]
async fn a_witness_that_is_away_keeps_no_other_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut away = neighbour(signed);
    away.url = format!("http://{}/witness", listener.local_addr().unwrap());
    drop(listener);
    let here = neighbour(signed);
    let world = world(&[&away, &here]).await;
    ask_all(&world.context).await.unwrap();
    assert_eq!(cosigned(&world, &here).await, seal(&world).await);
    assert_eq!(cosigned(&world, &away).await, 0);
    assert_eq!(told(&world).await, []);
}
