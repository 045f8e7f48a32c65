//! Keys and texts that the unit tests of several modules use. Not part of the product.

pub(crate) mod wycheproof;

use oci::Digest;

use crate::{Algorithm, Bundle, PrivateKey, StageStatement, Statement, stage};

pub(crate) const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::EcdsaP256,
    Algorithm::EcdsaP384,
    Algorithm::Ed25519,
];

pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::EcdsaP256).unwrap()
}

pub(crate) fn key_of(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::generate(algorithm).unwrap()
}

pub(crate) fn image() -> Digest {
    Digest::sha256(b"a manifest")
}

pub(crate) fn ci() -> StageStatement {
    StageStatement {
        stage: "ci".into(),
        repository: "shop/web".parse().unwrap(),
        tag: Some("1.4".parse().unwrap()),
        nonce: None,
    }
}

pub(crate) fn statement() -> Statement {
    stage::build(&image(), &ci()).unwrap()
}

pub(crate) fn bundle(key: &PrivateKey) -> Vec<u8> {
    Bundle::sign(&statement(), key)
        .unwrap()
        .to_json()
        .unwrap()
        .into_bytes()
}

/// A file that the real cosign wrote.
pub(crate) fn cosign(name: &str) -> String {
    data(&format!("cosign/{name}"))
}

/// A file that the real openssl wrote.
pub(crate) fn openssl(name: &str) -> String {
    data(&format!("openssl/{name}"))
}

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
