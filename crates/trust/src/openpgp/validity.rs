//! Which parts of an OpenPGP key may sign for it now. RFC 9580 leaves much of this to whoever reads; here the strict side is
//! taken everywhere: a part that is revoked, for whatever reason and since whenever, has ended, is not bound in both
//! directions or is bound by a weak hash signs nothing.

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{PublicKey, PublicSubkey, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, KeyVersion, Tag, Timestamp, VerifyingKey};

/// Bytes of the numbers of an RSA key of 2048 bits: the modulus and an exponent of one byte, each with its length.
const RSA_PARAMETERS_BYTES_MIN: usize = 2 + 256 + 2 + 1;
/// What has no end: the last second that OpenPGP can count.
pub(super) const NEVER: u32 = u32::MAX;

/// A part of a key that can check a signature.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    Primary(&'a PublicKey),
    Subkey(&'a SignedPublicSubKey),
}

impl<'a> Part<'a> {
    /// All parts of a key.
    pub(super) fn of(certificate: &'a SignedPublicKey) -> impl Iterator<Item = Self> {
        let subkeys = certificate.public_subkeys.iter().map(Part::Subkey);
        std::iter::once(Part::Primary(&certificate.primary_key)).chain(subkeys)
    }

    pub(super) fn key(self) -> &'a dyn VerifyingKey {
        match self {
            Self::Primary(key) => key,
            Self::Subkey(subkey) => &subkey.key,
        }
    }

    /// Whether this part made a detached signature over these bytes.
    pub(super) fn made(self, signature: &Signature, message: &[u8]) -> bool {
        match self {
            Self::Primary(key) => signature.verify(key, message).is_ok(),
            Self::Subkey(subkey) => signature.verify(&subkey.key, message).is_ok(),
        }
    }

    /// Why this part of the key must not sign at `now`, in seconds since the epoch.
    pub(super) fn fault(self, certificate: &SignedPublicKey, now: u32) -> Option<KeyFault> {
        let primary = &certificate.primary_key;
        if let Some(fault) = fault_of_material(primary) {
            return Some(fault);
        }
        if is_revoked(certificate) {
            return Some(KeyFault::Revoked);
        }
        let Some(own) = newest(self_signatures(certificate), now) else {
            return Some(KeyFault::NotBound);
        };
        if has_ended(primary.created_at(), own, now) {
            return Some(KeyFault::Expired);
        }
        match self {
            Self::Primary(_) => (!may_sign(own, true)).then_some(KeyFault::NotForSigning),
            Self::Subkey(subkey) => fault_of_subkey(primary, subkey, now),
        }
    }

    /// When this part stops signing, or stopped, in seconds since the epoch, as the key stands at `now`; [`NEVER`] where it does not.
    /// `None` where it signs nothing for another reason.
    pub(super) fn end(self, certificate: &SignedPublicKey, now: u32) -> Option<u32> {
        match self.fault(certificate, now) {
            None | Some(KeyFault::Expired) => {}
            Some(_) => return None,
        }
        let primary = &certificate.primary_key;
        let own = newest(self_signatures(certificate), now)?;
        let of_key = end_of(primary.created_at(), own);
        let Self::Subkey(subkey) = self else {
            return may_sign(own, true).then_some(of_key);
        };
        let binding = binding(primary, subkey, now)?;
        let of_subkey = end_of(subkey.key.created_at(), binding);
        may_sign(binding, false).then_some(of_key.min(of_subkey))
    }
}

fn fault_of_subkey(primary: &PublicKey, subkey: &SignedPublicSubKey, now: u32) -> Option<KeyFault> {
    if let Some(fault) = fault_of_material(&subkey.key) {
        return Some(fault);
    }
    let mut revocations = of_type(subkey, SignatureType::SubkeyRevocation);
    if revocations.any(|signature| binds(primary, subkey, signature)) {
        return Some(KeyFault::Revoked);
    }
    let Some(binding) = binding(primary, subkey, now) else {
        return Some(KeyFault::NotBound);
    };
    if has_ended(subkey.key.created_at(), binding, now) {
        return Some(KeyFault::Expired);
    }
    if !may_sign(binding, false) {
        return Some(KeyFault::NotForSigning);
    }
    // RFC 9580 section 5.2.1.9: or else somebody could bind another's signing key to their own.
    (!binds_back(primary, &subkey.key, binding)).then_some(KeyFault::NotBound)
}

