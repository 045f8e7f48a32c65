//! Images as people name them to this server: `shop/web:1`, `shop/web@sha256:…`, or `shop/web` for `latest`. A host is no part
//! of it: every name is one of this server's.

use crate::asker::Asker;
use crate::error::{ApiError, ApiResult, shown};
use oci::{Digest, Reference, RepositoryName, Tag};
use store::catalogue::{self, StoredManifest};

const TAG_DEFAULT: &str = "latest";

/// The manifest that a text names, if the caller may look into its repository.
pub(crate) async fn find(asker: &Asker, text: &str) -> ApiResult<StoredManifest> {
    let (repository, reference) = parse(text)?;
    asker.inspect(&repository)?;
    let found = catalogue::manifest(asker.store(), &repository, &reference).await?;
    found.ok_or_else(|| {
        let mark = if reference.digest().is_some() {
            '@'
        } else {
            ':'
        };
        ApiError::not_found(format!("there is no image `{repository}{mark}{reference}`"))
    })
}

/// The repository of an image that a text names, whether or not it is there.
pub(crate) fn repository_of(text: &str) -> ApiResult<RepositoryName> {
    Ok(parse(text)?.0)
}

/// Takes the name of an image apart. With both a tag and a digest, the digest decides.
fn parse(text: &str) -> ApiResult<(RepositoryName, Reference)> {
    let invalid =
        |why: String| ApiError::invalid(format!("`{}` names no image: {why}", shown(text)));
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (
            rest,
            Some(Digest::parse(digest).map_err(|error| invalid(error.to_string()))?),
        ),
        None => (text, None),
    };
    let (name, tag) = rest.split_once(':').unwrap_or((rest, TAG_DEFAULT));
    let repository = RepositoryName::parse(name).map_err(|error| invalid(error.to_string()))?;
    let tag = Tag::parse(tag).map_err(|error| invalid(error.to_string()))?;
    Ok((
        repository,
        digest.map_or(Reference::Tag(tag), Reference::Digest),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn check(text: &str, expected: Option<(&str, &str)>) {
        let parsed = parse(text)
            .ok()
            .map(|(repository, reference)| (repository.to_string(), reference.to_string()));
        assert_eq!(
            parsed,
            expected.map(|(name, reference)| (name.to_owned(), reference.to_owned())),
            "{text}"
        );
    }

    #[test]
    fn names_of_images() {
        check("shop/web:1.0", Some(("shop/web", "1.0")));
        check("shop/web", Some(("shop/web", "latest")));
        check(
            "registry.example/web:1",
            Some(("registry.example/web", "1")),
        );
        check(&format!("shop/web@{DIGEST}"), Some(("shop/web", DIGEST)));
        check(&format!("shop/web:1@{DIGEST}"), Some(("shop/web", DIGEST)));
        for text in [
            "",
            ":1",
            "shop/web:",
            "Shop/web:1",
            "shop/web@sha256:short",
            "localhost:5000/web:1",
            "shop/../web",
        ] {
            check(text, None);
        }
    }
}
