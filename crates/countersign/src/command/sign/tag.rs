//! cosign's older form: a manifest under the tag `sha256-<hex>.sig` with a layer for each signature. The tag belongs to all signers of a
//! digest, so that a signature is appended to what is there, and looked for afterwards. cosign `SIGNATURE_SPEC.md`.

use crate::attach::Subject;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, Tag, media};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trust::Signer;
use trust::cosign::SimpleSigning;

/// Where a layer has its signature, in base64.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// How often a signature is appended again that somebody else's overwrote.
const ATTEMPTS_MAX: usize = 16;

/// Signs, and appends the signature to those under the tag. Answers the manifest that carries it.
pub(super) async fn append(
    subject: &Subject<'_>,
    optional: BTreeMap<String, Value>,
    key: &dyn Signer,
) -> Result<Digest> {
    let payload = SimpleSigning {
        docker_reference: Some(subject.name.clone()),
        digest: subject.digest().clone(),
        optional,
    };
    let (payload, signature) = payload.sign(key)?;
    let mut layer = Descriptor::of(media::COSIGN_SIMPLE_SIGNING, &payload);
    layer
        .annotations
        .insert(SIGNATURE_ANNOTATION.to_owned(), signature);
    subject.put_blob(&payload).await?;
    let tag = tag_of(subject.digest())?;
    for _ in 0..ATTEMPTS_MAX {
        let (mut image, _) = existing(subject, &tag).await?.unwrap_or_else(empty);
        image.layers.push(layer.clone());
        let config = config_of(&image.layers)?;
        image.config = Descriptor::of(&image.config.media_type, &config);
        subject.put_blob(&config).await?;
        let media_type = image.media_type.clone();
        let bytes = Bytes::from(Manifest::Image(image).to_bytes());
        let pushed = subject
            .client
            .put_manifest(&subject.name.repository, &tag, &media_type, bytes)
            .await;
        match pushed {
            // A registry that appends by itself answers with the digest of what it made.
            Ok(_) | Err(client::Error::DigestMismatch { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some((image, digest)) = existing(subject, &tag).await?
            && image.layers.contains(&layer)
        {
            return Ok(digest);
        }
    }
    bail!(
        "others sign at the same time, and each time the tag `{tag}` lost this signature; sign again, or in another format"
    )
}

/// `sha256-<hex>.sig`.
fn tag_of(digest: &Digest) -> Result<Reference> {
    let name = format!("{}-{}.sig", digest.algorithm(), digest.hex());
    let tag = Tag::parse(&name).with_context(|| format!("`{name}` is no tag"))?;
    Ok(Reference::Tag(tag))
}

/// What is under the tag.
async fn existing(
    subject: &Subject<'_>,
    tag: &Reference,
) -> Result<Option<(ImageManifest, Digest)>> {
    match subject.client.manifest(&subject.name.repository, tag).await {
        Ok(found) => match found.manifest {
            Manifest::Image(image) => Ok(Some((image, found.digest))),
            Manifest::Index(_) => bail!("the tag `{tag}` holds an index, not signatures"),
        },
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a tag holds before its first signature, with the digest of nothing.
fn empty() -> (ImageManifest, Digest) {
    let config = Descriptor::of(media::OCI_CONFIG, b"");
    let digest = config.digest.clone();
    (ImageManifest::new(config, Vec::new()), digest)
}

/// The image configuration that cosign puts around signatures: it lists the layers, and nothing else is said.
fn config_of(layers: &[Descriptor]) -> Result<Vec<u8>> {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let history: Vec<Value> = layers.iter().map(|_| json!({"created": NEVER})).collect();
    let digests: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    let config = json!({
        "architecture": "",
        "created": NEVER,
        "history": history,
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": digests},
        "config": {},
    });
    Ok(serde_json::to_vec(&config)?)
}
