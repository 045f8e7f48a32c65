//! `/events`, `/webhooks`, `/audit`.

use oci::RepositoryName;
use reqwest::Method;

use super::{PageRequest, with_query};
use crate::api::Page;
use crate::api::audit::AuditRow;
use crate::api::events::CloudEvent;
use crate::api::webhooks::{CreatedWebhook, NewWebhook, Webhook};
use crate::{Client, Error};

impl Client {
    /// Events after a place in the feed, oldest first. To go on, give the `sequence` of the last one as `after`.
    pub async fn events(&self, page: PageRequest<'_>) -> Result<Page<CloudEvent>, Error> {
        self.page(self.api(&["events"])?, page).await
    }

    /// All webhooks.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        self.list(self.api(&["webhooks"])?).await
    }

    /// Has events sent somewhere; the answer is the only place where the secret stands.
    pub async fn create_webhook(&self, webhook: &NewWebhook) -> Result<CreatedWebhook, Error> {
        self.write(Method::POST, self.api(&["webhooks"])?, webhook)
            .await
    }

    /// Stops sending events there.
    pub async fn delete_webhook(&self, id: i64) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["webhooks", &id.to_string()])?)
            .await
    }

    /// Rows of the audit trail after a number, oldest first.
    pub async fn audit(&self, page: PageRequest<'_>) -> Result<Page<AuditRow>, Error> {
        self.page(self.api(&["audit"])?, page).await
    }

    /// The same of what was done to the manifests of one repository. A server that does not know the question answers with all rows.
    pub async fn audit_of(
        &self,
        repository: &RepositoryName,
        page: PageRequest<'_>,
    ) -> Result<Page<AuditRow>, Error> {
        let repository = repository.to_string();
        let url = with_query(
            self.api(&["audit"])?,
            &[("repository", Some(repository.as_str()))],
        );
        self.page(url, page).await
    }
}
