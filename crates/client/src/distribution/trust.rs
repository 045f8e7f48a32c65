//! Trust repositories as docker and notary ask for them: files by name, the server's keys, updates as one multipart body. Deliberately
//! without TUF: what a file is worth is for the caller to find out.
//!
//! A trust repository is named by the whole name of an image, host and port included, also in the scope of a token.

use std::fmt::Write as _;

use aws_lc_rs::rand;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use reqwest::{Method, Url};

use crate::limits::TRUST_KEY_BYTES_MAX;
use crate::transport::Answer;
use crate::{Client, Error};

/// What a call about trust is about to do.
#[derive(Debug, Clone, Copy)]
enum TrustAccess {
    Read,
    Publish,
    Everything,
}

impl TrustAccess {
    /// The scope as docker and notary write it.
    fn scope(self, gun: &str) -> Vec<String> {
        let actions = match self {
            Self::Read => "pull",
            Self::Publish => "push,pull",
            Self::Everything => "*",
        };
        vec![format!("repository:{gun}:{actions}")]
    }
}

impl Client {
    /// A file of a trust repository, as `root.json` or `targets/alice.<sha256>.json`; none where there is none. At most `bytes_max` bytes
    /// are read.
    pub async fn trust_file(
        &self,
        gun: &str,
        path: &str,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, Error> {
        let answer = self
            .ask_trust(Method::GET, gun, path, TrustAccess::Read)
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.accepted().await?.bytes(bytes_max).await.map(Some)
    }

    /// The server's public key for a role, as JSON; none where it signs no such role.
    pub async fn trust_key(&self, gun: &str, role: &str) -> Result<Option<Bytes>, Error> {
        let path = format!("{role}.key");
        let answer = self
            .ask_trust(Method::GET, gun, &path, TrustAccess::Publish)
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.accepted().await?;
        answer.bytes(TRUST_KEY_BYTES_MAX).await.map(Some)
    }

    /// Has the server make its next key for a role, and answers it as JSON. It is used once a root is published that names it.
    pub async fn next_trust_key(&self, gun: &str, role: &str) -> Result<Bytes, Error> {
        let path = format!("{role}.key");
        let answer = self
            .ask_trust(Method::POST, gun, &path, TrustAccess::Everything)
            .await?;
        answer.accepted().await?.bytes(TRUST_KEY_BYTES_MAX).await
    }

    /// Publishes files by role, all of them or none.
    pub async fn publish_trust(&self, gun: &str, files: &[(&str, &[u8])]) -> Result<(), Error> {
        let boundary = boundary()?;
        let body = multipart(&boundary, files);
        let media_type = format!("multipart/form-data; boundary={boundary}");
        let url = self.trust_url(gun, "");
        let scopes = TrustAccess::Publish.scope(gun);
        let answer = self.call(Method::POST, url, &scopes, |request| {
            request.header(CONTENT_TYPE, &media_type).body(body.clone())
        });
        answer.await?.accepted().await.map(drop)
    }

    /// Deletes all files of a trust repository.
    pub async fn delete_trust(&self, gun: &str) -> Result<(), Error> {
        let answer = self
            .ask_trust(Method::DELETE, gun, "", TrustAccess::Everything)
            .await?;
        answer.accepted().await.map(drop)
    }

    async fn ask_trust(
        &self,
        method: Method,
        gun: &str,
        path: &str,
        access: TrustAccess,
    ) -> Result<Answer, Error> {
        let url = self.trust_url(gun, path);
        let scopes = access.scope(gun);
        self.call(method, url, &scopes, |request| request).await
    }

    fn trust_url(&self, gun: &str, path: &str) -> Url {
        let mut segments = vec!["v2"];
        segments.extend(gun.split('/'));
        segments.extend(["_trust", "tuf"]);
        segments.extend(path.split('/'));
        self.url(&segments)
    }
}

/// As notary sends it: each file's name is its role.
fn multipart(boundary: &str, files: &[(&str, &[u8])]) -> Bytes {
    let mut body = Vec::new();
    for (role, content) in files {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body.into()
}

/// A line that stands in no file: nobody knows it beforehand.
fn boundary() -> Result<String, Error> {
    let mut random = [0; 24];
    rand::fill(&mut random).map_err(|_| Error::Content("no random bytes".into()))?;
    let mut text = String::new();
    for byte in random {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_one_body() {
        let body = multipart("b", &[("targets/alice", b"{}"), ("root", b"\r\n")]);
        let expected = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"targets/alice\"\r\n\
                        Content-Type: application/octet-stream\r\n\r\n{}\r\n\
                        --b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"root\"\r\n\
                        Content-Type: application/octet-stream\r\n\r\n\r\n\r\n--b--\r\n";
        assert_eq!(body, expected);
        assert_ne!(boundary().unwrap(), boundary().unwrap());
    }
}
