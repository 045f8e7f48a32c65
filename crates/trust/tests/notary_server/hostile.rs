//! What no honest publisher sends, and where we refuse more than notary-server.

use std::slice;

use serde_json::{Value, json};
use trust::tuf::{Key, RoleName};

use super::publisher::Before::{
    DelegatedWithSnapshotKey, Nothing, Published, PublishedWithSnapshotKey,
};
use super::publisher::{Before, Parts, Publisher};
use crate::Expect::{OtherWords, Same, WeRefuse};
use crate::{Case, Expect};

pub(crate) fn all() -> Vec<Case> {
    let mut cases = forms();
    cases.extend(readings());
    cases.extend(roots());
    cases.extend(others());
    cases
}

fn case(
    name: &'static str,
    before: Before,
    expect: Expect,
    update: fn(&mut Publisher) -> Parts,
) -> Case {
    Case {
        name,
        before,
        update,
        expect,
    }
}

/// The first update, with the bytes of one part changed.
fn changed(p: &Publisher, part: usize, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Parts {
    let mut parts = p.init();
    let bytes = std::mem::take(&mut parts[part].1);
    parts[part].1 = change(bytes);
    parts
}

/// A second `targets`, with its text changed.
fn reworded(p: &Publisher, from: &str, to: &str) -> Parts {
    let (name, bytes) = p.targets_file(2);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{text}");
    vec![(name, text.replacen(from, to, 1).into_bytes())]
}

fn pretty(bytes: Vec<u8>) -> Vec<u8> {
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    serde_json::to_vec_pretty(&value).unwrap()
}

fn unsigned(bytes: Vec<u8>) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    value["signatures"] = json!([]);
    value.to_string().into_bytes()
}

fn forms() -> Vec<Case> {
    let stands_after = "bytes after the json are no json";
    vec![
        case("an unsigned root", Nothing, Same, |p| {
            changed(p, 0, unsigned)
        }),
        case("unsigned targets", Nothing, Same, |p| {
            changed(p, 1, unsigned)
        }),
        case("a root that is no json", Nothing, Same, |p| {
            changed(p, 0, |_| b"root".to_vec())
        }),
        case("targets that are no json", Nothing, Same, |p| {
            changed(p, 1, |_| b"{".to_vec())
        }),
        case("a root that is an array", Nothing, Same, |p| {
            changed(p, 0, |_| b"[]".to_vec())
        }),
        case("an empty root", Nothing, Same, |p| {
            changed(p, 0, |_| b"{}".to_vec())
        }),
        case("empty targets", Nothing, Same, |p| {
            changed(p, 1, |_| b"{}".to_vec())
        }),
        case("a root with white space", Nothing, Same, |p| {
            changed(p, 0, pretty)
        }),
        case("targets with white space", Nothing, Same, |p| {
            changed(p, 1, pretty)
        }),
        case(
            "two roots in one part",
            Nothing,
            OtherWords(stands_after),
            |p| changed(p, 0, |bytes| [bytes.as_slice(), b"{}"].concat()),
        ),
        case(
            "two targets in one part",
            Nothing,
            OtherWords(stands_after),
            |p| changed(p, 1, |bytes| [bytes.as_slice(), b"{}"].concat()),
        ),
        case("a timestamp that is no json", Published, Same, |p| {
            vec![p.targets_file(2), ("timestamp".into(), b"x".to_vec())]
        }),
        case("a method in capitals", Published, Same, |p| {
            reworded(p, "\"method\":\"ecdsa\"", "\"method\":\"ECDSA\"")
        }),
        case("an unknown method", Published, Same, |p| {
            reworded(p, "\"method\":\"ecdsa\"", "\"method\":\"none\"")
        }),
    ]
}

