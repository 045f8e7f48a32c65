//! `countersign sign`: vouches for an image's digest, for one stage, with one's own key. The signature is our statement in a sigstore
//! bundle, or one of the formats of cosign and notation, so that their tools verify it too; each names the stage.

mod counting;
mod held;
mod notation;
mod tag;

use super::key::signer;
use crate::attach::{Subject, client_for};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output;
use anyhow::{Context, Result, anyhow};
use aws_lc_rs::rand;
use clap::ValueEnum;
use client::Client;
use oci::{Digest, ImageReference, media};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use trust::bundle::Bundle;
use trust::cosign::{NONCE_ANNOTATION, STAGE_ANNOTATION};
use trust::stage::{self, Nonce, StageStatement};
use trust::{Signer, Statement, cosign};

/// How the signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Our statement about the stage, in a sigstore bundle v0.3.
    #[default]
    Stage,
    /// What `cosign sign` of version 3 writes: cosign's statement in a sigstore bundle v0.3.
    Cosign,
    /// What `cosign sign` of version 2 writes, and podman and skopeo read: simple signing under the tag `sha256-….sig`.
    CosignSig,
    /// What `notation sign` writes; needs `--certificate-chain`.
    Notation,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign sign --stage staging --key maria.key registry.example:5000/shop/web:1\n  \
        countersign sign --stage ci --key 'pkcs11:token=release;object=ci?module-path=/usr/lib/softhsm/libsofthsm2.so' registry.example:5000/shop/web:1\n  \
        countersign sign --stage ci --format cosign-sig --key ci.key registry.example:5000/shop/web:1\n  \
        countersign sign --stage ci --format notation --envelope cose --certificate-chain ci.pem --key ci.key registry.example:5000/shop/web:1"
)]
pub(crate) struct Sign {
    /// The stage that the image has passed.
    #[arg(long)]
    stage: String,
    /// The private key's file (made by `countersign key generate`, docker, cosign or openssl), or a key in a token, by its `pkcs11:` URI; or
    /// `server:NAME` for a key that the server holds for you.
    #[arg(long, env = "COUNTERSIGN_KEY", value_name = "FILE|URI|server:NAME")]
    key: PathBuf,
    /// How to write it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The certificates of the key (PEM), its own first and the root last; for `--format notation`.
    #[arg(long, value_name = "FILE", required_if_eq("format", "notation"))]
    certificate_chain: Option<PathBuf>,
    /// The envelope of notation.
    #[arg(long, value_enum, default_value_t, requires = "certificate_chain")]
    envelope: notation::EnvelopeFormat,
    /// The image; its digest is what is signed.
    image: ImageReference,
}

impl Sign {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        stage::check_name(&self.stage)?;
        let (client, signed, by) = match (self.format, &self.certificate_chain) {
            (Format::Notation, Some(chain)) => {
                let identity = notation::Identity::open(&self.key, chain)?;
                let client = client_for(&self.image, server)?;
                let subject = Subject::find(&client, &self.image).await?;
                let manifest = identity.sign(&subject, &self.stage, self.envelope).await?;
                let signed = Signed {
                    subject: subject.digest().clone(),
                    manifest,
                };
                (client, signed, format!("certificate {}", identity.name()))
            }
            (Format::Notation, None) | (_, Some(_)) => {
                anyhow::bail!("`--format notation` and `--certificate-chain FILE` go together")
            }
            (Format::Stage, None) if self.held().is_some() => {
                let client = client_for(&self.image, server)?;
                let name = self.held().unwrap_or_default();
                let (signed, key) = held::sign(&client, &self.image, &self.stage, name).await?;
                (client, signed, format!("key       {key} (server:{name})"))
            }
            (_, None) if self.held().is_some() => {
                anyhow::bail!("keys that the server holds sign with `--format stage` only")
            }
            (format, None) => {
                let key = signer::open(&self.key)?;
                let client = client_for(&self.image, server)?;
                let signed =
                    sign_as(format, &client, &self.image, &self.stage, key.as_ref()).await?;
                (
                    client,
                    signed,
                    format!("key       {}", key.public_key().id()),
                )
            }
        };
        output::line(format!(
            "Signed {}@{} for stage {}",
            self.image.repository, signed.subject, self.stage
        ));
        output::line(format!("  {by}"));
        output::line(format!("  signature {}", signed.manifest));
        let repository = &self.image.repository;
        for objection in counting::objections(&client, repository, &signed, &self.stage).await {
            output::note(objection);
        }
        Ok(Exit::Done)
    }
}

