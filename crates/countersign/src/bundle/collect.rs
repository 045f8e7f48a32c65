//! Makes a bundle from a registry: the image with all platforms that are there, all that is attached to it, and what else speaks for it
//! (`beside`). What is not there, or not for the caller to see, is written down.

mod beside;
mod write;

use super::{ATTACHED_MAX, Attached, BLOBS_MAX, Contents, VERSION, index};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use client::Client;
use client::distribution::Fetched;
use oci::{
    Algorithm, Descriptor, Digest, ImageReference, Manifest, Reference, RepositoryName, Tag, media,
};
use std::collections::BTreeMap;
use std::path::Path;
use trust::receipt;

const PREDICATE_ANNOTATION: &str = "dev.sigstore.bundle.predicateType";
/// cosign's tags, for signatures and attestations.
const TAG_SUFFIXES: [&str; 2] = ["sig", "att"];
const DEPTH_MAX: usize = 4;

/// What somebody wants in the file.
pub(crate) struct Wanted<'a> {
    pub(crate) image: &'a ImageReference,
    /// Proofs from the server's log as well.
    pub(crate) log: bool,
}

/// What was written.
pub(crate) struct Made {
    pub(crate) contents: Contents,
    /// Bytes of the file.
    pub(crate) size: u64,
}

/// Writes the bundle of an image to a file, which is there when it is whole, and not before.
pub(crate) async fn collect(
    client: &Client,
    wanted: &Wanted<'_>,
    path: &Path,
    now: i64,
) -> Result<Made> {
    let image = wanted.image;
    let mut collection = Collection::new(client, &image.repository);
    let reference = match image.reference() {
        Some(reference) => reference,
        None => "latest".parse()?,
    };
    let top = client.manifest(&image.repository, &reference).await?;
    let (digest, tag) = (top.digest.clone(), image.tag.clone());
    let media_type = top.manifest.media_type();
    let entry = index::image(media_type, &digest, top.bytes.len() as u64, tag.as_ref());
    collection.image(top).await?;
    for digest in collection.images.clone() {
        collection.attached_to(&digest).await?;
    }
    let trust = collection.trust(image, now).await?;
    let policies = collection.policies().await?;
    let proofs = collection.proofs(wanted.log).await?;
    let index = collection.index(entry)?;
    let contents = Contents {
        version: VERSION,
        repository: image.repository.clone(),
        image: digest,
        tag,
        made_at: now,
        attached: std::mem::take(&mut collection.attached),
        trust,
        policies,
        proofs,
        missing: std::mem::take(&mut collection.missing),
        index: Digest::sha256(&index),
        index_size: index.len() as u64,
        blobs: collection.sizes(),
    };
    let size = collection.write(path, &contents, &index).await?;
    Ok(Made { contents, size })
}

struct Collection<'a> {
    client: &'a Client,
    repository: &'a RepositoryName,
    /// What is in memory already.
    documents: BTreeMap<Digest, Bytes>,
    /// What is fetched while it is written, with its size.
    awaited: BTreeMap<Digest, u64>,
    /// The image and those that it lists.
    images: Vec<Digest>,
    attached: Vec<Attached>,
    /// Entries of the index for what is attached.
    entries: Vec<Descriptor>,
    /// Receipts, or what calls itself so.
    receipts: Vec<Descriptor>,
    missing: Vec<String>,
}

