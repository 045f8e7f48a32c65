//! When two pieces of evidence are the same one: the same signed bytes under the same signature, however they are wrapped. Whoever sends a
//! signature again must not make it a newer one, neither by other white space around it nor by the other form that ECDSA allows:
//! with (r, s) a signature, (r, n − s) is one too (SEC 1, 4.1.4). Deliberately no check of the signature.

use std::collections::BTreeMap;

use oci::{Algorithm, Digest, Hasher};

use crate::bundle::Bundle;
use crate::der::{self, trimmed};
use crate::encoding::from_base64;
use crate::notation::{Algorithm as Notation, Envelope, Format};
use crate::sigstore::SIGNATURE_ANNOTATION;
use crate::{dsse, openpgp};

/// The order of P-256's group (FIPS 186-5 / SP 800-186, 3.2.1.3).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of P-384's group (SP 800-186, 3.2.1.4).
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// What makes a signature the same when it comes again. `raw` is a bundle, an envelope of DSSE or of notation or an OpenPGP document, or
/// with `signature` the payload of a simple signature, whose base64 that is, or what
/// [`certified_signature`](crate::evidence::certified_signature) made of it. What stands beside a signature and is not signed, such as
/// certificates, timestamps and names of keys, makes it no other one.
#[must_use]
pub fn fingerprint(raw: &[u8], signature: Option<&str>) -> Digest {
    match signature {
        Some(text) => fingerprint_of_payload(&Digest::sha256(raw), text),
        None => of_bundle(raw)
            .or_else(|| of_notation(raw))
            .or_else(|| of_dsse(raw))
            .or_else(|| of_openpgp(raw))
            .unwrap_or_else(|| of(raw, &[])),
    }
}

/// The same of a simple signature whose payload is known by its SHA-256 alone.
#[must_use]
pub fn fingerprint_of_payload(payload: &Digest, signature: &str) -> Digest {
    let kept = kept_signature(signature);
    let text = kept.as_deref().unwrap_or(signature).trim_ascii();
    let signature = from_base64(text).unwrap_or_else(|| text.as_bytes().to_vec());
    of_signed(payload, &signature)
}

/// Of notation's ECDSA, which is `r` and `s` side by side, `r` alone: whoever signs draws it anew, and (r, n − s) has the same.
fn of_notation(raw: &[u8]) -> Option<Digest> {
    let envelope = Envelope::parse(Format::of_bytes(raw), raw).ok()?;
    let signature = envelope.signature();
    let own = match envelope.attributes().algorithm {
        Notation::Es256 | Notation::Es384 | Notation::Es512 => {
            signature.get(..signature.len() / 2)?
        }
        Notation::Ps256 | Notation::Ps384 | Notation::Ps512 => signature,
    };
    Some(of_number(envelope.payload(), b"notation", own))
}

/// An envelope by itself, as cosign 2 attaches attestations: the same as in a bundle.
fn of_dsse(raw: &[u8]) -> Option<Digest> {
    let envelope = dsse::Envelope::parse(raw).ok()?;
    let [signature] = envelope.signatures.as_slice() else {
        return None;
    };
    Some(of(&envelope.payload, &signature.sig))
}

/// Of a message what is signed and the number that cannot be changed: compression, packets around it, and the part of the signature
/// that is not signed are whoever's who sends it.
fn of_openpgp(raw: &[u8]) -> Option<Digest> {
    let document = openpgp::Document::parse(raw).ok()?;
    let (payload, number) = openpgp::signed_parts(&document.message)?;
    Some(of_number(&payload, b"openpgp", &number))
}

/// A number of a signature that nobody can change without the key, over a payload in a format.
fn of_number(payload: &[u8], format: &[u8], number: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(Digest::sha256(payload).as_str().as_bytes());
    hasher.update(format);
    hasher.update(number);
    hasher.finish()
}

/// The base64 among the annotations that belong to a certificate.
fn kept_signature(text: &str) -> Option<String> {
    if !text.starts_with('{') {
        return None;
    }
    let mut annotations: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
    annotations.remove(SIGNATURE_ANNOTATION)
}

fn of_bundle(raw: &[u8]) -> Option<Digest> {
    let bundle = Bundle::parse(raw).ok()?;
    let envelope = bundle.envelope()?;
    let signature = envelope.signatures.first()?;
    Some(of(&envelope.payload, &signature.sig))
}

fn of(payload: &[u8], signature: &[u8]) -> Digest {
    of_signed(&Digest::sha256(payload), signature)
}

fn of_signed(payload: &Digest, signature: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(payload.as_str().as_bytes());
    match ecdsa(signature) {
        Some((r, s)) => {
            hasher.update(b"ecdsa");
            hasher.update(&r);
            hasher.update(&s);
        }
        None => hasher.update(signature),
    }
    hasher.finish()
}

/// The two numbers of an ECDSA signature in DER, the second as the smaller of `s` and `n − s`, both without leading zeros.
fn ecdsa(signature: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (r, s) = der::ecdsa_numbers(signature)?;
    let (r, s) = (trimmed(r), trimmed(s));
    let order: &[u8] = if r.len().max(s.len()) <= P256_ORDER.len() {
        &P256_ORDER
    } else {
        &P384_ORDER
    };
    let other = difference(order, s)?;
    let other = trimmed(&other);
    let smaller = if (other.len(), other) < (s.len(), s) {
        other
    } else {
        s
    };
    Some((r.to_vec(), smaller.to_vec()))
}

/// `order − number`, as long as the order; `None` when the number is larger.
fn difference(order: &[u8], number: &[u8]) -> Option<Vec<u8>> {
    let padding = order.len().checked_sub(number.len())?;
    let padded = std::iter::repeat_n(0, padding)
        .chain(number.iter().copied())
        .collect::<Vec<u8>>();
    let mut borrow = 0_i16;
    let mut result: Vec<u8> = Vec::with_capacity(order.len());
    for (from, take) in order.iter().rev().zip(padded.iter().rev()) {
        let difference = i16::from(*from) - i16::from(*take) - borrow;
        borrow = i16::from(difference < 0);
        result.push(u8::try_from(difference.rem_euclid(256)).ok()?);
    }
    result.reverse();
    (borrow == 0).then_some(result)
}

#[cfg(test)]
mod tests;
