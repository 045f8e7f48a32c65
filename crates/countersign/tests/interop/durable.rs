//! What is synced before an upload is acknowledged, as the kernel saw it: the file and its new name in the folder, then the database,
//! and only then the 201.

use crate::harness::{Shop, curl, noise, until};
use oci::Digest;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

const CALLS: &str =
    "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,sendto,sendmsg,write,writev";

/// A trace of a process, ended by its own id.
struct Trace(Child);

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-INT", &self.0.id().to_string()])
            .status();
        let _ = self.0.wait();
    }
}

#[test]
fn an_upload_is_synced_before_it_is_acknowledged() {
    let shop = Shop::bare(&[]);
    let content = noise("durable", 300_000);
    let file = shop.folder().join("blob");
    std::fs::write(&file, &content).unwrap();
    let digest = Digest::sha256(&content);
    let uploads = format!("{}/v2/shop/durable/blobs/uploads/", shop.server.url());
    let begun = curl(&uploads).user(shop.actor("dora")).method("POST").ask();
    assert_eq!(begun.status, 202, "{begun:?}");
    let location = absolute(&shop, &begun.headers["location"]);

    let trace = shop.folder().join("trace");
    let said = shop.folder().join("strace.log");
    let strace = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-s",
            "80",
            "-e",
            CALLS,
            "-p",
            &shop.server.pid().to_string(),
            "-o",
        ])
        .arg(&trace)
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run `strace`: {error}; run `.ci/install`"));
    let strace = Trace(strace);
    until(20, "strace is attached", || {
        std::fs::read_to_string(&said).unwrap().contains("attached")
    });
    let joint = if location.contains('?') { '&' } else { '?' };
    let put = format!("{location}{joint}digest={digest}");
    let answer = curl(&put)
        .user(shop.actor("dora"))
        .method("PUT")
        .body(&file, "application/octet-stream")
        .ask();
    assert_eq!(answer.status, 201, "{answer:?}");
    drop(strace);
    in_order(&std::fs::read_to_string(&trace).unwrap(), &digest);
}

fn absolute(shop: &Shop, location: &str) -> String {
    if location.starts_with('/') {
        format!("{}{location}", shop.server.url())
    } else {
        location.to_owned()
    }
}

/// Whether a call is the one that is looked for.
type Test<'a> = Box<dyn Fn(&str) -> bool + 'a>;

/// The file gets a name that nobody knows yet; the file and the name are synced, in any order; then the rest, one after the other.
fn in_order(trace: &str, digest: &Digest) {
    let events = events(trace);
    let is_sync = |call: &str| call.contains("fsync(") || call.contains("fdatasync(");
    let shard = format!("/blobs/sha256/{}>", &digest.hex()[..2]);
    let named = events.iter().position(|call| {
        (call.contains("rename") || call.contains("link")) && call.contains(digest.hex())
    });
    let named = named.unwrap_or_else(|| panic!("the file gets no name\n{trace}"));
    let synced = |what: &str, is_it: &dyn Fn(&str) -> bool| {
        let found = events
            .iter()
            .skip(named)
            .position(|call| is_sync(call) && is_it(call));
        let at = named + found.unwrap_or_else(|| panic!("{what}: not behind the name\n{trace}"));
        println!("durable: {what}: {}", events[at]);
        at
    };
    let bytes = synced("the file is synced", &|call| call.contains(digest.hex()));
    let name = synced("the folder is synced", &|call| call.contains(&shard));
    let steps: [(&str, Test<'_>); 2] = [
        (
            "the database is synced",
            Box::new(|call| is_sync(call) && call.contains("countersign.db")),
        ),
        (
            "the 201 is written",
            Box::new(|call| call.contains("HTTP/1.1 201")),
        ),
    ];
    let mut from = bytes.max(name) + 1;
    for (what, is_it) in steps {
        let found = events.iter().skip(from).position(|call| is_it(call));
        let at = from
            + found
                .unwrap_or_else(|| panic!("{what}: not in the trace behind call {from}\n{trace}"));
        println!("durable: {what}: {}", events[at]);
        from = at + 1;
    }
    let first = events.iter().position(|call| call.contains("HTTP/1.1 201"));
    assert_eq!(first, Some(from - 1), "a 201 comes before all is synced");
}

/// The calls in order: a sync or rename at the moment when it had ended, a write at the moment when it began.
fn events(trace: &str) -> Vec<String> {
    let mut under_way: BTreeMap<&str, &str> = BTreeMap::new();
    let mut events = Vec::new();
    for line in trace.lines() {
        let (process, call) = line.split_once(' ').unwrap_or((line, ""));
        if call.trim_start().starts_with("<... ") {
            events.extend(under_way.remove(process).map(str::to_owned));
        } else if call.contains("<unfinished ...>") && !call.contains("HTTP/1.1") {
            under_way.insert(process, call);
        } else {
            events.push(call.to_owned());
        }
    }
    events
}
