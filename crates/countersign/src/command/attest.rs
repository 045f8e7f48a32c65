//! `countersign attest`: says something about an image, in a predicate of any type: how it was built, what is in it, what a test found.
//! The statement lies beside the image in a sigstore bundle v0.3, which cosign verifies too. It vouches for no stage by itself: a policy
//! says which attestations it wants, and whose.

use super::key::signer;
use super::sign::attach_bundle;
use crate::attach::{Subject, client_for};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output;
use anyhow::{Context, Result, bail};
use oci::ImageReference;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use trust::attestation::{self, PREDICATE_BYTES_MAX};

/// The longest statement whose bundle a server reads and counts, in bytes.
const COUNTED_BYTES_MAX: usize = 768 * 1024;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign attest --type slsaprovenance1 --predicate provenance.json --key ci.key registry.example:5000/shop/web:1\n  \
        countersign attest --type cyclonedx --predicate sbom.json --key 'pkcs11:token=release;object=ci' shop/web@sha256:…\n  \
        countersign attest --type https://shop.example/review/v1 --predicate review.json --key maria.key registry.example:5000/shop/web:1"
)]
pub(crate) struct Attest {
    /// What kind of statement it is: slsaprovenance (v0.2), slsaprovenance1 (v1), spdxjson, cyclonedx, vuln, openvex, custom, link,
    /// vsa, test-result, or a URI.
    #[arg(long = "type", value_name = "TYPE", value_parser = predicate_type)]
    predicate_type: String,
    /// The file with what is said: a JSON object.
    #[arg(long, value_name = "FILE")]
    predicate: PathBuf,
    /// The private key's file, or a key in a token, by its `pkcs11:` URI.
    #[arg(long, env = "COUNTERSIGN_KEY", value_name = "FILE|URI")]
    key: PathBuf,
    /// The image; its digest is what the statement is about.
    image: ImageReference,
}

impl Attest {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let predicate = read(&self.predicate)?;
        let key = signer::open(&self.key)?;
        let client = client_for(&self.image, server)?;
        let subject = Subject::find(&client, &self.image).await?;
        let name = subject.name.to_string();
        let statement =
            attestation::build(subject.digest(), &name, &self.predicate_type, &predicate)
                .with_context(|| format!("`{}` is not attested", self.predicate.display()))?;
        let manifest = attach_bundle(&subject, &statement, key.as_ref()).await?;
        output::line(format!(
            "Attested {} of {}@{}",
            self.predicate_type,
            self.image.repository,
            subject.digest()
        ));
        output::line(format!("  key         {}", key.public_key().id()));
        output::line(format!("  attestation {manifest}"));
        if statement.to_bytes().len() > COUNTED_BYTES_MAX {
            output::note(
                "it is larger than what a gate reads, and counts for no stage of a policy",
            );
        }
        Ok(Exit::Done)
    }
}

/// The predicate type of a short name, or a URI as it is.
pub(crate) fn predicate_type(text: &str) -> Result<String, String> {
    if let Some(found) = attestation::predicate_type_of(text) {
        return Ok(found.to_owned());
    }
    if attestation::is_predicate_type(text) {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = attestation::short_names().collect();
    Err(format!("write one of {}, or a URI", names.join(", ")))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot read `{shown}`"))?;
    let mut bytes = Vec::new();
    let most = u64::try_from(PREDICATE_BYTES_MAX)?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read `{shown}`"))?;
    if bytes.len() > PREDICATE_BYTES_MAX {
        bail!("limit exceeded: `{shown}` has more than {PREDICATE_BYTES_MAX} bytes");
    }
    Ok(bytes)
}