impl Sign {
    /// The name of a key that the server holds, if that is what `--key` says.
    fn held(&self) -> Option<&str> {
        self.key.to_str().and_then(signer::held)
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
    sign_as(Format::Stage, client, image, stage, key).await
}

async fn sign_as(
    format: Format,
    client: &Client,
    image: &ImageReference,
    stage: &str,
    key: &dyn Signer,
) -> Result<Signed> {
    let subject = Subject::find(client, image).await?;
    let manifest = match format {
        Format::CosignSig => tag::append(&subject, annotations(stage)?, key).await?,
        Format::Cosign => {
            let statement = cosign::statement(subject.digest(), &subject.name, annotations(stage)?);
            attach_bundle(&subject, &statement, key).await?
        }
        Format::Stage | Format::Notation => {
            let statement = statement(image, subject.digest(), stage)?;
            attach_bundle(&subject, &statement, key).await?
        }
    };
    Ok(Signed {
        subject: subject.digest().clone(),
        manifest,
    })
}

/// Signs a statement and pushes it as a referrer. Answers the manifest that carries it.
pub(crate) async fn attach_bundle(
    subject: &Subject<'_>,
    statement: &Statement,
    key: &dyn Signer,
) -> Result<Digest> {
    let json = Bundle::sign(statement, key)?
        .to_json()
        .context("the bundle cannot be written")?;
    let annotations = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        (
            "dev.sigstore.bundle.predicateType",
            statement.predicate_type.as_str(),
        ),
    ];
    let digest = subject.attach(media::SIGSTORE_BUNDLE_V03, json.as_bytes(), &annotations);
    digest.await
}

/// What is signed. No two are alike: a signature that came too early is given again, and has to be a new one.
fn statement(image: &ImageReference, digest: &Digest, stage: &str) -> Result<Statement> {
    let statement = StageStatement {
        stage: stage.to_owned(),
        repository: image.repository.clone(),
        tag: image.tag.clone(),
        nonce: Some(nonce()?),
    };
    Ok(stage::build(digest, &statement)?)
}

/// The same in cosign's formats, which have no fields for it.
fn annotations(stage: &str) -> Result<BTreeMap<String, Value>> {
    Ok(BTreeMap::from([
        (STAGE_ANNOTATION.to_owned(), Value::from(stage)),
        (NONCE_ANNOTATION.to_owned(), serde_json::to_value(nonce()?)?),
    ]))
}

fn nonce() -> Result<Nonce> {
    let mut random = [0; stage::NONCE_BYTES];
    rand::fill(&mut random).map_err(|_| anyhow!("the system gave no random bytes"))?;
    Ok(Nonce::new(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::cosign::SimpleSigning;
    use trust::evidence::{Reading, read_bundle, read_simple_signing};
    use trust::{Algorithm, PrivateKey};

    #[test]
    fn signing_again_is_new_evidence_in_every_format_also_with_a_key_that_repeats_itself() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let keys = [key.public_key().clone()];
        let image: ImageReference = "registry.example:5000/shop/web:1".parse().unwrap();
        let digest = Digest::sha256(b"a manifest");
        let bundle = |statement: Statement| {
            let json = Bundle::sign(&statement, &key).unwrap().to_json().unwrap();
            (json.into_bytes(), None)
        };
        let ours = || bundle(statement(&image, &digest, "staging").unwrap());
        let cosigns = || {
            bundle(cosign::statement(
                &digest,
                &image,
                annotations("staging").unwrap(),
            ))
        };
        let simple = || {
            let payload = SimpleSigning {
                docker_reference: Some(image.clone()),
                digest: digest.clone(),
                optional: annotations("staging").unwrap(),
            };
            let (payload, signature) = payload.sign(&key).unwrap();
            (payload, Some(signature))
        };
        let formats: [&dyn Fn() -> (Vec<u8>, Option<String>); 3] = [&ours, &cosigns, &simple];
        for sign in formats {
            let (first, again) = (sign(), sign());
            let fingerprint =
                |made: &(Vec<u8>, Option<String>)| trust::fingerprint(&made.0, made.1.as_deref());
            assert_ne!(fingerprint(&first), fingerprint(&again));
            for (bytes, signature) in [first, again] {
                let reading = match signature {
                    Some(signature) => read_simple_signing(&bytes, &signature, &keys),
                    None => read_bundle(&bytes, &keys),
                };
                let Reading::Verified(claim) = reading else {
                    panic!("not verified: {reading:?}");
                };
                let claim = claim.value();
                assert_eq!(claim.stage.as_deref(), Some("staging"));
                assert_eq!(claim.subject, digest);
                assert_eq!(claim.repository.as_ref(), Some(&image.repository));
            }
        }
    }
}
