//! The audit log in the hands of a program that is not ours: the code that Go checks its checksum database with follows tiles, entries and
//! a proof to the root that the log signed, and refuses each of them when a byte was changed. `.ci/install` builds it from `sumdb/`.

use crate::harness::{Program, Shop, block_on, client_program, within};
use client::api::accounts::NewRobot;
use client::{Client, ClientOptions, Credentials};
use std::path::{Path, PathBuf};

/// More than a tile has, so that there are full and partial ones, and one above them.
const ACTS: usize = 270;
/// An entry of the first tile.
const PROVED: &str = "70";

/// A client that need not have a password hashed for each call.
fn with_token(shop: &Shop, token: &str) -> Client {
    let options = ClientOptions::new(&shop.server.url()).unwrap();
    let credentials = Credentials::Token(token.to_owned().into());
    Client::new(options.with_credentials(credentials)).unwrap()
}

/// The entries that a checkpoint speaks of.
fn sealed(client: &Client) -> usize {
    let note = block_on(client.log_checkpoint()).unwrap();
    let note = std::str::from_utf8(&note).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

fn grow(client: &Client, to: usize) {
    for number in 0..to.saturating_sub(sealed(client)) {
        let robot = NewRobot {
            name: format!("robot-{number}"),
            owner: None,
        };
        block_on(client.create_robot(&robot)).unwrap();
    }
    within(30, "the log is sealed", || {
        (sealed(client) >= to).then_some(())
    });
}

fn check(folder: &Path, key: &str, proof: &Path) -> Program {
    Program::new(client_program("sumdb-log"))
        .arg("check")
        .arg(folder)
        .arg(key)
        .arg(proof)
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn go_follows_the_log_to_its_root_and_refuses_a_changed_one() {
    let shop = Shop::bare(&[]);
    let admin = shop.actor("admin");
    let token = admin.does(["token", "create", "sumdb", "--quiet"]);
    let token = token.trim();
    let client = with_token(&shop, token);
    grow(&client, ACTS);
    let key = block_on(client.log_key()).unwrap();
    let key = std::str::from_utf8(&key).unwrap().trim();
    let proof = shop.folder().join("entry.tlog-proof");
    let made = ["audit", "prove", PROVED, "--log-key", key, "--file"];
    admin.cli(made).arg(&proof).ok();

    let log = shop.folder().join("log");
    Program::new(client_program("sumdb-log"))
        .args(["fetch", &shop.server.url()])
        .arg(&log)
        .env("TOKEN", token)
        .ok();
    let said = check(&log, key, &proof).ok();
    for part in ["entries: all", "tiles: all", "proof: entry 70 is"] {
        assert!(said.contains(part), "{said}");
    }

    // A byte in any of them.
    let below = files(&log);
    let mut kinds = std::collections::BTreeSet::new();
    for file in below.iter().chain([&proof]) {
        let whole = std::fs::read(file).unwrap();
        // In the middle of a text is what was signed or proved.
        let mut changed = whole.clone();
        let middle = whole.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(file, changed).unwrap();
        let done = check(&log, key, &proof).fails();
        let kind = done.err.split(':').next().unwrap_or_default().to_owned();
        assert!(!kind.contains("panic"), "{}", done.all());
        kinds.insert(kind);
        std::fs::write(file, whole).unwrap();
    }
    assert!(below.len() >= 6, "{below:?}");
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["checkpoint", "entries", "proof", "tiles"]
    );
    check(&log, key, &proof).ok();

    // Another log's key says nothing about this one.
    let other = Shop::bare(&[]);
    let token = other
        .actor("admin")
        .does(["token", "create", "sumdb", "--quiet"]);
    let stranger = with_token(&other, token.trim());
    let stranger = within(30, "the log's key", || block_on(stranger.log_key()).ok());
    let stranger = std::str::from_utf8(&stranger).unwrap().trim();
    let done = check(&log, stranger, &proof).fails();
    assert!(done.err.contains("checkpoint:"), "{}", done.all());
}
