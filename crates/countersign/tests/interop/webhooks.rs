//! Telling other programs: a receiver that is slow, fails, and is away for a while, and a server that is killed meanwhile. Every event
//! arrives, a repeat carries the id of the first try, every delivery is signed, and events of one image come in their order.

use crate::harness::{ImageParts, Shop, push_tagged, small_layer, until, within};
use client::webhook::{Received, SigningSecret, verify};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// With 204.
    Accepts,
    /// With 503, at the first try of every event; with 204 later.
    FailsFirst,
    /// Not at all: it has the event, and the sender does not know.
    HoldsBack,
}

/// One request that a receiver got.
#[derive(Clone, Debug)]
struct Delivery {
    id: String,
    timestamp: String,
    signature: String,
    body: Vec<u8>,
    accepted: bool,
}

/// A small HTTP server that people would write themselves.
struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Delivery>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    fn start(port: u16, manner: Manner, got: &Arc<Mutex<Vec<Delivery>>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let (their_got, their_stop) = (Arc::clone(got), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                if their_stop.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, got) = (stream.unwrap(), Arc::clone(&their_got));
                held.push(std::thread::spawn(move || converse(&stream, manner, &got)));
            }
        });
        Self {
            port,
            got: Arc::clone(got),
            stop,
            thread: Some(thread),
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// Goes away; answers its port.
    fn stop(mut self) -> u16 {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.thread.take().unwrap().join().unwrap();
        self.port
    }
}

