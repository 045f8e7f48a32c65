//! Keys: one encoding, no weak ones, and signatures that only the right key, message and bytes pass.

mod wycheproof;

use super::*;
use crate::private::Signer;
use crate::testing::{ALGORITHMS, cosign, key_of};

fn der_of(name: &str) -> Vec<u8> {
    PublicKey::from_pem(&cosign(name))
        .unwrap()
        .as_der()
        .to_vec()
}

#[test]
fn reads_what_cosign_writes_and_writes_it_back() {
    for (name, algorithm) in [
        ("p256.pub", Algorithm::EcdsaP256),
        ("p384.pub", Algorithm::EcdsaP384),
        ("ed25519.pub", Algorithm::Ed25519),
    ] {
        let key = PublicKey::from_pem(&cosign(name)).unwrap();
        assert_eq!(key.algorithm(), algorithm, "{name}");
        assert_eq!(key.to_pem(), cosign(name), "{name}");
        assert_eq!(PublicKey::from_der(key.as_der()), Ok(key), "{name}");
    }
}

#[test]
fn the_id_is_the_hash_of_the_der_and_cosigns_hint_names_it() {
    let key = PublicKey::from_pem(&cosign("p256.pub")).unwrap();
    assert_eq!(key.id().as_str(), hex::encode(Sha256::digest(key.as_der())));
    // Taken from a bundle that cosign made with this key.
    assert_eq!(
        key.id().to_hint(),
        "FSA3TBKqZNsoyTxX68iwRZEP1YQaBsPWzXjeVXSkWyQ="
    );
    assert_eq!(
        KeyId::from_hint(&key.id().to_hint()).as_ref(),
        Some(key.id())
    );
    assert_eq!(KeyId::from_hint(key.id().as_str()).as_ref(), Some(key.id()));
    assert_eq!(key.id().short().len(), 12);
}

#[test]
fn ids_have_one_spelling() {
    let id = "0123456789abcdef".repeat(4);
    assert_eq!(KeyId::parse(&id).unwrap().as_str(), id);
    for text in [
        "",
        &id[1..],
        &id.to_uppercase(),
        &format!("{id}0"),
        &format!(" {}", &id[1..]),
    ] {
        assert!(matches!(KeyId::parse(text), Err(KeyError::Id(_))), "{text}");
        assert_eq!(KeyId::from_hint(text), None, "{text}");
    }
    assert_eq!(KeyId::from_hint("AAAA"), None, "three bytes are no hash");
    assert_eq!(
        serde_json::from_str::<KeyId>(&format!("\"{id}\"")).unwrap(),
        KeyId::parse(&id).unwrap()
    );
    assert!(serde_json::from_str::<KeyId>("\"ci\"").is_err());
}

#[test]
fn algorithms_read_their_names() {
    for algorithm in ALGORITHMS {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
    assert!(matches!(
        "rsa".parse::<Algorithm>(),
        Err(KeyError::Algorithm(_))
    ));
}

#[test]
fn only_the_right_key_message_and_signature_pass() {
    for algorithm in ALGORITHMS {
        let (key, other) = (key_of(algorithm), key_of(algorithm));
        let signature = key.sign(b"message").unwrap();
        let public = key.public_key();
        assert_eq!(public.verify(b"message", &signature), Ok(()), "{algorithm}");
        assert_eq!(
            public.verify(b"massage", &signature),
            Err(BadSignature),
            "{algorithm}"
        );
        assert_eq!(
            other.public_key().verify(b"message", &signature),
            Err(BadSignature),
            "{algorithm}"
        );
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert_eq!(
                public.verify(b"message", &changed),
                Err(BadSignature),
                "{algorithm}, byte {at}"
            );
        }
        for broken in [
            &[][..],
            &signature[1..],
            &signature[..signature.len() - 1],
            &[&signature[..], &[0]].concat(),
        ] {
            assert_eq!(
                public.verify(b"message", broken),
                Err(BadSignature),
                "{algorithm}"
            );
        }
        assert_eq!(
            public.verify(b"message", &vec![0x30; SIGNATURE_BYTES_MAX + 1]),
            Err(BadSignature)
        );
    }
}

#[test]
fn a_key_has_no_second_encoding() {
    for name in ["p256.pub", "p384.pub", "ed25519.pub"] {
        let der = der_of(name);
        assert!(
            PublicKey::from_der(&[&der[..], &[0]].concat()).is_err(),
            "{name}: trailing byte"
        );
        assert!(
            PublicKey::from_der(&der[..der.len() - 1]).is_err(),
            "{name}: cut off"
        );
        assert!(PublicKey::from_der(&[]).is_err());
        // The same length in the long form that BER would allow.
        let ber = [&[0x30, 0x81], &der[1..]].concat();
        assert_eq!(
            PublicKey::from_der(&ber),
            Err(KeyError::Unsupported),
            "{name}: long length"
        );
    }
    // The same point, compressed and hybrid.
    let der = der_of("p256.pub");
    let parity = der[90] & 1;
    let compressed = [
        &[0x30, 0x39],
        &der[2..24],
        &[0x22, 0x00, 2 + parity],
        &der[27..59],
    ]
    .concat();
    assert_eq!(compressed.len(), 59);
    assert_eq!(PublicKey::from_der(&compressed), Err(KeyError::Unsupported));
    let mut hybrid = der.clone();
    hybrid[26] = 6 + parity;
    assert_eq!(PublicKey::from_der(&hybrid), Err(KeyError::Unsupported));
}

#[test]
fn a_point_off_the_curve_is_no_key() {
    for name in ["p256.pub", "p384.pub"] {
        let mut der = der_of(name);
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(PublicKey::from_der(&der), Err(KeyError::Point), "{name}");
    }
}

#[test]
fn a_key_that_anybody_can_sign_for_is_refused() {
    let der = |y: &[u8]| [&ED25519_PREFIX[..], y].concat();
    for small in SMALL_ORDER_Y {
        let mut y = hex::decode(small).unwrap();
        assert_eq!(
            PublicKey::from_der(&der(&y)),
            Err(KeyError::Weak),
            "{small}"
        );
        y[31] |= 0x80;
        assert_eq!(
            PublicKey::from_der(&der(&y)),
            Err(KeyError::Weak),
            "{small} with a sign"
        );
    }
    // What the check is for: the library itself takes a signature that nobody made.
    let identity = hex::decode(SMALL_ORDER_Y[1]).unwrap();
    let forged = [&identity[..], &[0; 32]].concat();
    assert!(
        UnparsedPublicKey::new(&ED25519, &identity)
            .verify(b"anything", &forged)
            .is_ok()
    );
    // y = p + 3, a second encoding of y = 3.
    let mut unreduced = [0xff; 32];
    (unreduced[0], unreduced[31]) = (0xf0, 0x7f);
    assert_eq!(PublicKey::from_der(&der(&unreduced)), Err(KeyError::Weak));
}

#[test]
fn other_kinds_of_keys_are_refused_with_advice() {
    let rsa = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKc=\n-----END PUBLIC KEY-----\n";
    let error = PublicKey::from_pem(rsa).unwrap_err();
    assert_eq!(error, KeyError::Unsupported);
    assert!(error.to_string().contains("use ecdsa p-256"), "{error}");
    assert!(matches!(
        PublicKey::from_pem(&cosign("p256.key")),
        Err(KeyError::Pem(PemError::Label { .. }))
    ));
}
