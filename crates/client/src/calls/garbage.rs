//! `/garbage`, and deleting from `/repositories`.

use oci::RepositoryName;
use reqwest::Method;

use super::{accepted, with_query};
use crate::api::Page;
use crate::api::garbage::{AskCollection, Collection, ManifestsDeleted, TagsDeleted};
use crate::limits::{ANSWER_BYTES_MAX, WORK_TIMEOUT};
use crate::{Client, Error};

impl Client {
    /// The newest collections, the newest first.
    pub async fn collections(&self) -> Result<Vec<Collection>, Error> {
        let page: Page<Collection> = self.read(self.api(&["garbage"])?).await?;
        Ok(page.items)
    }

    /// Asks for a collection, which begins within seconds; or for what it would remove.
    pub async fn collect(&self, ask: &AskCollection) -> Result<Collection, Error> {
        let url = self.api(&["garbage"])?;
        let request = self.as_caller(Method::POST, url.clone()).json(ask);
        accepted(request, &url, WORK_TIMEOUT)
            .await?
            .json(ANSWER_BYTES_MAX)
            .await
    }

    /// Deletes some of the tags that a pattern covers (`*` for any characters), or says which it would. Call it again with
    /// `next` as `after` until there is none.
    pub async fn delete_tags(
        &self,
        repository: &RepositoryName,
        pattern: &str,
        after: Option<&str>,
        dry_run: bool,
    ) -> Result<TagsDeleted, Error> {
        let url = with_query(
            self.api(&["repositories", "tags"])?,
            &[
                ("repository", Some(repository.as_str())),
                ("pattern", Some(pattern)),
                ("after", after),
                ("dryRun", dry_run.then_some("true")),
            ],
        );
        accepted(
            self.as_caller(Method::DELETE, url.clone()),
            &url,
            WORK_TIMEOUT,
        )
        .await?
        .json(ANSWER_BYTES_MAX)
        .await
    }

    /// Deletes some of what a repository holds. Call it again with `next` as `after` until there is none.
    pub async fn empty_repository(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
    ) -> Result<ManifestsDeleted, Error> {
        let url = with_query(
            self.api(&["repositories"])?,
            &[("repository", Some(repository.as_str())), ("after", after)],
        );
        accepted(
            self.as_caller(Method::DELETE, url.clone()),
            &url,
            WORK_TIMEOUT,
        )
        .await?
        .json(ANSWER_BYTES_MAX)
        .await
    }
}
