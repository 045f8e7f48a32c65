//! What publishers send, and what they may get wrong.

use serde_json::json;
use trust::Algorithm;
use trust::tuf::{FileMeta, RoleName};

use super::publisher::Before::{
    Delegated, DelegatedWithSnapshotKey, Nothing, NothingWithSnapshotKey, Published,
    PublishedWithSnapshotKey,
};
use super::publisher::{Before, Parts, Publisher};
use crate::{Case, Expect};

pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(first());
    cases.extend(roots());
    cases.extend(lists());
    cases.extend(snapshots());
    cases.extend(delegations());
    cases
}

fn same(name: &'static str, before: Before, update: fn(&mut Publisher) -> Parts) -> Case {
    Case {
        name,
        before,
        update,
        expect: Expect::Same,
    }
}

fn first() -> Vec<Case> {
    vec![
        same("a first update", Nothing, |p| p.init()),
        same(
            "a first update with a snapshot",
            NothingWithSnapshotKey,
            |p| p.init_with_snapshot(),
        ),
        same("no root", Nothing, |p| vec![p.targets_file(1)]),
        same("a root alone", Nothing, |p| vec![p.root_file()]),
        same("nothing for a new repository", Nothing, |_| Vec::new()),
        same(
            "no snapshot though the key is not the servers",
            NothingWithSnapshotKey,
            |p| p.init(),
        ),
        same("a root for another repository", Nothing, |p| {
            let key = p
                .repository
                .new_root_key_for(&"another/name".parse().unwrap());
            p.root
                .set_role(&RoleName::Root, std::slice::from_ref(&key), 1);
            p.root_keys = vec![key];
            p.init()
        }),
        same("a root key without certificate", Nothing, |p| {
            let key = p.repository.new_key(Algorithm::EcdsaP256);
            p.root
                .set_role(&RoleName::Root, std::slice::from_ref(&key), 1);
            p.root_keys = vec![key];
            p.init()
        }),
        same("an expired certificate", Nothing, |p| {
            certificate_from(p, -11 * 365)
        }),
        same("a certificate from three days ahead", Nothing, |p| {
            certificate_from(p, 3)
        }),
        same("a certificate from an hour ahead", Nothing, |p| {
            certificate_from(p, 0)
        }),
        same("two root keys of which both must sign", Nothing, |p| {
            two_root_keys(p, 2)
        }),
        same("two root keys of which one has signed", Nothing, |p| {
            two_root_keys(p, 1)
        }),
        same("another servers timestamp key", Nothing, |p| {
            let key = p.repository.new_key(Algorithm::Ed25519);
            p.root.set_role(&RoleName::Timestamp, &[key], 1);
            p.init()
        }),
        same("a timestamp key beside the servers", Nothing, |p| {
            timestamp_keys(p, 1)
        }),
        same("two timestamp keys that must both sign", Nothing, |p| {
            timestamp_keys(p, 2)
        }),
        same("an ed25519 key for targets", Nothing, |p| {
            p.targets_key = p.repository.new_key(Algorithm::Ed25519);
            let keys = [p.targets_key.clone()];
            p.root.set_role(&RoleName::Targets, &keys, 1);
            p.init()
        }),
    ]
}

/// A root key whose certificate begins so many days from now, and an hour.
fn certificate_from(p: &mut Publisher, days: i64) -> Parts {
    let now = p.repository.now;
    p.repository.now += days * 24 * 3_600_000 + 3_600_000;
    let key = p.repository.new_root_key();
    p.repository.now = now;
    p.root
        .set_role(&RoleName::Root, std::slice::from_ref(&key), 1);
    p.root_keys = vec![key];
    p.init()
}

/// A root that asks for two signatures, and has so many.
fn two_root_keys(p: &mut Publisher, signatures: usize) -> Parts {
    let keys = [p.root_keys[0].clone(), p.repository.new_root_key()];
    p.root.set_role(&RoleName::Root, &keys, 2);
    p.root_keys = keys[..signatures].to_vec();
    p.init()
}

fn timestamp_keys(p: &mut Publisher, threshold: u32) -> Parts {
    let theirs = p.repository.new_key(Algorithm::Ed25519);
    let ours = p.repository.held.timestamp[0].clone();
    p.root
        .set_role(&RoleName::Timestamp, &[theirs, ours], threshold);
    p.init()
}

