//! Verifying by receipts: with the server's public key and what lies beside the image, or in a file. The server is not asked; a
//! registry that only hands out bytes can neither allow nor forge anything.

use super::Verify;
use crate::bundle::examine::{Question, Report, examine};
use crate::bundle::{Fault, Opened};
use crate::command::gate::tinted;
use crate::command::key::files;
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::receipts::{self, Asked, Found, Passage};
use crate::sequences::remembering;
use anyhow::{Context, Result, bail};
use client::Client;
use oci::{Digest, ImageReference, Manifest, Reference, RepositoryName, media};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use trust::PublicKey;
use trust::receipt::{PREDICATE_TYPE, RECEIPT_BYTES_MAX};

/// Where sigstore's clients say what kind of statement a bundle holds.
const PREDICATE_ANNOTATION: &str = "dev.sigstore.bundle.predicateType";
/// Receipts that are looked at.
const RECEIPTS_MAX: usize = 256;

impl Verify {
    /// Whether this is about receipts at all.
    pub(super) fn is_by_receipt(&self) -> bool {
        !self.receipt_keys.is_empty()
    }

    pub(super) async fn by_receipt(&self, server: &ServerFlags) -> Result<Exit> {
        // Whoever serves receipts could leave out the one that matters.
        if self.gates.is_empty() && self.offline.is_none() {
            bail!("say which `--gate` the image has to pass");
        }
        let keys = self
            .receipt_keys
            .iter()
            .map(|path| receipt_key(path))
            .collect::<Result<Vec<PublicKey>>>()?;
        let policies = self
            .policies
            .iter()
            .map(|path| policy_digest(path))
            .collect::<Result<Vec<String>>>()?;
        let now = self.at.unwrap_or_else(clock);
        let trusted = Trusted {
            keys,
            policies,
            now,
        };
        match &self.offline {
            Some(path) => self.offline(path, &trusted),
            None => self.beside_images(server, &trusted).await,
        }
    }

    /// A bundle: no network at all.
    fn offline(&self, path: &Path, trusted: &Trusted) -> Result<Exit> {
        let named = match self.images.as_slice() {
            [] => None,
            [image] if image.digest.is_none() => bail!(
                "with `--offline` nobody is asked what `{image}` is: name the image by its digest, or name none and read which one it is"
            ),
            [image] => Some(image),
            _ => bail!("a bundle holds one image: name one, or none"),
        };
        let repository = self
            .repository
            .as_ref()
            .or(named.map(|image| &image.repository));
        let unreadable = || format!("cannot read `{}`", path.display());
        let file = File::open(path).with_context(unreadable)?;
        if file.metadata().with_context(unreadable)?.is_dir() {
            bail!(
                "`{}` is a folder: give the file that `countersign bundle` wrote",
                path.display()
            );
        }
        let question = Question {
            keys: &trusted.keys,
            image: named.and_then(|image| image.digest.as_ref()),
            repository,
            gates: &self.gates,
            policies: &trusted.policies,
            log: self.log_key.as_ref(),
            witnesses: &self.witnesses,
            now: trusted.now,
        };
        let examined = match Opened::new(BufReader::new(file)) {
            Ok(mut bundle) => remembering(self.state.as_deref(), clock(), |seen| {
                examine(&mut bundle, &question, seen)
            })?,
            Err(fault) => Err(fault),
        };
        match examined {
            Ok(mut report) => {
                report.not_proved.extend(self.not_now());
                self.say_report(&report)
            }
            Err(fault) => self.say_fault(path, &fault),
        }
    }

    /// Said where no clock was asked.
    fn not_now(&self) -> Option<String> {
        self.at.map(|at| {
            let at = output::instant(at);
            format!("that this is so now: it is what holds at {at}, as was asked")
        })
    }

    fn say_report(&self, report: &Report) -> Result<Exit> {
        match self.output {
            Format::Json => output::json(report)?,
            Format::Table => {
                say_passages(&report.repository, &report.digest, &report.gates);
                for found in &report.found {
                    output::line(format!("  · in the file: {found}"));
                }
                say_not_proved(&report.not_proved);
            }
        }
        Ok(exit(report.verified))
    }

    fn say_fault(&self, path: &Path, fault: &Fault) -> Result<Exit> {
        match self.output {
            Format::Json => output::json(&json!({
                "verified": false, "file": fault.file, "why": fault.why,
            }))?,
            Format::Table => {
                output::line(tinted(&format!(
                    "✗ {} is not as it has to be",
                    path.display()
                )));
                output::line(tinted(&format!("  ✗ {fault}")));
            }
        }
        Ok(Exit::Refused)
    }

    async fn beside_images(&self, server: &ServerFlags, trusted: &Trusted) -> Result<Exit> {
        let (mut answers, mut all) = (Vec::new(), true);
        for image in &self.images {
            let (digest, found) = match self.found(server, image).await {
                Ok(found) => found,
                Err(error) => {
                    let Some(why) = gates_no(&error) else {
                        return Err(error);
                    };
                    if self.output == Format::Table {
                        output::line(tinted(&format!("✗ {why}")));
                    }
                    answers.push(
                        json!({"verified": false, "repository": image.repository, "why": why}),
                    );
                    all = false;
                    continue;
                }
            };
            let repository = self.repository.as_ref().unwrap_or(&image.repository);
            let asked = Asked {
                keys: &trusted.keys,
                image: &digest,
                repository,
                gates: &self.gates,
                policies: &trusted.policies,
                now: trusted.now,
            };
            let passages = remembering(self.state.as_deref(), clock(), |seen| {
                receipts::judge(&found, &asked, seen)
            })?;
            let verified = receipts::verified(&passages);
            all &= verified;
            let not_proved: Vec<String> = passages
                .iter()
                .flat_map(Passage::not_proved)
                .chain(self.not_now())
                .collect();
            if self.output == Format::Table {
                say_passages(repository, &digest, &passages);
                say_not_proved(&not_proved);
            }
            answers.push(json!({
                "verified": verified, "repository": repository, "digest": digest, "gates": passages, "notProved": not_proved,
            }));
        }
        match (self.output, answers.as_slice()) {
            (Format::Json, [answer]) => output::json(answer)?,
            (Format::Json, answers) => output::json(&answers)?,
            (Format::Table, _) => {}
        }
        Ok(exit(all))
    }