impl<'a> Collection<'a> {
    fn new(client: &'a Client, repository: &'a RepositoryName) -> Self {
        Self {
            client,
            repository,
            documents: BTreeMap::new(),
            awaited: BTreeMap::new(),
            images: Vec::new(),
            attached: Vec::new(),
            entries: Vec::new(),
            receipts: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// The image and what it refers to; of an index, the platforms that the repository holds.
    async fn image(&mut self, top: Fetched) -> Result<()> {
        let mut waiting = vec![(top, 0)];
        while let Some((fetched, depth)) = waiting.pop() {
            self.keep_manifest(&fetched)?;
            self.images.push(fetched.digest.clone());
            let Manifest::Index(index) = &fetched.manifest else {
                continue;
            };
            if depth == DEPTH_MAX {
                bail!("limit exceeded: indexes in indexes in indexes");
            }
            for child in &index.manifests {
                if self.documents.contains_key(&child.digest) {
                    continue;
                }
                let reference = Reference::Digest(child.digest.clone());
                match self.client.manifest(self.repository, &reference).await {
                    Ok(found) => waiting.push((found, depth + 1)),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn keep_manifest(&mut self, fetched: &Fetched) -> Result<()> {
        self.keep(fetched.digest.clone(), fetched.bytes.clone())?;
        if let Manifest::Image(image) = &fetched.manifest {
            for blob in image.layers.iter().chain([&image.config]) {
                self.await_blob(blob)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, digest: Digest, bytes: Bytes) -> Result<()> {
        named_in_archive(&digest)?;
        self.awaited.remove(&digest);
        self.documents.insert(digest, bytes);
        self.check_number()
    }

    fn await_blob(&mut self, blob: &Descriptor) -> Result<()> {
        named_in_archive(&blob.digest)?;
        if !self.documents.contains_key(&blob.digest) {
            self.awaited.insert(blob.digest.clone(), blob.size);
        }
        self.check_number()
    }

    fn check_number(&self) -> Result<()> {
        if self.documents.len().saturating_add(self.awaited.len()) > BLOBS_MAX {
            bail!("limit exceeded: the image has more than {BLOBS_MAX} blobs");
        }
        Ok(())
    }

    /// Referrers, and what cosign attaches by tags.
    async fn attached_to(&mut self, digest: &Digest) -> Result<()> {
        let client = self.client;
        for referrer in client.referrers(self.repository, digest, None).await? {
            let reference = Reference::Digest(referrer.digest);
            self.attach(&reference, digest).await?;
        }
        for suffix in TAG_SUFFIXES {
            let tag = format!("{}-{}.{suffix}", digest.algorithm().as_str(), digest.hex());
            if let Ok(tag) = tag.parse::<Tag>() {
                self.attach(&Reference::Tag(tag), digest).await?;
            }
        }
        Ok(())
    }

    async fn attach(&mut self, reference: &Reference, to: &Digest) -> Result<()> {
        let fetched = match self.client.manifest(self.repository, reference).await {
            Ok(fetched) => fetched,
            // A receipt may have made way for the next one.
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if self.attached.len() == ATTACHED_MAX {
            bail!("limit exceeded: more than {ATTACHED_MAX} manifests are attached to the image");
        }
        let is_there = |known: &Attached| known.manifest == fetched.digest && known.to == *to;
        if self.images.contains(&fetched.digest) || self.attached.iter().any(is_there) {
            return Ok(());
        }
        self.keep_manifest(&fetched)?;
        let annotations = fetched.manifest.annotations();
        let kind = annotations.get(PREDICATE_ANNOTATION);
        if kind.is_some_and(|kind| kind == receipt::PREDICATE_TYPE)
            && let Manifest::Image(manifest) = &fetched.manifest
            && let [receipt] = manifest.layers.as_slice()
        {
            self.receipts.push(receipt.clone());
        }
        self.entries.push(index::attached(
            fetched.manifest.media_type(),
            &fetched.digest,
            fetched.bytes.len() as u64,
            fetched.manifest.artifact_type(),
        ));
        self.attached.push(Attached {
            manifest: fetched.digest,
            to: to.clone(),
        });
        Ok(())
    }

    fn index(&mut self, entry: Descriptor) -> Result<Vec<u8>> {
        let mut manifests = vec![entry];
        manifests.append(&mut self.entries);
        let index = index::write(manifests);
        Manifest::parse(&index, Some(media::OCI_INDEX))
            .context("more is attached to the image than the index of a file can list")?;
        Ok(index)
    }
}

/// The archive has room for the names of SHA-256 only.
fn named_in_archive(digest: &Digest) -> Result<()> {
    if digest.algorithm() == Algorithm::Sha256 {
        return Ok(());
    }
    bail!("`{digest}` cannot be put into a file: only images by SHA-256 can")
}
