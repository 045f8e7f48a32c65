//! Keys and messages of gpg and skopeo: what counts, and each way in which one does not.

use pgp::packet::SignatureType;

use super::*;
use crate::evidence::{Checks, Reading, Untrusted};

/// In January 2027: after all that was made for these tests.
const NOW: i64 = 1_800_000_000_000;
const IN_2020: i64 = 1_592_000_000_000;
const IMAGE: &str = "sha256:962b1ae83825c37b6eb3ee98dbe587461074a338cc0b838a635d274e2844096d";

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/openpgp/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn key(name: &str) -> OpenPgpKey {
    OpenPgpKey::parse(&file(&format!("{name}.asc"))).unwrap()
}

fn read(name: &str, keys: &[&str], now: i64) -> Reading {
    let keys: Vec<OpenPgpKey> = keys.iter().map(|name| key(name)).collect();
    read_openpgp_simple_signing(&file(name), &keys, now).reading
}

#[track_caller]
fn refused(name: &str, by: &str, now: i64, why: KeyFault) {
    let Reading::Unverified { why: found, .. } = read(name, &[by], now) else {
        panic!("{name}: {:?}", read(name, &[by], now));
    };
    let key = key(by).id().clone();
    assert_eq!(found, Untrusted::OpenPgp { key, why }, "{name}");
}

