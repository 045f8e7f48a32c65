//! The database, while another process holds its write lock: who reads goes on, who writes waits or is told when to come again, and
//! nothing is lost.

use crate::harness::{Image, ImageParts, Refusal, Session, Shop, small_layer, until};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const REPOSITORY: &str = "shop/locked";
/// Pulls while the lock is held.
const PULLS: usize = 50;
/// How long each may take.
const PULL_SECONDS_MAX: u64 = 2;

/// A `sqlite3` that holds the lock until it is told to let go.
struct Lock(Child);

impl Lock {
    fn take(shop: &Shop) -> Self {
        let mut child = Command::new("sqlite3")
            .arg(shop.server.data().join("countersign.db"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run `sqlite3`: {error}; run `.ci/install`"));
        let words = b".timeout 20000\nBEGIN IMMEDIATE;\nSELECT 'held';\n";
        child.stdin.as_mut().unwrap().write_all(words).unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.as_mut().unwrap());
        while !said.contains("held") {
            assert_ne!(
                out.read_line(&mut said).unwrap(),
                0,
                "sqlite3 ended: {said}"
            );
        }
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Its end is the end of its transaction.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn readers_go_on_and_writers_wait_while_the_database_is_locked() {
    let shop = Shop::bare(&[]);
    let image = |name: &str| ImageParts::of([small_layer(name)]).build();
    session(&shop).push(&image("before"), "before").unwrap();
    let during = image("during");

    let lock = Lock::take(&shop);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&shop, &during));
        for _ in 0..PULLS {
            let begun = Instant::now();
            let digest = session(&shop).pull("before").unwrap();
            assert_eq!(digest, image("before").digest());
            let took = begun.elapsed();
            assert!(
                took < Duration::from_secs(PULL_SECONDS_MAX),
                "a pull took {took:?}"
            );
        }
        assert!(
            is_waiting_or_told(&shop, writer.is_finished()),
            "the lock holds nothing up"
        );
        drop(lock);
        let outcome = writer.join().unwrap();
        println!(
            "locked: the writer: {}",
            outcome
                .as_ref()
                .map_or_else(Refusal::all, |()| "waited".to_owned())
        );
        if let Err(refusal) = outcome {
            let reply = refusal.reply.as_ref().expect("an answer");
            assert_eq!(reply.status, 503, "{}", refusal.all());
            assert!(
                reply.headers.contains_key("retry-after"),
                "{}",
                refusal.all()
            );
        }
    });
    // It goes on as before, and without a restart.
    until(10, "a push after the lock", || {
        write(&shop, &during).is_ok()
    });
    assert_eq!(session(&shop).pull("during").unwrap(), during.digest());
}

fn session(shop: &Shop) -> Session {
    Session::open(&shop.server.host(), shop.actor("dora"), REPOSITORY).unwrap()
}

fn write(shop: &Shop, image: &Image) -> Result<(), Refusal> {
    Session::open(&shop.server.host(), shop.actor("dora"), REPOSITORY)?.push(image, "during")
}

/// Nothing was written: the push waits, or was refused.
fn is_waiting_or_told(shop: &Shop, is_finished: bool) -> bool {
    let found = session(shop).pull("during");
    !is_finished || found.is_err()
}
