//! Writing manifests, and taking them away. A manifest, its tags and the evidence in it land in one transaction of the store.

use crate::Registry;
use crate::error::{Error, Result};
use crate::pull::repository;
use bytes::Bytes;
use oci::{Digest, ErrorCode, Manifest, Reference, Shape, Tag};
use policy::Permit;
use policy::verb::{Attach, Delete, DeleteEvidence, Push};
use store::Writer;
use store::catalogue::{self, Deleter, PutManifest};

/// What a caller may put: everything, or evidence only.
pub struct PushPermits {
    /// To write images, for whoever has it.
    pub push: Option<Permit<Push>>,
    /// To attach evidence.
    pub attach: Permit<Attach>,
}

/// What a caller may delete: images, and evidence too for whoever has that.
pub struct DeletePermits {
    /// To delete tags and images.
    pub delete: Permit<Delete>,
    /// To delete evidence, which withdraws it.
    pub evidence: Option<Permit<DeleteEvidence>>,
}

/// A manifest as it arrives.
pub struct NewManifest<'a> {
    /// The tag or digest it is put under.
    pub reference: &'a Reference,
    /// More tags for the same digest.
    pub extra_tags: &'a [Tag],
    /// The request's content type.
    pub content_type: Option<&'a str>,
    /// The bytes.
    pub content: Bytes,
}

/// A manifest that is durable now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// The digest that it refers to, if any.
    pub subject: Option<Digest>,
    /// Layers that are not there yet, without which the image cannot be run.
    pub absent_layers: Vec<Digest>,
}

impl Registry {
    /// Stores a manifest (distribution-spec end-7), durable before this returns.
    ///
    /// # Errors
    /// `DIGEST_INVALID`, `MANIFEST_INVALID`; `MANIFEST_BLOB_UNKNOWN` for all but the layers of an image; `DENIED` for an image by someone who may only attach evidence.
    pub async fn put_manifest(
        &self,
        permits: &PushPermits,
        new: NewManifest<'_>,
        now: i64,
    ) -> Result<Stored> {
        // The store compares it with the bytes.
        let digest = match new.reference {
            Reference::Digest(digest) => digest.clone(),
            Reference::Tag(_) => Digest::sha256(&new.content),
        };
        let manifest = Manifest::parse(&new.content, new.content_type)
            .map_err(|error| Error::protocol(ErrorCode::ManifestInvalid, error.to_string()))?;
        let tags = tags(new.reference, new.extra_tags);
        let writer = permits
            .push
            .as_ref()
            .map_or(Writer::Attach(&permits.attach), Writer::Push);
        let (shape, evidence) = self.examine(&writer, &manifest, &tags, now).await?;
        let put = PutManifest {
            digest: &digest,
            content: &new.content,
            media_type: manifest.media_type(),
            manifest: &manifest,
            shape,
            tags: &tags,
            evidence: &evidence,
            stage_record: None,
        };
        let put = catalogue::put_manifest(&self.store, &writer, &put, now).await?;
        let subject = manifest.subject().map(|subject| subject.digest.clone());
        Ok(Stored {
            digest,
            subject,
            absent_layers: put.absent_layers,
        })
    }

    /// Deletes a tag, or a manifest with its tags (end-9).
    ///
    /// # Errors
    /// `MANIFEST_UNKNOWN`; `DENIED` for evidence by someone who may not delete that.
    pub async fn delete_manifest(
        &self,
        permits: &DeletePermits,
        reference: &Reference,
        now: i64,
    ) -> Result<()> {
        let repository = repository(permits.delete.repository())?;
        let manifest = self.stored(repository, reference).await?;
        let deleter = match (manifest.shape, &permits.evidence) {
            (Shape::Evidence, Some(permit)) => Deleter::Evidence(permit),
            (Shape::Evidence, None) => {
                let message = "deleting evidence withdraws it and needs the role `maintainer`";
                return Err(Error::protocol(ErrorCode::Denied, message));
            }
            _ => Deleter::Image(&permits.delete),
        };
        match reference {
            Reference::Tag(tag) => catalogue::delete_tag(&self.store, &deleter, tag, now).await?,
            Reference::Digest(digest) => {
                catalogue::delete_manifest(&self.store, &deleter, digest, now).await?
            }
        }
        Ok(())
    }

    /// Takes a blob out of this repository (end-10); other repositories keep it.
    ///
    /// # Errors
    /// `BLOB_UNKNOWN`; a conflict while a manifest here refers to it.
    pub async fn delete_blob(
        &self,
        permit: &Permit<Delete>,
        digest: &Digest,
        now: i64,
    ) -> Result<()> {
        Ok(catalogue::unlink_blob(&self.store, permit, digest, now).await?)
    }
}

fn tags(reference: &Reference, extra: &[Tag]) -> Vec<Tag> {
    let mut tags: Vec<Tag> = reference
        .tag()
        .cloned()
        .into_iter()
        .chain(extra.iter().cloned())
        .collect();
    tags.sort();
    tags.dedup();
    tags
}
