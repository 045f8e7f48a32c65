//! Collects garbage when it is time, or when somebody asked, and says in the log what it did. What is garbage, and that one
//! process collects at a time, is `store::garbage`'s.

use crate::{Context, Result};

/// Goes through one collection, if one is due.
pub(crate) async fn collect(context: &Context) -> Result<()> {
    let now = context.now.clone();
    let Some(done) = store::garbage::collect_due(&context.store, &*now).await? else {
        return Ok(());
    };
    if let Some(error) = &done.failure {
        tracing::warn!(
            failed = done.failed,
            error,
            "some garbage could not be removed; the next collection tries again"
        );
    }
    if done.removed_any() {
        tracing::info!(
            links = done.links,
            blobs = done.blobs,
            files = done.files,
            orphans = done.orphans,
            bytes = done.bytes,
            "collected garbage"
        );
    }
    Ok(())
}
