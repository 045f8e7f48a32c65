//! What one signer, or whoever has his one key, could do to everybody else: every pull and every update rests on all files of a repository.

use std::slice;

use serde_json::{Value, json};
use testkit::trust_repository::{START, TrustRepository};
use trust::Algorithm;
use trust::tuf::publish::Refusal;
use trust::tuf::{Content, FileMeta, Key, KeyType, Problem, RoleName, SIGNATURES_MAX, author};

use super::says::assert_says;

const GUN: &str = "registry.example/shop/web";

fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

#[test]
fn a_version_does_not_run_ahead() {
    // With alice's key, a thief could else burn the name of her role: nobody can publish what is above the highest version.
    let mut repository = TrustRepository::new(GUN);
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets/alice", "1.4", b"an image");
    let at = |repository: &TrustRepository, version| {
        vec![repository.next_targets("targets/alice", |targets| targets.version = version)]
    };
    for version in [1 << 53, (1 << 32) + 2] {
        let refusal = repository.post(at(&repository, version)).unwrap_err();
        assert_eq!(refusal.name(), "ErrValidation");
        let text = format!(
            "targets/alice version {version} is too far above version 1, which is stored: publish the next one"
        );
        assert_says(&refusal, &text);
    }
    let farthest = at(&repository, (1 << 32) + 1);
    repository.post(farthest).unwrap();
}

#[test]
fn what_docker_cannot_read_is_not_taken() {
    // A file that Go's reader gives up ends a pull, whatever the other roles say: one signer could stop everybody's.
    let mut repository = TrustRepository::new(GUN);
    let alice = [repository.new_key(Algorithm::EcdsaP256)];
    repository.delegate("targets/alice", &alice, 1);
    let image = json!({"hashes": {"sha256": "qkSWSJXK2entXHfsiXaPA/6LHEURcVmA7PgNs4b/0MM="}, "length": 523});
    for (at, value) in [
        ("/targets/1/hashes/md5", json!(5)),
        ("/targets/1/hashes/md5", json!("not base64")),
        ("/targets/1/hashes/md5", json!([])),
        ("/expires", json!("2036-01-01T00Z")),
        ("/expires", json!("2036-01-01T00:00Z")),
        ("/expires", json!("2036-01-01T00:00:60Z")),
        ("/expires", json!("2036-01-01T00:00:00+01")),
    ] {
        let mut signed = author::first_targets(START).to_value();
        signed["targets"]["1"] = image.clone();
        let (above, name) = at.rsplit_once('/').unwrap();
        let above = signed.pointer_mut(above).and_then(Value::as_object_mut);
        above.unwrap().insert(name.into(), value.clone());
        let file = repository.sign_raw(signed, &alice);
        let taken = repository.clone().post(vec![(role("targets/alice"), file)]);
        assert!(taken.is_err(), "{at} {value}");
    }
    // A root may name other roles, if they look like roles.
    let mut signed = author::next(&RoleName::Root, repository.root(), START).to_value();
    let keys = repository.keys_of("root");
    for (mirrors, is_taken) in [
        (json!(5), false),
        (json!({"keyids": 5, "threshold": 1}), false),
        (json!({"keyids": [], "threshold": "1"}), false),
        (json!(null), true),
        (json!({"keyids": ["a"], "threshold": 0, "url": "x"}), true),
    ] {
        signed["roles"]["mirrors"] = mirrors.clone();
        let file = repository.sign_raw(signed.clone(), &keys);
        let taken = repository.clone().post(vec![(RoleName::Root, file)]);
        assert_eq!(taken.is_ok(), is_taken, "{mirrors}");
    }
}

