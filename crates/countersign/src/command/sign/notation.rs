//! What `notation sign` writes: an envelope with the certificates of the key. The stage stands in the signed payload, as an annotation
//! of the artifact: notation calls that user metadata. Deliberately no timestamp: nobody is asked for one.

use crate::attach::Subject;
use crate::command::key::signer;
use anyhow::{Context, Result};
use clap::ValueEnum;
use jiff::Timestamp;
use oci::Digest;
use std::path::Path;
use trust::cosign::STAGE_ANNOTATION;
use trust::notation::{
    Certificate, EnvelopeSigner, Format, Request, Scheme, manifest, sign, store,
};

/// The longest file of certificates that is read, in bytes.
const CHAIN_BYTES_MAX: u64 = 1024 * 1024;

/// The two envelopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum EnvelopeFormat {
    /// JSON Web Signature.
    #[default]
    Jws,
    /// CBOR Object Signing and Encryption.
    Cose,
}

/// A key with its certificates.
pub(super) struct Identity {
    signer: Box<dyn EnvelopeSigner>,
    chain: Vec<Certificate>,
}

impl Identity {
    /// Opens the key and reads its certificates. Whether they fit is seen when something is signed.
    pub(super) fn open(key: &Path, chain: &Path) -> Result<Self> {
        let shown = chain.display();
        let bytes = read(chain).with_context(|| format!("cannot read `{shown}`"))?;
        let chain = store::certificates(&bytes)
            .with_context(|| format!("cannot read the certificates of `{shown}`"))?;
        let signer = signer::open_for_envelopes(key)?;
        Ok(Self { signer, chain })
    }

    /// The subject of the key's certificate.
    pub(super) fn name(&self) -> String {
        let leaf = self.chain.first();
        leaf.map(|leaf| leaf.subject().to_string())
            .unwrap_or_default()
    }

    /// Signs for a stage and pushes the signature. Answers the manifest that carries it.
    pub(super) async fn sign(
        &self,
        subject: &Subject<'_>,
        stage: &str,
        envelope: EnvelopeFormat,
    ) -> Result<Digest> {
        let mut artifact = subject.descriptor.clone();
        artifact
            .annotations
            .insert(STAGE_ANNOTATION.to_owned(), stage.to_owned());
        // In whole seconds, as both envelopes have it.
        let signing_time = Timestamp::now().as_second().saturating_mul(1000);
        let request = Request {
            artifact: &artifact,
            scheme: Scheme::X509 { signing_time },
            expiry: None,
            extended: Vec::new(),
            chain: &self.chain,
            agent: Some(concat!("countersign/", env!("CARGO_PKG_VERSION")).to_owned()),
        };
        let format = match envelope {
            EnvelopeFormat::Jws => Format::Jws,
            EnvelopeFormat::Cose => Format::Cose,
        };
        let envelope = sign(&request, format, self.signer.as_ref())
            .context("the image cannot be signed with this key and these certificates")?;
        let (manifest, layer) = manifest::build(&envelope, &subject.descriptor)?;
        subject.push(manifest, &layer).await
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(CHAIN_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
