//! Tests of `name`.

use proptest::prelude::*;

use super::{NameError, RepositoryName, Tag, TagError};

#[test]
fn repository_names() {
    for text in [
        "a",
        "0",
        "shop/web",
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a-----b",
        "a/b/c/d",
        "sha256-abc.sig",
        "1/2",
    ] {
        assert_eq!(RepositoryName::parse(text).unwrap().as_str(), text);
    }
    for text in [
        "", "/", "a/", "/a", "a//b", "A", "shop/Web", "a..b", "a___b", "a._b", "a_-b", ".a", "a.",
        "-a", "a-", "a_", "a:b", "a@b", "a b", "a\n", "é", "a/../b", "a/./b", "..", "a%2fb",
        "a\u{0}",
    ] {
        assert!(
            matches!(RepositoryName::parse(text), Err(NameError::Grammar(_))),
            "{text:?}"
        );
    }
}

#[test]
fn lengths_are_bounded() {
    assert!(RepositoryName::parse(&"a".repeat(255)).is_ok());
    assert!(matches!(
        RepositoryName::parse(&"a".repeat(256)),
        Err(NameError::TooLong { bytes: 256, .. })
    ));
    assert!(Tag::parse(&"a".repeat(128)).is_ok());
    assert!(matches!(
        Tag::parse(&"a".repeat(129)),
        Err(TagError::TooLong { bytes: 129, .. })
    ));
    let message = RepositoryName::parse(&"a".repeat(1_000_000))
        .unwrap_err()
        .to_string();
    assert!(message.len() < 300, "{message}");
}

#[test]
fn tags() {
    for text in ["a", "_", "1.4", "latest", "v1_2-3.4", "sha256-abc.sig", "A"] {
        assert_eq!(Tag::parse(text).unwrap().as_str(), text);
    }
    for text in [
        "", ".a", "-a", "a:b", "a/b", "a b", "é", "a\n", "a+b", "..", "a@b",
    ] {
        assert!(
            matches!(Tag::parse(text), Err(TagError::Grammar(_))),
            "{text:?}"
        );
    }
}

#[test]
fn serde_checks_too() {
    assert!(serde_json::from_str::<RepositoryName>("\"Shop\"").is_err());
    assert!(serde_json::from_str::<Tag>("\".x\"").is_err());
}

/// The grammar of the specification as it is written there, with backtracking over the separators.
fn is_name_by_the_book(text: &str) -> bool {
    fn word(rest: &[u8]) -> bool {
        let count = rest
            .iter()
            .take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            .count();
        (1..=count).any(|n| after_word(&rest[n..]))
    }
    fn after_word(rest: &[u8]) -> bool {
        let dashes = rest.iter().take_while(|b| **b == b'-').count();
        rest.is_empty()
            || rest.strip_prefix(b".").is_some_and(word)
            || rest.strip_prefix(b"_").is_some_and(word)
            || rest.strip_prefix(b"__").is_some_and(word)
            || rest.strip_prefix(b"/").is_some_and(word)
            || (1..=dashes).any(|n| word(&rest[n..]))
    }
    word(text.as_bytes())
}

proptest! {
    #[test]
    fn accepts_exactly_the_grammar(text in "[ab0._/A-]{0,10}") {
        prop_assert_eq!(RepositoryName::parse(&text).is_ok(), is_name_by_the_book(&text));
    }

    #[test]
    fn names_read_what_they_print(text in "[a-z0-9]{1,5}((\\.|_|__|-{1,3}|/)[a-z0-9]{1,5}){0,6}") {
        let name = RepositoryName::parse(&text).unwrap();
        prop_assert_eq!(name.to_string(), text);
        let json = serde_json::to_string(&name).unwrap();
        prop_assert_eq!(serde_json::from_str::<RepositoryName>(&json).unwrap(), name);
    }

    #[test]
    fn tags_read_what_they_print(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
        let tag = Tag::parse(&text).unwrap();
        prop_assert_eq!(tag.to_string(), text);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC*") {
        let _ = (RepositoryName::parse(&text).is_ok(), Tag::parse(&text).is_ok());
    }
}
