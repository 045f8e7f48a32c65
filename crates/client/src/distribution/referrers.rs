//! What refers to a manifest: signatures, SBOMs, attestations. Uses the referrers API, and on registries without it the
//! tag `sha256-<hex>` that holds the list. distribution-spec "Listing Referrers", "Referrers Tag Schema".

use bytes::Bytes;
use http::StatusCode;
use oci::{Descriptor, Digest, Manifest, Reference, RepositoryName, Tag, media};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::tags::next_page;
use super::{Access, Pushed};
use crate::limits::{LIST_BYTES_MAX, PAGES_MAX};
use crate::transport::malformed;
use crate::{Client, Error};

impl Client {
    /// The manifests whose subject is this digest; of one artifact type, if one is given.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        let listed = match self
            .referrers_by_api(repository, subject, artifact_type)
            .await?
        {
            Some(listed) => listed,
            None => self.referrers_by_tag(repository, subject).await?,
        };
        // A registry need not filter, and says so with a header; filtering again costs nothing.
        let wanted = |d: &Descriptor| {
            artifact_type.is_none_or(|wanted| d.artifact_type.as_deref() == Some(wanted))
        };
        Ok(listed.into_iter().filter(wanted).collect())
    }

    /// Pushes a manifest that has a subject, by its digest; on a registry without referrers API, also enters it in the
    /// subject's list.
    pub async fn push_referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        descriptor: &Descriptor,
        bytes: Bytes,
    ) -> Result<Pushed, Error> {
        let reference = Reference::Digest(descriptor.digest.clone());
        let pushed = self
            .put_manifest(repository, &reference, &descriptor.media_type, bytes)
            .await?;
        if !pushed.subject_noted {
            let mut listed = self.referrers_by_tag(repository, subject).await?;
            if listed.iter().all(|known| known.digest != descriptor.digest) {
                listed.push(descriptor.clone());
                self.put_list(repository, subject, &listed).await?;
            }
        }
        Ok(pushed)
    }

    /// Nothing when the registry has no referrers API.
    async fn referrers_by_api(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Error> {
        // distribution-spec end-12
        let scopes = [Access::Pull.scope(repository)];
        let mut url = self.repository_url(repository, &["referrers", subject.as_str()]);
        if let Some(wanted) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", wanted);
        }
        let mut listed = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self
                .call(Method::GET, url.clone(), &scopes, |request| request)
                .await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let answer = answer.accepted().await?;
            let next = next_page(&answer)?;
            listed.extend(descriptors(&url, &answer.bytes(LIST_BYTES_MAX).await?)?);
            match next {
                Some(next) => url = next,
                None => return Ok(Some(listed)),
            }
        }
        Err(malformed(&url, "the list does not end"))
    }

    async fn referrers_by_tag(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, Error> {
        let tag = list_tag(subject);
        match self.manifest(repository, &tag).await {
            Ok(fetched) => match fetched.manifest {
                Manifest::Index(index) => Ok(index.manifests),
                Manifest::Image(_) => Ok(Vec::new()),
            },
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn put_list(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        listed: &[Descriptor],
    ) -> Result<(), Error> {
        let list =
            json!({ "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": listed });
        let tag = list_tag(subject);
        self.put_manifest(
            repository,
            &tag,
            media::OCI_INDEX,
            Bytes::from(list.to_string()),
        )
        .await
        .map(drop)
    }
}

/// `sha256-<hex>`. distribution-spec "Referrers Tag Schema": cut to 64 digits of the hash.
fn list_tag(subject: &Digest) -> Reference {
    let hex = subject.hex();
    let text = format!("{}-{}", subject.algorithm(), hex.get(..64).unwrap_or(hex));
    // INVARIANT: an algorithm's name, a dash and hexadecimal digits are a tag.
    Tag::parse(&text).map_or_else(|_| Reference::Digest(subject.clone()), Reference::Tag)
}

/// The entries of an index; entries that are not descriptors make the whole unreadable.
fn descriptors(url: &Url, body: &[u8]) -> Result<Vec<Descriptor>, Error> {
    let index: Value = serde_json::from_slice(body).map_err(|e| malformed(url, e))?;
    let manifests = index
        .get("manifests")
        .cloned()
        .unwrap_or(Value::Array(Vec::new()));
    serde_json::from_value(manifests).map_err(|e| malformed(url, e))
}
