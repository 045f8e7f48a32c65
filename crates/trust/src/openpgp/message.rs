//! A signed message of OpenPGP around a simple-signing payload: exactly one signature, over exactly these bytes, with a hash
//! that can be believed. What gpg takes besides (text, several signers, detached and clear signatures) is refused, as
//! containers/image refuses it.

use std::io::{BufReader, Read};

use pgp::composed::{Deserializable, DetachedSignature, Message};
use pgp::packet::{Signature, SignatureType};
use pgp::types::SignatureBytes;

use super::validity::{self, KeyFault, Part};
use super::{MESSAGE_BYTES_MAX, OpenPgpKey};
use crate::cosign::{PAYLOAD_BYTES_MAX, PayloadError, SimpleSigning};
use crate::evidence::{Checks, Claim, Dated, Format, Reading, Unreadable, Untrusted, claim_of};
use crate::verified::Verified;

/// Reads a signature as podman and skopeo write it, and says whose it is and when it ends, if its signer set an end. A key or a
/// signature that has ended at `now`, in milliseconds since the epoch, makes nothing true; the times that a signer claims can only take
/// away.
#[must_use]
pub fn read_openpgp_simple_signing(bytes: &[u8], keys: &[OpenPgpKey], now: i64) -> Dated {
    read_within(bytes, keys, now, &Checks::unlimited())
}

/// The same, with a budget.
pub(super) fn read_within(bytes: &[u8], keys: &[OpenPgpKey], now: i64, checks: &Checks) -> Dated {
    let read = read(bytes, keys, seconds(now), checks);
    read.unwrap_or_else(|why| Reading::unreadable(why).into())
}

/// What a message signs, and of its signature the number that nobody can change without the key: of two numbers the first, since ECDSA
/// allows another second one beside it. `None` for what is no message with one signature that can be believed. Not verified.
pub(crate) fn signed_parts(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (message, payload) = open(bytes).ok()?;
    let number = match only_signature(&message).ok()?.signature()? {
        SignatureBytes::Mpis(numbers) => numbers.first()?.as_ref().to_vec(),
        SignatureBytes::Native(bytes) => bytes.get(..bytes.len() / 2)?.to_vec(),
    };
    Some((payload, number))
}

/// OpenPGP counts seconds in 32 bits: times beyond are its last one.
pub(super) fn seconds(milliseconds: i64) -> u32 {
    u32::try_from((milliseconds / 1_000).max(0)).unwrap_or(u32::MAX)
}

fn read(bytes: &[u8], keys: &[OpenPgpKey], now: u32, checks: &Checks) -> Result<Dated, Unreadable> {
    let (message, payload) = open(bytes)?;
    let signature = only_signature(&message)?;
    let claim = claim(&payload)?;
    let dated = |reading| Dated {
        reading,
        trusted_at: None,
        ends_at: validity::end(signature).map(|end| end.saturating_mul(1_000)),
    };
    let why = match signer(&message, signature, keys, checks) {
        Signer::Found(key, part) => match fault(key, part, signature, now) {
            None => {
                let verified = Verified::new(claim, key.id().clone());
                return Ok(dated(Reading::Verified(verified)));
            }
            Some(why) => openpgp(key, why),
        },
        Signer::Forged(key) => openpgp(key, KeyFault::Forged),
        Signer::Unchecked => Untrusted::Unchecked,
        Signer::Unknown => Untrusted::UnknownKey {
            hint: hint(signature),
        },
    };
    Ok(dated(Reading::Unverified { claim, why }))
}

fn openpgp(key: &OpenPgpKey, why: KeyFault) -> Untrusted {
    Untrusted::OpenPgp {
        key: key.id().clone(),
        why,
    }
}

/// The message, read to its end, and what it is about.
fn open(bytes: &[u8]) -> Result<(Message<'_>, Vec<u8>), Unreadable> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Unreadable::Size { bytes: bytes.len() });
    }
    let unreadable = |error: pgp::errors::Error| Unreadable::OpenPgp(error.to_string());
    let mut message = Message::from_bytes(bytes).map_err(unreadable)?;
    // gpg compresses what it signs, around the whole and once.
    if message.is_compressed() {
        message = message.decompress().map_err(unreadable)?;
    }
    if !message.is_signed() || message.literal_data_header().is_none() {
        return Err(Unreadable::NotSigned);
    }
    let limit = PAYLOAD_BYTES_MAX as u64 + 1;
    let mut payload = Vec::new();
    let read = Read::take(&mut message, limit).read_to_end(&mut payload);
    read.map_err(|error| Unreadable::OpenPgp(error.to_string()))?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Unreadable::Size {
            bytes: payload.len(),
        });
    }
    // The end of the message is seen only by reading on.
    let more = message.read(&mut [0]);
    match more.map_err(|error| Unreadable::OpenPgp(error.to_string()))? {
        0 => Ok((message, payload)),
        _ => Err(Unreadable::NotSigned),
    }
}

