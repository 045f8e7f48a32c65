//! Files of TUF 1.0, field by field: what is read, what is refused, and the limits.

use serde_json::{Value, json};

use super::*;
use crate::strict::JsonError;

const HASH: &str = "8f88e2ba48b412c3843e9bb26e1b6f8fc9e98aceb0fbaa97ba37b4c98717d7ab";

fn file(signed: &Value) -> Vec<u8> {
    json!({"signed": signed, "signatures": []})
        .to_string()
        .into_bytes()
}

fn head(kind: &str) -> Value {
    json!({"_type": kind, "spec_version": "1.0.34", "version": 2, "expires": "2030-01-01T00:00:00Z"})
}

fn with(kind: &str, name: &str, value: Value) -> Value {
    let mut signed = head(kind);
    signed[name] = value;
    signed
}

fn place(problem: &Problem) -> &str {
    match problem {
        Problem::Field { at, .. } => at,
        problem => panic!("{problem}"),
    }
}

#[test]
fn a_timestamp_lists_the_snapshot() {
    let read = |meta: Value| parse_timestamp(file(&with("timestamp", "meta", meta)));
    let listed = json!({"version": 7, "length": 515, "hashes": {"sha256": HASH, "md5": "00"}});
    let timestamp = read(json!({"snapshot.json": listed})).unwrap();
    let Timestamp {
        version, snapshot, ..
    } = timestamp.content();
    assert_eq!(
        (*version, snapshot.version, snapshot.length),
        (2, 7, Some(515))
    );
    assert_eq!(
        snapshot
            .hashes
            .as_ref()
            .unwrap()
            .sha256
            .map(hex::encode)
            .unwrap(),
        HASH
    );
    assert!(read(json!({"snapshot.json": {"version": 1}})).is_ok());
    for meta in [
        json!({}),
        json!({"snapshot": {"version": 1}}),
        json!({"snapshot.json": {}}),
        json!({"snapshot.json": {"version": 0}}),
        json!({"snapshot.json": {"version": 1, "length": -1}}),
        json!({"snapshot.json": {"version": 1, "hashes": {}}}),
        json!({"snapshot.json": {"version": 1, "hashes": {"md5": "00"}}}),
        json!({"snapshot.json": {"version": 1, "hashes": {"sha256": "00"}}}),
        json!({"snapshot.json": {"version": 1, "hashes": {"sha256": 1}}}),
    ] {
        let problem = read(meta.clone()).unwrap_err();
        assert!(
            place(&problem).starts_with("timestamp.signed.meta"),
            "{meta}"
        );
    }
}

#[test]
fn a_snapshot_lists_targets_and_roles_of_any_name() {
    let read = |meta: Value| parse_snapshot(file(&with("snapshot", "meta", meta)));
    let one = json!({"version": 1});
    let snapshot =
        read(json!({"targets.json": one, "..json": one, "../a.json": one, "root.json": one}));
    let snapshot = snapshot.unwrap();
    let names: Vec<&str> = snapshot
        .content()
        .meta
        .keys()
        .map(RoleName::as_str)
        .collect();
    assert_eq!(names, ["root", "targets", ".", "../a"]);
    let role = RoleName::Targets;
    assert_eq!(
        read(json!({"a.json": one})).unwrap_err(),
        Problem::Unlisted { role }
    );
    for name in [
        "a",
        ".json",
        "a\n.json",
        "snapshot.json",
        &format!("{}.json", "a".repeat(256)),
    ] {
        assert!(
            read(json!({"targets.json": one, name: one})).is_err(),
            "{name}"
        );
    }
}

#[test]
fn the_head_says_what_a_file_is() {
    for (name, value) in [
        ("_type", json!("Targets")),
        ("_type", json!("snapshot")),
        ("spec_version", json!("2.0.0")),
        ("spec_version", json!("10.0")),
        ("spec_version", json!(1)),
        ("spec_version", Value::Null),
        ("version", json!(0)),
        ("version", json!("1")),
        ("expires", json!("tomorrow")),
        ("Version", json!(3)),
    ] {
        let problem = parse_targets(&RoleName::Targets, file(&with("targets", name, value)));
        assert_eq!(
            place(&problem.unwrap_err()),
            format!("targets.signed.{name}")
        );
    }
    for version in ["1", "1.0", "1.0.34", "1.99"] {
        let signed = with("targets", "spec_version", json!(version));
        assert!(
            parse_targets(&RoleName::Targets, file(&signed)).is_ok(),
            "{version}"
        );
    }
}

#[test]
fn a_role_is_delegated_to_once_and_in_one_way() {
    let key = json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "00"}});
    let id = "a".repeat(64);
    let role = |change: Value| {
        let mut role = json!({"name": "a", "keyids": [id], "threshold": 1, "terminating": true});
        for (name, value) in change.as_object().unwrap() {
            role[name] = value.clone();
        }
        role
    };
    let read = |roles: Value| {
        let delegations = json!({"keys": {&id: key}, "roles": roles});
        let signed = with("targets", "delegations", delegations);
        parse_targets(&RoleName::Targets, file(&signed))
    };
    let targets = read(json!([
        role(json!({"paths": ["a/*"]})),
        role(json!({"name": "../b"}))
    ]));
    let targets = targets.unwrap();
    let [a, b] = targets.content().delegations.roles.as_slice() else {
        panic!("two roles");
    };
    assert!(a.terminating);
    assert_eq!(b.scope, Scope::Paths(Vec::new()));
    assert!(read(json!([role(json!({"path_hash_prefixes": ["0", "af"]}))])).is_ok());
    for change in [
        json!({"name": "root"}),
        json!({"name": "targets"}),
        json!({"name": ""}),
        json!({"name": null}),
        json!({"threshold": 0}),
        json!({"threshold": null}),
        json!({"keyids": ["b".repeat(64)]}),
        json!({"paths": ["a"], "path_hash_prefixes": ["0"]}),
        json!({"path_hash_prefixes": ["AF"]}),
        json!({"paths": ["a[b"]}),
        json!({"paths": "a"}),
    ] {
        assert!(read(json!([role(change.clone())])).is_err(), "{change}");
    }
    let twice = read(json!([role(json!({})), role(json!({}))])).unwrap_err();
    assert_eq!(place(&twice), "targets.signed.delegations.roles");
}

