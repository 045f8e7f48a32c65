//! Whether a log entry is about this signature: the same signature, by the same key or certificate, over the same bytes.
//! An entry of another artefact proves nothing about this one (GHSA-whqx-f9j3-ch6m). Deliberately only the kinds that
//! signatures over images and files have: `hashedrekord`, `dsse` and `intoto`. rekor `pkg/types`, rekor-tiles `proto`.

use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::bundle::{BUNDLE_BYTES_MAX, LogEntry};
use crate::encoding::{from_base64, from_either_base64};
use crate::pem;
use crate::strict;

/// What differs between an entry and the signature it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// Not an entry of its kind, or its kind is not what the bundle says.
    #[error("the log entry cannot be read")]
    Unreadable,
    /// A kind of entry that says nothing about such signatures.
    #[error("the log entry is of a kind that does not belong to this signature")]
    Kind,
    /// Of other bytes.
    #[error("the log entry is of another artefact")]
    OtherBytes,
    /// Of another signature.
    #[error("the log entry is of another signature")]
    OtherSignature,
    /// Made with another key or certificate.
    #[error("the log entry is of another key or certificate")]
    OtherSigner,
}

/// A signature, as an entry must describe it.
pub(super) struct Signed<'a> {
    /// What was signed: the file, or the envelope's payload with its type; of a file perhaps only the hash is known.
    pub(super) message: Message<'a>,
    /// The payload of an envelope, if it is one, and its type.
    pub(super) payload: Option<(&'a [u8], &'a str)>,
    pub(super) signature: &'a [u8],
    /// The certificate or the public key, in DER.
    pub(super) signer: &'a [u8],
    /// The key in the certificate, or the same key: older entries name that.
    pub(super) key: &'a [u8],
}

/// Bytes, or what is known of them.
#[derive(Clone, Copy)]
pub(super) enum Message<'a> {
    Bytes(&'a [u8]),
    Sha256(&'a [u8; 32]),
}

impl Message<'_> {
    fn has_hash(self, algorithm: &str, hash: &[u8]) -> bool {
        match (algorithm, self) {
            ("sha256" | "SHA2_256", Message::Sha256(known)) => known.as_slice() == hash,
            ("sha256" | "SHA2_256", Message::Bytes(bytes)) => {
                Sha256::digest(bytes).as_slice() == hash
            }
            ("sha384" | "SHA2_384", Message::Bytes(bytes)) => {
                Sha384::digest(bytes).as_slice() == hash
            }
            ("sha512" | "SHA2_512", Message::Bytes(bytes)) => {
                Sha512::digest(bytes).as_slice() == hash
            }
            _ => false,
        }
    }
}

pub(super) fn check(entry: &LogEntry, signed: &Signed<'_>) -> Result<(), EntryFault> {
    let body: Value =
        strict::parse(&entry.body, BUNDLE_BYTES_MAX).map_err(|_| EntryFault::Unreadable)?;
    let body = Body(&body);
    if body.text("/kind")? != entry.kind || body.text("/apiVersion")? != entry.version {
        return Err(EntryFault::Unreadable);
    }
    match (entry.kind.as_str(), entry.version.as_str(), signed.payload) {
        ("hashedrekord", "0.0.1", None) => body.hashedrekord_1(signed),
        ("hashedrekord", "0.0.2", _) => body.hashedrekord_2(signed),
        ("dsse", "0.0.1", Some((payload, _))) => body.dsse_1(signed, payload),
        ("dsse", "0.0.2", Some((payload, _))) => body.dsse_2(signed, payload),
        ("intoto", "0.0.2", Some(payload)) => body.intoto_2(signed, payload),
        _ => Err(EntryFault::Kind),
    }
}

struct Body<'a>(&'a Value);

