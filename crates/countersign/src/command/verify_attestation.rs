//! `countersign verify-attestation`: what is said about an image, and by which of the given keys. It reads any predicate in any registry,
//! and asks no server what counts: that is for a policy. Exit code 3 when nothing that is asked for verifies.

use super::attest::predicate_type;
use super::key::files;
use crate::attach::{Subject, client_for};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::{Result, bail};
use oci::{Descriptor, Digest, ImageReference, Manifest, Reference, Tag, media};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use trust::PublicKey;
use trust::bundle::BUNDLE_BYTES_MAX;
use trust::evidence::{attested_type, verify_attestation};

/// How many manifests beside an image are looked at.
const MANIFESTS_MAX: usize = 512;
/// How many layers of each.
const LAYERS_MAX: usize = 512;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign verify-attestation --key ci.pub registry.example:5000/shop/web:1\n  \
        countersign verify-attestation --type slsaprovenance1 --key ci.pub -o json registry.example:5000/shop/web:1\n\n\
        Exit codes: 0 one or more verify, 1 failed, 3 none does."
)]
pub(crate) struct VerifyAttestation {
    /// Only this kind of statement: a short name as of `countersign attest`, or a URI.
    #[arg(long = "type", value_name = "TYPE", value_parser = predicate_type)]
    predicate_type: Option<String>,
    /// A public key of somebody who may say so; may be repeated.
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// The image.
    image: ImageReference,
    /// How to print it; `json` has the predicates.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// An attestation that one of the keys signed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    predicate_type: String,
    key: String,
    subject: Digest,
    manifest: Digest,
    predicate: Value,
}

/// One that does not verify.
struct Refused {
    predicate_type: String,
    manifest: Digest,
    why: String,
}

impl VerifyAttestation {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let keys = self.keys.iter().map(|path| files::public(path));
        let keys = keys.collect::<Result<Vec<PublicKey>>>()?;
        let client = client_for(&self.image, server)?;
        let subject = Subject::find(&client, &self.image).await?;
        let (mut shown, mut refused) = (Vec::new(), Vec::new());
        let mut other_kinds = BTreeSet::new();
        for (manifest, layer) in layers(&subject).await? {
            let blob = client.blob(&subject.name.repository, &layer.digest).await?;
            let bytes = blob.bytes(u64::try_from(BUNDLE_BYTES_MAX)?).await?;
            let Some(found) = attested_type(&bytes) else {
                continue;
            };
            if self
                .predicate_type
                .as_ref()
                .is_some_and(|wanted| *wanted != found)
            {
                other_kinds.insert(found);
                continue;
            }
            match verify_attestation(&bytes, &keys, subject.digest()) {
                Ok(verified) => shown.push(Shown {
                    predicate_type: found,
                    key: verified.key().to_string(),
                    subject: subject.digest().clone(),
                    manifest,
                    predicate: verified.value().predicate.clone(),
                }),
                Err(why) => refused.push(Refused {
                    predicate_type: found,
                    manifest,
                    why,
                }),
            }
        }
        match self.output {
            Format::Json => output::json(&shown)?,
            Format::Table => {
                print(&subject, &shown, &refused);
                if shown.is_empty() && refused.is_empty() {
                    output::line(format!("  {}", nothing(&other_kinds)));
                }
            }
        }
        Ok(match shown.is_empty() {
            true => Exit::Refused,
            false => Exit::Done,
        })
    }
}

fn print(subject: &Subject<'_>, shown: &[Shown], refused: &[Refused]) {
    output::line(format!("{}@{}", subject.name, subject.digest()));
    for one in shown {
        output::line(format!("  ✓ {} by key {}", one.predicate_type, one.key));
        output::line(format!("    {}", one.manifest));
    }
    for one in refused {
        output::line(format!("  ✗ {}: {}", one.predicate_type, one.why));
        output::line(format!("    {}", one.manifest));
    }
}

/// What to say where nothing of the kind is there: it may have been another that was meant.
fn nothing(other_kinds: &BTreeSet<String>) -> String {
    let others: Vec<&str> = other_kinds.iter().map(String::as_str).collect();
    match others.is_empty() {
        true => "nothing is attested".to_owned(),
        false => format!(
            "nothing of this kind is attested; there is {}",
            others.join(", ")
        ),
    }
}

/// The layers beside the image that may hold attestations, each with the manifest that carries it: of referrers, and of cosign's tag
/// `sha256-<hex>.att`.
async fn layers(subject: &Subject<'_>) -> Result<Vec<(Digest, Descriptor)>> {
    let repository = &subject.name.repository;
    let listed = subject
        .client
        .referrers(repository, subject.digest(), None)
        .await?;
    if listed.len() > MANIFESTS_MAX {
        bail!(
            "limit exceeded: {} manifests lie beside the image, at most {MANIFESTS_MAX} are read",
            listed.len()
        );
    }
    let mut references: Vec<Reference> = listed
        .into_iter()
        .map(|descriptor| Reference::Digest(descriptor.digest))
        .collect();
    let digest = subject.digest();
    let tag = format!("{}-{}.att", digest.algorithm(), digest.hex());
    references.extend(Tag::parse(&tag).ok().map(Reference::Tag));
    let mut found = Vec::new();
    for reference in references {
        let fetched = match subject.client.manifest(repository, &reference).await {
            Ok(fetched) => fetched,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        let Manifest::Image(image) = fetched.manifest else {
            continue;
        };
        let fits = |layer: &Descriptor| {
            layer.media_type == media::DSSE
                || layer
                    .media_type
                    .starts_with("application/vnd.dev.sigstore.bundle")
        };
        let layers = image.layers.into_iter().take(LAYERS_MAX).filter(fits);
        found.extend(layers.map(|layer| (fetched.digest.clone(), layer)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_another_kind_than_there_is_learns_what_there_is() {
        assert_eq!(nothing(&BTreeSet::new()), "nothing is attested");
        let kinds = [
            "https://spdx.dev/Document",
            "https://slsa.dev/provenance/v1",
        ];
        assert_eq!(
            nothing(&kinds.map(str::to_owned).into()),
            "nothing of this kind is attested; there is https://slsa.dev/provenance/v1, https://spdx.dev/Document"
        );
    }
}
