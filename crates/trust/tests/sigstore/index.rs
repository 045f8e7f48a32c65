//! Which of our tests stands for what, held against the tests themselves: a name that is no test's fails here, and so does a refusal
//! that no test ends in.
//!
//! Each attack on signatures, attestations, receipts and logs, whatever their format, and the stories about it; the last column is the
//! reason that the story asks for.
//!
//! | attack | in `crates` | story | reason |
//! |---|---|---|---|
//! | swapped bundle contents | `trust/tests/sigstore/attacks.rs` | `a_log_entry_of_another_artefact` | `EntryFault::OtherBytes` |
//! | swapped bundle contents | `trust/tests/sigstore/attacks.rs` | `a_log_entry_of_another_signature_over_the_same_bytes` | `EntryFault::OtherSignature` |
//! | swapped bundle contents | `trust/tests/sigstore/attacks.rs` | `a_certificate_of_another_signer` | `EntryFault::OtherSigner` |
//! | swapped bundle contents | `trust/tests/sigstore/attacks.rs` | `an_envelope_whose_payload_was_changed` | `EntryFault::OtherBytes` |
//! | swapped bundle contents | `trust/tests/sigstore/attacks.rs` | `a_timestamp_of_another_signature` | `TimestampFault::OtherBytes` |
//! | swapped bundle contents | `trust/tests/sigstore/attacks.rs` | `a_proof_that_leads_elsewhere` | `LogFault::Inclusion` |
//! | swapped bundle contents | `trust/tests/sigstore/entries.rs` | `each_kind_of_entry_stands_for_its_own_signature_alone` | `EntryFault::OtherSigner` |
//! | swapped bundle contents | `trust/tests/sigstore/entries.rs` | `an_intoto_entry_of_the_same_payload_under_another_type` | `EntryFault::OtherBytes` |
//! | swapped bundle contents | `trust/tests/sigstore/layers.rs` | `a_sig_layer_with_anothers_log_entry` | `EntryFault::OtherBytes` |
//! | swapped bundle contents | `trust/tests/sigstore/refusals.rs` | `a_bundle_that_says_another_hash_than_its_file_has` | `Refusal::OtherSubject` |
//! | swapped bundle contents | `trust/src/notation/tests/attacks.rs` | `a_swapped_chain_is_refused` | `Failure::Signature` |
//! | swapped bundle contents | `trust/src/notation/tests/timestamps.rs` | `a_timestamp_over_another_signature_is_refused` | `TimestampFault::Imprint` |
//! | expired certificate | `trust/tests/sigstore/attacks.rs` | `an_expired_certificate_with_a_timestamp_or_a_promise_and_with_neither` | `Refusal::NoTime` |
//! | expired certificate | `trust/tests/sigstore/attacks.rs` | `a_signature_made_after_the_certificate_ended` | `CertificateFault::Validity` |
//! | expired certificate | `trust/tests/sigstore/attacks.rs` | `every_time_must_lie_within_the_certificates_life` | `CertificateFault::Validity` |
//! | expired certificate | `trust/src/notation/tests/timestamps.rs` | `an_expired_chain_without_a_timestamp_is_refused` | `Failure::CertificateExpired` |
//! | expired certificate | `trust/src/notation/tests/timestamps.rs` | `an_expired_chain_with_a_timestamp_is_good` | `TrustedTime::Timestamp` |
//! | expired certificate | `trust/src/notation/tests/timestamps.rs` | `a_timestamp_made_after_the_chain_ended_is_refused` | `Failure::CertificateExpired` |
//! | revoked key | `trust/src/notation/tests/revocation.rs` | `a_revoked_leaf_is_refused` | `RevocationFault::Revoked` |
//! | revoked key | `trust/src/notation/tests/revocation.rs` | `what_was_signed_and_stamped_before_the_key_was_lost_stays_good` | `is_revoked` |
//! | revoked key | `trust/src/openpgp/tests.rs` | `keys_that_have_ended_or_are_revoked_sign_nothing` | `KeyFault::Revoked` |
//! | revoked key | `policy/src/gate/tests/signatures.rs` | `a_revoked_key_does_not_count` | `Code::RevokedKey` |
//! | revoked key | `policy/src/gate/tests/signatures.rs` | `a_key_revoked_from_a_moment_keeps_what_it_signed_before` | `Code::RevokedKey` |
//! | alg games | `trust/tests/sigstore/attacks.rs` | `alg_games` | `EntryFault::OtherBytes` |
//! | alg games | `trust/tests/sigstore/entries.rs` | `an_entry_that_is_not_what_the_bundle_says` | `EntryFault::Unreadable` |
//! | alg games | `trust/src/notation/tests/attacks_headers.rs` | `an_algorithm_that_the_key_does_not_have_is_refused` | `Failure::Algorithm` |
//! | alg games | `trust/src/notation/tests/attacks_headers.rs` | `algorithms_that_are_none_of_the_six_are_refused` | `AttributeError::Algorithm` |
//! | alg games | `trust/src/notation/tests/attacks_headers.rs` | `an_rsa_key_does_not_choose_its_hash` | `Failure::Algorithm` |
//! | alg games | `trust/src/openpgp/tests.rs` | `weak_hashes_and_keys_are_not_believed` | `KeyFault::Weak` |
//! | alg games | `trust/src/evidence/tests.rs` | `a_signature_of_one_format_is_none_in_another` | `Untrusted::BadSignature` |
//! | duplicate JSON keys | `trust/tests/sigstore/attacks.rs` | `duplicate_json_keys` | `JsonError::DuplicateKey` |
//! | duplicate JSON keys | `trust/src/notation/tests/attacks_headers.rs` | `a_key_twice_is_refused_at_every_level` | `JsonError::DuplicateKey` |
//! | duplicate JSON keys | `trust/src/notation/tests/attacks_headers.rs` | `a_cose_label_twice_is_refused` | `EnvelopeError::Cose` |
//! | duplicate JSON keys | `trust/src/bundle/tests.rs` | `fields_that_are_unknown_or_stand_twice_are_refused` | `DuplicateKey` |
//! | duplicate JSON keys | `trust/src/cosign/tests.rs` | `ambiguous_or_long_bytes_are_refused` | `DuplicateKey` |
//! | duplicate JSON keys | `trust/src/receipt/tests.rs` | `attack_a_key_twice_in_a_receipt` | `receipt-unreadable` |
//! | another digest or repository | `trust/tests/sigstore/layers.rs` | `a_sig_layer_about_another_image` | `Refusal::OtherSubject` |
//! | another digest or repository | `trust/src/notation/tests/attacks.rs` | `a_signature_over_another_artifact_is_refused` | `Failure::OtherArtifact` |
//! | another digest or repository | `trust/src/receipt/tests.rs` | `attack_a_receipt_of_another_repository` | `receipt-of-other-repository` |
//! | another digest or repository | `trust/src/receipt/tests.rs` | `attack_a_receipt_of_another_image` | `receipt-of-other-image` |
//! | another digest or repository | `policy/src/gate/tests/signatures.rs` | `a_signature_over_another_digest_does_not_count` | `Code::OtherDigest` |
//! | another digest or repository | `policy/src/gate/tests/signatures.rs` | `a_signature_for_another_repository_does_not_count` | `Code::OtherRepository` |
//! | attestation with another subject | `trust/tests/sigstore/attacks.rs` | `an_attestation_with_another_subject` | `Refusal::OtherSubject` |
//! | attestation with another subject | `trust/tests/sigstore/attacks.rs` | `a_subject_whose_hash_stands_under_another_algorithm` | `Refusal::OtherSubject` |
//! | attestation with another subject | `trust/src/enclosed.rs` | `attack_an_attestation_with_another_subject` | `EnclosedError::Subject` |
//! | a name like another's | `trust/tests/sigstore/attacks.rs` | `a_branch_that_is_named_like_a_tag` | `Refusal::OtherIdentity` |
//! | an old signature made new | `trust/src/fingerprint/tests.rs` | `attack_an_old_attestation_in_a_new_wrapping` | `fingerprint` |
//! | an old signature made new | `trust/src/fingerprint/tests.rs` | `attack_an_old_openpgp_signature_in_a_new_wrapping` | `fingerprint` |
//! | receipt of another policy | `trust/src/receipt/tests.rs` | `attack_a_receipt_of_another_policy` | `receipt-of-other-policy` |
//! | receipt of another policy | `trust/src/receipt/tests.rs` | `attack_a_receipt_of_another_gate` | `receipt-of-other-gate` |
//! | receipt of another policy | `trust/src/receipt/tests.rs` | `attack_an_old_receipt_again` | `receipt-rolled-back` |
//! | receipt of another policy | `trust/src/receipt/tests.rs` | `attack_a_stage_statement_as_a_receipt` | `not-a-receipt` |
//! | a log that forks or shrinks | `trust/src/witness/tests.rs` | `attack_a_log_that_forks_is_refused` | `WitnessError::Inconsistent` |
//! | a log that forks or shrinks | `trust/src/witness/tests.rs` | `attack_a_second_checkpoint_of_the_same_size_is_refused` | `WitnessError::Fork` |
//! | a log that forks or shrinks | `trust/src/witness/tests.rs` | `attack_a_log_that_shrinks_is_refused` | `WitnessError::OldSize` |
//! | a log that forks or shrinks | `trust/src/witness/tests.rs` | `attack_a_log_that_starts_anew_is_refused` | `WitnessError::Conflict` |
//! | a log that forks or shrinks | `trust/src/merkle/tests.rs` | `a_rewritten_past_has_no_proof` | `MerkleError::Root` |

