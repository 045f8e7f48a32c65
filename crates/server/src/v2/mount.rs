//! Mounting a blob instead of uploading it (end-11), from the repository that the client names or, where it names none, from any
//! that the caller may read. Who may not read it learns nothing: the answer is an upload, as for a blob that is nowhere.

use super::path;
use crate::app::App;
use crate::caller::{Access, Source};
use crate::error::V2Result;
use oci::Digest;
use policy::Permit;
use policy::verb::Attach;

/// Sources of one mount for which a gate is asked.
const TRIES_MAX: usize = 16;

/// Mounts the blob into the repository of the permit; `false` where the client has to upload it.
///
/// # Errors
/// A challenge where the session covers the target alone, and another session of the same credentials would cover a source.
pub(super) async fn mount(
    app: &App,
    access: &Access<'_>,
    permit: &Permit<Attach>,
    digest: &Digest,
    from: Option<&String>,
) -> V2Result<bool> {
    let sources = match from {
        Some(from) => vec![path::repository(from)?],
        None => app.registry().mount_sources(digest).await?,
    };
    let mut reachable = None;
    let mut tries = 0;
    for source in sources {
        match access.source(&source) {
            Source::Readable(readable) if tries < TRIES_MAX => {
                tries += 1;
                let mounted = app
                    .registry()
                    .mount(permit, &readable, access.standing(), digest, app.now())
                    .await?;
                if mounted {
                    return Ok(true);
                }
            }
            Source::Reachable => reachable = reachable.or(Some(source)),
            Source::Readable(_) | Source::Closed => {}
        }
    }
    match (reachable, permit.repository()) {
        (Some(source), Some(target)) => Err(access.mount_challenge(target, &source)),
        _ => Ok(false),
    }
}
