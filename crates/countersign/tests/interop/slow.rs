//! Clients that keep a server waiting: requests that never end, and uploads that nobody finishes. Whoever works beside them does not
//! notice.

use crate::harness::{ImageParts, Session, Shop, Wire, small_layer, until};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// Connections that send a byte now and then.
const SLOW: usize = 300;
/// Upload sessions that are begun and left.
const SESSIONS: usize = 10_000;
const THREADS: usize = 8;
/// How long a pull or push may take beside them, each.
const SECONDS_MAX: u64 = 5;
/// After this, the server has had enough of a request whose head does not end.
const PATIENCE_SECONDS_MAX: u64 = 60;
const REPOSITORY: &str = "shop/slow";

#[test]
fn slow_clients_and_forgotten_uploads_disturb_nobody() {
    let shop = Shop::bare(&[]);
    works(&shop, "before");
    // All of it at the same time.
    std::thread::scope(|scope| {
        scope.spawn(|| heads_that_never_end(&shop));
        let _open = bodies_that_never_end(&shop);
        uploads_that_nobody_finishes(&shop);
    });
    works(&shop, "after");
    println!("slow: at most {} MiB", shop.server.memory_peak_mib());
}

/// Somebody pushes and pulls as always.
fn works(shop: &Shop, tag: &str) {
    let image = ImageParts::of([small_layer(tag)]).build();
    let begun = Instant::now();
    let mut session = session(shop);
    session.push(&image, tag).unwrap();
    assert_eq!(session.pull(tag).unwrap(), image.digest());
    let took = begun.elapsed();
    println!(
        "slow: {tag}: a push and a pull took {} ms",
        took.as_millis()
    );
    assert!(took < Duration::from_secs(SECONDS_MAX), "{tag}: {took:?}");
}

fn session(shop: &Shop) -> Session {
    Session::open(&shop.server.host(), shop.actor("dora"), REPOSITORY).unwrap()
}

/// Each sends a byte of its head now and then, until the server hangs up.
fn heads_that_never_end(shop: &Shop) {
    let mut open: Vec<Wire> = (0..SLOW)
        .map(|_| {
            let mut wire = Wire::connect(&shop.server.host()).unwrap();
            wire.stream()
                .write_all(b"GET /v2/ HTTP/1.1\r\nX-Slow: ")
                .unwrap();
            wire
        })
        .collect();
    let begun = Instant::now();
    until(PATIENCE_SECONDS_MAX, "the server hangs up", || {
        open.retain_mut(|wire| wire.stream().write_all(b"x").is_ok() && !is_over(wire));
        open.is_empty()
    });
    println!(
        "slow: {SLOW} heads were given up after {} ms",
        begun.elapsed().as_millis()
    );
}

/// Whether the server has answered or hung up. Nothing is waited for.
fn is_over(wire: &mut Wire) -> bool {
    let stream = wire.stream();
    stream.set_nonblocking(true).unwrap();
    let mut byte = [0];
    let read = stream.read(&mut byte);
    stream.set_nonblocking(false).unwrap();
    read.is_ok()
}

/// Uploads whose bodies stop half-way, while their connections stay.
fn bodies_that_never_end(shop: &Shop) -> Vec<Wire> {
    let mut session = session(shop);
    let (authorization, mut open) = (session.authorization().to_owned(), Vec::new());
    for _ in 0..SLOW {
        let location = session.begin_upload().unwrap();
        let mut wire = Wire::connect(&shop.server.host()).unwrap();
        let head = format!(
            "PATCH {location} HTTP/1.1\r\nHost: {}\r\nAuthorization: {authorization}\r\nContent-Length: 1000000\r\n\r\nhalf",
            shop.server.host()
        );
        wire.stream().write_all(head.as_bytes()).unwrap();
        open.push(wire);
    }
    works(shop, "slow-bodies");
    open
}

/// Ten thousand uploads are begun; each is one, or refused with a client's error.
fn uploads_that_nobody_finishes(shop: &Shop) {
    let begun = Instant::now();
    let counts: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| begin_uploads(shop, SESSIONS / THREADS)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let begun_count: usize = counts.iter().map(|(begun, _)| begun).sum();
    let refused: usize = counts.iter().map(|(_, refused)| refused).sum();
    println!(
        "slow: {begun_count} uploads begun, {refused} refused, in {} ms",
        begun.elapsed().as_millis()
    );
    works(shop, "forgotten-uploads");
}

fn begin_uploads(shop: &Shop, count: usize) -> (usize, usize) {
    let mut session = session(shop);
    let (mut begun, mut refused) = (0, 0);
    for _ in 0..count {
        match session.begin_upload() {
            Ok(_) => begun += 1,
            Err(refusal) => {
                assert_eq!(refusal.status(), 429, "{}", refusal.all());
                refused += 1;
            }
        }
    }
    (begun, refused)
}
