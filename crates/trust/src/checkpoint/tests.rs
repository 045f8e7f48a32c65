//! Checkpoints: a note of another implementation, our own, and every way to make one say something else.

use super::*;
use crate::encoding::to_base64;
use crate::testing::{ALGORITHMS, key_of};

const ORIGIN: &str = "registry.example/audit";

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.into(),
        size: 42,
        root: [7; 32],
    }
}

fn signed() -> (String, PublicKey) {
    let key = key_of(Algorithm::Ed25519);
    (sign(&checkpoint(), &key).unwrap(), key.public_key().clone())
}

#[test]
fn what_was_signed_verifies() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        let note = sign(&checkpoint(), &key).unwrap();
        let verified = verify(&note, ORIGIN, key.public_key()).unwrap();
        assert_eq!(verified.value(), &checkpoint(), "{algorithm}");
        assert_eq!(verified.key(), key.public_key().id());
    }
}

#[test]
fn has_the_form_that_the_specification_shows() {
    let (note, key) = signed();
    let lines: Vec<&str> = note.split('\n').collect();
    let [origin, size, root, "", signature, ""] = lines.as_slice() else {
        panic!("{note}")
    };
    assert_eq!(
        (*origin, *size, *root),
        (ORIGIN, "42", to_base64(&[7; 32]).as_str())
    );
    let line = signature.strip_prefix("— registry.example/audit ").unwrap();
    let bytes = from_base64(line).unwrap();
    assert_eq!(bytes.len(), 4 + 64);
    assert_eq!(bytes[..4], key_hash(ORIGIN, &key));
}

#[test]
fn a_note_of_another_implementation_verifies() {
    // golang.org/x/mod/sumdb/note's documented example: verifier key
    // `PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW`.
    let key = from_base64("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let key = PublicKey::from_point(Algorithm::Ed25519, &key[1..]).unwrap();
    assert_eq!(hex::encode(key_hash("PeterNeumann", &key)), "c74f20a3");
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let note = format!(
        "{text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb\
         6KE6RyyBwJnAM=\n"
    );
    let (signed, lines) = split(&note).unwrap();
    assert_eq!(signed, text);
    assert_eq!(lines[0].name, "PeterNeumann");
    assert_eq!(key.verify(signed.as_bytes(), &lines[0].bytes[4..]), Ok(()));
    assert_eq!(
        verify(&note, "PeterNeumann", &key),
        Err(CheckpointError::Form("size")),
        "a note, but no checkpoint"
    );
}

#[test]
fn any_change_is_seen() {
    let (note, key) = signed();
    let changed =
        |from: &str, to: &str| verify(&note.replacen(from, to, 1), ORIGIN, &key).unwrap_err();
    let bad = CheckpointError::Signature {
        key: key.id().clone(),
    };
    assert_eq!(changed("\n42\n", "\n41\n"), bad);
    assert_eq!(changed(&to_base64(&[7; 32]), &to_base64(&[8; 32])), bad);
    assert_eq!(changed("\n\n", "\nextension\n\n"), bad);
    assert!(matches!(
        changed("registry.example/audit\n", "registry.example/other\n"),
        CheckpointError::Origin { .. }
    ));
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        let outcome = String::from_utf8(bytes)
            .ok()
            .map(|changed| verify(&changed, ORIGIN, &key));
        assert!(!matches!(outcome, Some(Ok(_))), "byte {at}");
    }
}

#[test]
fn only_this_log_and_this_key() {
    let (note, key) = signed();
    let other = key_of(Algorithm::Ed25519);
    let error = verify(&note, ORIGIN, other.public_key()).unwrap_err();
    assert_eq!(
        error,
        CheckpointError::NotSigned {
            key: other.public_key().id().clone()
        }
    );
    assert!(matches!(
        verify(&note, "registry.example/other", &key),
        Err(CheckpointError::Origin { .. })
    ));
    // A signature that was made for another log's name does not count for this one.
    let elsewhere = sign(
        &Checkpoint {
            origin: "other.example".into(),
            ..checkpoint()
        },
        &other,
    )
    .unwrap();
    let line = elsewhere.rsplit_once("\n\n").unwrap().1;
    let both = format!("{note}{line}");
    assert_eq!(verify(&both, ORIGIN, &key).unwrap().value(), &checkpoint());
    assert!(matches!(
        verify(&both, ORIGIN, other.public_key()),
        Err(CheckpointError::NotSigned { .. })
    ));
}