#[track_caller]
fn unreadable(name: &str, word: &str) {
    match read(name, &["alice", "rsa"], NOW) {
        Reading::Unreadable { why } => assert!(why.contains(word), "{name}: {why}"),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn what_skopeo_signed_is_a_claim_of_its_key() {
    for name in ["alice", "rsa", "subkey"] {
        let reading = read(
            &format!("skopeo-{name}.sig"),
            &["alice", "rsa", "subkey"],
            NOW,
        );
        let Reading::Verified(claim) = reading else {
            panic!("{name}: {reading:?}");
        };
        assert_eq!(claim.key(), key(name).id(), "{name}");
        let claim = claim.value();
        assert_eq!(claim.subject.as_str(), IMAGE);
        assert_eq!(claim.repository, Some("shop/web".parse().unwrap()));
        assert_eq!(claim.tag, Some("1".parse().unwrap()));
        assert_eq!(claim.stage, None);
        assert!(claim.annotations["creator"].starts_with("atomic"));
    }
}

#[test]
fn a_message_that_names_its_key_is_tried_with_that_one_in_any_case() {
    let keys = ["alice", "rsa", "subkey"].map(key);
    let document = Document {
        name: String::new(),
        message: file("skopeo-subkey.sig"),
    };
    let read = read_openpgp_document_within(&document.to_bytes(), &keys, NOW, &Checks::new(0));
    let is_read = matches!(read.reading, Reading::Verified(_));
    assert!(is_read, "{:?}", read.reading);
}

#[test]
fn beyond_the_first_part_that_it_names_a_message_takes_from_the_budget() {
    // The one that is named, twice, and a payload that neither signed.
    let keys = ["alice", "alice"].map(key);
    let mut message = file("uncompressed.sig");
    // In what its writer calls itself.
    let changed = message
        .windows(6)
        .rposition(|part| part == b"atomic")
        .unwrap();
    message[changed] = b'A';
    let document = Document {
        name: String::new(),
        message,
    };
    for (budget, is_tried) in [(0, false), (1, true)] {
        let checks = Checks::new(budget);
        let read = read_openpgp_document_within(&document.to_bytes(), &keys, NOW, &checks);
        let Reading::Unverified { why, .. } = read.reading else {
            panic!("{:?}", read.reading);
        };
        let forged = Untrusted::OpenPgp {
            key: keys[0].id().clone(),
            why: KeyFault::Forged,
        };
        let expect = if is_tried {
            forged
        } else {
            Untrusted::Unchecked
        };
        assert_eq!(why, expect, "{budget}");
    }
}

#[test]
fn a_message_that_is_not_compressed_is_read_as_well() {
    let reading = read("uncompressed.sig", &["alice"], NOW);
    assert!(matches!(reading, Reading::Verified(_)), "{reading:?}");
}

#[test]
fn a_key_that_is_not_registered_is_named_by_its_fingerprint() {
    let reading = read("skopeo-alice.sig", &["rsa", "subkey"], NOW);
    let Reading::Unverified { why, .. } = reading else {
        panic!("{reading:?}");
    };
    let hint = Some(key("alice").fingerprint());
    assert_eq!(why, Untrusted::UnknownKey { hint });
}

#[test]
fn keys_that_have_ended_or_are_revoked_sign_nothing() {
    assert!(matches!(
        read("by-expired.sig", &["expired"], IN_2020),
        Reading::Verified(_)
    ));
    refused("by-expired.sig", "expired", NOW, KeyFault::Expired);
    // Before it was made at all.
    refused("by-expired.sig", "expired", 0, KeyFault::NotBound);
    assert!(matches!(
        read("by-revoked.sig", &["before-revocation"], NOW),
        Reading::Verified(_)
    ));
    refused("by-revoked.sig", "revoked", NOW, KeyFault::Revoked);
    assert_eq!(key("revoked").id(), key("before-revocation").id());
}

#[test]
fn a_key_says_when_it_stops_signing() {
    const MARCH_2027: i64 = 1_803_859_200_000;
    // Its primary key signs nothing and ends in 2028; its two subkeys end in January and in March 2027.
    let ends = key("ends");
    for now in [
        1_770_000_000_000,
        1_800_000_000_000,
        MARCH_2027,
        i64::MAX / 2,
    ] {
        assert_eq!(ends.ends_at(now), Some(MARCH_2027), "{now}");
    }
    // A subkey that is not bound yet gives no time.
    assert_eq!(ends.ends_at(1_767_312_000_000 - 1_000), None);
    assert_eq!(ends.ends_at(1_767_312_000_000), Some(1_798_761_600_000));
    // An end that is over is still said; what never ends, or signs nothing for another reason, has none.
    assert_eq!(key("expired").ends_at(NOW), Some(1_609_372_800_000));
    for name in ["alice", "rsa", "subkey", "long", "revoked", "rsa1024"] {
        assert_eq!(key(name).ends_at(NOW), None, "{name}");
    }
}

#[test]
fn a_signature_that_has_ended_is_none() {
    assert!(matches!(
        read("signature-expired.sig", &["long"], IN_2020),
        Reading::Verified(_)
    ));
    refused("signature-expired.sig", "long", NOW, KeyFault::Expired);
}

/// The end that its signer set is kept with it, so that it ends here as well: 30 days after 2020-06-01T00:00:00Z.
#[test]
fn a_signature_ends_when_its_signer_said() {
    const END: i64 = (1_590_969_600 + 30 * 86_400) * 1_000;
    let document = Document {
        name: format!("{IMAGE}@0123"),
        message: file("signature-expired.sig"),
    };
    let read = |now| read_openpgp_document(&document.to_bytes(), &[key("long")], now);
    let before = read(END - 1_000);
    assert!(matches!(before.reading, Reading::Verified(_)), "{before:?}");
    assert_eq!((before.ends_at, before.trusted_at), (Some(END), None));
    assert!(matches!(read(END).reading, Reading::Unverified { .. }));
    let unknown = read_openpgp_simple_signing(&document.message, &[], IN_2020);
    assert_eq!(unknown.ends_at, Some(END));
    let endless = read_openpgp_simple_signing(&file("skopeo-alice.sig"), &[key("alice")], NOW);
    assert_eq!(endless.ends_at, None);
}

#[test]
fn weak_hashes_and_keys_are_not_believed() {
    unreadable("sha1.sig", "SHA1");
    let weak = "sha1-self-signature";
    refused("by-sha1-self-signature.sig", weak, NOW, KeyFault::NotBound);
    refused("by-rsa1024.sig", "rsa1024", NOW, KeyFault::Weak);
}

#[test]
fn a_subkey_that_is_not_bound_in_both_directions_signs_nothing() {
    let reading = |change: &dyn Fn(&mut OpenPgpKey)| {
        let mut key = key("subkey");
        change(&mut key);
        match read_openpgp_simple_signing(&file("skopeo-subkey.sig"), &[key], NOW).reading {
            Reading::Unverified {
                why: Untrusted::OpenPgp { why, .. },
                ..
            } => Some(why),
            Reading::Verified(_) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reading(&|_| {}), None);
    // The binding is gone.
    let unbound = reading(&|key| {
        for subkey in &mut key.certificate.public_subkeys {
            subkey
                .signatures
                .retain(|signature| signature.typ() != Some(SignatureType::SubkeyBinding));
        }
    });
    assert_eq!(unbound, Some(KeyFault::NotBound));
    // Mallory puts it below a key of her own, with the signature that bound it elsewhere.
    let stolen = reading(&|key| {
        let other = self::key("alice");
        key.certificate.primary_key = other.certificate.primary_key.clone();
        key.certificate.details = other.certificate.details.clone();
    });
    assert_eq!(stolen, Some(KeyFault::NotBound));
}

#[test]
fn other_forms_of_messages_are_refused() {
    unreadable("two-signers.sig", "2 signatures");
    unreadable("text.sig", "text");
    for name in ["clear.sig", "detached.sig", "armored.sig", "unsigned.sig"] {
        unreadable(name, "openpgp");
    }
    unreadable("bomb.sig", "limit exceeded");
    unreadable("other-payload.sig", "cosign container image signature");
    unreadable("twice.sig", "docker-manifest-digest");
}

#[test]
fn a_changed_byte_is_never_believed() {
    let keys = [key("alice")];
    let whole = file("uncompressed.sig");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let reading = read_openpgp_simple_signing(&changed, &keys, NOW).reading;
        if let Reading::Verified(claim) = reading {
            // What is not signed is how it is wrapped: the claim is the same.
            assert_eq!(claim.value().subject.as_str(), IMAGE, "{at}");
            assert_eq!(claim.value().repository, Some("shop/web".parse().unwrap()));
        }
    }
    for length in 0..whole.len() {
        let cut = read_openpgp_simple_signing(&whole[..length], &keys, NOW).reading;
        assert!(!matches!(cut, Reading::Verified(_)), "{length}");
    }
    let longer = [whole.as_slice(), whole.as_slice()].concat();
    let twice = read_openpgp_simple_signing(&longer, &keys, NOW).reading;
    assert!(!matches!(twice, Reading::Verified(_)), "{twice:?}");
}

#[test]
fn a_key_is_one_key_in_one_file() {
    assert_eq!(
        OpenPgpKey::parse(&file("alice.gpg")).unwrap().id(),
        key("alice").id()
    );
    let both = [file("alice.asc"), file("rsa.asc")].concat();
    assert_eq!(OpenPgpKey::parse(&both), Err(OpenPgpKeyError::Several));
    let behind = [file("alice.asc"), b"a note\n".to_vec()].concat();
    let behind = OpenPgpKey::parse(&behind);
    assert!(
        matches!(behind, Err(OpenPgpKeyError::Form(_))),
        "{behind:?}"
    );
    let alice = file("alice.gpg");
    let twice = [alice.as_slice(), alice.as_slice()].concat();
    assert_eq!(OpenPgpKey::parse(&twice), Err(OpenPgpKeyError::Several));
    for bytes in [&b""[..], b"no key", &file("skopeo-alice.sig")] {
        assert!(OpenPgpKey::parse(bytes).is_err());
    }
    let bytes = KEY_BYTES_MAX + 1;
    let long = OpenPgpKey::parse(&vec![0; bytes]).unwrap_err();
    assert_eq!(long, OpenPgpKeyError::TooLarge { bytes });
}

#[test]
fn a_lookaside_names_digest_and_number() {
    let digest = Digest::parse(IMAGE).unwrap();
    let path = lookaside_path(&"shop/web".parse().unwrap(), &digest, 2);
    let hex = digest.as_str().trim_start_matches("sha256:");
    assert_eq!(path, format!("shop/web@sha256={hex}/signature-2"));
}

#[test]
fn a_document_holds_one_message_and_nothing_else() {
    let document = Document {
        name: format!("{IMAGE}@0123"),
        message: file("skopeo-alice.sig"),
    };
    let text = document.to_bytes();
    assert_eq!(Document::parse(&text), Ok(document));
    let keys = [key("alice")];
    assert!(matches!(
        read_openpgp_document(&text, &keys, NOW).reading,
        Reading::Verified(_)
    ));
    let text = String::from_utf8(text).unwrap();
    for (from, to) in [
        ("\"schemaVersion\":2", "\"schemaVersion\":1"),
        ("\"atomic\"", "\"other\""),
        ("{\"schemaVersion\"", "{\"more\":1,\"schemaVersion\""),
        ("\"content\":\"", "\"content\":\"?"),
        ("\"type\":", "\"name\":\"x\",\"type\":"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(Document::parse(changed.as_bytes()).is_err(), "{to}");
        let reading = read_openpgp_document(changed.as_bytes(), &keys, NOW).reading;
        assert!(matches!(reading, Reading::Unreadable { .. }), "{to}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, at in 0..300_usize, to: u8) {
        let keys = [key("alice")];
        let believed = |bytes: &[u8]| {
            matches!(read_openpgp_simple_signing(bytes, &keys, NOW).reading, Reading::Verified(_))
        };
        proptest::prop_assert!(!believed(&bytes));
        let _ = OpenPgpKey::parse(&bytes);
        let mut certificate = file("subkey.asc");
        certificate.truncate(at.max(1));
        let _ = OpenPgpKey::parse(&certificate);
        let mut certificate = file("alice.gpg");
        if let Some(byte) = certificate.get_mut(at) {
            *byte = to;
        }
        let _ = OpenPgpKey::parse(&certificate);
    }
}
