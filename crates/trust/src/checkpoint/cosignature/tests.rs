//! Cosignatures: the message that is signed, what is not believed, and verifier keys of other implementations.

use super::*;
use crate::checkpoint::{Checkpoint, sign};
use crate::key::Algorithm;
use crate::private::PrivateKey;
use crate::testing::key_of;

const WITNESS: &str = "witness.example/w1";

fn note() -> String {
    let checkpoint = Checkpoint {
        origin: "registry.example/audit".into(),
        size: 42,
        root: [7; 32],
    };
    sign(&checkpoint, &key_of(Algorithm::Ed25519)).unwrap()
}

fn verifier(key: &PrivateKey) -> VerifierKey {
    VerifierKey::new(WITNESS, VerifierKind::Witness, key.public_key()).unwrap()
}

#[test]
fn what_a_witness_signed_verifies_with_its_time() {
    let (note, key) = (note(), key_of(Algorithm::Ed25519));
    let made = cosign(&note, WITNESS, &key, 1_679_315_147).unwrap();
    let signed = with_signatures(&note, [made.line.as_str()]);
    assert_eq!(
        verify_cosignature(&signed, &verifier(&key)),
        Ok(made.clone())
    );
    assert_eq!(made.time, 1_679_315_147);
    // tlog-cosignature: a header line, a time line, the text of the note, and nothing of its signatures.
    let text = note.split_once("\n\n").unwrap().0;
    let bytes = crate::encoding::from_base64(made.line.trim().rsplit_once(' ').unwrap().1).unwrap();
    let expected = format!("cosignature/v1\ntime 1679315147\n{text}\n");
    assert_eq!(bytes.len(), 4 + 8 + 64);
    assert_eq!(
        key.public_key().verify(expected.as_bytes(), &bytes[12..]),
        Ok(())
    );
    assert!(cosign(&note, WITNESS, &key, 0).unwrap().time > 0);
}

#[test]
fn a_cosignature_of_another_checkpoint_time_name_or_key_is_not_one() {
    let (note, key) = (note(), key_of(Algorithm::Ed25519));
    let made = cosign(&note, WITNESS, &key, 5).unwrap();
    let bad = Err(CheckpointError::Signature {
        key: key.public_key().id().clone(),
    });
    let moved = with_signatures(&note.replace("\n42\n", "\n43\n"), [made.line.as_str()]);
    assert_eq!(verify_cosignature(&moved, &verifier(&key)), bad);

    let prefix = format!("— {WITNESS} ");
    let mut bytes =
        crate::encoding::from_base64(made.line.trim().strip_prefix(&prefix).unwrap()).unwrap();
    bytes[11] ^= 1;
    let line = format!("{prefix}{}\n", to_base64(&bytes));
    let later = with_signatures(&note, [line.as_str()]);
    assert_eq!(verify_cosignature(&later, &verifier(&key)), bad);

    let not_signed = |found: Result<Cosignature, CheckpointError>| {
        assert!(
            matches!(found, Err(CheckpointError::NotSigned { .. })),
            "{found:?}"
        );
    };
    let signed = with_signatures(&note, [made.line.as_str()]);
    not_signed(verify_cosignature(&note, &verifier(&key)));
    not_signed(verify_cosignature(
        &signed,
        &verifier(&key_of(Algorithm::Ed25519)),
    ));
    let other = VerifierKey::new(
        "witness.example/w2",
        VerifierKind::Witness,
        key.public_key(),
    )
    .unwrap();
    not_signed(verify_cosignature(&signed, &other));
    // The log's own kind of signature by the same key is no word of a witness.
    let log = VerifierKey::new(WITNESS, VerifierKind::Log, key.public_key()).unwrap();
    not_signed(verify_cosignature(&signed, &log));
    assert!(matches!(
        cosign(&note, WITNESS, &key_of(Algorithm::EcdsaP256), 5),
        Err(CheckpointError::Algorithm(Algorithm::EcdsaP256))
    ));
}

#[test]
fn verifier_keys_of_other_implementations_are_read() {
    // The examples of golang.org/x/mod/sumdb/note and of C2SP signed-note.
    for text in [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ] {
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.kind(), VerifierKind::Log);
        assert_eq!(key.to_string(), text);
    }
    let note = "This is an example message.\n\n— example.com/foo \
                Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let key: VerifierKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
        .parse()
        .unwrap();
    let (text, lines) = split(note).unwrap();
    assert_eq!(lines[0].bytes[..4], key.hash());
    assert_eq!(
        key.key().verify(text.as_bytes(), &lines[0].bytes[4..]),
        Ok(())
    );
    let own = verifier(&key_of(Algorithm::Ed25519));
    assert_eq!(own.to_string().parse::<VerifierKey>(), Ok(own));
}

#[test]
fn what_is_no_verifier_key_is_refused() {
    let good = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    for (from, to) in [
        ("PeterNeumann", "Peter Neumann"),
        ("PeterNeumann", "PeterNeumanm"),
        ("PeterNeumann+", "+"),
        ("c74f20a3", "c74f20a4"),
        ("c74f20a3", "C74F20A3"),
        ("+ARpc", "+AhpC"),
        ("10TW", "10T"),
        ("+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ""),
    ] {
        let text = good.replacen(from, to, 1);
        assert!(text.parse::<VerifierKey>().is_err(), "{text}");
    }
    assert!(
        format!("{}{good}", "x".repeat(1_024))
            .parse::<VerifierKey>()
            .is_err()
    );
}
