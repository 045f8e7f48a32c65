//! Follows the redirects of downloads: registries hand out presigned addresses of their storage. Credentials stay
//! behind, and TLS is never left.

use http::header::LOCATION;
use reqwest::{Method, Url};

use crate::limits::{CALL_TIMEOUT, REDIRECTS_MAX};
use crate::transport::{Answer, Transport, send, shown};
use crate::{Client, Error};

impl Client {
    /// Follows the answer's redirects, if it is one, without credentials.
    pub(super) async fn follow(&self, answer: Answer, method: &Method) -> Result<Answer, Error> {
        follow(&self.transport, answer, method).await
    }
}

/// The same for whoever asks without a log-in.
pub(crate) async fn follow(
    transport: &Transport,
    mut answer: Answer,
    method: &Method,
) -> Result<Answer, Error> {
    for _ in 0..REDIRECTS_MAX {
        if !answer.status().is_redirection() {
            return Ok(answer);
        }
        let next = target(answer.url(), answer.header(LOCATION.as_str()))?;
        let request = transport.request(method.clone(), next.clone());
        answer = send(request, &next, CALL_TIMEOUT).await?;
    }
    if answer.status().is_redirection() {
        return Err(refuse(answer.url(), "too many redirects"));
    }
    Ok(answer)
}

/// Where a `Location` points, seen from the address that sent it.
pub(super) fn target(from: &Url, location: Option<&str>) -> Result<Url, Error> {
    let location = location.ok_or_else(|| refuse(from, "it does not say where to"))?;
    let next = from
        .join(location)
        .map_err(|_| refuse(from, "to something that is not an address"))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(refuse(from, "neither to http nor to https"));
    }
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(refuse(from, "from https to http"));
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(refuse(from, "to an address with credentials in it"));
    }
    Ok(next)
}

fn refuse(url: &Url, why: &'static str) -> Error {
    Error::Redirect {
        url: shown(url),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, location: Option<&str>, expected: Result<&str, &str>) {
        match (target(&Url::parse(from).unwrap(), location), expected) {
            (Ok(url), Ok(expected)) => assert_eq!(url.as_str(), expected),
            (Err(Error::Redirect { why, .. }), Err(expected)) => assert_eq!(why, expected),
            (other, expected) => panic!("{from} {location:?}: {other:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn locations() {
        check(
            "https://h/v2/a/blobs/uploads/",
            Some("/v2/a/u/1?x=1"),
            Ok("https://h/v2/a/u/1?x=1"),
        );
        check("http://h:5000/v2/", Some("1"), Ok("http://h:5000/v2/1"));
        check(
            "https://h/",
            Some("https://s3.example/b?sig=1"),
            Ok("https://s3.example/b?sig=1"),
        );
        check("https://h/", Some("http://h/b"), Err("from https to http"));
        check(
            "https://h/",
            Some("file:///etc/shadow"),
            Err("neither to http nor to https"),
        );
        check(
            "https://h/",
            Some("https://u:p@h/"),
            Err("to an address with credentials in it"),
        );
        check(
            "https://h/",
            Some("https://"),
            Err("to something that is not an address"),
        );
        check("https://h/", None, Err("it does not say where to"));
    }
}
