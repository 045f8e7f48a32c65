//! Which layers are signatures, and the reader in `trust` of each format.

use super::found::{Found, UNREADABLE};
use super::keys::Keys;
use oci::{Descriptor, Digest, media};
use trust::evidence::{
    Anchors, Checks, Dated, NotationTerms, Reading, Signers, read_any_bundle, read_any_layer,
    read_attestation_within, read_notation,
};
use trust::notation;
use trust::openpgp::read_openpgp_document_within;

/// How the signatures in a layer are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// cosign's payload, with the signature in an annotation.
    SimpleSigning,
    /// A sigstore bundle, of ours or of cosign's.
    Bundle,
    /// A message of OpenPGP in its document.
    OpenPgp,
    /// An envelope of notation.
    Notation(notation::Format),
    /// An attestation: an envelope by itself, as cosign 2 attaches it under a tag, or one that was read before.
    Attestation,
}

/// The format of a layer, by its media type; `None` for what is no signature.
pub(super) fn format(layer: &Descriptor, signature: Option<&str>) -> Option<Format> {
    match layer.media_type.as_str() {
        media::COSIGN_SIMPLE_SIGNING => signature.map(|_| Format::SimpleSigning),
        media::OPENPGP_SIGNATURE => Some(Format::OpenPgp),
        media::DSSE => Some(Format::Attestation),
        media::NOTATION_JWS => Some(Format::Notation(notation::Format::Jws)),
        media::NOTATION_COSE => Some(Format::Notation(notation::Format::Cose)),
        other if other.starts_with("application/vnd.dev.sigstore.bundle") => Some(Format::Bundle),
        _ => None,
    }
}

/// Whom signatures may be of, by whose word, and what time it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judges<'a> {
    pub(super) keys: &'a Keys,
    pub(super) anchors: &'a Anchors,
    /// The image that it is attached to.
    pub(super) about: &'a Digest,
    /// Its manifest as it is known, with its type and size.
    pub(super) manifest: Option<&'a Descriptor>,
    /// How often keys are tried.
    pub(super) checks: &'a Checks,
    pub(super) now: i64,
}

impl Format {
    /// What evidence of these is called.
    pub(super) const OPENPGP_NAME: &str = trust::evidence::Format::GpgSimpleSigning.as_str();
    pub(super) const NOTATION_NAME: &str = trust::evidence::Format::Notation.as_str();
    pub(super) const ATTESTATION_NAME: &str = trust::evidence::Format::Attestation.as_str();

    /// `arrived_at`: when it was first stored. `None` for an attestation that is not read, such as one
    /// with a certificate: it vouches for nothing, and is no signature that fails.
    pub(super) fn read(
        self,
        raw: Vec<u8>,
        signature: Option<String>,
        judges: Judges<'_>,
        arrived_at: i64,
    ) -> Option<Found> {
        let signature = signature.filter(|_| self == Format::SimpleSigning);
        let Judges {
            keys,
            anchors,
            about,
            manifest,
            checks,
            now,
        } = judges;
        let attestation = |raw: &[u8]| -> Dated {
            read_attestation_within(raw, &keys.plain, about, checks).into()
        };
        let signers = Signers {
            keys: &keys.plain,
            identities: &keys.sigstore,
            anchors,
            checks,
        };
        let mut read: Dated = match (self, &signature) {
            (Format::Attestation, _) => attestation(&raw),
            (Format::OpenPgp, _) => read_openpgp_document_within(&raw, &keys.openpgp, now, checks),
            (Format::Notation(format), _) => {
                // Lists speak of today; without any, what was valid when it came is.
                let lists = anchors.revocation.as_ref();
                let at = lists.map_or(arrived_at, |_| now);
                let terms = NotationTerms {
                    manifest,
                    lists,
                    at,
                };
                read_notation(format, &raw, &keys.notation, terms)
            }
            (_, Some(signature)) => read_any_layer(&raw, signature, signers, arrived_at),
            (_, None) => read_any_bundle(&raw, signers, arrived_at),
        };
        let is_attestation =
            self == Format::Attestation || matches!(read.reading, Reading::Attestation { .. });
        if matches!(read.reading, Reading::Attestation { .. }) {
            read = attestation(&raw);
        }
        if is_attestation && matches!(read.reading, Reading::Unreadable { .. }) {
            return None;
        }
        let is_notation = matches!(self, Format::Notation(_));
        Some(Found {
            raw,
            signature,
            unreadable: if is_notation {
                Self::NOTATION_NAME
            } else {
                UNREADABLE
            },
            read,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_a_signature_by_its_type() {
        let format_of =
            |media_type: &str, signature| format(&Descriptor::of(media_type, b"{}"), signature);
        for (media_type, signature, expect) in [
            (media::SIGSTORE_BUNDLE_V03, None, Some(Format::Bundle)),
            (media::SIGSTORE_BUNDLE_V01, None, Some(Format::Bundle)),
            (
                media::COSIGN_SIMPLE_SIGNING,
                Some("c2ln"),
                Some(Format::SimpleSigning),
            ),
            (media::COSIGN_SIMPLE_SIGNING, None, None),
            (
                media::NOTATION_JWS,
                None,
                Some(Format::Notation(notation::Format::Jws)),
            ),
            (
                media::NOTATION_COSE,
                None,
                Some(Format::Notation(notation::Format::Cose)),
            ),
            (media::OCI_LAYER_GZIP, Some("c2ln"), None),
            (media::DSSE, None, Some(Format::Attestation)),
            (media::IN_TOTO, None, None),
        ] {
            assert_eq!(format_of(media_type, signature), expect, "{media_type}");
        }
    }
}
