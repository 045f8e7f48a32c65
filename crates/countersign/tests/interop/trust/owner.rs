//! An owner who gives notary up: `countersign trust` goes on with notary's key files, and those who read with notary follow. And one who
//! goes over to notary, or to docker, which has notary's library.

use super::side::Side;
use crate::harness::{Notary, Program};
use std::fs;

/// Every key is rotated by countersign; a reader who knows the first root sees the same tags under the last one.
pub(super) fn goes_on_without_notary(side: &Side) {
    let owner = side.notary_user("owner");
    fs::write(owner.home().join("file"), "a file").unwrap();
    let gun = side.name("dct/owner");
    owner.notary(["init", "-p", &gun]).ok();
    owner.notary(["add", "-p", &gun, "v1", "file"]).ok();
    let old = side.notary_user("old");
    reads(&old, &gun);
    let keys = owner.home().join("trust/private");
    let keys = keys.to_str().unwrap();
    let trust = |words: &[&str]| -> Program {
        let program = side.cli(["trust"]).args(words);
        let program = program.env("NOTARY_ROOT_PASSPHRASE", Notary::PASSPHRASE);
        program.env("NOTARY_TARGETS_PASSPHRASE", Notary::PASSPHRASE)
    };
    // notary signs snapshots itself: nothing else is taken before the server does.
    let early = trust(&["rotate", "timestamp", "--keys", keys, &gun]).fails();
    early.says(&["countersign trust rotate snapshot"]);
    for role in ["snapshot", "timestamp", "targets", "root"] {
        trust(&["rotate", role, "--keys", keys, &gun]).ok();
        reads(&old, &gun);
    }
    let newcomer = side.notary_user("newcomer");
    reads(&newcomer, &gun);
    let status = trust(&["status", &gun, "-o", "json"]).ok();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["released"][0]["tag"], "v1");
    assert_eq!(status["roles"][0]["version"], 5);
    assert_eq!(status["roles"][0]["keys"][0]["heldBy"], "countersign");
}

/// What countersign makes in docker's folder notary opens, publishes with and rotates, also after countersign has put another key there.
pub(super) fn hands_over_to_notary(side: &Side) {
    let owner = side.notary_user("begun");
    fs::write(owner.home().join("file"), "a file").unwrap();
    let gun = side.name("dct/begun");
    let trust = |words: &[&str]| -> Program {
        let program = side.cli(["trust"]).args(words);
        let program = program.env("DOCKER_CONFIG", owner.home());
        let program = program.env("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", Notary::PASSPHRASE);
        program.env(
            "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
            Notary::PASSPHRASE,
        )
    };
    trust(&["init", "--plain", "--docker", &gun]).ok();
    // With the targets key, and with the root key.
    owner.notary(["add", "-p", &gun, "v1", "file"]).ok();
    owner
        .notary(["key", "rotate", &gun, "timestamp", "-r"])
        .ok();
    reads(&side.notary_user("another"), &gun);
    trust(&["rotate", "targets", &gun]).ok();
    owner.notary(["add", "-p", &gun, "v2", "file"]).ok();
    let status = trust(&["status", &gun, "-o", "json"]).ok();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["released"][1]["tag"], "v2");
    assert_eq!(status["roles"][1]["keys"][0]["heldBy"], "docker");
}

fn reads(reader: &Notary, gun: &str) {
    let out = reader.notary(["list", gun]).ok();
    assert!(out.contains("v1"), "{out}");
}
