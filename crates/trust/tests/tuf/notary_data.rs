//! What the real notary and notary-server wrote (`tests/data/notary/`), read by our reader and judged by our server.

use std::fs;
use std::path::Path;

use trust::tuf::client::{Anchor, Believed, Client, Remembered};
use trust::tuf::publish::{Current, Held, validate};
use trust::tuf::{FileMeta, Gun, Key, KeyType, Problem, RoleName, Root, Signed};

/// 2026-11-27, a day after it was written.
const NOW: i64 = 1_795_780_800_000;
const DAY: i64 = 24 * 60 * 60 * 1000;

fn gun() -> Gun {
    Gun::parse("registry.example/shop/web").unwrap()
}

fn file(path: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary");
    // `root.json` is the newest one.
    let path = if path == "root.json" {
        "4.root.json"
    } else {
        path
    };
    fs::read(folder.join(path)).ok()
}

fn read(anchor: Anchor, now: i64) -> Result<Believed, Problem> {
    let mut client = Client::new(gun(), anchor, Remembered::default(), now)?;
    while let Some(fetch) = client.next() {
        client.feed(file(&fetch.path))?;
    }
    client.finish()
}

fn root(version: i64) -> Signed<Root> {
    let bytes = file(&format!("{version}.root.json")).unwrap();
    Signed::parse(&RoleName::Root, bytes).unwrap()
}

#[test]
fn the_first_root_leads_through_every_rotation_to_the_newest_state() {
    for anchor in [Anchor::FirstUse, Anchor::Root(file("1.root.json").unwrap())] {
        let believed = read(anchor, NOW).unwrap();
        assert_eq!(believed.root().content().version, 4);
        assert_eq!(believed.timestamp().content().version, 9);
        assert!(believed.disregarded().is_empty());
        let tag = |tag: &str| believed.target(tag).map(|entry| entry.role.as_str());
        assert_eq!(tag("v1"), Some("targets"));
        assert_eq!(tag("v2"), Some("targets/releases"));
        assert_eq!(tag("test-1"), None);
        let image = FileMeta::of(b"image\n");
        for name in ["v1", "v2", "test-1"] {
            let said: Vec<_> = believed.entries(name).collect();
            assert_eq!(said.len(), 1, "{name}");
            assert_eq!(said[0].file, &image);
        }
    }
}

#[test]
fn signers_in_certificates_are_named_by_their_bare_keys() {
    let believed = read(Anchor::FirstUse, NOW).unwrap();
    let signers = |role: &str| {
        let mut roles = believed.roles().iter();
        let role = roles.find(|one| one.name().as_str() == role).unwrap();
        role.file().signers().to_vec()
    };
    // As `notary key list` showed them.
    let alice = "9997d8f34ad54ea221d48913254596937163f54914907512dff41bf015e92479";
    let bob = "64165eeb4b0a23bfa105f5df6de1a233b2a6204f57b718452b03fcacbc8f2faa";
    let canonical = |keys: Vec<Key>| -> Vec<String> {
        let ids = keys.iter().filter_map(Key::canonical_id);
        ids.map(|id| id.to_string()).collect()
    };
    assert_eq!(canonical(signers("targets/releases")), [alice, bob]);
    assert_eq!(canonical(signers("targets/bob")), [bob]);
    let kinds = signers("targets/releases");
    let kinds: Vec<&KeyType> = kinds.iter().map(Key::keytype).collect();
    assert_eq!(kinds, [&KeyType::EcdsaX509, &KeyType::RsaX509]);
    let targets = "2706b48cc37d8049d3e0be9216638d1d6511f884200576ad81bc5c8ab34db6ff";
    assert_eq!(canonical(signers("targets")), [targets]);
}

#[test]
fn the_state_ends_with_its_timestamp() {
    // 2026-12-10T17:15:28.937Z
    let end = 1_796_922_928_937;
    assert!(read(Anchor::FirstUse, end - 1).is_ok());
    let problem = read(Anchor::FirstUse, end).unwrap_err();
    let (role, expires) = (RoleName::Timestamp, end);
    assert_eq!(problem, Problem::Expired { role, expires });
}

#[test]
fn what_is_signed_stands_in_the_file_as_it_is() {
    for version in 1..=4 {
        let root = root(version);
        let text = String::from_utf8(root.bytes().to_vec()).unwrap();
        let message = String::from_utf8(root.message().to_vec()).unwrap();
        assert!(text.contains(&message), "{version}");
    }
}

#[test]
fn its_own_roots_follow_each_other_at_our_server() {
    let mut current = Current::new();
    for version in 1..=4 {
        let root = root(version);
        // As if the server's keys were ours.
        let held = |role| root.content().keys_of(&role).cloned().collect();
        let held = Held {
            snapshot: held(RoleName::Snapshot),
            timestamp: held(RoleName::Timestamp),
        };
        let mut update = vec![(RoleName::Root, root.bytes().to_vec())];
        if version == 1 {
            let name =
                "targets.6f984292b6cf8199ea501d2411614781a807a7cd0e3aef14395a518816ae8cad.json";
            update.push((RoleName::Targets, file(name).unwrap()));
        }
        let accepted = validate(&gun(), update, &current, &held, NOW).unwrap();
        assert_eq!(accepted.root().version, version);
        current.insert(RoleName::Root, root.bytes().to_vec());
        if version == 1 {
            // The snapshot that is made here cannot be signed without the private key; the next ones build upon the one of theirs.
            let name =
                "snapshot.2b5b38d2f763d89d89a80eea2cecadcbfe41926729e6fa6c9baa6efee77512c3.json";
            current.insert(RoleName::Snapshot, file(name).unwrap());
        }
    }
}

#[test]
fn a_whole_state_of_theirs_is_taken_as_one_update() {
    let newest = root(4);
    let mut current = Current::new();
    current.insert(RoleName::Root, root(3).bytes().to_vec());
    let held = Held {
        snapshot: Vec::new(),
        timestamp: newest
            .content()
            .keys_of(&RoleName::Timestamp)
            .cloned()
            .collect(),
    };
    let believed = read(Anchor::FirstUse, NOW).unwrap();
    let mut update: Vec<(RoleName, Vec<u8>)> = vec![
        (RoleName::Root, newest.bytes().to_vec()),
        (RoleName::Snapshot, believed.snapshot().bytes().to_vec()),
    ];
    for role in believed.roles() {
        update.push((role.name().clone(), role.file().bytes().to_vec()));
    }
    let accepted = validate(&gun(), update.clone(), &current, &held, NOW).unwrap();
    assert_eq!(accepted.uploaded().len(), 5);

    // Three years on it is too late for all of it but the root.
    let refusal = validate(&gun(), update, &current, &held, NOW + 1200 * DAY).unwrap_err();
    assert_eq!(refusal.name(), "ErrBadTargets");
}