/// Requests of one connection, until it ends.
fn converse(stream: &TcpStream, manner: Manner, got: &Mutex<Vec<Delivery>>) {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(mut delivery) = read_delivery(&mut reader) {
        let is_first = !got
            .lock()
            .unwrap()
            .iter()
            .any(|known| known.id == delivery.id);
        delivery.accepted =
            manner == Manner::Accepts || (manner == Manner::FailsFirst && !is_first);
        let answer = if delivery.accepted {
            "204 No Content"
        } else {
            "503 Service Unavailable"
        };
        got.lock().unwrap().push(delivery);
        if manner == Manner::HoldsBack {
            // Until the sender goes away.
            let _ = reader.read(&mut [0]);
            return;
        }
        if write!(&*stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn read_delivery(reader: &mut impl BufRead) -> Option<Delivery> {
    let mut line = String::new();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|length| *length > 0)?;
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    Some(Delivery {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
        accepted: false,
    })
}

#[test]
fn every_event_arrives() {
    let mut shop = Shop::open(&[]);
    let got = Arc::new(Mutex::new(Vec::new()));
    let receiver = Receiver::start(0, Manner::FailsFirst, &got);
    let before = last_sequence(&shop);
    let said = shop
        .actor("admin")
        .does(["webhook", "create", "interop", &receiver.url()]);
    let secret = said
        .split_whitespace()
        .find(|word| word.starts_with("whsec_"))
        .expect("the secret is shown once")
        .to_owned();
    let secret = SigningSecret::parse(&secret.into()).unwrap();

    // It fails at every first try.
    work(&shop, "one");
    until(30, "an event arrives at the second try", || {
        got.lock().unwrap().iter().any(|delivery| delivery.accepted)
    });
    let port = receiver.stop();

    // It is away, and the server is killed.
    work(&shop, "two");
    shop.server.kill();
    shop.server.restart();
    work(&shop, "three");

    // It is back and gets events, but the server is killed before it hears so.
    let receiver = Receiver::start(port, Manner::HoldsBack, &got);
    let known = receiver.count();
    until(60, "an event is on its way", || receiver.count() > known);
    shop.server.kill();
    let held: BTreeSet<String> = got.lock().unwrap()[known..]
        .iter()
        .map(|delivery| delivery.id.clone())
        .collect();
    receiver.stop();
    shop.server.restart();
    let receiver = Receiver::start(port, Manner::Accepts, &got);
    work(&shop, "four");

    let expected = events_after(&shop, before);
    within(120, "every event arrives", || {
        let accepted = accepted(&got.lock().unwrap());
        expected
            .keys()
            .all(|id| accepted.contains(id))
            .then_some(())
    });
    let deliveries = got.lock().unwrap().clone();
    receiver.stop();
    check(&deliveries, &expected, &secret);
    let again = accepted(&deliveries);
    assert!(
        !held.is_empty() && held.is_subset(&again),
        "what was not answered comes again with its id: {held:?}"
    );
    let repeats = deliveries.len()
        - deliveries
            .iter()
            .map(|delivery| &delivery.id)
            .collect::<BTreeSet<_>>()
            .len();
    println!(
        "webhook: {} events, all arrived, {repeats} repeats, {} of them because the server was killed",
        expected.len(),
        held.len()
    );
}

/// Something happens to an image: it is pushed, indexed, signed, decided on.
fn work(shop: &Shop, name: &str) {
    let image = format!("shop/{name}:1");
    let digest = push_tagged(
        shop.actor("dora"),
        &shop.server,
        &image,
        &ImageParts::of([small_layer(name)]).build(),
    );
    shop.wait_for_scan(&format!("shop/{name}"), digest.as_str());
    shop.sign("ci-shop", "ci-shop", "ci", &image);
    shop.sign("quentin", "quentin", "staging", &image);
    shop.sign("rita", "rita", "staging", &image);
    shop.gate(&image).is("allow");
}

fn feed(shop: &Shop) -> Vec<Value> {
    let said = shop
        .actor("admin")
        .does(["events", "--limit", "1000", "-o", "json"]);
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn last_sequence(shop: &Shop) -> String {
    feed(shop)
        .last()
        .map(|event| event["sequence"].as_str().unwrap().to_owned())
        .unwrap_or_default()
}

/// The feed's events, by their ids.
fn events_after(shop: &Shop, sequence: String) -> BTreeMap<String, Value> {
    let later = feed(shop)
        .into_iter()
        .filter(|event| event["sequence"].as_str().unwrap() > sequence.as_str());
    later
        .map(|event| (event["id"].as_str().unwrap().to_owned(), event))
        .collect()
}

fn accepted(deliveries: &[Delivery]) -> BTreeSet<String> {
    deliveries
        .iter()
        .filter(|delivery| delivery.accepted)
        .map(|delivery| delivery.id.clone())
        .collect()
}

/// Every try is signed and says the same as the feed; of one image, events are accepted in their order.
fn check(deliveries: &[Delivery], expected: &BTreeMap<String, Value>, secret: &SigningSecret) {
    let now_s = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .cast_signed();
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for delivery in deliveries {
        let received = Received {
            id: &delivery.id,
            timestamp: &delivery.timestamp,
            signature: &delivery.signature,
        };
        verify(secret, &received, &delivery.body, now_s).unwrap();
        let event: Value = serde_json::from_slice(&delivery.body).unwrap();
        assert_eq!(event["id"], delivery.id.as_str());
        // An event of the very last moment may not be in the list that was read before.
        if let Some(known) = expected.get(&delivery.id) {
            assert_eq!(known, &event, "a delivery differs from the feed");
        }
        if !delivery.accepted || !seen.insert(delivery.id.clone()) {
            continue;
        }
        let key = event["partitionkey"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let sequence = event["sequence"].as_str().unwrap().to_owned();
        let before = last.insert(key.clone(), sequence.clone());
        assert!(
            before.as_ref().is_none_or(|before| *before < sequence),
            "{key}: {before:?} came before {sequence}"
        );
    }
    let kinds: BTreeSet<&str> = expected
        .values()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    for kind in [
        "image.pushed",
        "image.indexed",
        "signature.counted",
        "decision.changed",
    ] {
        assert!(
            kinds.contains(format!("dev.countersign.{kind}").as_str()),
            "no `{kind}` in {kinds:?}"
        );
    }
}