fn roots() -> Vec<Case> {
    vec![
        same("the same root again", Published, |p| vec![p.root_file()]),
        same("the next root", Published, |p| vec![p.next_root(|_| {})]),
        same("the root after the next", Published, |p| {
            vec![p.next_root(|root| root.version = 3)]
        }),
        same("a first root of version 2", Nothing, |p| {
            p.with_root(|root| root["version"] = json!(2))
        }),
        same("a first root of version 3", Nothing, |p| {
            p.with_root(|root| root["version"] = json!(3))
        }),
        same("an expired root", Nothing, |p| {
            p.with_root(|root| root["expires"] = json!("2020-01-01T00:00:00Z"))
        }),
        same("a new root key signed by both", Published, |p| {
            rotated(p, true, true)
        }),
        same("a new root key signed by the old alone", Published, |p| {
            rotated(p, true, false)
        }),
        same("a new root key signed by itself alone", Published, |p| {
            rotated(p, false, true)
        }),
        same("a new targets key alone", Published, |p| {
            vec![new_targets_key(p)]
        }),
        same("a new targets key and targets by the old", Published, |p| {
            vec![new_targets_key(p), p.targets_file(2)]
        }),
        same("a root that names other roles too", Nothing, |p| {
            p.with_root(|root| root["roles"]["mirrors"] = json!({"keyids": [], "threshold": 1}))
        }),
        same("a root with a key of another kind", Nothing, |p| {
            let key = json!({"keytype": "dsa", "keyval": {"private": null, "public": "AQ=="}});
            let other = trust::tuf::Key::new(trust::tuf::KeyType::from("dsa"), vec![1]);
            let id = other.id().to_string();
            p.with_root(|root| root["keys"][id] = key)
        }),
    ]
}

fn rotated(p: &mut Publisher, by_old: bool, by_new: bool) -> Parts {
    let new = p.repository.new_root_key();
    let old = std::mem::take(&mut p.root_keys);
    p.root_keys.extend(old.into_iter().filter(|_| by_old));
    p.root_keys.extend(by_new.then(|| new.clone()));
    vec![p.next_root(|root| root.set_role(&RoleName::Root, &[new], 1))]
}

fn new_targets_key(p: &mut Publisher) -> (String, Vec<u8>) {
    let key = p.repository.new_key(Algorithm::EcdsaP256);
    p.next_root(|root| root.set_role(&RoleName::Targets, &[key], 1))
}

fn lists() -> Vec<Case> {
    vec![
        same("the next targets", Published, |p| vec![p.targets_file(2)]),
        same("targets of a much higher version", Published, |p| {
            vec![p.targets_file(500)]
        }),
        same("the same targets again", Published, |p| {
            vec![p.targets_file(1)]
        }),
        same("targets of version 0", Published, |p| {
            vec![p.targets_file(0)]
        }),
        same("targets under a name that ends in json", Published, |p| {
            vec![("targets.json".into(), p.targets_file(2).1)]
        }),
        same("expired targets", Published, |p| {
            let mut targets = p.targets(2);
            targets.expires = p.repository.now - 1000;
            vec![p.sign_targets(&targets)]
        }),
        same("targets by a stranger", Published, |p| {
            p.targets_key = p.repository.new_key(Algorithm::EcdsaP256);
            vec![p.targets_file(2)]
        }),
        same("an empty update", Published, |_| Vec::new()),
        same("a timestamp alone", Published, |p| {
            vec![("timestamp".into(), p.targets_file(1).1)]
        }),
        same("an unknown role", Published, |p| {
            vec![("mirrors".into(), p.targets_file(1).1)]
        }),
        same("a part without a name", Published, |p| {
            vec![(String::new(), p.targets_file(1).1)]
        }),
        same("a target with custom data", Published, |p| {
            let mut file = FileMeta::of(b"an image");
            file.custom = Some(json!({"a": [1, {"b": null}], "é": "\n"}));
            let mut targets = p.targets(2);
            targets.targets.insert("1.4".into(), file);
            vec![p.sign_targets(&targets)]
        }),
        same(
            "a target with a hash of another kind only",
            Published,
            |p| {
                p.with_targets(|targets| {
                    targets["targets"]["1.4"] = json!({"hashes": {"md5": "AAAA"}, "length": 3});
                })
            },
        ),
        same("a target without hashes", Published, |p| {
            p.with_targets(|targets| targets["targets"]["1.4"] = json!({"length": 3}))
        }),
        same("null for what is empty", Published, |p| {
            p.with_targets(|targets| {
                targets["targets"] = json!(null);
                targets["delegations"] = json!(null);
            })
        }),
    ]
}

