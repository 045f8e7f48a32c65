//! Files that are read, and those that could be read in two ways.

use serde_json::json;

use super::*;
use crate::testing::key_of;
use crate::tuf::author::{self, BaseKeys, root_key};
use crate::tuf::metadata::{DELEGATIONS_MAX, Root, Snapshot, Targets, Timestamp};
use crate::tuf::{FileMeta, Gun, Key};
use crate::{Algorithm, PrivateKey, Signer};

const NOW: i64 = 1_795_608_000_000;

fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

fn targets() -> Targets {
    let mut targets = author::first_targets(NOW);
    targets
        .targets
        .insert("1.4".into(), author::image([7; 32], 523));
    let alice = Key::from(key_of(Algorithm::EcdsaP256).public_key());
    targets
        .delegations
        .set_role(role("targets/alice"), &[alice], 1, &[""]);
    targets
}

fn file(signed: &Value) -> Vec<u8> {
    json!({"signed": signed, "signatures": []})
        .to_string()
        .into_bytes()
}

fn read_targets(signed: &Value) -> Result<Targets, Problem> {
    let signed: Signed<Targets> = Signed::parse(&RoleName::Targets, file(signed))?;
    Ok(signed.content().clone())
}

/// A valid `targets` with one value replaced.
fn with(pointer: &str, value: Value) -> Result<Targets, Problem> {
    let mut signed = targets().to_value();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    signed
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .unwrap()
        .insert(name.into(), value);
    read_targets(&signed)
}

#[test]
fn all_four_are_read_as_they_are_written() {
    let gun = Gun::parse("registry.example/x").unwrap();
    let signer = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let root_key = root_key(&gun, &signer, NOW).unwrap();
    let key = Key::from(signer.public_key());
    let keys = BaseKeys {
        root: std::slice::from_ref(&root_key),
        targets: std::slice::from_ref(&key),
        snapshot: std::slice::from_ref(&key),
        timestamp: std::slice::from_ref(&key),
    };
    let signers: [&dyn Signer; 1] = [&signer];
    let root = author::first_root(&keys, NOW);
    let root_bytes = author::sign(&root, &[root_key], &signers).unwrap();
    let targets = targets();
    let targets_bytes = author::sign(&targets, std::slice::from_ref(&key), &signers).unwrap();
    let files = [
        (RoleName::Root, root_bytes.as_slice()),
        (RoleName::Targets, targets_bytes.as_slice()),
    ];
    let snapshot = author::snapshot(None, &files, NOW);
    let snapshot_bytes = author::sign(&snapshot, std::slice::from_ref(&key), &signers).unwrap();
    let timestamp = author::timestamp(None, &snapshot_bytes, NOW);
    let timestamp_bytes = author::sign(&timestamp, &[key], &signers).unwrap();

    let read: Signed<Root> = Signed::parse(&RoleName::Root, root_bytes.clone()).unwrap();
    assert_eq!(*read.content(), root);
    assert_eq!(read.bytes(), root_bytes);
    assert_eq!(read.signatures().len(), 1);
    let read: Signed<Targets> = Signed::parse(&RoleName::Targets, targets_bytes).unwrap();
    assert_eq!(*read.content(), targets);
    let read: Signed<Snapshot> =
        Signed::parse(&RoleName::Snapshot, snapshot_bytes.clone()).unwrap();
    assert_eq!(*read.content(), snapshot);
    let read: Signed<Timestamp> =
        Signed::parse(&RoleName::Timestamp, timestamp_bytes.clone()).unwrap();
    assert_eq!(*read.content(), timestamp);
    assert!(read.content().snapshot.matches(&snapshot_bytes));
    // A timestamp is no snapshot, whoever signed it.
    assert!(Signed::<Snapshot>::parse(&RoleName::Snapshot, timestamp_bytes).is_err());
}

#[test]
fn what_is_signed_does_not_depend_on_how_the_file_is_written() {
    let bytes = file(&targets().to_value());
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    let one: Signed<Targets> = Signed::parse(&RoleName::Targets, bytes).unwrap();
    let other: Signed<Targets> = Signed::parse(&RoleName::Targets, pretty.clone()).unwrap();
    assert_eq!(one.message(), other.message());
    assert_eq!(other.bytes(), pretty);
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let text = String::from_utf8(file(&targets().to_value())).unwrap();
    let twice = text.replacen("\"version\":1", "\"version\":2,\"version\":1", 1);
    assert_ne!(text, twice);
    let read = Signed::<Targets>::parse(&RoleName::Targets, twice.into_bytes());
    assert_eq!(
        read.unwrap_err(),
        Problem::Json(JsonError::DuplicateKey("version".into()))
    );
}