/// The one signature of the message, if it is of a kind that is believed.
fn only_signature<'a>(message: &'a Message<'_>) -> Result<&'a Signature, Unreadable> {
    let Message::Signed { reader, .. } = message else {
        return Err(Unreadable::NotSigned);
    };
    if reader.num_signatures() != 1 {
        return Err(Unreadable::Signatures {
            count: reader.num_signatures(),
        });
    }
    let signature = reader.signature(0).ok_or(Unreadable::NotSigned)?;
    if signature.typ() != Some(SignatureType::Binary) {
        return Err(Unreadable::SignatureType);
    }
    if !validity::is_sound(signature) {
        let hash = signature.hash_alg();
        return Err(Unreadable::Hash(hash.map_or_else(
            || "nothing known".to_owned(),
            |hash| hash.to_string(),
        )));
    }
    Ok(signature)
}

fn claim(payload: &[u8]) -> Result<Claim, Unreadable> {
    let said = SimpleSigning::parse_containers(payload)?;
    if said.docker_reference.is_none() {
        return Err(PayloadError::Reference(String::new()).into());
    }
    claim_of(said, Format::GpgSimpleSigning)
}

/// A detached signature, in armour or not: by a part of the key that may sign, in the same form as on images.
pub(super) fn verify_detached(
    key: &OpenPgpKey,
    message: &[u8],
    signature: &[u8],
    now: i64,
) -> Result<(), KeyFault> {
    if signature.len() > MESSAGE_BYTES_MAX {
        return Err(KeyFault::Forged);
    }
    let read = match signature.starts_with(b"-----BEGIN ") {
        true => DetachedSignature::from_armor_single(signature).map(|(read, _)| read),
        false => DetachedSignature::from_bytes(BufReader::new(signature)),
    };
    let signature = read.map_err(|_| KeyFault::Forged)?.signature;
    if signature.typ() != Some(SignatureType::Binary) || !validity::is_sound(&signature) {
        return Err(KeyFault::Forged);
    }
    let part = Part::of(&key.certificate)
        .find(|part| part.made(&signature, message))
        .ok_or(KeyFault::Forged)?;
    match fault(key, part, &signature, seconds(now)) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Who made a signature.
enum Signer<'a> {
    Found(&'a OpenPgpKey, Part<'a>),
    /// The key that it names did not.
    Forged(&'a OpenPgpKey),
    /// The budget ended before all were tried.
    Unchecked,
    Unknown,
}

fn signer<'a>(
    message: &Message<'_>,
    signature: &Signature,
    keys: &'a [OpenPgpKey],
    checks: &Checks,
) -> Signer<'a> {
    let parts = || {
        let all = keys.iter();
        all.flat_map(|key| Part::of(&key.certificate).map(move |part| (key, part)))
    };
    let names_one =
        !signature.issuer_fingerprint().is_empty() || !signature.issuer_key_id().is_empty();
    let named = parts().filter(|(_, part)| !names_one || is_named(signature, *part));
    let mut forged = None;
    for (tried, (key, part)) in named.enumerate() {
        // It may name many, or none; an honest one names the part that made it.
        let is_free = names_one && tried == 0;
        if !is_free && !checks.take(0) {
            return Signer::Unchecked;
        }
        match message.verify(part.key()) {
            Ok(_) => return Signer::Found(key, part),
            Err(_) => forged = forged.or(names_one.then_some(key)),
        }
    }
    forged.map_or(Signer::Unknown, Signer::Forged)
}

/// Whether a signature names this part of a key: by its fingerprint, or else by its short id. A name is a claim.
fn is_named(signature: &Signature, part: Part<'_>) -> bool {
    let key = part.key();
    let fingerprints = signature.issuer_fingerprint();
    match fingerprints.is_empty() {
        true => signature.issuer_key_id().contains(&&key.legacy_key_id()),
        false => fingerprints.contains(&&key.fingerprint()),
    }
}

fn hint(signature: &Signature) -> Option<String> {
    let fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(|print| format!("{print:X}"));
    let short = || {
        signature
            .issuer_key_id()
            .first()
            .map(|id| hex::encode_upper(id.as_ref()))
    };
    fingerprint.or_else(short)
}

fn fault(key: &OpenPgpKey, part: Part<'_>, signature: &Signature, now: u32) -> Option<KeyFault> {
    if let Some(fault) = part.fault(&key.certificate, now) {
        return Some(fault);
    }
    validity::is_over(signature, now).then_some(KeyFault::Expired)
}