#[test]
fn a_target_has_a_length_and_a_hash() {
    let read = |target: Value| {
        let signed = with("targets", "targets", json!({"a/b.txt": target}));
        parse_targets(&RoleName::Targets, file(&signed))
    };
    let targets =
        read(json!({"length": 31, "hashes": {"sha256": HASH}, "custom": {"a": 1}})).unwrap();
    let target = &targets.content().targets["a/b.txt"];
    assert_eq!(target.length, 31);
    assert_eq!(target.sha256_hex().unwrap(), HASH);
    for target in [
        json!({"hashes": {"sha256": HASH}}),
        json!({"length": 1}),
        json!({"length": 1, "hashes": {"md5": "00"}}),
        json!({"length": -1, "hashes": {"sha256": HASH}}),
    ] {
        assert!(read(target.clone()).is_err(), "{target}");
    }
}

#[test]
fn a_key_signs_once_and_an_empty_signature_is_none() {
    let read = |signatures: Value| {
        let file = json!({"signed": head("targets"), "signatures": signatures});
        parse_targets(&RoleName::Targets, file.to_string().into_bytes())
    };
    let signature = |id: &str, sig: &str| json!({"keyid": id.repeat(64), "sig": sig});
    let signed = read(
        json!([signature("a", "00ff"), signature("b", ""), signature("c", "x"), {"keyid": "d", "sig": "00"}]),
    );
    let signed = signed.unwrap();
    let bytes: Vec<&[u8]> = signed
        .signatures()
        .iter()
        .map(|one| one.bytes.as_slice())
        .collect();
    assert_eq!(bytes, [&[0x00, 0xff][..], &[]]);
    let problem = read(json!([signature("a", "00"), signature("a", "ff")])).unwrap_err();
    assert_eq!(place(&problem), "targets.signatures");
    assert!(read(json!([{"sig": "00"}])).is_err());
    assert!(read(json!(vec![signature("a", "00"); 257])).is_err());
}

#[test]
fn a_document_is_read_in_one_way() {
    let text = String::from_utf8(file(&with("targets", "targets", json!({})))).unwrap();
    let twice = text.replace("\"targets\":{}", "\"targets\":{},\"targets\":{\"a\":1}");
    let problem = parse_targets(&RoleName::Targets, twice.into_bytes()).unwrap_err();
    assert_eq!(
        problem,
        Problem::Json(JsonError::DuplicateKey("targets".into()))
    );
}

#[test]
fn what_one_file_may_hold_has_limits() {
    let key = json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "00"}});
    let id = |n: usize| format!("{n:0>64}");
    let read = |keys: usize, roles: usize, change: &dyn Fn(&mut Value)| {
        let keys: serde_json::Map<_, _> = (0..keys).map(|n| (id(n), key.clone())).collect();
        let role = |n: usize| {
            let mut role = json!({"name": n.to_string(), "keyids": [id(0)], "threshold": 1});
            role["paths"] = json!(["*"]);
            role["terminating"] = json!(false);
            change(&mut role);
            role
        };
        let roles: Vec<Value> = (0..roles).map(role).collect();
        let delegations = json!({"keys": keys, "roles": roles});
        let signed = with("targets", "delegations", delegations);
        parse_targets(&RoleName::Targets, file(&signed))
    };
    let as_it_is = |_: &mut Value| {};
    let paths = |count: usize| move |role: &mut Value| role["paths"] = json!(vec!["a"; count]);
    let long = |bytes: usize| move |role: &mut Value| role["paths"] = json!(["a".repeat(bytes)]);
    let hashed = |count: usize| {
        move |role: &mut Value| {
            role.as_object_mut().unwrap().remove("paths");
            role["path_hash_prefixes"] = json!(vec!["0"; count]);
        }
    };
    let keyids = |count: usize| move |role: &mut Value| role["keyids"] = json!(vec![id(0); count]);
    assert!(read(4096, 32_768, &as_it_is).is_ok());
    for change in [
        &paths(4096) as &dyn Fn(&mut Value),
        &hashed(4096),
        &long(4096),
        &keyids(256),
    ] {
        read(1, 1, change).unwrap();
    }
    for (too_many, what, max) in [
        (read(4097, 1, &as_it_is), "keys in one file", 4096),
        (
            read(1, 32_769, &as_it_is),
            "delegations in one file",
            32_768,
        ),
        (read(1, 1, &paths(4097)), "paths of one delegation", 4096),
        (read(1, 1, &hashed(4097)), "paths of one delegation", 4096),
        (read(1, 1, &keyids(257)), "keys of one role", 256),
    ] {
        let problem = too_many.unwrap_err();
        assert_eq!(problem, Problem::TooMany { what, max });
    }
    let too_long = read(1, 1, &long(4097)).unwrap_err();
    assert!(place(&too_long).ends_with("paths"), "{too_long}");
}
