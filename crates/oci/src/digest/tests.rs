//! Tests of `digest`.

use proptest::prelude::*;

use super::{Algorithm, Digest, DigestError, Hasher};

#[test]
fn hashes_known_bytes() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let digest = Digest::sha256(b"");
    assert_eq!(digest.as_str(), format!("sha256:{empty}"));
    assert_eq!(digest.hex(), empty);
    assert_eq!(digest.short(), "e3b0c44298fc");
    assert_eq!(digest.algorithm(), Algorithm::Sha256);

    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(b"a");
    let half = hasher.clone();
    hasher.update(b"bc");
    let abc = hasher.finish();
    assert!(
        abc.as_str()
            .starts_with("sha512:ddaf35a193617abacc417349ae204131"),
        "{abc}"
    );
    assert_eq!(abc.hex().len(), 128);
    assert_ne!(half.finish(), abc);
}

#[test]
fn refuses_what_is_no_digest() {
    let hex = "0123456789abcdef".repeat(4);
    let form = |text: &str| matches!(Digest::parse(text), Err(DigestError::Form(_)));
    let algorithm = |text: &str| matches!(Digest::parse(text), Err(DigestError::Algorithm(_)));
    let hash = |text: &str| matches!(Digest::parse(text), Err(DigestError::Hash { .. }));
    assert!(form("") && form(&hex) && form("latest"));
    assert!(
        algorithm(&format!("md5:{hex}"))
            && algorithm(&format!("SHA256:{hex}"))
            && algorithm(&format!(":{hex}"))
    );
    assert!(algorithm(&format!(" sha256:{hex}")) && algorithm(&format!("sha256+b64:{hex}")));
    assert!(hash("sha256:") && hash("sha256:baddigeststring") && hash(&format!("sha512:{hex}")));
    assert!(hash(&format!("sha256:{}", hex.to_uppercase())) && hash(&format!("sha256:{hex}0")));
    assert!(
        hash(&format!("sha256:{hex}\n")) && hash(&format!("sha256:{}/", hex.get(1..).unwrap()))
    );
    assert!(hash(&format!("sha256:{}", "é".repeat(32))));
}

#[test]
fn message_says_what_to_write() {
    assert_eq!(
        Digest::parse("sha256:xyz").unwrap_err().to_string(),
        "`sha256:xyz` is not a sha256 digest: it needs 64 lower-case hexadecimal digits"
    );
}

proptest! {
    #[test]
    fn reads_what_it_prints(bytes: Vec<u8>, wide: bool) {
        let mut hasher = Hasher::new(if wide { Algorithm::Sha512 } else { Algorithm::Sha256 });
        hasher.update(&bytes);
        let digest = hasher.finish();
        prop_assert_eq!(Digest::parse(&digest.to_string()).unwrap(), digest.clone());
        let json = serde_json::to_string(&digest).unwrap();
        prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn pieces_hash_as_the_whole(bytes: Vec<u8>, cut in 0..64_usize) {
        let (head, tail) = bytes.split_at(cut.min(bytes.len()));
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(head);
        hasher.update(tail);
        prop_assert_eq!(hasher.finish(), Digest::sha256(&bytes));
    }

    #[test]
    fn what_parses_prints_the_same(text in "(sha256|sha512|md5):[0-9a-fA-F]{60,130}") {
        if let Ok(digest) = Digest::parse(&text) {
            prop_assert_eq!(digest.to_string(), text);
        }
    }
}
