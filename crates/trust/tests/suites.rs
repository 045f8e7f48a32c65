//! Conformance with third-party vectors: DSSE, Merkle proofs, sigstore bundles, the Notary Project's, repositories of TUF. Needs the feature `suites` and the
//! folder of unpacked suites in `COUNTERSIGN_SUITES`; fails, not skips, without it. What is not passed is listed with
//! its reason.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test, whose helpers the lints do not recognise as such"
)]

mod suites {
    mod attestations;
    mod notation_core_go;
    mod python_tuf;
    mod repository;
    mod sigstore;
    mod tough;
}

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use trust::merkle::{Hash, verify_consistency, verify_inclusion};
use trust::{Algorithm, Envelope, PublicKey, dsse};

fn suite(name: &str) -> PathBuf {
    let root = std::env::var_os("COUNTERSIGN_SUITES")
        .expect("set COUNTERSIGN_SUITES to the folder of unpacked suites");
    let path = Path::new(&root).join("suites").join(name);
    assert!(path.is_dir(), "{} is missing", path.display());
    path
}

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn dsse_protocol_vector() {
    let vector = json(&suite("dsse").join("protocol-vector.json"));
    let text = |name: &str| vector[name].as_str().unwrap();
    let pae = dsse::pae(text("payload_type"), text("serialized_body").as_bytes());
    assert_eq!(pae, text("pae").as_bytes());

    let number = |name: &str| big_endian(vector["key"][name].as_str().unwrap());
    let point = [&[4][..], &number("x_dec"), &number("y_dec")].concat();
    let spki = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    let key = PublicKey::from_der(&[spki, point].concat()).unwrap();
    assert_eq!(key.algorithm(), Algorithm::EcdsaP256);

    // The vector's signature is r and s in a row; envelopes of sigstore have them in DER.
    let mut document = vector["envelope"].clone();
    let raw = STANDARD
        .decode(document["signatures"][0]["sig"].as_str().unwrap())
        .unwrap();
    document["signatures"][0]["sig"] = STANDARD.encode(der_of_raw(&raw)).into();
    let envelope = Envelope::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(
        envelope.verify(text("payload_type"), &key).unwrap().value(),
        text("serialized_body").as_bytes()
    );
}

/// A decimal number as 32 bytes.
fn big_endian(decimal: &str) -> Vec<u8> {
    let mut bytes = [0_u8; 32];
    for digit in decimal.bytes() {
        let mut carry = u16::from(digit - b'0');
        for byte in bytes.iter_mut().rev() {
            let sum = u16::from(*byte) * 10 + carry;
            [_, *byte] = sum.to_be_bytes();
            carry = sum >> 8;
        }
        assert_eq!(carry, 0, "{decimal} has more than 32 bytes");
    }
    bytes.to_vec()
}

fn der_of_raw(raw: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let first = bytes
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(bytes.len() - 1);
        let sign = if bytes[first] & 0x80 == 0 {
            &[][..]
        } else {
            &[0][..]
        };
        let value = [sign, &bytes[first..]].concat();
        [&[2, u8::try_from(value.len()).unwrap()][..], &value].concat()
    };
    let (r, s) = raw.split_at(32);
    let pair = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(pair.len()).unwrap()][..], &pair].concat()
}

/// Folders of the Merkle vectors that are not run, and why.
const MERKLE_NOT_RUN: [(&str, &str); 2] = [
    (
        "subtreeinclusion",
        "subtrees belong to the draft on Merkle tree certificates; a log of RFC 6962 has none",
    ),
    (
        "subtreeconsistency",
        "subtrees belong to the draft on Merkle tree certificates; a log of RFC 6962 has none",
    ),
];

#[test]
fn merkle_vectors() {
    let folder = suite("merkle-tlog-vectors").join("testdata");
    let mut run = 0;
    let mut not_run = BTreeSet::new();
    for kind in entries(&folder) {
        let name = kind.file_name().unwrap().to_str().unwrap().to_owned();
        let verdict: fn(&Value) -> bool = match name.as_str() {
            "inclusion" => inclusion_holds,
            "consistency" => consistency_holds,
            _ => {
                not_run.insert(name);
                continue;
            }
        };
        for path in entries(&kind).iter().flat_map(|folder| entries(folder)) {
            let vector = json(&path);
            let expected = !vector["wantErr"].as_bool().unwrap();
            assert_eq!(
                verdict(&vector),
                expected,
                "{}: {}",
                path.display(),
                vector["desc"]
            );
            run += 1;
        }
    }
    assert_eq!(run, 57);
    assert_eq!(
        not_run,
        MERKLE_NOT_RUN
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect()
    );
}

/// None for what is not a hash at all: such a vector cannot even be asked about.
fn hash(value: &Value) -> Option<Hash> {
    STANDARD.decode(value.as_str()?).ok()?.try_into().ok()
}

fn proof(vector: &Value) -> Option<Vec<Hash>> {
    match &vector["proof"] {
        Value::Null => Some(Vec::new()),
        hashes => hashes.as_array()?.iter().map(hash).collect(),
    }
}

fn inclusion_holds(vector: &Value) -> bool {
    let (Some(leaf), Some(root), Some(proof)) = (
        hash(&vector["leafHash"]),
        hash(&vector["root"]),
        proof(vector),
    ) else {
        return false;
    };
    let number = |name: &str| vector[name].as_u64().unwrap();
    verify_inclusion(&leaf, number("leafIdx"), number("treeSize"), &proof, &root).is_ok()
}

fn consistency_holds(vector: &Value) -> bool {
    let (Some(old), Some(new), Some(proof)) = (
        hash(&vector["root1"]),
        hash(&vector["root2"]),
        proof(vector),
    ) else {
        return false;
    };
    let number = |name: &str| vector[name].as_u64().unwrap();
    verify_consistency((number("size1"), &old), (number("size2"), &new), &proof).is_ok()
}