    /// The image's digest, and the receipts that were given for it or lie beside it.
    async fn found(
        &self,
        server: &ServerFlags,
        image: &ImageReference,
    ) -> Result<(Digest, Vec<Found>)> {
        if !self.receipts.is_empty() {
            let Some(digest) = &image.digest else {
                bail!(
                    "with `--receipt` nobody is asked what `{image}` is: name the image by its digest"
                );
            };
            let found = self.receipts.iter().map(|path| read(path));
            return Ok((digest.clone(), found.collect::<Result<_>>()?));
        }
        let client = match (&image.host, &server.server) {
            (Some(host), None) => server.registry_client(host)?,
            _ => server.client()?,
        };
        let digest = match &image.digest {
            Some(digest) => digest.clone(),
            None => resolve(&client, image).await?,
        };
        let found = fetch(&client, &image.repository, &digest).await?;
        Ok((digest, found))
    }
}

/// What the host holds itself.
struct Trusted {
    keys: Vec<PublicKey>,
    /// SHA-256 in hexadecimal.
    policies: Vec<String>,
    now: i64,
}

/// This machine's own time, in milliseconds since the epoch.
fn clock() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn exit(verified: bool) -> Exit {
    match verified {
        true => Exit::Done,
        false => Exit::Refused,
    }
}

fn say_passages(repository: &RepositoryName, digest: &Digest, passages: &[Passage]) {
    output::line(format!("{repository}@{digest}"));
    for line in passages.iter().flat_map(Passage::lines) {
        output::line(tinted(&line));
    }
}

fn say_not_proved(not_proved: &[String]) {
    for text in not_proved {
        output::line(format!("  · not proved: {text}"));
    }
}

fn receipt_key(path: &Path) -> Result<PublicKey> {
    files::public(path).context("`countersign key server > FILE` writes the key that is needed")
}

/// The sentence of a gate that lets nobody who asks see what a tag is: its own no, where the reader is held.
fn gates_no(error: &anyhow::Error) -> Option<&str> {
    let refused = error.downcast_ref::<client::Error>()?.refused()?;
    refused.detail.as_ref()?.get("decisions")?;
    Some(&refused.message)
}

fn policy_digest(path: &Path) -> Result<String> {
    let text = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(Digest::sha256(&text).hex().to_owned())
}

fn read(path: &Path) -> Result<Found> {
    let unreadable = || format!("cannot read the receipt `{}`", path.display());
    let mut bundle = Vec::new();
    File::open(path)
        .with_context(unreadable)?
        // One byte more, so that what is too long is refused as such.
        .take(RECEIPT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bundle)
        .with_context(unreadable)?;
    Ok(Found {
        name: path.display().to_string(),
        bundle,
    })
}

async fn resolve(client: &Client, image: &ImageReference) -> Result<Digest> {
    let reference = match image.reference() {
        Some(reference) => reference,
        None => "latest".parse()?,
    };
    let head = client.head_manifest(&image.repository, &reference).await?;
    Ok(head
        .with_context(|| format!("there is no image `{image}`"))?
        .digest)
}

/// The receipts that lie beside an image in whatever registry.
async fn fetch(
    client: &Client,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<Found>> {
    let listed = client
        .referrers(repository, digest, Some(media::SIGSTORE_BUNDLE_V03))
        .await?;
    // Not every registry repeats annotations in its list; whatever else it is, it is no receipt when it is read.
    let may_be = |kind: Option<&String>| kind.is_none_or(|kind| kind == PREDICATE_TYPE);
    let mut found = Vec::new();
    for referrer in listed {
        if !may_be(referrer.annotations.get(PREDICATE_ANNOTATION)) {
            continue;
        }
        let reference = Reference::Digest(referrer.digest.clone());
        let fetched = match client.manifest(repository, &reference).await {
            Ok(fetched) => fetched,
            // It made way for the next one.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        let Manifest::Image(manifest) = fetched.manifest else {
            continue;
        };
        if !may_be(manifest.annotations.get(PREDICATE_ANNOTATION)) {
            continue;
        }
        for layer in manifest.layers {
            if layer.media_type != media::SIGSTORE_BUNDLE_V03
                || layer.size > RECEIPT_BYTES_MAX as u64
            {
                continue;
            }
            if found.len() == RECEIPTS_MAX {
                bail!("limit exceeded: more than {RECEIPTS_MAX} receipts lie beside {digest}");
            }
            let blob = client.blob(repository, &layer.digest).await?;
            let bundle = blob.bytes(RECEIPT_BYTES_MAX as u64).await?.to_vec();
            found.push(Found {
                name: referrer.digest.to_string(),
                bundle,
            });
        }
    }
    Ok(found)
}
