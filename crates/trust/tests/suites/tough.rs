//! tough's test data (crates.io tough 0.24.0): repositories and roots, good and hostile.

use super::repository::{Case, Must, check, check_damaged};
use crate::suite;

const UNSIGNED: Must = Must::Refuse("root: 0 of 1 needed signatures are valid");
const TWICE: Must = Must::Refuse("`root.signatures` has two of one key");

const CASES: [Case; 18] = [
    Case::new(
        "consistent-snapshots/metadata",
        Must::Accept(
            1,
            &[
                ("data1.txt", Some("targets")),
                ("data2.txt", Some("targets")),
                ("data3.txt", None),
            ],
        ),
    ),
    // Signed by nobody: it is there to be signed by two.
    Case::new("cross-sign-root", UNSIGNED),
    Case::new(
        "dubious-role-names/metadata",
        // `foo` is what all three delegations may describe, and none does.
        Must::Accept(1, &[("1.txt", Some("targets")), ("2.txt", Some("targets")), ("foo", None)]),
    ),
    Case::new(
        "duplicate-keyid",
        Must::Refuse(
            "the key `8ec3a843a0f9328c863cac4046ab1cacbbc67888476ac7acf73d9bcd9a223ada` stands twice in one object",
        ),
    )
    .from("root.json"),
    Case::new("duplicate-sig-keys", TWICE).from("root.json"),
    Case::new("duplicate-sigs", TWICE).from("root.json"),
    // Roots that sigstore has had, on a day on which they held.
    Case::new("ecdsa-new-type-sig-keys", Must::AcceptRoot)
        .from("root.json")
        .at(JANUARY_2024),
    Case::new("hex-encoded-ecdsa-sig-keys", Must::AcceptRoot)
        .from("root.json")
        .at(JANUARY_2022),
    Case::new("pem-encoded-ecdsa-sig-keys", Must::AcceptRoot)
        .from("root.json")
        .at(JANUARY_2023),
    Case::new(
        "expired-repository/metadata",
        Must::Refuse("timestamp expired at 1999-01-01T00:00:00Z"),
    ),
    Case::new(
        "expired-root-json-signature",
        Must::Refuse("root expired at 1970-03-30T03:30:30Z"),
    )
    .from("root.json"),
    Case::new("invalid-root-json-signature", UNSIGNED).from("root.json"),
    Case::new(
        "mismatched-root-json-keyids",
        Must::Refuse("`root.signed.roles.root.keyids` names a key that is not listed"),
    )
    .from("root.json"),
    Case::new("no-root-json-signatures", UNSIGNED).from("root.json"),
    Case::new("rotated-root", Must::Accept(2, &[("data1.txt", None)])),
    Case::new(
        "safe-target-paths/metadata",
        Must::Accept(
            1,
            &[
                ("foo/../bar/../baz/../data1.txt", Some("targets")),
                ("foo/bar/baz/../data2.txt", Some("targets")),
                // tough cleans a name before it compares, and lets `*` take a `/`; the specification does neither, so that
                // `delegated/*` is not about this name.
                ("../delegated/foo/../subdir/data3.txt", None),
            ],
        ),
    ),
    Case::new("simple-rsa", Must::AcceptRoot).from("root.json"),
    Case::new(
        "tuf-reference-impl/metadata",
        Must::Accept(
            1,
            &[
                ("file1.txt", Some("targets")),
                ("file2.txt", Some("targets")),
                ("file3.txt", Some("role1")),
                ("file4.txt", None),
            ],
        ),
    ),
];

const JANUARY_2022: i64 = 1_640_995_200_000;
const JANUARY_2023: i64 = 1_672_531_200_000;
const JANUARY_2024: i64 = 1_704_067_200_000;

const NOT_RUN: [(&str, &str); 11] = [
    (".gitattributes", "no data"),
    ("LICENSE-APACHE", "no data"),
    ("LICENSE-MIT", "no data"),
    ("PROVENANCE.txt", "no data"),
    ("delegation-targets", "targets for tests of writing"),
    ("snakeoil.pem", "a private key for tests of writing"),
    ("snakeoil_2.pem", "a private key for tests of writing"),
    ("targets", "targets for tests of writing"),
    ("targetskey", "a private key for tests of writing"),
    ("targetskey-1", "a private key for tests of writing"),
    (
        "tuf-reference-impl/README.md",
        "says where the repository is from",
    ),
];

#[test]
fn each_is_accepted_or_refused_as_it_must_be() {
    check(&suite("tough-tuf-data"), &CASES, &NOT_RUN);
}

#[test]
fn none_counts_with_a_changed_signature() {
    assert_eq!(check_damaged(&suite("tough-tuf-data"), &CASES), 25);
}

/// On the day of the tests they have ended; so has what was signed for a while only.
#[test]
fn sigstores_old_roots_have_ended() {
    use super::repository::{NOW, Repository};
    let old = CASES.iter().filter(|case| case.now != NOW);
    let mut count = 0;
    for case in old {
        let read = Repository::of(&suite("tough-tuf-data"), case.at(NOW)).read();
        assert!(
            read.unwrap_err()
                .to_string()
                .starts_with("root expired at 202")
        );
        count += 1;
    }
    assert_eq!(count, 3);
}