use std::fs;
use std::path::Path;

/// The attacks that must fail closed, each for its own reason.
const ATTACKS: [&str; 11] = [
    "swapped bundle contents",
    "expired certificate",
    "revoked key",
    "alg games",
    "duplicate JSON keys",
    "another digest or repository",
    "attestation with another subject",
    "a name like another's",
    "an old signature made new",
    "receipt of another policy",
    "a log that forks or shrinks",
];

fn source(path: &str) -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = crates.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table above: attack, file, story, reason.
fn stories() -> Vec<[String; 4]> {
    let text = source("trust/tests/sigstore/index.rs");
    let rows = text.lines().map_while(|line| line.strip_prefix("//!"));
    let rows = rows.filter_map(|row| row.strip_prefix(" | ")?.strip_suffix(" |"));
    let rows = rows.map(|row| row.split(" | ").map(|cell| cell.replace('`', "")));
    rows.skip(1)
        .map(|cells| cells.collect::<Vec<_>>().try_into().unwrap())
        .collect()
}

/// The text of a test function, if the file has one of this name.
fn test_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let tests = text.split("#[test]").skip(1);
    tests
        .filter_map(|test| test.trim_start().strip_prefix("fn "))
        .find(|test| test.split_once('(').map(|(own, _)| own) == Some(name))
}

