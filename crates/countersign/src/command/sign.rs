//! `countersign sign`: vouches for an image's digest, for one stage, with one's own key. The signature is a sigstore bundle that lies beside
//! the image as a referrer; cosign's own signatures count as well.

use super::key::signer;
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output;
use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::rand;
use bytes::Bytes;
use client::Client;
use client::distribution::Content;
use oci::{Descriptor, Digest, ImageReference, Reference, media};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use trust::Signer;
use trust::bundle::Bundle;
use trust::stage::{self, Nonce, StageStatement};

/// The empty JSON object, which an artifact's manifest has as its config (image-spec "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign sign --stage staging --key maria.key registry.example:5000/shop/web:1\n  \
        countersign sign --stage ci --key 'pkcs11:token=release;object=ci?module-path=/usr/lib/softhsm/libsofthsm2.so' registry.example:5000/shop/web:1"
)]
pub(crate) struct Sign {
    /// The stage that the image has passed.
    #[arg(long)]
    stage: String,
    /// The private key's file (made by `countersign key generate`, docker, cosign or openssl), or a key in a token, by its `pkcs11:` URI.
    #[arg(long, env = "COUNTERSIGN_KEY", value_name = "FILE|URI")]
    key: PathBuf,
    /// The image; its digest is what is signed.
    image: ImageReference,
}

impl Sign {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let key = signer::open(&self.key)?;
        let client = match (&self.image.host, &server.server) {
            (Some(host), None) => server.registry_client(host)?,
            _ => server.client()?,
        };
        let pushed = sign(&client, &self.image, &self.stage, key.as_ref()).await?;
        output::line(format!(
            "Signed {}@{} for stage {}",
            self.image.repository, pushed.subject, self.stage
        ));
        output::line(format!("  key       {}", key.public_key().id()));
        output::line(format!("  signature {}", pushed.manifest));
        Ok(Exit::Done)
    }
}

/// What was signed, and the manifest that carries the signature.
pub(crate) struct Signed {
    pub(crate) subject: Digest,
    pub(crate) manifest: Digest,
}

/// Signs what the reference stands for now, and pushes the signature beside it.
pub(crate) async fn sign(
    client: &Client,
    image: &ImageReference,
    stage: &str,
    key: &dyn Signer,
) -> Result<Signed> {
    let repository = &image.repository;
    let Some(reference) = image
        .reference()
        .or_else(|| "latest".parse::<Reference>().ok())
    else {
        bail!("`{image}` names no tag and no digest");
    };
    let head = client
        .head_manifest(repository, &reference)
        .await?
        .with_context(|| format!("there is no image `{image}`; push it first"))?;
    let bytes = bundle(image, &head.digest, stage, key)?;
    let layer = Digest::sha256(&bytes);
    client
        .put_blob(
            repository,
            &Digest::sha256(EMPTY),
            Content::from(Bytes::from_static(EMPTY)),
        )
        .await?;
    let size = bytes.len();
    client
        .put_blob(repository, &layer, Content::from(Bytes::from(bytes)))
        .await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "artifactType": media::SIGSTORE_BUNDLE_V03,
        "config": {"mediaType": media::OCI_EMPTY, "digest": Digest::sha256(EMPTY), "size": EMPTY.len()},
        "layers": [{"mediaType": media::SIGSTORE_BUNDLE_V03, "digest": layer, "size": size}],
        "subject": {"mediaType": head.media_type, "digest": head.digest, "size": head.size},
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": stage::PREDICATE_TYPE,
        },
    });
    let bytes = serde_json::to_vec(&manifest)?;
    let digest = Digest::sha256(&bytes);
    let descriptor = Descriptor {
        media_type: media::OCI_MANIFEST.to_owned(),
        digest: digest.clone(),
        size: bytes.len() as u64,
        platform: None,
        annotations: BTreeMap::new(),
        artifact_type: Some(media::SIGSTORE_BUNDLE_V03.to_owned()),
        urls: Vec::new(),
        data: None,
    };
    client
        .push_referrer(repository, &head.digest, &descriptor, Bytes::from(bytes))
        .await?;
    Ok(Signed {
        subject: head.digest,
        manifest: digest,
    })
}

/// The signature's bytes. No two are alike: a signature that came too early is given again, and has to be a new one.
fn bundle(
    image: &ImageReference,
    digest: &Digest,
    stage: &str,
    key: &dyn Signer,
) -> Result<Vec<u8>> {
    let mut random = [0; stage::NONCE_BYTES];
    rand::fill(&mut random).map_err(|_| anyhow!("the system gave no random bytes"))?;
    let statement = StageStatement {
        stage: stage.to_owned(),
        repository: image.repository.clone(),
        tag: image.tag.clone(),
        nonce: Some(Nonce::new(random)),
    };
    let bundle = Bundle::sign(&stage::build(digest, &statement)?, key)?;
    let json = bundle.to_json().context("the bundle cannot be written")?;
    Ok(json.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::evidence::{Reading, read_bundle};
    use trust::{Algorithm, PrivateKey};

    #[test]
    fn signing_again_is_new_evidence_also_with_a_key_that_repeats_itself() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let image: ImageReference = "registry.example:5000/shop/web:1".parse().unwrap();
        let digest = Digest::sha256(b"a manifest");
        let sign = || bundle(&image, &digest, "staging", &key).unwrap();
        let (first, again) = (sign(), sign());
        assert_ne!(
            trust::fingerprint(&first, None),
            trust::fingerprint(&again, None)
        );
        for bytes in [first, again] {
            let Reading::Verified(claim) = read_bundle(&bytes, &[key.public_key().clone()]) else {
                panic!("not verified");
            };
            assert_eq!(claim.value().stage.as_deref(), Some("staging"));
            assert_eq!(claim.value().subject, digest);
        }
    }
}