#[test]
fn a_key_under_another_keys_id_is_refused() {
    let mut signed = targets().to_value();
    let keys = signed.pointer_mut("/delegations/keys").unwrap();
    let key = keys.as_object().unwrap().values().next().unwrap().clone();
    let other = "0".repeat(64);
    *keys = json!({other.as_str(): key});
    assert!(matches!(
        read_targets(&signed),
        Err(Problem::KeyId { listed, .. }) if listed == other
    ));
}

#[test]
fn says_what_is_wrong_and_where() {
    for (pointer, value, says) in [
        ("/_type", json!("Root"), "`targets.signed._type`"),
        (
            "/version",
            json!(0),
            "`targets.signed.version` must be at least 1",
        ),
        (
            "/version",
            json!("1"),
            "`targets.signed.version` must be a whole number",
        ),
        (
            "/version",
            Value::Null,
            "`targets.signed.version` must be at least 1",
        ),
        ("/expires", json!("tomorrow"), "`targets.signed.expires`"),
        (
            "/targets",
            json!([]),
            "`targets.signed.targets` must be an object",
        ),
        (
            "/targets/1.4",
            json!({"length": -1}),
            "`targets.signed.targets.length`",
        ),
        (
            "/targets/1.4",
            json!({"hashes": {"sha256": "BwcH"}}),
            "`targets.signed.targets.hashes`",
        ),
        (
            "/note",
            json!(1.5),
            "`targets.signed` must hold whole numbers up to 2^53 only",
        ),
        (
            "/Targets",
            json!({}),
            "differs from a known field in case only",
        ),
    ] {
        let problem = with(pointer, value).unwrap_err().to_string();
        assert!(problem.contains(says), "{problem}");
    }
    assert!(with("/note", json!("kept")).is_ok());
}

#[test]
fn delegations_are_one_level_below_and_have_known_keys() {
    let role = |name: &str, keyids: Value, threshold: Value| {
        let signed =
            json!([{"name": name, "keyids": keyids, "threshold": threshold, "paths": [""]}]);
        with("/delegations/roles", signed)
    };
    let known = targets().delegations.keys.into_keys().next().unwrap();
    // The key is another one in each call.
    assert!(role("targets/a", json!([known.as_str()]), json!(1)).is_err());
    assert!(role("targets/a", json!([]), json!(1)).is_ok());
    for (name, threshold) in [
        ("targets/a", json!(0)),
        ("targets/a", json!(-1)),
        ("targets/a", json!(4_294_967_296_i64)),
        ("targets/a/b", json!(1)),
        ("targets", json!(1)),
        ("targets/*", json!(1)),
        ("root", json!(1)),
    ] {
        assert!(
            role(name, json!([]), threshold.clone()).is_err(),
            "{name} {threshold}"
        );
    }
    let twice = json!([
        {"name": "targets/a", "keyids": [], "threshold": 1},
        {"name": "targets/a", "keyids": [], "threshold": 1},
    ]);
    assert!(with("/delegations/roles", twice).is_err());
    assert!(with("/delegations", Value::Null).is_ok());
}

#[test]
fn signatures_have_a_limit() {
    let with = |count: usize| {
        let one = json!({"keyid": "0".repeat(64), "method": "ecdsa", "sig": ""});
        let file = json!({"signed": targets().to_value(), "signatures": vec![one; count]});
        Signed::<Targets>::parse(&RoleName::Targets, file.to_string().into_bytes())
    };
    assert_eq!(
        with(SIGNATURES_MAX).unwrap().signatures().len(),
        SIGNATURES_MAX
    );
    assert!(matches!(
        with(SIGNATURES_MAX + 1),
        Err(Problem::TooMany { .. })
    ));
}

