//! What every request is judged by: everybody, and the policies in force, as they stand when it begins. Read with one
//! statement while neither changes.

use std::sync::Arc;

use policy::{Directory, Policy};

use crate::db::{RowExt, Value};
use crate::error::Result;
use crate::{Store, accounts, policies};

/// Everybody and every policy, of one moment.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Accounts, teams, grants and keys.
    pub directory: Arc<Directory>,
    /// The policies in force, by name.
    pub policies: Arc<Vec<Policy>>,
}

/// What stands now.
pub async fn standing(store: &Store) -> Result<Standing> {
    let (mut directory_at, mut policies_at) = (None, None);
    let (directory_name, policies_name) = (accounts::REVISION, policies::REVISION);
    store
        .db()
        .point_all(
            "SELECT name, value FROM revisions WHERE name IN ($1, $2)",
            &[Value::Text(directory_name), Value::Text(policies_name)],
            |row| {
                let at = Some(row.int("value")?);
                if row.text("name")? == directory_name {
                    directory_at = at;
                } else {
                    policies_at = at;
                }
                Ok(())
            },
        )
        .await?;
    let caches = store.caches();
    let directory = directory_at.and_then(|at| caches.directory.at(at));
    let policies = policies_at.and_then(|at| caches.policies.at(at));
    Ok(Standing {
        directory: match directory {
            Some(kept) => kept,
            None => accounts::directory(store).await?,
        },
        policies: match policies {
            Some(kept) => kept,
            None => policies::current(store).await?,
        },
    })
}
