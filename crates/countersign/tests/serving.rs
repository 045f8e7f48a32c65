//! `countersign serve` as a program: its log, its address for metrics, and how signals end it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands; helpers outside of test functions are tests as well"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const PASSWORD: &str = "correct horse battery staple";

/// A server in a process of its own.
struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
    metrics: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["serve", "--listen", "127.0.0.1:0", "--access-log"])
            .args(["--metrics-listen", "127.0.0.1:0", "--log-format", "json"])
            .arg("--data")
            .arg(folder.path())
            .env("COUNTERSIGN_ADMIN_PASSWORD", PASSWORD)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |text: &str| {
            let line = printed.next().unwrap().unwrap();
            let (_, rest) = line.split_once("http://").unwrap();
            assert!(line.contains(text), "{line}");
            rest.split('/').next().unwrap().parse().unwrap()
        };
        Self {
            address: address("listens on"),
            metrics: address("Metrics"),
            log: BufReader::new(child.stderr.take().unwrap()),
            child,
            _folder: folder,
        }
    }

    fn signal(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// The next line of the log with this message; what `countersign` says to people is passed over.
    fn logged(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "{message}");
            match serde_json::from_str::<Value>(&line) {
                Ok(event) if event["message"] == message => return event,
                _ => {}
            }
        }
    }

    /// Begins an upload, of which one byte is missing.
    fn begin_upload(&self) -> TcpStream {
        let answer = ask(self.address, "POST", "/v2/shop/web/blobs/uploads/");
        let location = answer
            .lines()
            .find_map(|line| line.strip_prefix("location: "))
            .unwrap();
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "PATCH {location} HTTP/1.1\r\nhost: localhost\r\n{}content-length: 6\r\nexpect: 100-continue\r\n\r\n",
            authorization()
        )
        .unwrap();
        let mut goes_on = [0; 25];
        stream.read_exact(&mut goes_on).unwrap();
        stream.write_all(b"layer").unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn authorization() -> String {
    let basic = STANDARD.encode(format!("admin:{PASSWORD}"));
    format!("authorization: Basic {basic}\r\n")
}

fn ask(address: SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{}content-length: 0\r\nconnection: close\r\n\r\n",
        authorization()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_stop_waits_for_an_upload_and_says_so_where_it_is_measured() {
    let mut server = Server::start();
    let metrics = ask(server.metrics, "GET", "/metrics");
    assert!(
        metrics.contains("\ncountersign_build_info{version="),
        "{metrics}"
    );
    assert!(ask(server.metrics, "GET", "/readyz").ends_with("ready\n"));

    let mut upload = server.begin_upload();
    server.signal();
    while TcpStream::connect(server.address).is_ok() {}
    let ready = ask(server.metrics, "GET", "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.ends_with("server: failed: it is stopping\nnot ready\n"));

    upload.write_all(b"s").unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let id = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "))
        .unwrap();
    let line = loop {
        let line = server.logged("answered");
        if line["method"] == "PATCH" {
            break line;
        }
    };
    assert_eq!(line["request"], id);
    assert_eq!(line["principal"], "admin");
    assert_eq!(line["received"], 6);
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn a_second_signal_does_not_wait() {
    let mut server = Server::start();
    let mut upload = server.begin_upload();
    server.signal();
    while TcpStream::connect(server.address).is_ok() {}
    server.signal();
    assert_eq!(server.child.wait().unwrap().code(), Some(1));
    let mut rest = String::new();
    let _ = upload.read_to_string(&mut rest);
    assert_eq!(rest, "");
}
