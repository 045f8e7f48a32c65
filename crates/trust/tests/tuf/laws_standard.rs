//! What holds for readers of TUF 1.0, whatever bytes come: nothing panics, and no change of a file leads to another target.

use std::sync::LazyLock;

use proptest::prelude::*;
use testkit::standard_repository::{NOW, Reader, StandardRepository, sha256, signing_key};
use trust::tuf::standard::Pattern;

use super::laws::{json, pointers};

/// A repository with a delegation, which lists no hashes, so that the signatures alone hold it together.
static REPOSITORY: LazyLock<StandardRepository> = LazyLock::new(|| {
    let mut repository = StandardRepository::new();
    repository.rotate("root", &[signing_key()], 1);
    repository.delegate("alice", &["a*"], &[signing_key()], 1);
    repository.add_target("alice", "app", b"an image");
    repository
});

fn found(repository: &StandardRepository) -> Option<String> {
    let mut reader = Reader::of(&REPOSITORY);
    let found = reader.find(repository, "app", NOW).ok()??;
    Some(found.1)
}

/// The files that a reader needs, without those of earlier versions.
fn names() -> Vec<String> {
    let roles = ["root", "timestamp", "snapshot", "targets", "alice"];
    roles.iter().map(|role| REPOSITORY.path(role)).collect()
}

/// What a shell's pattern means, by trying every length for a `*`.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=name.len())
            .any(|length| !name[..length].contains(&'/') && matches(rest, &name[length..])),
        (['?', rest @ ..], [c, left @ ..]) => *c != '/' && matches(rest, left),
        ([own, rest @ ..], [c, left @ ..]) => own == c && matches(rest, left),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_changed_byte_never_changes_what_is_found(file in 0_usize..5, at in 0_usize..3000, to in any::<u8>()) {
        let said = found(&REPOSITORY);
        prop_assert_eq!(said, Some(sha256(b"an image")));
        let mut mirror = REPOSITORY.clone();
        let bytes = mirror.served.get_mut(&names()[file]).unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Some(other) = found(&mirror) {
            prop_assert_eq!(other, sha256(b"an image"));
        }
    }

    #[test]
    fn a_file_that_is_cut_off_leads_nowhere(file in 0_usize..5, length in 0_usize..3000) {
        let mut mirror = REPOSITORY.clone();
        let bytes = mirror.served.get_mut(&names()[file]).unwrap();
        let length = length % bytes.len();
        bytes.truncate(length);
        prop_assert_eq!(found(&mirror), None);
    }

    #[test]
    fn nothing_panics_on_any_bytes(file in 0_usize..5, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut mirror = REPOSITORY.clone();
        mirror.served.insert(names()[file].clone(), bytes);
        prop_assert_eq!(found(&mirror), None);
    }

    #[test]
    fn nothing_panics_on_any_json_that_is_signed(file in 0_usize..5, value in json()) {
        // The right keys say anything: where it is not read, nothing is found, and nothing else is found where it is.
        let roles = ["root", "timestamp", "snapshot", "targets", "alice"];
        let mut mirror = REPOSITORY.clone();
        let bytes = mirror.sign(&value, &mirror.keys[roles[file]]);
        mirror.served.insert(names()[file].clone(), bytes);
        prop_assert_eq!(found(&mirror), None);
    }

    #[test]
    fn nothing_panics_on_a_change_that_is_signed(file in 0_usize..5, at in any::<prop::sample::Index>(), to in json()) {
        let roles = ["root", "timestamp", "snapshot", "targets", "alice"];
        let mut mirror = REPOSITORY.clone();
        let mut said = mirror.roles[roles[file]].clone();
        let pointers = pointers(&said);
        *said.pointer_mut(at.get::<String>(&pointers)).unwrap() = to;
        let bytes = mirror.sign(&said, &mirror.keys[roles[file]]);
        mirror.served.insert(names()[file].clone(), bytes);
        if let Some(other) = found(&mirror) {
            prop_assert_eq!(other, sha256(b"an image"));
        }
    }

    #[test]
    fn a_pattern_means_what_a_shell_makes_of_it(pattern in "[ab*?/]{0,8}", name in "[ab/]{0,8}") {
        let read = Pattern::parse(&pattern).unwrap();
        let (slow, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
        prop_assert_eq!(read.matches(&name), matches(&slow, &text), "{} {}", pattern, name);
    }
}
