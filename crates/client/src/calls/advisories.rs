//! `/advisories` and `/affected`.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use http::header::CONTENT_TYPE;
use reqwest::{Body, Method};

use super::{accepted, with_query};
use crate::api::advisories::{
    AdvisoryStatus, AffectedBy, AffectedImage, IMPORT_MEDIA_TYPE, ImportReport,
};
use crate::limits::{ANSWER_BYTES_MAX, WORK_TIMEOUT};
use crate::{Client, Error};

impl Client {
    /// Imports a whole source. `lines` are [`crate::api::advisories::ImportLine`]s as bytes, cut anywhere; the first
    /// line is the header. An older or smaller set is refused unless `allow_older`.
    pub async fn import_advisories<S>(
        &self,
        source: &str,
        allow_older: bool,
        lines: S,
    ) -> Result<ImportReport, Error>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let parameters = [
            ("source", Some(source)),
            ("allowOlder", allow_older.then_some("true")),
        ];
        let url = with_query(self.api(&["advisories"])?, &parameters);
        let request = self
            .as_caller(Method::POST, url.clone())
            .header(CONTENT_TYPE, IMPORT_MEDIA_TYPE);
        let request = request.body(Body::wrap_stream(lines));
        accepted(request, &url, WORK_TIMEOUT)
            .await?
            .json(ANSWER_BYTES_MAX)
            .await
    }

    /// What advisories the server holds.
    pub async fn advisory_status(&self) -> Result<AdvisoryStatus, Error> {
        self.read(self.api(&["advisories", "status"])?).await
    }

    /// Which images hold a weakness or a package.
    pub async fn affected(&self, by: &AffectedBy) -> Result<Vec<AffectedImage>, Error> {
        let parameter = match by {
            AffectedBy::Id(id) => ("id", Some(id.as_str())),
            AffectedBy::Purl(purl) => ("purl", Some(purl.as_str())),
        };
        self.list(with_query(self.api(&["affected"])?, &[parameter]))
            .await
    }
}