fn readings() -> Vec<Case> {
    let twice = "others would read the other one";
    let capitals = "docker takes it for the field itself";
    vec![
        case("a version that is a text", Nothing, Same, |p| {
            p.with_root(|root| root["version"] = json!("1"))
        }),
        case("an end that is no time", Nothing, Same, |p| {
            p.with_root(|root| root["expires"] = json!("soon"))
        }),
        case("a root without a version", Nothing, Same, |p| {
            p.with_root(|root| root["version"] = json!(null))
        }),
        case("a root of another type", Nothing, Same, |p| {
            p.with_root(|root| root["_type"] = json!("root"))
        }),
        case("unknown fields", Nothing, Same, |p| {
            p.with_root(|root| root["x"] = json!({"y": [1, null, "z\n"]}))
        }),
        case("characters that others escape", Nothing, Same, |p| {
            p.with_root(|root| root["x"] = json!("\u{1}\u{7f}\u{2028}<&>é\u{1f600}\"\\/"))
        }),
        case("a number with a fraction", Published, Same, |p| {
            reworded(p, "\"targets\":{}", "\"targets\":{},\"x\":1.5")
        }),
        case("a key that stands twice", Published, WeRefuse(twice), |p| {
            reworded(p, "\"version\":2", "\"version\":9,\"version\":2")
        }),
        case("a field in capitals", Published, WeRefuse(capitals), |p| {
            p.with_targets(|targets| targets["Version"] = json!(3))
        }),
        case("a list in capitals", Published, WeRefuse(capitals), |p| {
            p.with_targets(|targets| targets["TARGETS"] = json!({}))
        }),
        case("an end without seconds", Nothing, Same, |p| {
            p.with_root(|root| root["expires"] = json!("2036-01-01T00:00Z"))
        }),
        case("an end without colons", Nothing, Same, |p| {
            p.with_root(|root| root["expires"] = json!("2036-01-01T000000Z"))
        }),
        case("an end with a short offset", Nothing, Same, |p| {
            p.with_root(|root| root["expires"] = json!("2036-01-01T00:00:00+01"))
        }),
        case("an end in a leap second", Nothing, Same, |p| {
            p.with_root(|root| root["expires"] = json!("2036-01-01T00:00:60Z"))
        }),
        case("an end with an offset", Nothing, Same, |p| {
            p.with_root(|root| root["expires"] = json!("2036-01-01T00:00:00.5-23:59"))
        }),
        case("another role that is none", Nothing, Same, |p| {
            p.with_root(|root| root["roles"]["mirrors"] = json!(5))
        }),
        case("another role of unknown keys", Nothing, Same, |p| {
            p.with_root(|root| root["roles"]["mirrors"] = json!({"keyids": ["a"], "x": 1}))
        }),
        case(
            "a hash of another kind that is no text",
            Published,
            Same,
            |p| with_hash(p, json!(5)),
        ),
        case(
            "a hash of another kind that is no base64",
            Published,
            Same,
            |p| with_hash(p, json!("?")),
        ),
        case(
            "a version that is far above",
            Published,
            WeRefuse("nobody could publish the one after it"),
            |p| vec![p.targets_file(1 << 40)],
        ),
        case(
            "a hash of another length",
            Published,
            WeRefuse("it is no hash"),
            |p| {
                p.with_targets(|targets| {
                    targets["targets"]["1.4"] = json!({"hashes": {"sha256": "AAAA"}, "length": 3});
                })
            },
        ),
        case(
            "a negative length",
            Published,
            WeRefuse("it is no length"),
            |p| {
                p.with_targets(|targets| {
                    targets["targets"]["1.4"] = json!({"hashes": {}, "length": -3});
                })
            },
        ),
    ]
}

fn with_hash(p: &mut Publisher, hash: Value) -> Parts {
    p.with_targets(|targets| {
        targets["targets"]["1.4"] = json!({"hashes": {"md5": hash}, "length": 3});
    })
}