#[test]
fn a_signer_cannot_hide_behind_a_damaged_certificate() {
    // notary's list of signers ends at it, and with that docker's way to remove one.
    let mut repository = TrustRepository::new(GUN);
    let alice = [repository.new_key(Algorithm::EcdsaP256)];
    repository.delegate("targets/alice", &alice, 1);
    let below = role("targets/alice/below");
    let delegating = |repository: &TrustRepository, key: &Key| {
        let keys = slice::from_ref(key);
        vec![repository.next_targets("targets/alice", |targets| {
            let delegations = &mut targets.delegations;
            delegations.set_role(below.clone(), keys, 1, &[""]);
        })]
    };
    let whole = repository.new_root_key();
    let cut_off = whole.public()[..200].to_vec();
    let relabelled = whole.public().to_vec();
    for damaged in [
        Key::new(KeyType::EcdsaX509, cut_off),
        Key::new(KeyType::RsaX509, relabelled),
    ] {
        let refusal = repository.post(delegating(&repository, &damaged));
        let key = damaged.id().clone();
        let problem = Problem::Certificate { key };
        assert_eq!(refusal.unwrap_err(), Refusal::BadTargets(problem));
    }
    let update = delegating(&repository, &whole);
    repository.post(update).unwrap();
}

#[test]
fn an_update_has_limits_as_a_whole() {
    let mut repository = TrustRepository::new(GUN);
    let keys = [repository.new_key(Algorithm::Ed25519)];
    let names: Vec<String> = (0..32).map(|n| format!("targets/{n}")).collect();
    let file = repository.next_targets("targets", |targets| {
        for name in &names {
            targets.delegations.set_role(role(name), &keys, 1, &[""]);
        }
    });
    repository.post(vec![file]).unwrap();

    // A small value takes far more room in memory than in a file.
    let mut many = FileMeta::of(b"an image");
    many.custom = Some(Value::Array(vec![json!(0); 200_000]));
    let mut targets = author::first_targets(START);
    targets.targets.insert("1".into(), many);
    let file = repository.sign(&targets, &keys);
    let update = |count: usize, file: &[u8]| {
        let names = names.iter().take(count);
        names
            .map(|name| (role(name), file.to_vec()))
            .collect::<Vec<_>>()
    };
    repository.clone().post(update(2, &file)).unwrap();
    let refusal = repository.post(update(3, &file)).unwrap_err();
    assert_eq!(refusal.code(), "MALFORMED_UPLOAD", "{refusal}");
    let text = "limit exceeded: an update has at most 500000 values of json";
    assert_says(&refusal, text);

    // Each signature takes time.
    let file = repository.sign(&author::first_targets(START), &keys);
    let mut file: Value = serde_json::from_slice(&file).unwrap();
    let one = file["signatures"][0].clone();
    file["signatures"] = Value::Array(vec![one; SIGNATURES_MAX]);
    let file = file.to_string().into_bytes();
    let most = 1024 / SIGNATURES_MAX;
    repository.clone().post(update(most, &file)).unwrap();
    let refusal = repository.post(update(most + 1, &file)).unwrap_err();
    assert_eq!(refusal.code(), "MALFORMED_UPLOAD", "{refusal}");
    let text = "limit exceeded: an update has at most 1024 signatures";
    assert_says(&refusal, text);
}

#[test]
fn one_signer_cannot_make_snapshots_grow_without_end() {
    let mut repository = TrustRepository::new(GUN);
    let keys = [repository.new_key(Algorithm::Ed25519)];
    repository.delegate("targets/alice", &keys, 1);
    let below: Vec<String> = (0..129).map(|n| format!("targets/alice/{n}")).collect();
    // She publishes some, ends their delegations, and goes on with others.
    for (at, names) in below.chunks(100).enumerate() {
        let alice = repository.next_targets("targets/alice", |targets| {
            targets.delegations = Default::default();
            for name in names {
                targets.delegations.set_role(role(name), &keys, 1, &[""]);
            }
        });
        let file = repository.sign(&author::first_targets(START), &keys);
        let files = names.iter().map(|name| (role(name), file.clone()));
        let mut update = vec![alice];
        update.extend(files);
        if at == 0 {
            repository.post(update).unwrap();
            continue;
        }
        let refusal = repository.post(update.clone()).unwrap_err();
        assert!(
            matches!(
                refusal,
                Refusal::BadTargets(Problem::TooMany { max: 128, .. })
            ),
            "{refusal}"
        );
        update.pop();
        repository.post(update).unwrap();
    }
    // Nobody else is affected.
    repository.delegate("targets/bob", &keys, 1);
    repository.publish("targets/bob", "1.4", b"an image");
}