impl<'a> Body<'a> {
    fn text(&self, pointer: &str) -> Result<&'a str, EntryFault> {
        let value = self.0.pointer(pointer).and_then(Value::as_str);
        value.ok_or(EntryFault::Unreadable)
    }

    fn bytes(&self, pointer: &str) -> Result<Vec<u8>, EntryFault> {
        from_either_base64(self.text(pointer)?).ok_or(EntryFault::Unreadable)
    }

    fn hex(&self, pointer: &str) -> Result<Vec<u8>, EntryFault> {
        hex::decode(self.text(pointer)?).map_err(|_| EntryFault::Unreadable)
    }

    /// A PEM file in base64: its one block.
    fn pem(&self, pointer: &str) -> Result<Vec<u8>, EntryFault> {
        let text = String::from_utf8(self.bytes(pointer)?).map_err(|_| EntryFault::Unreadable)?;
        pem::decode(&text, &["CERTIFICATE", "PUBLIC KEY"]).map_err(|_| EntryFault::Unreadable)
    }

    fn one(&self, pointer: &str) -> Result<(), EntryFault> {
        let list = self.0.pointer(pointer).and_then(Value::as_array);
        match list.map(Vec::len) {
            Some(1) => Ok(()),
            Some(_) => Err(EntryFault::OtherSignature),
            None => Err(EntryFault::Unreadable),
        }
    }

    fn hashedrekord_1(&self, signed: &Signed<'_>) -> Result<(), EntryFault> {
        let hash = self.hex("/spec/data/hash/value")?;
        let algorithm = self.text("/spec/data/hash/algorithm")?;
        same(
            signed.message.has_hash(algorithm, &hash),
            EntryFault::OtherBytes,
        )?;
        let signature = self.bytes("/spec/signature/content")?;
        same(signature == signed.signature, EntryFault::OtherSignature)?;
        let signer = self.pem("/spec/signature/publicKey/content")?;
        same(signer == signed.signer, EntryFault::OtherSigner)
    }

    fn hashedrekord_2(&self, signed: &Signed<'_>) -> Result<(), EntryFault> {
        let hash = self.bytes("/spec/hashedRekordV002/data/digest")?;
        let algorithm = self.text("/spec/hashedRekordV002/data/algorithm")?;
        same(
            signed.message.has_hash(algorithm, &hash),
            EntryFault::OtherBytes,
        )?;
        let signature = self.bytes("/spec/hashedRekordV002/signature/content")?;
        same(signature == signed.signature, EntryFault::OtherSignature)?;
        self.verifier("/spec/hashedRekordV002/signature/verifier", signed)
    }

    fn dsse_1(&self, signed: &Signed<'_>, payload: &[u8]) -> Result<(), EntryFault> {
        let hash = self.hex("/spec/payloadHash/value")?;
        let algorithm = self.text("/spec/payloadHash/algorithm")?;
        let payload = Message::Bytes(payload);
        same(payload.has_hash(algorithm, &hash), EntryFault::OtherBytes)?;
        self.one("/spec/signatures")?;
        let signature = self.bytes("/spec/signatures/0/signature")?;
        same(signature == signed.signature, EntryFault::OtherSignature)?;
        let signer = self.pem("/spec/signatures/0/verifier")?;
        same(signer == signed.signer, EntryFault::OtherSigner)
    }

    fn dsse_2(&self, signed: &Signed<'_>, payload: &[u8]) -> Result<(), EntryFault> {
        let hash = self.bytes("/spec/dsseV002/payloadHash/digest")?;
        let algorithm = self.text("/spec/dsseV002/payloadHash/algorithm")?;
        let payload = Message::Bytes(payload);
        same(payload.has_hash(algorithm, &hash), EntryFault::OtherBytes)?;
        self.one("/spec/dsseV002/signatures")?;
        let signature = self.bytes("/spec/dsseV002/signatures/0/content")?;
        same(signature == signed.signature, EntryFault::OtherSignature)?;
        self.verifier("/spec/dsseV002/signatures/0/verifier", signed)
    }

    fn intoto_2(
        &self,
        signed: &Signed<'_>,
        (payload, payload_type): (&[u8], &str),
    ) -> Result<(), EntryFault> {
        let hash = self.hex("/spec/content/payloadHash/value")?;
        let algorithm = self.text("/spec/content/payloadHash/algorithm")?;
        let payload = Message::Bytes(payload);
        same(payload.has_hash(algorithm, &hash), EntryFault::OtherBytes)?;
        let says_type = self.text("/spec/content/envelope/payloadType")?;
        same(says_type == payload_type, EntryFault::OtherBytes)?;
        self.one("/spec/content/envelope/signatures")?;
        // Base64 of base64: the log stored the envelope's own text.
        let text = self.bytes("/spec/content/envelope/signatures/0/sig")?;
        let signature = std::str::from_utf8(&text).ok().and_then(from_base64);
        let signature = signature.ok_or(EntryFault::Unreadable)?;
        same(signature == signed.signature, EntryFault::OtherSignature)?;
        let signer = self.pem("/spec/content/envelope/signatures/0/publicKey")?;
        same(
            signer == signed.signer || signer == signed.key,
            EntryFault::OtherSigner,
        )
    }

    /// Rekor's second version names a certificate or a key, not both.
    fn verifier(&self, pointer: &str, signed: &Signed<'_>) -> Result<(), EntryFault> {
        let certificate = format!("{pointer}/x509Certificate/rawBytes");
        let key = format!("{pointer}/publicKey/rawBytes");
        let signer = match (self.0.pointer(&certificate), self.0.pointer(&key)) {
            (Some(_), None) => self.bytes(&certificate)?,
            (None, Some(_)) => self.bytes(&key)?,
            _ => return Err(EntryFault::Unreadable),
        };
        same(signer == signed.signer, EntryFault::OtherSigner)
    }
}

fn same(is_same: bool, fault: EntryFault) -> Result<(), EntryFault> {
    if is_same { Ok(()) } else { Err(fault) }
}
