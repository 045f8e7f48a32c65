//! Mounting: a blob of one repository becomes one of another, without its bytes (distribution-spec end-11). Where it may come
//! from is the caller's question to `policy::access`; here the gate is asked, and nothing is told of what is not given.

use crate::Registry;
use crate::error::{Error, Result};
use crate::gatekeeper::Door;
use crate::pull::repository;
use oci::{Digest, ErrorCode, RepositoryName};
use policy::Permit;
use policy::verb::{Attach, Pull};
use store::{Standing, Writer, catalogue};

/// Repositories that are looked at when a mount names none.
const SOURCES_MAX: u32 = 256;

impl Registry {
    /// Repositories that hold a blob, for a mount that names none: by name, and not all where there are many. Not for the
    /// eyes of a caller who may not read there.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn mount_sources(&self, digest: &Digest) -> Result<Vec<RepositoryName>> {
        Ok(catalogue::blob_holders(&self.store, digest, SOURCES_MAX).await?)
    }

    /// Makes a blob of another repository one of this repository too, where no gate holds it back from the caller. `false`:
    /// upload it instead; whether it exists is not told.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn mount(
        &self,
        to: &Permit<Attach>,
        from: &Permit<Pull>,
        standing: &Standing,
        digest: &Digest,
        now: i64,
    ) -> Result<bool> {
        let source = repository(from.repository())?;
        match catalogue::blob(&self.store, source, digest).await {
            // One that is damaged is to be uploaded, which heals it.
            Ok(None) | Err(store::Error::Damaged { .. }) => return Ok(false),
            outcome => outcome?,
        };
        let door = Door {
            store: &self.store,
            standing,
            who: from.who(),
            repository: source,
            now,
        };
        match door.blob(digest).await {
            Ok(()) => {}
            Err(
                Error::Refused(_)
                | Error::Protocol {
                    code: ErrorCode::Denied,
                    ..
                },
            ) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(
            catalogue::link_blob(&self.store, &Writer::Attach(to), from, digest, now)
                .await?
                .is_some(),
        )
    }
}
