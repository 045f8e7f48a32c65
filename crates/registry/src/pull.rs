//! Reading: manifests and blobs, each past the gate. Bytes go out as they came in.

use crate::Registry;
use crate::error::{Error, Result};
use crate::gatekeeper::Door;
use oci::{Digest, ErrorCode, Reference, RepositoryName};
use policy::Permit;
use policy::verb::{Attach, Pull};
use store::blobs::{self, Content};
use store::catalogue::{self, Part, Served, StoredManifest};
use store::{Standing, Writer};

/// A manifest that may be served, and what to tell whoever gets it.
#[derive(Debug)]
pub struct Pulled {
    /// The manifest, with its bytes where they were asked for.
    pub manifest: Served,
    /// Whether a gate was asked, and said yes.
    pub is_gated: bool,
    /// Sentences of gates that only warn, and of those that were broken open.
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
        standing: &Standing,
        reference: &Reference,
        part: Part,
        now: i64,
    ) -> Result<Pulled> {
        let repository = repository(permit.repository())?;
        let manifest = catalogue::served(&self.store, repository, reference, part)
            .await?
            .ok_or_else(|| unknown(repository, reference))?;
        let door = Door {
            store: &self.store,
            standing,
            who: permit.who(),
            repository,
            now,
        };
        let passed = door.manifest(&manifest.digest, manifest.shape).await?;
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
    pub async fn blob(
        &self,
        permit: &Permit<Pull>,
        standing: &Standing,
        digest: &Digest,
        now: i64,
    ) -> Result<Content> {
        let repository = repository(permit.repository())?;
        let Some(info) = catalogue::blob(&self.store, repository, digest).await? else {
            return Err(Error::protocol(
                ErrorCode::BlobUnknown,
                format!("`{repository}` has no blob `{digest}`"),
            ));
        };
        let door = Door {
            store: &self.store,
            standing,
            who: permit.who(),
            repository,
            now,
        };
        door.blob(digest).await?;
        Ok(blobs::open_info(&self.store, &info).await?)
    }

    /// Keeps a blob from being collected for a while, because a writer is told that it is here. `false` when it has just gone.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn keep_blob(
        &self,
        writer: &Permit<Attach>,
        digest: &Digest,
        now: i64,
    ) -> Result<bool> {
        Ok(catalogue::keep_blob(&self.store, &Writer::Attach(writer), digest, now).await?)
    }

    pub(crate) async fn stored(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest> {
        catalogue::manifest(&self.store, repository, reference)
            .await?
            .ok_or_else(|| unknown(repository, reference))
    }
}

fn unknown(repository: &RepositoryName, reference: &Reference) -> Error {
    Error::protocol(
        ErrorCode::ManifestUnknown,
        format!("`{repository}` has no manifest `{reference}`"),
    )
}

/// The repository that a permit is for.
pub(crate) fn repository(permitted: Option<&RepositoryName>) -> Result<&RepositoryName> {
    permitted.ok_or_else(|| Error::protocol(ErrorCode::Denied, "the permit names no repository"))
}