#[test]
fn what_one_file_may_delegate_has_limits() {
    let role = |n: usize| json!({"name": format!("targets/{n}"), "keyids": [], "threshold": 1});
    let roles = |count: usize| with("/delegations/roles", (0..count).map(role).collect());
    let id = KeyId::parse(&"0".repeat(64)).unwrap();
    let mut signed = targets().to_value();
    let known = signed["delegations"]["roles"][0]["keyids"][0].clone();
    let mut with_role = |field: &str, value: Value| {
        signed["delegations"]["roles"][0] = role(0);
        signed["delegations"]["roles"][0][field] = value;
        read_targets(&signed)
    };
    let keyids = with_role("keyids", json!(vec![known.clone(); 256]));
    assert_eq!(keyids.unwrap().delegations.roles[0].keys.keyids.len(), 1);
    let keys = |count: usize| {
        let key = |n: usize| Key::new("another".into(), n.to_be_bytes().to_vec());
        let keys = (0..count).map(key);
        let keys: serde_json::Map<_, _> = keys
            .map(|key| (key.id().to_string(), key.to_json()))
            .collect();
        with("/delegations", json!({"keys": keys}))
    };
    assert_eq!(roles(DELEGATIONS_MAX).unwrap().delegations.roles.len(), 512);
    assert_eq!(keys(4096).unwrap().delegations.keys.len(), 4096);
    assert!(with_role("paths", json!(vec!["a"; 1024])).is_ok());
    for too_many in [
        roles(DELEGATIONS_MAX + 1),
        keys(4097),
        with_role("keyids", json!(vec![known; 257])),
        with_role("paths", json!(vec!["a"; 1025])),
    ] {
        assert!(
            matches!(too_many, Err(Problem::TooMany { .. })),
            "{too_many:?}"
        );
    }
    assert!(with_role("keyids", json!([id.as_str()])).is_err());
}

/// A publisher who signs snapshots with notary lists files by the hash of what Go would write.
#[test]
fn a_file_is_written_as_go_writes_it() {
    let signer = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let mut targets = targets();
    let odd = "<\u{2028}&\u{8}\u{c}\n\"\\>\u{2029}é\u{7f}";
    let mut file = author::image([7; 32], 523);
    file.custom = Some(json!({ odd: odd }));
    targets.targets.insert("odd".into(), file);
    let keys = [Key::from(signer.public_key())];
    let bytes = author::sign(&targets, &keys, &[&signer]).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let written = r#""\u003c\u2028\u0026\u0008\u000c\n\"\\\u003e\u2029é"#.to_owned() + "\u{7f}\"";
    assert!(text.contains(&format!("{{{written}:{written}}}")), "{text}");
    let read: Signed<Targets> = Signed::parse(&RoleName::Targets, bytes).unwrap();
    assert_eq!(*read.content(), targets);
}

#[test]
fn a_file_is_known_by_all_of_its_hashes() {
    let file = FileMeta::of(b"a file");
    assert!(file.matches(b"a file"));
    assert!(!file.matches(b"a fil"));
    let mut other = file.clone();
    other.hashes.sha512 = Some([0; 64]);
    assert!(
        !other.matches(b"a file"),
        "one hash that fits is not enough"
    );
    let mut longer = file.clone();
    longer.length += 1;
    assert!(!longer.matches(b"a file"));
    let mut nothing = file;
    nothing.hashes = Default::default();
    assert!(!nothing.matches(b"a file"), "no hash fits everything");
}

#[test]
fn snapshots_and_timestamps_list_with_sha256() {
    let timestamp = author::timestamp(None, b"a snapshot", NOW);
    let mut signed = timestamp.to_value();
    let read = |signed: &Value| Signed::<Timestamp>::parse(&RoleName::Timestamp, file(signed));
    assert!(read(&signed).is_ok());
    signed
        .pointer_mut("/meta/snapshot/hashes")
        .and_then(Value::as_object_mut)
        .unwrap()
        .remove("sha256");
    assert!(read(&signed).is_err());
    *signed.pointer_mut("/meta").unwrap() = json!({});
    assert!(read(&signed).is_err());

    let files = [
        (RoleName::Root, b"r".as_slice()),
        (RoleName::Targets, b"t".as_slice()),
    ];
    let snapshot = author::snapshot(None, &files, NOW);
    let read = |signed: &Value| Signed::<Snapshot>::parse(&RoleName::Snapshot, file(signed));
    let mut signed = snapshot.to_value();
    assert!(read(&signed).is_ok());
    let meta = signed
        .pointer_mut("/meta")
        .unwrap()
        .as_object_mut()
        .unwrap();
    let root = meta.remove("root").unwrap();
    assert_eq!(
        read(&signed).unwrap_err(),
        Problem::Unlisted {
            role: RoleName::Root
        }
    );
    let meta = signed
        .pointer_mut("/meta")
        .unwrap()
        .as_object_mut()
        .unwrap();
    meta.insert("root".into(), root.clone());
    meta.insert("root.json".into(), root);
    assert!(
        read(&signed).is_err(),
        "TUF 1.0's names are not this dialect's"
    );
}