fn snapshots() -> Vec<Case> {
    vec![
        same("a snapshot of another root", NothingWithSnapshotKey, |p| {
            let (root, targets) = (p.root_file(), p.targets_file(1));
            let snapshot = p.snapshot_file(1, &[p.root_file(), targets.clone()]);
            vec![root, targets, snapshot]
        }),
        same("a snapshot of other targets", NothingWithSnapshotKey, |p| {
            let (root, targets) = (p.root_file(), p.targets_file(1));
            let snapshot = p.snapshot_file(1, &[root.clone(), p.targets_file(1)]);
            vec![root, targets, snapshot]
        }),
        same("a snapshot without targets", NothingWithSnapshotKey, |p| {
            let (root, targets) = (p.root_file(), p.targets_file(1));
            let snapshot = p.snapshot_file(1, std::slice::from_ref(&root));
            vec![root, targets, snapshot]
        }),
        same(
            "targets without their snapshot",
            PublishedWithSnapshotKey,
            |p| vec![p.targets_file(2)],
        ),
        same(
            "nothing without a snapshot",
            PublishedWithSnapshotKey,
            |_| Vec::new(),
        ),
        same(
            "a root and targets and their snapshot",
            PublishedWithSnapshotKey,
            |p| {
                let parts = vec![p.next_root(|_| {}), p.targets_file(2)];
                let snapshot = p.snapshot_file(2, &parts);
                [parts, vec![snapshot]].concat()
            },
        ),
        same(
            "targets and a snapshot without somebody else's newer delegation",
            DelegatedWithSnapshotKey,
            |p| {
                let targets = p.targets_file(2);
                let mut parts = p.known.clone();
                parts[1] = targets.clone();
                vec![targets, p.snapshot_file(2, &parts)]
            },
        ),
        same(
            "targets that end a delegation and a snapshot without it",
            DelegatedWithSnapshotKey,
            |p| {
                let targets = p.targets_file(2);
                let root = p.known[0].clone();
                vec![targets.clone(), p.snapshot_file(3, &[root, targets])]
            },
        ),
        same(
            "a snapshot of a version that is there",
            PublishedWithSnapshotKey,
            |p| {
                let parts = vec![p.next_root(|_| {}), p.targets_file(2)];
                let snapshot = p.snapshot_file(1, &parts);
                [parts, vec![snapshot]].concat()
            },
        ),
    ]
}

fn delegations() -> Vec<Case> {
    vec![
        same("a delegation", Delegated(1, 1), |p| {
            vec![p.delegation("targets/a", &p.delegated)]
        }),
        same("a delegation by two of two", Delegated(2, 2), |p| {
            vec![p.delegation("targets/a", &p.delegated)]
        }),
        same("a delegation by one of two", Delegated(2, 2), |p| {
            vec![p.delegation("targets/a", &p.delegated[..1])]
        }),
        same("a delegation by one of two twice", Delegated(2, 2), |p| {
            let twice = [p.delegated[0].clone(), p.delegated[0].clone()];
            vec![p.delegation("targets/a", &twice)]
        }),
        same("a delegation that nobody made", Delegated(1, 1), |p| {
            vec![p.delegation("targets/b", &p.delegated)]
        }),
        same(
            "a delegation below one that has no file",
            Delegated(1, 1),
            |p| vec![p.delegation("targets/a/b", &p.delegated)],
        ),
        same("a delegation with the one below it", Delegated(1, 1), |p| {
            let mut targets = p.targets(1);
            let below = RoleName::parse("targets/a/b").unwrap();
            targets.delegations.set_role(below, &p.delegated, 1, &[""]);
            let above = p.repository.sign(&targets, &p.delegated);
            vec![
                p.delegation("targets/a/b", &p.delegated),
                ("targets/a".into(), above),
            ]
        }),
        same("an expired delegation", Delegated(1, 1), |p| {
            let mut targets = p.targets(1);
            targets.expires = p.repository.now - 1000;
            vec![(
                "targets/a".into(),
                p.repository.sign(&targets, &p.delegated),
            )]
        }),
        same(
            "a delegation under a new root that its parent does not fit",
            Delegated(1, 1),
            |p| vec![new_targets_key(p), p.delegation("targets/a", &p.delegated)],
        ),
        same("a delegation two levels down", Published, |p| {
            delegating_to(p, "targets/a/b")
        }),
        same("a delegation to a wildcard", Published, |p| {
            delegating_to(p, "targets/*")
        }),
        same("a delegation to a base role", Published, |p| {
            delegating_to(p, "root")
        }),
        same("a delegation in capitals", Published, |p| {
            delegating_to(p, "targets/A")
        }),
    ]
}

fn delegating_to(p: &mut Publisher, role: &str) -> Parts {
    p.with_targets(|targets| {
        targets["delegations"]["roles"] = json!([{"keyids": [], "name": role, "threshold": 1}]);
    })
}