fn roots() -> Vec<Case> {
    let mut cases = vec![
        case(
            "a key under another id",
            Nothing,
            WeRefuse("ids are hashes"),
            |p| {
                p.with_root(|root| {
                    let keys = root["keys"].as_object_mut().unwrap();
                    let key = keys.values().next().unwrap().clone();
                    keys.insert("0".repeat(64), key);
                })
            },
        ),
        case(
            "a private key",
            Nothing,
            WeRefuse("it would be published"),
            |p| {
                let id = p.targets_key.id().to_string();
                p.with_root(|root| root["keys"][id]["keyval"]["private"] = json!("AAAA"))
            },
        ),
    ];
    cases.extend(each_role(
        [
            "no signature for root",
            "no signature for targets",
            "no signature for snapshot",
            "no signature for timestamp",
        ],
        [
            |p| with_role(p, "root", "threshold", json!(0)),
            |p| with_role(p, "targets", "threshold", json!(0)),
            |p| with_role(p, "snapshot", "threshold", json!(0)),
            |p| with_role(p, "timestamp", "threshold", json!(0)),
        ],
    ));
    cases.extend(each_role(
        [
            "an unknown key for root",
            "an unknown key for targets",
            "an unknown key for snapshot",
            "an unknown key for timestamp",
        ],
        [
            |p| with_role(p, "root", "keyids", json!(["0".repeat(64)])),
            |p| with_role(p, "targets", "keyids", json!(["0".repeat(64)])),
            |p| with_role(p, "snapshot", "keyids", json!(["0".repeat(64)])),
            |p| with_role(p, "timestamp", "keyids", json!(["0".repeat(64)])),
        ],
    ));
    cases.extend(each_role(
        [
            "no role root",
            "no role targets",
            "no role snapshot",
            "no role timestamp",
        ],
        [
            |p| without_role(p, "root"),
            |p| without_role(p, "targets"),
            |p| without_role(p, "snapshot"),
            |p| without_role(p, "timestamp"),
        ],
    ));
    cases
}

fn each_role(
    names: [&'static str; 4],
    updates: [fn(&mut Publisher) -> Parts; 4],
) -> impl Iterator<Item = Case> {
    let both = names.into_iter().zip(updates);
    both.map(|(name, update)| case(name, Nothing, Same, update))
}

fn with_role(p: &mut Publisher, role: &str, field: &str, value: Value) -> Parts {
    p.with_root(|root| root["roles"][role][field] = value)
}

fn without_role(p: &mut Publisher, role: &str) -> Parts {
    p.with_root(|root| {
        root["roles"].as_object_mut().unwrap().remove(role);
    })
}

fn others() -> Vec<Case> {
    let once = "nobody knows which of them counts";
    vec![
        case("two files for one role", Published, WeRefuse(once), |p| {
            vec![p.targets_file(2), p.targets_file(3)]
        }),
        case(
            "a role that is delegated to twice",
            Published,
            WeRefuse(once),
            |p| {
                let role = json!({"keyids": [], "name": "targets/a", "threshold": 1});
                p.with_targets(|targets| {
                    targets["delegations"]["roles"] = json!([role.clone(), role]);
                })
            },
        ),
        case(
            "a snapshot of a file that nobody has",
            PublishedWithSnapshotKey,
            WeRefuse("readers would not find it"),
            |p| {
                let root = p.next_root(|_| {});
                let snapshot = p.snapshot_file(2, &[root.clone(), p.targets_file(1)]);
                vec![root, snapshot]
            },
        ),
        case(
            "a snapshot that hides a delegation",
            DelegatedWithSnapshotKey,
            WeRefuse("readers would miss what it says"),
            |p| {
                let above = p.known[..2].to_vec();
                vec![p.snapshot_file(3, &above)]
            },
        ),
        case(
            "one key in a certificate and bare",
            Published,
            WeRefuse("it is one key"),
            |p| {
                let certified = p.repository.new_root_key();
                let bare = Key::from(&certified.to_public_key().unwrap());
                let both = [certified, bare];
                let mut targets = p.targets(2);
                let role = RoleName::parse("targets/a").unwrap();
                targets.delegations.set_role(role, &both, 2, &[""]);
                vec![p.sign_targets(&targets), p.delegation("targets/a", &both)]
            },
        ),
        case(
            "a signature by a key of another role",
            Published,
            Same,
            |p| {
                let keys = slice::from_ref(&p.root_keys[0]);
                let targets = p.repository.sign(&p.targets(2), keys);
                vec![("targets".into(), targets)]
            },
        ),
    ]
}
