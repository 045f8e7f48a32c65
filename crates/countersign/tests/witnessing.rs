//! Two servers that are each other's witness, as people set them up; then one of them is rolled back, and the other says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands; helpers outside of test functions are tests as well"
)]

#[path = "world/program.rs"]
mod program;

use client::PageRequest;
use client::api::accounts::NewUser;
use program::Server;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long a round of the job may be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(runtime: &Runtime, server: &Server, path: &str) -> String {
    let client = server.client();
    let bytes = runtime.block_on(async {
        match path {
            "tlog/key" => client.log_key().await,
            "tlog/checkpoint" => client.log_checkpoint().await,
            _ => panic!("{path}"),
        }
    });
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

/// The key of a witness, which anybody may ask for.
fn witness_key(server: &Server) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "GET /witness/key HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.trim().to_owned()
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("no {what} in {} seconds", PATIENCE.as_secs());
}

fn grow(runtime: &Runtime, server: &Server, name: &str) {
    let user = NewUser {
        name: name.to_owned(),
        password: Some(program::PASSWORD.to_owned().into()),
    };
    runtime
        .block_on(server.client().create_user(&user))
        .unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn two_servers_witness_each_other_and_a_rollback_is_told() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (at_one, at_other) = (folder.path().join("one"), folder.path().join("other"));
    let mut one = Server::on(&at_one, &[]);
    let mut other = Server::on(&at_other, &[]);
    let log = |server: &Server| text(&runtime, server, "tlog/key").trim().to_owned();
    let (one_log, other_log) = (log(&one), log(&other));
    // As the documentation has it: a server has a key as a witness once it is one, and both are before anybody asks for signatures.
    let of = |log: &str| vec!["--witness-of".to_owned(), log.to_owned()];
    for (server, log) in [(&mut one, &other_log), (&mut other, &one_log)] {
        assert!(witness_key(server).contains("the witness of no log"));
        server.stop();
        server.set_flags(&of(log));
        server.restart();
    }
    let (one_key, other_key) = (witness_key(&one), witness_key(&other));
    let (one_url, other_url) = (one.url(), other.url());
    let flags = |url: &str, key: &str, log: &str| {
        let witness = ["--witness".to_owned(), format!("{url}/witness {key}")];
        [of(log), witness.to_vec()].concat()
    };
    one.stop();
    other.stop();
    one.set_flags(&flags(&other_url, &other_key, &other_log));
    other.set_flags(&flags(&one_url, &one_key, &one_log));
    one.restart();
    other.restart();
    for (server, key) in [(&one, &other_key), (&other, &one_key)] {
        let witness: trust::checkpoint::VerifierKey = key.parse().unwrap();
        wait("signature of the witness", || {
            let note = text(&runtime, server, "tlog/checkpoint");
            trust::checkpoint::verify_cosignature(&note, &witness).ok()
        });
    }

    // Anybody can check it, with the server and without.
    let kept = folder.path().join("kept");
    std::fs::write(&kept, text(&runtime, &one, "tlog/checkpoint")).unwrap();
    let token = one.token(&runtime);
    let verify = |arguments: &[&str]| {
        let mut all = vec![
            "audit",
            "verify",
            "--log-key",
            one_log.as_str(),
            "--witness",
            other_key.as_str(),
        ];
        all.extend_from_slice(arguments);
        let output = one.ask(&all);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    wait("whole log with its witness", || {
        let (code, said) = verify(&[
            "--url",
            &one_url,
            "--token",
            &token,
            "--checkpoint",
            kept.to_str().unwrap(),
        ]);
        (code == Some(0) && said.contains("every entry hashes")).then_some(())
    });
    let proof = folder.path().join("entry.tlog-proof");
    let made = one.ask(&[
        "--server",
        &one_url,
        "--token",
        &token,
        "audit",
        "prove",
        "0",
        "--file",
        proof.to_str().unwrap(),
    ]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let (code, said) = verify(&["--proof", proof.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("entry 0 is in the log"), "{said}");
    let grown = folder.path().join("grown");
    let made = one.ask(&[
        "--server",
        &one_url,
        "--token",
        &token,
        "audit",
        "prove",
        "--since",
        kept.to_str().unwrap(),
        "--file",
        grown.to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let next = said
        .lines()
        .find_map(|line| line.strip_prefix("check it anywhere with: countersign "))
        .unwrap();
    let checked = one.ask(&next.split(' ').collect::<Vec<&str>>());
    assert!(checked.status.success(), "what is said next works: {next}");
    let changed = std::fs::read_to_string(&proof)
        .unwrap()
        .replacen("index 0", "index 1", 1);
    std::fs::write(&proof, changed).unwrap();
    assert_eq!(verify(&["--proof", proof.to_str().unwrap()]).0, Some(3));

    // Somebody takes the server back to a copy from before.
    one.stop();
    let backup = folder.path().join("backup");
    copy(&at_one, &backup);
    one.restart();
    let before: trust::checkpoint::VerifierKey = other_key.parse().unwrap();
    let signed = |server: &Server| {
        let note = text(&runtime, server, "tlog/checkpoint");
        let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
        trust::checkpoint::verify_cosignature(&note, &before)
            .ok()
            .map(|_| size)
    };
    let size = wait("signature", || signed(&one));
    for name in ["eve", "mallory", "trudy"] {
        grow(&runtime, &one, name);
    }
    wait("signature on more", || {
        signed(&one).filter(|now| *now >= size + 3)
    });
    one.stop();
    std::fs::remove_dir_all(&at_one).unwrap();
    copy(&backup, &at_one);
    one.restart();
    let reason = wait("alarm", || {
        let page = runtime
            .block_on(one.client().events(PageRequest::default()))
            .unwrap();
        let event = page
            .items
            .iter()
            .find(|event| event.short_kind() == "audit.witness-refused");
        event.map(|event| event.data["reason"].as_str().unwrap().to_owned())
    });
    assert!(
        ["shrink", "inconsistent"].contains(&reason.as_str()),
        "{reason}"
    );
    one.stop();
    other.stop();
}
