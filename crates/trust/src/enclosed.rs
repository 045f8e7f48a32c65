//! What lies beside an image in a file that travelled: which digests a signature or attestation is about, by its own words.
//! Deliberately no keys: whoever reads this learns what does not belong here, never what is true.

use oci::{Digest, media};

use crate::bundle::{Bundle, BundleError, Content};
use crate::cosign::{PayloadError, SimpleSigning};
use crate::dsse::{self, DsseError, Envelope};
use crate::excerpt::excerpt;
use crate::receipt;
use crate::statement::{Statement, StatementError};

/// What a document beside an image turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enclosed {
    /// An in-toto statement in an envelope: a signature of ours or of cosign's, an attestation, a receipt.
    Statement {
        /// What kind, as it says.
        predicate_type: String,
    },
    /// cosign's simple signing.
    SimpleSigning,
    /// Of a format in which no subject is looked for here.
    Other,
}

/// Looks whether a document is about the digest that it is attached to.
///
/// # Errors
/// Where it is about something else, or is not what its media type says.
pub fn check(
    media_type: &str,
    bytes: &[u8],
    attached_to: &Digest,
) -> Result<Enclosed, EnclosedError> {
    if media_type.starts_with(BUNDLE) {
        return match Bundle::parse(bytes)?.content() {
            Content::Envelope(envelope) => of_envelope(envelope, attached_to),
            Content::MessageSignature(_) => Ok(Enclosed::Other),
        };
    }
    match media_type {
        media::DSSE => of_envelope(&Envelope::parse(bytes)?, attached_to),
        media::IN_TOTO => of_statement(bytes, attached_to),
        media::COSIGN_SIMPLE_SIGNING => {
            let payload = SimpleSigning::parse(bytes)?;
            about(std::iter::once(&payload.digest), attached_to)?;
            Ok(Enclosed::SimpleSigning)
        }
        _ => Ok(Enclosed::Other),
    }
}

/// The policy that a receipt names, and the SHA-256 of its text in hexadecimal, by the receipt's own words; none where it is no receipt.
#[must_use]
pub fn receipt_policy(bundle: &[u8]) -> Option<(String, String)> {
    if bundle.len() > receipt::RECEIPT_BYTES_MAX {
        return None;
    }
    let bundle = Bundle::parse(bundle).ok()?;
    let Content::Envelope(envelope) = bundle.content() else {
        return None;
    };
    let statement = Statement::parse(&envelope.payload).ok()?;
    if statement.predicate_type != receipt::PREDICATE_TYPE {
        return None;
    }
    let text = |path: &[&str]| {
        let mut value = &statement.predicate;
        for name in path {
            value = value.get(name)?;
        }
        value.as_str().map(str::to_owned)
    };
    Some((
        text(&[RECEIPT, "policy"])?,
        text(&["policy", "digest", "sha256"])?,
    ))
}

fn of_envelope(envelope: &Envelope, attached_to: &Digest) -> Result<Enclosed, EnclosedError> {
    match envelope.payload_type.as_str() {
        dsse::IN_TOTO => of_statement(&envelope.payload, attached_to),
        other => Err(EnclosedError::PayloadType(excerpt(other))),
    }
}

fn of_statement(bytes: &[u8], attached_to: &Digest) -> Result<Enclosed, EnclosedError> {
    let statement = Statement::parse(bytes)?;
    about(
        statement.subjects.iter().map(|subject| &subject.digest),
        attached_to,
    )?;
    Ok(Enclosed::Statement {
        predicate_type: statement.predicate_type,
    })
}

fn about<'a>(
    mut subjects: impl Iterator<Item = &'a Digest> + Clone,
    attached_to: &Digest,
) -> Result<(), EnclosedError> {
    let first = subjects.clone().next().cloned();
    match (subjects.any(|subject| subject == attached_to), first) {
        (true, _) => Ok(()),
        (false, first) => Err(EnclosedError::Subject {
            found: first.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string()),
            wanted: attached_to.clone(),
        }),
    }
}