fn of_type(subkey: &SignedPublicSubKey, wanted: SignatureType) -> impl Iterator<Item = &Signature> {
    let signatures = subkey.signatures.iter();
    signatures.filter(move |signature| signature.typ() == Some(wanted))
}

fn binds(primary: &PublicKey, subkey: &SignedPublicSubKey, signature: &Signature) -> bool {
    let bound = signature.verify_subkey_binding(primary, &subkey.key);
    bound.is_ok()
}

/// The newest signature that binds a subkey to its key.
fn binding<'a>(
    primary: &PublicKey,
    subkey: &'a SignedPublicSubKey,
    now: u32,
) -> Option<&'a Signature> {
    let bindings = of_type(subkey, SignatureType::SubkeyBinding);
    let sound = bindings.filter(|signature| is_sound(signature));
    newest(
        sound.filter(|signature| binds(primary, subkey, signature)),
        now,
    )
}

fn binds_back(primary: &PublicKey, subkey: &PublicSubkey, binding: &Signature) -> bool {
    binding.embedded_signature().is_some_and(|back| {
        is_sound(back) && back.verify_primary_key_binding(subkey, primary).is_ok()
    })
}

/// Whether the key itself said that it is revoked. A weak hash does not help against that.
fn is_revoked(certificate: &SignedPublicKey) -> bool {
    let signatures = certificate.details.revocation_signatures.iter();
    let mut own =
        signatures.filter(|signature| signature.typ() == Some(SignatureType::KeyRevocation));
    own.any(|signature| signature.verify_key(&certificate.primary_key).is_ok())
}

/// What the key says of itself, directly or with a name that it has not taken back.
fn self_signatures(certificate: &SignedPublicKey) -> Vec<&Signature> {
    let primary = &certificate.primary_key;
    let direct = certificate.details.direct_signatures.iter();
    let mut found: Vec<&Signature> = direct
        .filter(|signature| signature.typ() == Some(SignatureType::Key) && is_sound(signature))
        .filter(|signature| signature.verify_key(primary).is_ok())
        .collect();
    for user in &certificate.details.users {
        let own = |signature: &&Signature| {
            let verified = signature.verify_certification(primary, Tag::UserId, &user.id);
            verified.is_ok()
        };
        let is_taken_back =
            |signature: &&Signature| signature.typ() == Some(SignatureType::CertRevocation);
        if user
            .signatures
            .iter()
            .filter(is_taken_back)
            .any(|taken| own(&taken))
        {
            continue;
        }
        let certifying = user.signatures.iter();
        let certifying = certifying.filter(|signature| !is_taken_back(signature));
        found.extend(
            certifying
                .filter(|signature| is_sound(signature))
                .filter(own),
        );
    }
    found
}

/// The newest that was made by now.
fn newest<'a>(
    signatures: impl IntoIterator<Item = &'a Signature>,
    now: u32,
) -> Option<&'a Signature> {
    let dated = signatures.into_iter().filter_map(|signature| {
        let created = signature.created()?.as_secs();
        (created <= now && !is_over(signature, now)).then_some((created, signature))
    });
    dated
        .max_by_key(|(created, _)| *created)
        .map(|(_, signature)| signature)
}

/// Whether a signature says of itself that it is over.
pub(super) fn is_over(signature: &Signature, now: u32) -> bool {
    end(signature).is_some_and(|end| end <= i64::from(now))
}

/// The first second since the epoch at which a signature says of itself that it is over (RFC 9580 section 5.2.3.18): seconds after it
/// was made; none at all mean never. Only the part that is signed is asked.
pub(super) fn end(signature: &Signature) -> Option<i64> {
    let (created, lasts) = (signature.created()?, signature.signature_expiration_time()?);
    (lasts.as_secs() > 0).then(|| i64::from(created.as_secs()) + i64::from(lasts.as_secs()))
}