#[test]
fn one_false_signature_of_the_key_spoils_the_note() {
    let (note, key) = signed();
    let other = sign(
        &Checkpoint {
            size: 43,
            ..checkpoint()
        },
        &key_of(Algorithm::Ed25519),
    )
    .unwrap();
    let mut bytes = from_base64(other.trim_end().rsplit_once(' ').unwrap().1).unwrap();
    bytes[..4].copy_from_slice(&key_hash(ORIGIN, &key));
    let spoiled = format!("{note}— {ORIGIN} {}\n", to_base64(&bytes));
    assert_eq!(
        verify(&spoiled, ORIGIN, &key),
        Err(CheckpointError::Signature {
            key: key.id().clone()
        })
    );
}

#[test]
fn extensions_are_signed_and_ignored() {
    let key = key_of(Algorithm::Ed25519);
    let text = format!("{}extension\n", checkpoint().to_text());
    let signed = [
        key_hash(ORIGIN, key.public_key()).as_slice(),
        &key.sign(text.as_bytes()).unwrap(),
    ]
    .concat();
    let note = format!("{text}\n— {ORIGIN} {}\n", to_base64(&signed));
    assert_eq!(
        verify(&note, ORIGIN, key.public_key()).unwrap().value(),
        &checkpoint()
    );
}

#[test]
fn names_cannot_break_the_form_nor_imitate_an_envelope() {
    let key = key_of(Algorithm::Ed25519);
    for origin in ["", "a b", "a\nb", "a+b", "a\u{a0}b", "DSSEv1", "DSSEv1-x"] {
        let named = Checkpoint {
            origin: origin.into(),
            ..checkpoint()
        };
        assert!(
            matches!(sign(&named, &key), Err(CheckpointError::Name(_))),
            "{origin:?}"
        );
        assert!(
            matches!(
                verify("", origin, key.public_key()),
                Err(CheckpointError::Name(_))
            ),
            "{origin:?}"
        );
    }
}

#[test]
fn broken_notes_are_refused() {
    let (note, key) = signed();
    let form = |note: &str| verify(note, ORIGIN, &key).unwrap_err();
    assert_eq!(form(""), CheckpointError::Form("signature block"));
    assert_eq!(form(note.trim_end()), CheckpointError::Form("last line"));
    assert_eq!(
        form(&format!("{note}x")),
        CheckpointError::Form("last line")
    );
    assert_eq!(
        form(&format!("{note}\n")),
        CheckpointError::Form("last line")
    );
    assert_eq!(
        form(&note.replace("— ", "- ")),
        CheckpointError::Form("signature line")
    );
    assert_eq!(
        form(&note.replace("\n42\n", "\n042\n")),
        CheckpointError::Form("size")
    );
    assert_eq!(
        form(&note.replace("\n42\n", "\n+42\n")),
        CheckpointError::Form("size")
    );
    assert_eq!(
        form(&note.replace("\n42\n", "\n-1\n")),
        CheckpointError::Form("size")
    );
    assert_eq!(
        form(&note.replace("\n42\n", "\n18446744073709551616\n")),
        CheckpointError::Form("size")
    );
    assert_eq!(
        form(&note.replace(&to_base64(&[7; 32]), "AAAA")),
        CheckpointError::Form("root hash")
    );
    assert_eq!(
        form(&note.replace("\n42\n", "\n42\r\n")),
        CheckpointError::Form("text")
    );
    assert!(matches!(
        form(&"x".repeat(NOTE_BYTES_MAX + 1)),
        CheckpointError::TooLarge { .. }
    ));
    let line = note.rsplit_once("\n\n").unwrap().1;
    let many = format!("{note}{}", line.repeat(NOTE_SIGNATURES_MAX));
    assert_eq!(form(&many), CheckpointError::TooManySignatures);
}
