//! The paths of the distribution API. A name may hold any of the words that follow it (`a/blobs/b` is a repository), so the
//! last one that fits decides. Percent-escapes have no place in names, tags and digests, and none is decoded here.

use super::trust::path::{self as trust, TrustTarget};
use crate::error::{V2Error, shown};
use axum::http::StatusCode;
use oci::{Digest, ErrorCode, Reference, RepositoryName};

/// What a path below `/v2/` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(RepositoryName),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(RepositoryName, Digest),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(RepositoryName, Reference),
    /// `/v2/<name>/blobs/<digest>`
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<session>`
    Upload(RepositoryName, String),
    /// `/extensions/v2/<name>/signatures/<digest>`
    Signatures(RepositoryName, Digest),
    /// `/v2/<name>/_trust/…`
    Trust(TrustTarget),
}

impl Target {
    /// The repository that the path names, if it names one.
    pub(crate) fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Base | Self::Catalog | Self::Trust(_) => None,
            Self::Tags(name)
            | Self::Referrers(name, _)
            | Self::Manifest(name, _)
            | Self::Signatures(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _) => Some(name),
        }
    }
}

/// Takes a request's path apart.
pub(crate) fn parse(path: &str) -> Result<Target, V2Error> {
    if let Some(rest) = path.strip_prefix("/extensions/v2/") {
        let Some((name, named)) = rest.rsplit_once("/signatures/") else {
            return Err(unknown_path(path));
        };
        return Ok(Target::Signatures(repository(name)?, digest(named)?));
    }
    let rest = path.strip_prefix("/v2").unwrap_or(path);
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    match rest {
        "" => return Ok(Target::Base),
        "_catalog" => return Ok(Target::Catalog),
        _ => {}
    }
    if let Some(target) = trust::parse(rest) {
        return Ok(Target::Trust(target));
    }
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Ok(Target::Tags(repository(name)?));
    }
    if let Some((name, session)) = upload(rest) {
        let name = repository(name)?;
        return Ok(if session.is_empty() {
            Target::Uploads(name)
        } else {
            Target::Upload(name, session.to_owned())
        });
    }
    let Some((head, last)) = rest.rsplit_once('/') else {
        return Err(unknown_path(path));
    };
    if let Some(name) = head.strip_suffix("/manifests") {
        return Ok(Target::Manifest(repository(name)?, reference(last)?));
    }
    if let Some(name) = head.strip_suffix("/blobs") {
        return Ok(Target::Blob(repository(name)?, digest(last)?));
    }
    if let Some(name) = head.strip_suffix("/referrers") {
        return Ok(Target::Referrers(repository(name)?, digest(last)?));
    }
    Err(unknown_path(path))
}

/// The name and the session of an upload's path. A session is one segment: `a/blobs/uploads/b/tags/1` is not below an upload.
fn upload(rest: &str) -> Option<(&str, &str)> {
    let (name, tail) = rest.rsplit_once("/blobs/uploads")?;
    if tail.is_empty() {
        return Some((name, tail));
    }
    let session = tail.strip_prefix('/')?;
    (!session.contains('/')).then_some((name, session))
}

pub(crate) fn repository(text: &str) -> Result<RepositoryName, V2Error> {
    text.parse().map_err(|error| {
        V2Error::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::NameInvalid,
            format!("{error}"),
        )
    })
}

fn reference(text: &str) -> Result<Reference, V2Error> {
    text.parse().map_err(|error| {
        let code = if text.contains(':') {
            ErrorCode::DigestInvalid
        } else {
            ErrorCode::TagInvalid
        };
        V2Error::new(StatusCode::BAD_REQUEST, code, format!("{error}"))
    })
}

pub(crate) fn digest(text: &str) -> Result<Digest, V2Error> {
    Digest::parse(text).map_err(|error| {
        V2Error::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::DigestInvalid,
            format!("{error}"),
        )
    })
}

fn unknown_path(path: &str) -> V2Error {
    V2Error::new(
        StatusCode::NOT_FOUND,
        ErrorCode::NameUnknown,
        format!("the distribution API has no `{}`", shown(path)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn shown(path: &str) -> String {
        match parse(path) {
            Ok(Target::Base) => "base".into(),
            Ok(Target::Catalog) => "catalog".into(),
            Ok(Target::Tags(name)) => format!("tags {name}"),
            Ok(Target::Signatures(name, digest)) => format!("signatures {name} {digest}"),
            Ok(Target::Referrers(name, _)) => format!("referrers {name}"),
            Ok(Target::Manifest(name, reference)) => format!("manifest {name} {reference}"),
            Ok(Target::Blob(name, _)) => format!("blob {name}"),
            Ok(Target::Uploads(name)) => format!("uploads {name}"),
            Ok(Target::Upload(name, session)) => format!("upload {name} {session}"),
            Ok(Target::Trust(target)) => format!("trust {:?}", target.resource),
            Err(error) => format!("{} {}", error.status().as_u16(), error.code()),
        }
    }

    #[test]
    fn paths_are_taken_apart_from_the_right() {
        for (path, expected) in [
            ("/v2/", "base"),
            ("/v2", "base"),
            ("/v2/_catalog", "catalog"),
            ("/v2/shop/web/tags/list", "tags shop/web"),
            ("/v2/shop/web/manifests/1.0", "manifest shop/web 1.0"),
            (
                "/v2/a/manifests/b/manifests/latest",
                "manifest a/manifests/b latest",
            ),
            ("/v2/a/blobs/uploads/", "uploads a"),
            ("/v2/a/blobs/uploads", "uploads a"),
            ("/v2/a/blobs/uploads/0123", "upload a 0123"),
            ("/v2/a/tags/list/tags/list", "tags a/tags/list"),
            (
                "/v2/a/blobs/uploads/manifests/1",
                "manifest a/blobs/uploads 1",
            ),
            (
                "/v2/a/blobs/uploads/b/blobs/uploads/0123",
                "upload a/blobs/uploads/b 0123",
            ),
            ("/v2/a/blobs/uploads//0123", "404 NAME_UNKNOWN"),
            ("/v2/a/blobs/uploads/0123/", "404 NAME_UNKNOWN"),
            ("/v2/Shop/manifests/1", "400 NAME_INVALID"),
            ("/v2/shop/manifests/.bad", "400 TAG_INVALID"),
            ("/v2/shop/manifests/sha256:short", "400 DIGEST_INVALID"),
            ("/v2/shop/%2e%2e/manifests/1", "400 NAME_INVALID"),
            ("/v2/../manifests/1", "400 NAME_INVALID"),
            ("/v2/shop", "404 NAME_UNKNOWN"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
        assert_eq!(shown(&format!("/v2/a/b/blobs/{DIGEST}")), "blob a/b");
        assert_eq!(
            shown(&format!("/v2/a/b/referrers/{DIGEST}")),
            "referrers a/b"
        );
    }
}