fn has_ended(created: Timestamp, signature: &Signature, now: u32) -> bool {
    created.as_secs() > now
        || signature
            .key_expiration_time()
            .is_some_and(|lasts| is_past(created, lasts, now))
}

/// When a key ends by what a signature says of it, or by the end of that signature.
fn end_of(created: Timestamp, signature: &Signature) -> u32 {
    let end = |from: Timestamp, lasts: Option<Duration>| match lasts.map(Duration::as_secs) {
        None | Some(0) => NEVER,
        Some(seconds) => from.as_secs().saturating_add(seconds),
    };
    let of_key = end(created, signature.key_expiration_time());
    let of_signature = signature.created().map_or(NEVER, |made| {
        end(made, signature.signature_expiration_time())
    });
    of_key.min(of_signature)
}

/// RFC 9580 section 5.2.3.13: seconds after it was made; none at all mean never.
fn is_past(created: Timestamp, lasts: Duration, now: u32) -> bool {
    let lasts = lasts.as_secs();
    lasts > 0 && created.as_secs().saturating_add(lasts) <= now
}

/// Whether a signature says that the key may sign. Old primary keys say nothing of what they are for.
fn may_sign(signature: &Signature, when_not_said: bool) -> bool {
    let says = signature.config().is_some_and(|config| {
        let mut said = config.hashed_subpackets();
        said.any(|said| matches!(said.data, SubpacketData::KeyFlags(_)))
    });
    match says {
        true => signature.key_flags().sign(),
        false => when_not_said,
    }
}

/// Whether a signature is of a kind that is believed: made with a strong hash, and without a critical part that is not
/// understood (RFC 9580 section 5.2.3.7).
pub(super) fn is_sound(signature: &Signature) -> bool {
    signature.hash_alg().is_some_and(is_strong)
        && signature.config().is_some_and(|config| {
            !config.hashed_subpackets().any(|part| {
                let is_strange = matches!(
                    part.data,
                    SubpacketData::Other(..)
                        | SubpacketData::Experimental(..)
                        | SubpacketData::Notation(_)
                );
                part.is_critical && is_strange
            })
        })
}

/// Hashes in which nobody finds collisions.
fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

/// Keys that are too short, or of a kind or version that is not used any more.
fn fault_of_material(key: &impl KeyDetails) -> Option<KeyFault> {
    let is_current = matches!(key.version(), KeyVersion::V4 | KeyVersion::V6);
    let is_strong = match key.algorithm() {
        PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::RSASign => {
            key.public_params().write_len() >= RSA_PARAMETERS_BYTES_MIN
        }
        PublicKeyAlgorithm::ECDSA
        | PublicKeyAlgorithm::EdDSALegacy
        | PublicKeyAlgorithm::Ed25519
        | PublicKeyAlgorithm::Ed448 => true,
        _ => false,
    };
    (!is_current || !is_strong).then_some(KeyFault::Weak)
}

/// Why a registered OpenPGP key does not stand behind what it is said to have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The key or the subkey was revoked by its owner.
    #[error("which its owner has revoked")]
    Revoked,
    /// The key, the subkey or the signature has ended.
    #[error("whose time, or that of the signature, is over")]
    Expired,
    /// The part of the key that signed is not for signing.
    #[error("which is not for signing")]
    NotForSigning,
    /// Nothing that is believed binds the subkey to the key or the key to itself.
    #[error("which is not bound to itself or to its subkey, or only by a weak hash such as SHA-1")]
    NotBound,
    /// RSA below 2048 bits, DSA, or another kind that is not used any more.
    #[error("which is too weak: use RSA of 2048 bits or more, ECDSA or Ed25519")]
    Weak,
    /// The key did not sign these bytes.
    #[error("which did not sign these bytes: the message was changed")]
    Forged,
}
