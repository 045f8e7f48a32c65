//! Lists anew what is released to clients with content trust, after whatever may have changed it: a tag, a decision, a signer's update, a
//! policy, or the time. What the list says is `registry`'s to know.

use crate::{Context, Result};
use oci::RepositoryName;
use serde::Deserialize;
use serde_json::json;
use store::tuf::RELEASE_TAGS;
use store::{System, jobs};

const JOB: System = System::job(RELEASE_TAGS);

/// Payload of the job: which repository.
#[derive(Debug, Deserialize)]
pub(crate) struct Repository {
    repository: RepositoryName,
}

/// Lists the tags of one repository, and asks to look again when time alone may change the answer.
pub(crate) async fn release(context: &Context, payload: &Repository) -> Result<()> {
    let repository = &payload.repository;
    let registry = &context.registry;
    let released = registry
        .release_tags(JOB, repository, context.now())
        .await?;
    if let Some(until) = released.until {
        let payload = json!({"repository": repository});
        let key = repository.as_str();
        jobs::add(&context.store, RELEASE_TAGS, key, &payload, until).await?;
    }
    match released.failed {
        None => Ok(()),
        // It is tried again, and earlier if the time comes first.
        Some((gun, error)) => {
            tracing::warn!(
                gun = gun.as_str(),
                "a list of releases could not be written"
            );
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests;
