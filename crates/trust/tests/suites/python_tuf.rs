//! python-tuf's test data: what the reference implementation wrote, over the years.

use super::repository::{Case, Must, check, check_damaged};
use crate::suite;

const FILES: Must = Must::Accept(
    1,
    &[
        ("file1.txt", Some("targets")),
        ("file2.txt", Some("targets")),
        ("file3.txt", Some("role1")),
        ("file4.txt", None),
    ],
);

const CASES: [Case; 12] = [
    Case::new(
        "tests/generated_data/ed25519_metadata",
        Must::Accept(1, &[("file1.txt", None)]),
    )
    .from("root_with_ed25519.json")
    .named(&[
        ("1.snapshot.json", "snapshot_with_ed25519.json"),
        ("1.targets.json", "targets_with_ed25519.json"),
        ("timestamp.json", "timestamp_with_ed25519.json"),
    ]),
    // Three delegations that may describe anything, called `../a`, `.` and `ö`; the suite has their files under names that are not quoted.
    // None of its keys stands under its own hash.
    Case::new(
        "tests/repository_data/fishy_rolenames/metadata",
        Must::Accept(1, &[("anything", None)]),
    )
    .named(&[
        ("1.%C3%B6.json", "1.ö.json"),
        ("1...%2Fa.json", "../1.a.json"),
    ]),
    Case::new("tests/repository_data/repository/metadata", FILES),
    Case::new("tests/repository_data/repository/metadata", FILES).from("root.json"),
    Case::new(
        "tests/repository_data/client/test_repository1/metadata/current",
        FILES,
    ),
    Case::new(
        "tests/repository_data/client/test_repository1/metadata/current",
        FILES,
    )
    .from("root.json"),
    Case::new(
        "tests/repository_data/client/test_repository1/metadata/previous",
        FILES,
    ),
    Case::new(
        "tests/repository_data/client/test_repository1/metadata/previous",
        FILES,
    )
    .from("root.json"),
    Case::new(
        "tests/repository_data/client/test_repository2/metadata/current",
        FILES,
    ),
    Case::new(
        "tests/repository_data/client/test_repository2/metadata/current",
        FILES,
    )
    .from("root.json"),
    Case::new(
        "tests/repository_data/client/test_repository2/metadata/previous",
        FILES,
    ),
    Case::new(
        "tests/repository_data/client/test_repository2/metadata/previous",
        FILES,
    )
    .from("root.json"),
];

const NOT_RUN: [(&str, &str); 8] = [
    ("LICENSE", "no data"),
    ("LICENSE-MIT", "no data"),
    ("PROVENANCE.txt", "no data"),
    ("tests/.coveragerc", "no data"),
    ("tests/repository_data/README.md", "no data"),
    (
        "tests/repository_data/client/map.json",
        "which of several repositories is asked for what (TAP 4), which the specification does not have",
    ),
    (
        "tests/repository_data/fishy_rolenames/1.a.json",
        "read by the case of its folder, under another name",
    ),
    (
        "tests/repository_data/keystore",
        "private keys for tests of writing",
    ),
];

#[test]
fn each_is_accepted_as_it_must_be() {
    check(&suite("python-tuf"), &CASES, &NOT_RUN);
}

#[test]
fn none_counts_with_a_changed_signature() {
    assert_eq!(check_damaged(&suite("python-tuf"), &CASES), 61);
}