/// Why a document does not belong beside the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnclosedError {
    /// It is about another image.
    #[error("it is about {found}, and lies beside {wanted}")]
    Subject {
        /// What it is about; the first of several.
        found: String,
        /// What it is attached to.
        wanted: Digest,
    },
    /// Not a sigstore bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Not an envelope.
    #[error(transparent)]
    Envelope(#[from] DsseError),
    /// An envelope around something else than a statement.
    #[error("its payload is `{0}`, not an in-toto statement")]
    PayloadType(String),
    /// Not a statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Not cosign's payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

/// How the media types of sigstore bundles begin.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// The field of a receipt's predicate that is ours.
const RECEIPT: &str = "https://countersign.dev/receipt/v1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::Receipt;
    use crate::testing::{bundle, image, key, statement};

    fn other() -> Digest {
        Digest::sha256(b"another manifest")
    }

    #[test]
    fn what_is_about_its_image_belongs_there() {
        let bundle = bundle(&key());
        let found = check(media::SIGSTORE_BUNDLE_V03, &bundle, &image()).unwrap();
        let predicate_type = crate::stage::PREDICATE_TYPE.to_owned();
        assert_eq!(found, Enclosed::Statement { predicate_type });
        let envelope = Envelope::sign(dsse::IN_TOTO, statement().to_bytes(), &key()).unwrap();
        assert!(check(media::DSSE, envelope.to_json().as_bytes(), &image()).is_ok());
        assert!(check(media::IN_TOTO, &statement().to_bytes(), &image()).is_ok());
    }

    #[test]
    fn attack_an_attestation_with_another_subject() {
        for (media_type, bytes) in [
            (media::SIGSTORE_BUNDLE_V03, bundle(&key())),
            (media::IN_TOTO, statement().to_bytes()),
        ] {
            let error = check(media_type, &bytes, &other()).unwrap_err();
            assert!(matches!(error, EnclosedError::Subject { .. }), "{error}");
            assert!(error.to_string().contains(image().as_str()), "{error}");
        }
    }

    #[test]
    fn one_of_several_subjects_is_enough() {
        let mut several = statement();
        let mut second = several.subjects[0].clone();
        second.digest = other();
        several.subjects.push(second);
        let bytes = several.to_bytes();
        assert!(check(media::IN_TOTO, &bytes, &other()).is_ok());
        assert!(check(media::IN_TOTO, &bytes, &Digest::sha256(b"third")).is_err());
    }

    #[test]
    fn a_receipt_names_its_policy_and_nothing_else_does() {
        let receipt = Receipt {
            image: image(),
            repository: "shop/web".parse().unwrap(),
            gate: "production".into(),
            policy: "shop".into(),
            policy_digest: "ab".repeat(32),
            policies: vec!["shop".into()],
            decided_at: 0,
            valid_until: 1_000,
            sequence: 1,
            warnings: Vec::new(),
            inputs: Vec::new(),
        };
        let signed = receipt.sign(&key()).unwrap();
        let named = receipt_policy(&signed);
        assert_eq!(named, Some(("shop".to_owned(), "ab".repeat(32))));
        assert_eq!(receipt_policy(&bundle(&key())), None);
        assert_eq!(receipt_policy(b"{}"), None);
        let long = vec![b' '; receipt::RECEIPT_BYTES_MAX];
        assert_eq!(receipt_policy(&[&signed[..], &long].concat()), None);
    }

    #[test]
    fn what_is_not_what_it_says_does_not_belong_there() {
        for media_type in [
            media::SIGSTORE_BUNDLE_V03,
            media::DSSE,
            media::IN_TOTO,
            media::COSIGN_SIMPLE_SIGNING,
        ] {
            assert!(check(media_type, b"{}", &image()).is_err(), "{media_type}");
        }
        assert_eq!(
            check(media::CYCLONEDX_JSON, b"{}", &image()),
            Ok(Enclosed::Other)
        );
    }
}
