//! Tests of `reference`.

use proptest::prelude::*;

use super::{ImageReference, Reference, ReferenceError};
use crate::Digest;

fn parts(text: &str) -> (Option<String>, String, Option<String>, bool) {
    let image = ImageReference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(image.to_string(), text);
    (
        image.host,
        image.repository.to_string(),
        image.tag.map(|tag| tag.to_string()),
        image.digest.is_some(),
    )
}

#[test]
fn takes_an_image_reference_apart() {
    let digest = Digest::sha256(b"x");
    let some = |text: &str| Some(text.to_owned());
    for (text, host, repository, tag, pinned) in [
        ("web".to_owned(), None, "web", None, false),
        ("web:1".to_owned(), None, "web", some("1"), false),
        ("shop/web".to_owned(), None, "shop/web", None, false),
        (
            "localhost/web".to_owned(),
            some("localhost"),
            "web",
            None,
            false,
        ),
        (
            "localhost:5000".to_owned(),
            None,
            "localhost",
            some("5000"),
            false,
        ),
        (
            "r.example/web".to_owned(),
            some("r.example"),
            "web",
            None,
            false,
        ),
        (
            "R.Example:443/a/b:c".to_owned(),
            some("R.Example:443"),
            "a/b",
            some("c"),
            false,
        ),
        (
            "127.0.0.1:5000/shop/web:1".to_owned(),
            some("127.0.0.1:5000"),
            "shop/web",
            some("1"),
            false,
        ),
        (
            "[::1]:5000/web".to_owned(),
            some("[::1]:5000"),
            "web",
            None,
            false,
        ),
        (
            "[2001:db8::1]/web".to_owned(),
            some("[2001:db8::1]"),
            "web",
            None,
            false,
        ),
        (format!("web@{digest}"), None, "web", None, true),
        (
            format!("127.0.0.1:5000/shop/web:1@{digest}"),
            some("127.0.0.1:5000"),
            "shop/web",
            some("1"),
            true,
        ),
    ] {
        assert_eq!(
            parts(&text),
            (host, repository.to_owned(), tag, pinned),
            "{text}"
        );
    }
}

#[test]
fn says_which_part_is_wrong() {
    let hash = "0".repeat(64);
    for (text, is_expected) in [
        (
            "",
            (|e| matches!(e, ReferenceError::NoRepository(_))) as fn(&ReferenceError) -> bool,
        ),
        (":1", |e| matches!(e, ReferenceError::NoRepository(_))),
        ("r.example/", |e| {
            matches!(e, ReferenceError::NoRepository(_))
        }),
        ("r.example:0/web", |e| matches!(e, ReferenceError::Host(_))),
        ("r.example:65536/web", |e| {
            matches!(e, ReferenceError::Host(_))
        }),
        ("r.example:+80/web", |e| {
            matches!(e, ReferenceError::Host(_))
        }),
        ("r.example:/web", |e| matches!(e, ReferenceError::Host(_))),
        ("::1/web", |e| matches!(e, ReferenceError::Host(_))),
        ("[::1]x:1/web", |e| matches!(e, ReferenceError::Host(_))),
        ("user:secret.example/web", |e| {
            matches!(e, ReferenceError::Host(_))
        }),
        ("https://r.example/web", |e| {
            matches!(e, ReferenceError::Host(_))
        }),
        ("-r.example/web", |e| matches!(e, ReferenceError::Host(_))),
        ("r..example/web", |e| matches!(e, ReferenceError::Host(_))),
        ("r.example/We", |e| matches!(e, ReferenceError::Name(_))),
        ("Shop/web", |e| matches!(e, ReferenceError::Name(_))),
        ("web:", |e| matches!(e, ReferenceError::Tag(_))),
        ("web:a:b", |e| matches!(e, ReferenceError::Tag(_))),
        ("web@latest", |e| matches!(e, ReferenceError::Digest(_))),
        ("web@", |e| matches!(e, ReferenceError::Digest(_))),
        (&format!("web@sha256:{hash}@sha256:{hash}"), |e| {
            matches!(e, ReferenceError::Digest(_))
        }),
    ] {
        let error = ImageReference::parse(text).expect_err(text);
        assert!(is_expected(&error), "{text}: {error:?}");
    }
}

#[test]
fn digest_decides_over_tag() {
    let digest = Digest::sha256(b"x");
    let image = ImageReference::parse(&format!("web:1@{digest}")).unwrap();
    assert_eq!(image.reference(), Some(Reference::Digest(digest)));
    assert_eq!(ImageReference::parse("web").unwrap().reference(), None);
    let tag: Reference = "sha256-abc".parse().unwrap();
    assert_eq!(tag.tag().map(AsRef::as_ref), Some("sha256-abc"));
    assert!("sha256:abc".parse::<Reference>().is_err());
}

proptest! {
    #[test]
    fn reads_what_it_prints(
        host in proptest::option::of("(localhost|[a-z0-9]{1,6}(\\.[a-z0-9]([a-z0-9-]{0,3}[a-z0-9])?){1,2}|\\[::[0-9a-f]{1,4}\\])(:[1-9][0-9]{0,3})?"),
        repository in "[a-z0-9]{1,5}([._/-][a-z0-9]{1,4}){0,4}",
        tag in proptest::option::of("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,9}"),
        seed in proptest::option::of(any::<u8>()),
    ) {
        let first = repository.split('/').next().unwrap_or_default();
        prop_assume!(host.is_some() || !repository.contains('/') || !first.contains('.') && first != "localhost");
        let image = ImageReference {
            host,
            repository: repository.parse().unwrap(),
            tag: tag.map(|tag| tag.parse().unwrap()),
            digest: seed.map(|seed| Digest::sha256(&[seed])),
        };
        prop_assert_eq!(ImageReference::parse(&image.to_string()).unwrap(), image.clone());
        let json = serde_json::to_string(&image).unwrap();
        prop_assert_eq!(serde_json::from_str::<ImageReference>(&json).unwrap(), image);
    }

    #[test]
    fn what_parses_prints_the_same(text in "[a-zA-Z0-9:/@._\\[\\]-]{0,40}") {
        if let Ok(image) = ImageReference::parse(&text) {
            prop_assert_eq!(image.to_string(), text);
        }
    }
}
