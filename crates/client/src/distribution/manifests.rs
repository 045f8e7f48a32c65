//! Manifests: read, asked about, pushed, deleted. The bytes are what counts; nothing is written anew.

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use oci::{Digest, Hasher, MANIFEST_BYTES_MAX, Manifest, Reference, RepositoryName, media};
use reqwest::Method;

use super::Access;
use crate::text::clean;
use crate::transport::{Answer, malformed, shown};
use crate::{Client, Error};

/// The manifests that are asked for; anything else may come all the same.
const ACCEPTED: [&str; 4] = [
    media::OCI_MANIFEST,
    media::OCI_INDEX,
    media::DOCKER_MANIFEST,
    media::DOCKER_LIST,
];

/// A manifest with its bytes as they came.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The digest of the bytes; the one that was asked for, if one was.
    pub digest: Digest,
    /// The registry's `Content-Type`.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
    /// What they say.
    pub manifest: Manifest,
    /// What the registry wants people to know (`Warning` headers).
    pub warnings: Vec<String>,
}

/// What is known of a manifest without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHead {
    /// The digest that the registry names; nobody has checked it.
    pub digest: Digest,
    /// The registry's `Content-Type`.
    pub media_type: String,
    /// Length in bytes.
    pub size: u64,
}

/// The answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of what was pushed.
    pub digest: Digest,
    /// Whether the registry has noted it as a referrer of its subject.
    pub subject_noted: bool,
    /// What the registry wants people to know (`Warning` headers).
    pub warnings: Vec<String>,
}

impl Client {
    /// Reads a manifest and checks it against its digest.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Fetched, Error> {
        let answer = self
            .ask_manifest(Method::GET, repository, reference)
            .await?;
        let answer = self.follow(answer, &Method::GET).await?.accepted().await?;
        let url = answer.url().clone();
        let (named, media_type, warnings) = (
            named_digest(&answer),
            content_type(&answer),
            warnings(&answer),
        );
        let bytes = answer
            .bytes(u64::try_from(MANIFEST_BYTES_MAX).unwrap_or(u64::MAX))
            .await?;
        let expected = reference.digest().cloned().or(named);
        let mut hasher = Hasher::new(
            expected
                .as_ref()
                .map_or(oci::Algorithm::Sha256, Digest::algorithm),
        );
        hasher.update(&bytes);
        let digest = hasher.finish();
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(Error::DigestMismatch {
                url: shown(&url),
                expected,
                actual: digest,
            });
        }
        let manifest =
            Manifest::parse(&bytes, media_type.as_deref()).map_err(|e| malformed(&url, e))?;
        let media_type = media_type.unwrap_or_else(|| manifest.media_type().to_owned());
        Ok(Fetched {
            digest,
            media_type,
            bytes,
            manifest,
            warnings,
        })
    }

    /// Asks for a manifest's digest and size; nothing when there is none. A refusal is asked for again with GET, which
    /// has its reasons in the body.
    pub async fn head_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>, Error> {
        let answer = self
            .ask_manifest(Method::HEAD, repository, reference)
            .await?;
        let answer = self.follow(answer, &Method::HEAD).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status().is_success() {
            let full = self
                .ask_manifest(Method::GET, repository, reference)
                .await?;
            return Err(if full.status().is_success() {
                answer.refusal().await
            } else {
                full.refusal().await
            });
        }
        let missing = |what: &str| malformed(answer.url(), format!("no {what} in it"));
        let digest = reference
            .digest()
            .cloned()
            .or_else(|| named_digest(&answer));
        Ok(Some(ManifestHead {
            digest: digest.ok_or_else(|| missing("Docker-Content-Digest"))?,
            media_type: content_type(&answer).ok_or_else(|| missing("Content-Type"))?,
            size: answer
                .content_length()
                .ok_or_else(|| missing("Content-Length"))?,
        }))
    }

    /// Pushes a manifest. Sent once: a push is never repeated behind the caller's back, but for a challenge.
    pub async fn put_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Pushed, Error> {
        // distribution-spec end-7
        let url = self.repository_url(repository, &["manifests", reference.as_str()]);
        let fill = |request: reqwest::RequestBuilder| {
            request.header(CONTENT_TYPE, media_type).body(bytes.clone())
        };
        let answer = self
            .call(
                Method::PUT,
                url.clone(),
                &[Access::Push.scope(repository)],
                fill,
            )
            .await?;
        let answer = answer.accepted().await?;
        let expected = match reference.digest() {
            Some(digest) => digest.clone(),
            None => Digest::sha256(&bytes),
        };
        if let Some(named) = named_digest(&answer)
            && named.algorithm() == expected.algorithm()
            && named != expected
        {
            return Err(Error::DigestMismatch {
                url: shown(&url),
                expected,
                actual: named,
            });
        }
        let subject_noted = answer.header("oci-subject").is_some();
        Ok(Pushed {
            digest: expected,
            subject_noted,
            warnings: warnings(&answer),
        })
    }

    /// Deletes a manifest with its tags, or one tag.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(), Error> {
        // distribution-spec end-9
        let url = self.repository_url(repository, &["manifests", reference.as_str()]);
        let answer = self
            .call(
                Method::DELETE,
                url,
                &[Access::Delete.scope(repository)],
                |request| request,
            )
            .await?;
        answer.accepted().await.map(drop)
    }

    async fn ask_manifest(
        &self,
        method: Method,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Answer, Error> {
        // distribution-spec end-3
        let url = self.repository_url(repository, &["manifests", reference.as_str()]);
        let accepted = ACCEPTED.join(", ");
        let scopes = [Access::Pull.scope(repository)];
        self.call(method, url, &scopes, |request| {
            request.header(ACCEPT, accepted.as_str())
        })
        .await
    }
}

/// The digest that the registry names.
pub(super) fn named_digest(answer: &Answer) -> Option<Digest> {
    answer
        .header("docker-content-digest")
        .and_then(|text| Digest::parse(text).ok())
}

/// The media type without parameters.
fn content_type(answer: &Answer) -> Option<String> {
    let text = answer.header(CONTENT_TYPE.as_str())?;
    let bare = text.split(';').next().unwrap_or_default().trim();
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// The texts of `Warning: 299 - "…"` headers. distribution-spec "Warnings".
fn warnings(answer: &Answer) -> Vec<String> {
    let headers = answer.headers().get_all("warning");
    let texts = headers.iter().filter_map(|value| value.to_str().ok());
    let quoted = texts.filter_map(|text| {
        text.strip_prefix("299 - \"")?
            .strip_suffix('"')
            .map(str::to_owned)
    });
    quoted
        .map(|text| clean(&text.replace("\\\"", "\"").replace("\\\\", "\\")))
        .collect()
}
