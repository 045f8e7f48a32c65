//! Reading: manifests and blobs, each past the gate. Bytes go out as they came in.

use crate::error::{Error, Result};
use crate::{Registry, gatekeeper};
use oci::{Digest, ErrorCode, Reference, RepositoryName};
use policy::Permit;
use policy::verb::Pull;
use store::blobs::{self, Content};
use store::catalogue::{self, StoredManifest};

/// A manifest that may be served, and what to tell whoever gets it.
#[derive(Debug)]
pub struct Pulled {
    /// The manifest, with its bytes.
    pub manifest: StoredManifest,
    /// Sentences of gates that only warn.
    pub warnings: Vec<String>,
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
        let warnings =
            gatekeeper::manifest(&self.store, permit.who(), repository, &manifest, now).await?;
        Ok(Pulled { manifest, warnings })
    }

    /// A blob that this repository holds (end-2).
    ///
    /// # Errors
    /// `BLOB_UNKNOWN`; a gate's refusal when the caller is held and no manifest that they may have refers to it.
    pub async fn blob(&self, permit: &Permit<Pull>, digest: &Digest, now: i64) -> Result<Content> {
        let repository = repository(permit.repository())?;
        let Some(info) = catalogue::blob(&self.store, repository, digest).await? else {
            return Err(Error::protocol(
                ErrorCode::BlobUnknown,
                format!("`{repository}` has no blob `{digest}`"),
            ));
        };
        gatekeeper::blob(&self.store, permit.who(), repository, digest, now).await?;
        Ok(blobs::open_info(&self.store, &info).await?)
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
