//! Reading: manifests and blobs, each past the gate. Bytes go out as they came in.

use crate::error::{Error, Result};
use crate::{Registry, gatekeeper};
use oci::{Digest, ErrorCode, Reference, RepositoryName};
use policy::Permit;
use policy::verb::Pull;
use store::blobs;
use store::catalogue::{self, StoredManifest};
use tokio::fs::File;

/// A manifest that may be served, and what to tell whoever gets it.
#[derive(Debug)]
pub struct Pulled {
    /// The manifest, with its bytes.
    pub manifest: StoredManifest,
    /// Whether a gate was asked, and said yes.
    pub is_gated: bool,
    /// Sentences of gates that only warn.
    pub warnings: Vec<String>,
}

/// A blob that may be served.
#[derive(Debug)]
pub struct Blob {
    /// The open file, at its beginning.
    pub file: File,
    /// Bytes.
    pub size: u64,
}

impl Registry {
    /// The manifest under a tag or digest (distribution-spec end-3).
    ///
    /// # Errors
    /// `MANIFEST_UNKNOWN`; a gate's refusal; the store's failures.
    pub async fn manifest(
        &self,
        permit: &Permit<Pull>,
        reference: &Reference,
        now: i64,
    ) -> Result<Pulled> {
        let repository = repository(permit.repository())?;
        let manifest = self.stored(repository, reference).await?;
        let passed =
            gatekeeper::manifest(&self.store, permit.who(), repository, &manifest, now).await?;
        Ok(Pulled {
            manifest,
            is_gated: passed.is_gated,
            warnings: passed.warnings,
        })
    }

    /// A blob that this repository holds (end-2).
    ///
    /// # Errors
    /// `BLOB_UNKNOWN`; a gate's refusal when the caller is held and no manifest that they may have refers to it.
    pub async fn blob(&self, permit: &Permit<Pull>, digest: &Digest, now: i64) -> Result<Blob> {
        let repository = repository(permit.repository())?;
        if catalogue::blob(&self.store, repository, digest)
            .await?
            .is_none()
        {
            return Err(Error::protocol(
                ErrorCode::BlobUnknown,
                format!("`{repository}` has no blob `{digest}`"),
            ));
        }
        gatekeeper::blob(&self.store, permit.who(), repository, digest, now).await?;
        let (file, size) = blobs::open(&self.store, digest).await?;
        Ok(Blob { file, size })
    }

    pub(crate) async fn stored(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest> {
        catalogue::manifest(&self.store, repository, reference)
            .await?
            .ok_or_else(|| {
                Error::protocol(
                    ErrorCode::ManifestUnknown,
                    format!("`{repository}` has no manifest `{reference}`"),
                )
            })
    }
}

/// The repository that a permit is for.
pub(crate) fn repository(permitted: Option<&RepositoryName>) -> Result<&RepositoryName> {
    permitted.ok_or_else(|| Error::protocol(ErrorCode::Denied, "the permit names no repository"))
}
