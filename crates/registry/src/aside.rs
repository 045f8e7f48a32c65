//! Work that takes a processor a while, beside the threads that answer requests: signatures are checked, and large files read.

use crate::error::{Error, Result};

/// Does it on a thread for such work.
///
/// # Errors
/// `Unavailable` where the thread ended before the work did.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| {
        Error::Store(store::Error::Unavailable {
            what: "the judge of signatures",
            why: error.to_string(),
        })
    })
}
