//! The manifest that a signature hangs in: what makes it one, and how it is written. Deliberately no fetching: the envelope is the
//! content of its one layer. signature-specification "OCI Signatures".

use std::collections::BTreeMap;

use oci::{Descriptor, ImageManifest, Manifest, media};

use super::chain::CHAIN_MAX;
use super::envelope::{Envelope, EnvelopeError, Format};

/// The annotation with the SHA-256 of each certificate of the chain, as the text of a JSON array.
pub const THUMBPRINTS: &str = "io.cncf.notary.x509chain.thumbprint#S256";

/// What a signature manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureManifest {
    /// The format of the envelope.
    pub format: Format,
    /// The layer with the envelope.
    pub layer: Descriptor,
    /// The manifest that is signed, as this manifest has it; the payload is what counts.
    pub subject: Descriptor,
    /// The thumbprints of the chain, leaf first, in lower-case hexadecimal: a claim.
    pub thumbprints: Vec<String>,
}

impl SignatureManifest {
    /// Takes a manifest apart. Both ways to mark one are read: by artifact type, and by the type of the configuration.
    pub fn of(manifest: &Manifest) -> Result<Self, ManifestError> {
        let Manifest::Image(image) = manifest else {
            return Err(ManifestError::Type);
        };
        // With `artifactType`, the configuration must be empty; without, it must carry the type.
        let is_marked = match image
            .artifact_type
            .as_deref()
            .filter(|kind| !kind.is_empty())
        {
            Some(kind) => {
                kind == media::NOTATION_SIGNATURE && image.config.media_type == media::OCI_EMPTY
            }
            None => image.config.media_type == media::NOTATION_SIGNATURE,
        };
        if image.media_type != media::OCI_MANIFEST || !is_marked {
            return Err(ManifestError::Type);
        }
        let [layer] = image.layers.as_slice() else {
            return Err(ManifestError::Layers {
                count: image.layers.len(),
            });
        };
        let format = Format::of_media_type(&layer.media_type);
        Ok(Self {
            format: format.ok_or(ManifestError::Format)?,
            layer: layer.clone(),
            subject: image.subject.clone().ok_or(ManifestError::Subject)?,
            thumbprints: thumbprints(&image.annotations)?,
        })
    }

    /// Whether the annotation lists the certificates of the envelope, in their order.
    #[must_use]
    pub fn lists(&self, envelope: &Envelope) -> bool {
        let chain = envelope.chain().iter().map(|one| one.thumbprint());
        self.thumbprints.iter().cloned().eq(chain)
    }
}

/// The manifest of an envelope about a subject, and the envelope's bytes, which are its layer. The configuration is the empty JSON
/// object `{}`.
pub fn build(
    envelope: &Envelope,
    subject: &Descriptor,
) -> Result<(Manifest, Vec<u8>), EnvelopeError> {
    let bytes = envelope.to_bytes()?;
    let layer = Descriptor::of(envelope.format().media_type(), &bytes);
    let mut image = ImageManifest::new(Descriptor::of(media::OCI_EMPTY, b"{}"), vec![layer]);
    image.artifact_type = Some(media::NOTATION_SIGNATURE.to_owned());
    image.subject = Some(Descriptor::new(
        &subject.media_type,
        subject.digest.clone(),
        subject.size,
    ));
    let thumbprints: Vec<String> = envelope
        .chain()
        .iter()
        .map(|certificate| certificate.thumbprint())
        .collect();
    let list = serde_json::Value::from(thumbprints).to_string();
    image.annotations.insert(THUMBPRINTS.to_owned(), list);
    Ok((Manifest::Image(image), bytes))
}

fn thumbprints(annotations: &BTreeMap<String, String>) -> Result<Vec<String>, ManifestError> {
    let text = annotations
        .get(THUMBPRINTS)
        .ok_or(ManifestError::Thumbprints)?;
    if text.len() > CHAIN_MAX * 80 {
        return Err(ManifestError::Thumbprints);
    }
    let list: Vec<String> = serde_json::from_str(text).map_err(|_| ManifestError::Thumbprints)?;
    let is_hash = |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if list.is_empty() || list.len() > CHAIN_MAX || !list.iter().all(is_hash) {
        return Err(ManifestError::Thumbprints);
    }
    Ok(list.iter().map(|text| text.to_ascii_lowercase()).collect())
}

/// Why a manifest is not that of a Notary Project signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Of another type.
    #[error(
        "it is not an oci manifest of the type `{}`",
        media::NOTATION_SIGNATURE
    )]
    Type,
    /// Not one layer.
    #[error("it has {count} layers: a signature has one")]
    Layers {
        /// How many there are.
        count: usize,
    },
    /// A layer of another type.
    #[error("its layer is neither `application/jose+json` nor `application/cose`")]
    Format,
    /// No subject.
    #[error("it names no subject")]
    Subject,
    /// No list of thumbprints, or not in the form that it must have.
    #[error("its annotation `{THUMBPRINTS}` is not a list of sha-256 thumbprints")]
    Thumbprints,
}
