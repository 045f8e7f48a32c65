//! Patterns against tables, and against their definition.

use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn name(text: &str) -> RepositoryName {
    text.parse().expect("a repository name")
}

#[test]
fn which_names_match() {
    let table = [
        ("**", "web", true),
        ("**", "shop/a/b", true),
        ("shop/**", "shop/web", true),
        ("shop/**", "shop/a/b/c", true),
        ("shop/**", "shop", false),
        ("shop/**", "shopping/web", false),
        ("shop/*", "shop/web", true),
        ("shop/*", "shop/a/b", false),
        ("shop/web", "shop/web", true),
        ("shop/web", "shop/web2", false),
        ("shop/web-*", "shop/web-eu", true),
        ("shop/web-*", "shop/web-", false),
        ("*", "web", true),
        ("*", "shop/web", false),
        ("*/web", "shop/web", true),
        ("**/web", "web", true),
        ("**/web", "a/b/web", true),
        ("**/web", "a/b/webs", false),
        ("a/**/z", "a/z", true),
        ("a/**/z", "a/b/c/z", true),
        ("a/**/z", "a/b/c", false),
        ("a/**/m/**", "a/m", false),
        ("a/**/m/**", "a/m/x", true),
        ("a/**/m/**", "a/b/m/c/d", true),
        ("w*b", "web", true),
        ("w*b*", "wb", true),
        ("**/**", "web", true),
    ];
    for (text, repository, expected) in table {
        // `web-` is not a repository name; it stands for a wildcard that would have to be empty at a forbidden place.
        let Ok(repository) = repository.parse::<RepositoryName>() else {
            assert!(!expected);
            continue;
        };
        assert_eq!(
            pattern(text).matches(&repository),
            expected,
            "{text} {repository}"
        );
    }
}

#[test]
fn which_patterns_overlap() {
    let table = [
        ("**", "shop/web", true),
        ("shop/**", "shop/*", true),
        ("shop/**", "tools/**", false),
        ("shop/**", "shop", false),
        ("*/web", "shop/*", true),
        ("*/web", "shop/api", false),
        ("**/web", "shop/**", true),
        ("a*", "*b", true),
        ("a*c", "ab*", true),
        ("a*c", "b*", false),
        ("a/**", "**/b/*", true),
        ("a/*/c", "a/**/d", false),
    ];
    for (left, right, expected) in table {
        assert_eq!(
            pattern(left).overlaps(&pattern(right)),
            expected,
            "{left} {right}"
        );
        assert_eq!(
            pattern(right).overlaps(&pattern(left)),
            expected,
            "{right} {left}"
        );
    }
}

#[test]
fn what_is_not_a_pattern() {
    assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
    assert_eq!(
        Pattern::parse(&"a".repeat(256)),
        Err(PatternError::TooLong { bytes: 256 })
    );
    for text in ["/shop", "shop/", "shop//web"] {
        assert_eq!(
            Pattern::parse(text),
            Err(PatternError::EmptySegment {
                pattern: text.into()
            })
        );
    }
    for text in ["shop**", "**shop", "***"] {
        assert_eq!(
            Pattern::parse(text),
            Err(PatternError::MixedDeep {
                pattern: text.into()
            })
        );
    }
    for (text, character) in [
        ("Shop", 'S'),
        ("a b", ' '),
        ("localhost:5000/a", ':'),
        ("[ab]", '['),
        ("é", 'é'),
    ] {
        assert_eq!(
            Pattern::parse(text),
            Err(PatternError::Character {
                pattern: text.into(),
                character
            })
        );
    }
}

#[test]
fn only_two_stars_reach_the_server() {
    assert!(Pattern::everything().is_everything());
    for text in ["*", "*/**", "shop/**", "**/*"] {
        assert!(!pattern(text).is_everything(), "{text}");
    }
}

#[test]
fn patterns_that_would_be_slow_elsewhere_are_not() {
    let hostile = pattern(&"**/".repeat(60).add_end("a*a*a*a*a*a*a*a*b"));
    assert!(!hostile.matches(&name(
        &"a/".repeat(100).add_end("aaaaaaaaaaaaaaaaaaaaaaaaaaaa")
    )));
}

trait AddEnd {
    fn add_end(self, end: &str) -> String;
}

impl AddEnd for String {
    fn add_end(self, end: &str) -> String {
        self + end
    }
}

fn names() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{1,3}", 1..4).prop_map(|segments| segments.join("/"))
}

fn patterns() -> impl Strategy<Value = String> {
    let segment = prop_oneof![3 => "[ab]{1,2}", 1 => Just("*".to_owned()), 1 => "[ab]\\*", 1 => "\\*[ab]", 1 => Just("**".to_owned())];
    prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"))
}

/// The definition, without a table and without mercy for time.
fn matches_naively(parts: &[&str], segments: &[&str]) -> bool {
    fn text(glob: &[u8], name: &[u8]) -> bool {
        match glob.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skipped| text(rest, &name[skipped..])),
            Some((first, rest)) => name.first() == Some(first) && text(rest, &name[1..]),
        }
    }
    match parts.split_first() {
        None => segments.is_empty(),
        Some((&"**", [])) => !segments.is_empty(),
        Some((&"**", rest)) => {
            (0..=segments.len()).any(|skipped| matches_naively(rest, &segments[skipped..]))
        }
        Some((part, rest)) => {
            segments
                .first()
                .is_some_and(|segment| text(part.as_bytes(), segment.as_bytes()))
                && matches_naively(rest, &segments[1..])
        }
    }
}

proptest! {
    #[test]
    fn matching_is_as_defined(text in patterns(), repository in names()) {
        let parts: Vec<&str> = text.split('/').collect();
        let segments: Vec<&str> = repository.split('/').collect();
        prop_assert_eq!(pattern(&text).matches(&name(&repository)), matches_naively(&parts, &segments));
    }

    #[test]
    fn what_matches_both_shows_that_they_overlap(left in patterns(), right in patterns(), repository in names()) {
        let (left, right) = (pattern(&left), pattern(&right));
        if left.matches(&name(&repository)) && right.matches(&name(&repository)) {
            prop_assert!(left.overlaps(&right));
        }
    }

    #[test]
    fn a_name_overlaps_where_it_matches(text in patterns(), repository in names()) {
        let exact = Pattern::exact(&name(&repository));
        prop_assert_eq!(pattern(&text).overlaps(&exact), pattern(&text).matches(&name(&repository)));
    }

    #[test]
    fn patterns_read_back(text in patterns()) {
        let json = serde_json::to_string(&pattern(&text)).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Pattern>(&json).expect("reads back"), pattern(&text));
    }
}
