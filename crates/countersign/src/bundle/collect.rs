//! Makes a bundle from a registry: the image with all platforms that are there, all that is attached to it, the files of its
//! trust repository, the policies that its receipts name, and proofs that the server's log has all this. What is not there, or not for the caller to see, is written down.

use super::{
    ATTACHED_MAX, Attached, BLOBS_MAX, CHECKSUM, CONTENTS, Contents, INDEX, LAYOUT, LAYOUT_CONTENT,
    TrustFiles, VERSION, archive, blob_name, index, prove,
};
use crate::progress;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use client::distribution::Fetched;
use client::{Client, ClientOptions};
use oci::{
    Algorithm, Descriptor, Digest, ImageReference, Manifest, Reference, RepositoryName, Tag, media,
};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use trust::receipt;
use trust::tuf::Gun;
use trust::tuf::client::{Anchor, Client as Reader, Remembered};

const POLICY_ANNOTATION: &str = "dev.countersign.policy";
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
    let policies = collection.policies().await;
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
    /// Policies that receipts name.
    policy_names: Vec<String>,
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
            policy_names: Vec::new(),
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
        let is_receipt = annotations
            .get(PREDICATE_ANNOTATION)
            .is_some_and(|kind| kind == receipt::PREDICATE_TYPE);
        if let (true, Some(policy)) = (is_receipt, annotations.get(POLICY_ANNOTATION)) {
            self.policy_names.push(policy.clone());
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

    /// The files of the trust repository, as a reader asks for them who has never been here.
    async fn trust(&mut self, image: &ImageReference, now: i64) -> Result<Option<TrustFiles>> {
        let host = match &image.host {
            Some(host) => host.clone(),
            None => ClientOptions::new(self.client.base_url())?.authority(),
        };
        let gun = Gun::parse(&format!("{host}/{}", image.repository))?;
        let reader = Reader::new(gun.clone(), Anchor::FirstUse, Remembered::default(), now);
        let mut reader = reader?.with_ended();
        let (mut files, mut texts) = (BTreeMap::new(), Vec::new());
        while let Some(fetch) = reader.next() {
            let answer = self
                .client
                .trust_file(gun.as_str(), &fetch.path, fetch.bytes_max)
                .await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if files.is_empty() => {
                    self.missing
                        .push(format!("what a trust repository says: {error}"));
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            if answer.is_none() && files.is_empty() {
                self.missing
                    .push("what a trust repository says: there is none".to_owned());
                return Ok(None);
            }
            let digest = match &answer {
                Some(bytes) => {
                    let digest = Digest::sha256(bytes);
                    texts.push((digest.clone(), bytes.clone()));
                    Some(digest)
                }
                None => None,
            };
            files.insert(fetch.path, digest);
            if let Err(problem) = reader.feed(answer.map(|bytes| bytes.to_vec())) {
                self.missing.push(format!(
                    "what the trust repository {gun} says: it is not believed: {problem}"
                ));
                return Ok(None);
            }
        }
        // Not before it is believed: nothing is in the file that its list of contents has no use for.
        for (digest, bytes) in texts {
            self.keep(digest, bytes)?;
        }
        let gun = gun.to_string();
        Ok(Some(TrustFiles { gun, files }))
    }

    /// The texts of the policies that receipts name, where the caller may read them.
    async fn policies(&mut self) -> BTreeMap<String, Digest> {
        let mut policies = BTreeMap::new();
        let mut names = std::mem::take(&mut self.policy_names);
        names.sort();
        names.dedup();
        for name in names {
            match self.client.policy(&name).await {
                Ok(policy) => {
                    let text = Bytes::from(policy.document);
                    let digest = Digest::sha256(&text);
                    if self.keep(digest.clone(), text).is_ok() {
                        policies.insert(name, digest);
                    }
                }
                Err(error) => self.missing.push(format!(
                    "what policy {name} asks for: its text is not in the file: {error}"
                )),
            }
        }
        policies
    }

    /// Proofs of what is attached, where the caller may read the log.
    async fn proofs(&mut self, wanted: bool) -> Result<BTreeMap<Digest, Digest>> {
        let attached = self.attached.iter();
        let manifests = attached.map(|attached| attached.manifest.clone()).collect();
        let texts = match wanted {
            true => prove::or_why_not(self.client, self.repository, &manifests).await,
            false => Err("proofs were left out, as was asked".to_owned()),
        };
        let texts = texts.unwrap_or_else(|why| {
            self.missing.push(format!(
                "that the signatures and receipts are in the server's log: {why}"
            ));
            BTreeMap::new()
        });
        let mut proofs = BTreeMap::new();
        for (manifest, text) in texts {
            let digest = Digest::sha256(text.as_bytes());
            self.keep(digest.clone(), Bytes::from(text))?;
            proofs.insert(manifest, digest);
        }
        Ok(proofs)
    }

    fn sizes(&self) -> BTreeMap<Digest, u64> {
        let documents = self.documents.iter();
        let documents = documents.map(|(digest, bytes)| (digest.clone(), bytes.len() as u64));
        let awaited = self.awaited.iter();
        let awaited = awaited.map(|(digest, size)| (digest.clone(), *size));
        documents.chain(awaited).collect()
    }

    async fn write(&self, path: &Path, contents: &Contents, index: &[u8]) -> Result<u64> {
        let text = serde_json::to_vec(contents)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let unwritable = || format!("cannot write `{}`", path.display());
        let file = tempfile::NamedTempFile::new_in(folder).with_context(unwritable)?;
        let mut out = BufWriter::new(file);
        archive::write(&mut out, CHECKSUM, Digest::sha256(&text).hex().as_bytes())?;
        archive::write(&mut out, CONTENTS, &text)?;
        archive::write(&mut out, LAYOUT, LAYOUT_CONTENT)?;
        archive::write(&mut out, INDEX, index)?;
        for (digest, size) in &contents.blobs {
            match self.documents.get(digest) {
                Some(bytes) => archive::write(&mut out, &blob_name(digest), bytes)?,
                None => self.write_blob(&mut out, digest, *size).await?,
            }
        }
        archive::end(&mut out)?;
        let file = out
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .with_context(unwritable)?;
        file.as_file().sync_all().with_context(unwritable)?;
        let size = file.as_file().metadata().with_context(unwritable)?.len();
        file.persist(path).with_context(unwritable)?;
        Ok(size)
    }

    async fn write_blob(&self, out: &mut impl Write, digest: &Digest, size: u64) -> Result<()> {
        archive::begin(out, &blob_name(digest), size)?;
        let bar = progress::bytes(&format!("blob {}", digest.short()), Some(size));
        let mut blob = self.client.blob(self.repository, digest).await?;
        let mut written = 0_u64;
        while let Some(chunk) = blob.chunk().await? {
            out.write_all(&chunk)?;
            written = written.saturating_add(chunk.len() as u64);
            bar.inc(chunk.len() as u64);
            if written > size {
                break;
            }
        }
        bar.finish_and_clear();
        if written != size {
            bail!("`{digest}` has another size than its manifest says, {size}");
        }
        archive::end_of_file(out, size)?;
        Ok(())
    }
}

/// The archive has room for the names of SHA-256 only.
fn named_in_archive(digest: &Digest) -> Result<()> {
    if digest.algorithm() == Algorithm::Sha256 {
        return Ok(());
    }
    bail!("`{digest}` cannot be put into a file: only images by SHA-256 can")
}
