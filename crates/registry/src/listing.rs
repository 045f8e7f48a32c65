//! Lists: tags, repositories, referrers. Names and descriptors only.

use crate::Registry;
use crate::error::{Error, Result};
use crate::pull::repository;
use oci::{Digest, ErrorCode};
use policy::Permit;
use policy::verb::{ListCatalog, Pull};
use store::catalogue::{self, LIST_MAX, Referrers};

/// The most names of one page: one more is listed, to tell whether others follow.
pub const PAGE_MAX: u32 = LIST_MAX - 1;

/// One page of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// In byte order.
    pub names: Vec<String>,
    /// Whether there are more behind the last.
    pub more: bool,
}

impl Registry {
    /// Tags behind `after`, at most `limit` and [`PAGE_MAX`] (end-8).
    ///
    /// # Errors
    /// `NAME_UNKNOWN` where there is no such repository.
    pub async fn tags(
        &self,
        permit: &Permit<Pull>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Names> {
        let repository = repository(permit.repository())?;
        let limit = limit.min(PAGE_MAX);
        let Some(tags) = catalogue::tags(&self.store, repository, after, limit + 1).await? else {
            return Err(Error::protocol(
                ErrorCode::NameUnknown,
                format!("there is no repository `{repository}`"),
            ));
        };
        Ok(page(
            tags.into_iter().map(|tag| tag.to_string()).collect(),
            limit,
        ))
    }

    /// Repositories behind `after`, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// The store's failures.
    pub async fn repositories(
        &self,
        _permit: &Permit<ListCatalog>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Names> {
        let limit = limit.min(PAGE_MAX);
        let repositories = catalogue::repositories(&self.store, after, limit + 1).await?;
        Ok(page(
            repositories
                .into_iter()
                .map(|name| name.to_string())
                .collect(),
            limit,
        ))
    }

    /// What refers to a digest as its subject (end-12), behind `after`; empty where nothing does.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn referrers(
        &self,
        permit: &Permit<Pull>,
        digest: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
    ) -> Result<Referrers> {
        let repository = repository(permit.repository())?;
        Ok(catalogue::referrers(&self.store, repository, digest, artifact_type, after).await?)
    }
}

fn page(mut names: Vec<String>, limit: u32) -> Names {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = names.len() > limit;
    names.truncate(limit);
    Names { names, more }
}