#[test]
fn every_attack_has_its_stories() {
    let stories = stories();
    let mut attacks: Vec<&str> = stories.iter().map(|[attack, ..]| attack.as_str()).collect();
    attacks.dedup();
    assert_eq!(attacks, ATTACKS);
    for [attack, file, story, reason] in &stories {
        let text = source(file);
        let body =
            test_of(&text, story).unwrap_or_else(|| panic!("{attack}: {file} has no {story}"));
        assert!(
            !reason.is_empty() && body.contains(reason),
            "{file}: {story} does not ask for {reason}"
        );
    }
}

/// The variants of an enum, as its source has them.
fn variants(file: &str, name: &str) -> Vec<String> {
    let text = source(file);
    let (_, body) = text.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let lines = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()));
    lines
        .map(|line| {
            let end = line.find(|letter: char| !letter.is_ascii_alphanumeric());
            line[..end.unwrap()].to_owned()
        })
        .collect()
}

/// Read off the sources: whoever adds a refusal adds a test that ends in it.
#[test]
fn every_refusal_is_asked_for_by_a_test() {
    let tests = ["attacks", "claims", "entries", "layers", "refusals"]
        .map(|name| source(&format!("trust/tests/sigstore/{name}.rs")))
        .concat();
    let mut count = 0;
    for (file, name) in [
        ("refusal", "Refusal"),
        ("certificate", "CertificateFault"),
        ("sct", "SctFault"),
        ("timestamp", "TimestampFault"),
        ("log", "LogFault"),
        ("entry", "EntryFault"),
    ] {
        for variant in variants(&format!("trust/src/sigstore/{file}.rs"), name) {
            let whole = format!("{name}::{variant}");
            assert!(tests.contains(&whole), "no test ends in {whole}");
            count += 1;
        }
    }
    assert_eq!(count, REFUSALS);
}

/// How many kinds of refusals there are, with their faults.
const REFUSALS: usize = 47;
