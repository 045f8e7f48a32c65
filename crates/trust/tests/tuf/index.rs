//! The lists that say which of our tests stands for what, held against the tests themselves: a name that is no test's fails here.
//!
//! Each attack on metadata, and the stories about it: for the server and for readers of the Notary dialect, for readers of TUF 1.0
//! (`attacks_standard.rs`), and where people are counted. In TUF 1.0 there are no stages and no people, and an id is only a name: it must
//! not be that of another key. A story of this crate says its reason word for word, one of the gate by its code.
//!
//! | attack | in `crates` | story |
//! |---|---|---|
//! | rollback | `trust/tests/tuf/attacks.rs` | `rollback_the_whole_old_state_is_shown_again` |
//! | rollback | `trust/tests/tuf/attacks.rs` | `rollback_an_old_snapshot_under_a_new_timestamp` |
//! | rollback | `trust/tests/tuf/attacks.rs` | `rollback_old_targets_under_a_new_snapshot` |
//! | rollback | `trust/tests/tuf/attacks.rs` | `rollback_is_not_taken_from_a_publisher_either` |
//! | rollback | `trust/tests/tuf/attacks.rs` | `rollback_by_a_publisher_who_signs_snapshots_is_refused` |
//! | rollback | `trust/tests/tuf/attacks.rs` | `rollback_of_the_root_itself` |
//! | rollback | `trust/tests/tuf/attacks.rs` | `rollback_of_a_delegation_by_way_of_a_file_that_says_nothing` |
//! | rollback | `trust/tests/tuf/attacks.rs` | `rollback_of_a_delegation_that_had_ended_in_between` |
//! | rollback | `trust/tests/tuf/managed_attacks.rs` | `an_old_file_of_a_signer_is_sent_again` |
//! | rollback | `trust/tests/tuf/attacks_standard.rs` | `rollback_the_whole_old_state_is_shown_again` |
//! | rollback | `trust/tests/tuf/attacks_standard.rs` | `rollback_an_old_snapshot_under_a_new_timestamp` |
//! | rollback | `trust/tests/tuf/attacks_standard.rs` | `rollback_old_targets_under_a_new_snapshot` |
//! | rollback | `trust/tests/tuf/attacks_standard.rs` | `rollback_of_the_root_itself` |
//! | rollback | `trust/tests/tuf/attacks_standard.rs` | `rollback_to_what_was_seen_in_a_state_that_was_refused` |
//! | rollback | `trust/tests/tuf/attacks_standard.rs` | `rollback_below_what_has_ended` |
//! | freeze | `trust/tests/tuf/attacks_stalling.rs` | `freeze_the_same_state_is_shown_for_too_long` |
//! | freeze | `trust/tests/tuf/attacks_stalling.rs` | `freeze_every_file_has_its_own_end` |
//! | freeze | `trust/tests/tuf/attacks_stalling.rs` | `freeze_a_new_root_is_held_back` |
//! | freeze | `trust/tests/tuf/attacks_stalling.rs` | `freeze_one_delegation_is_dropped_from_the_snapshot` |
//! | freeze | `trust/tests/tuf/attacks_stalling.rs` | `a_file_that_is_held_back_is_not_passed_over` |
//! | freeze | `trust/tests/tuf/attacks_standard.rs` | `freeze_the_same_state_is_shown_for_too_long` |
//! | freeze | `trust/tests/tuf/attacks_standard.rs` | `freeze_what_a_delegation_said_last_is_shown_for_too_long` |
//! | freeze | `trust/tests/tuf/attacks_standard.rs` | `freeze_a_new_root_is_held_back` |
//! | freeze | `trust/tests/tuf/attacks_standard.rs` | `freeze_one_delegation_is_dropped_from_the_snapshot` |
//! | freeze | `trust/tests/tuf/attacks_standard.rs` | `a_delegation_that_is_held_back_is_not_passed_over` |
//! | mix-and-match | `trust/tests/tuf/attacks.rs` | `mix_and_match_files_of_two_states` |
//! | mix-and-match | `trust/tests/tuf/attacks.rs` | `mix_and_match_a_root_that_the_snapshot_does_not_list` |
//! | mix-and-match | `trust/tests/tuf/attacks_standard.rs` | `mix_and_match_files_of_two_states` |
//! | endless data | `trust/tests/tuf/attacks_stalling.rs` | `endless_data_is_cut_off_at_every_step` |
//! | endless data | `trust/tests/tuf/attacks_stalling.rs` | `endless_data_is_cut_off_whatever_length_is_listed` |
//! | endless data | `trust/tests/tuf/attacks_stalling.rs` | `endless_delegations_that_say_nothing_are_cut_off` |
//! | endless data | `trust/tests/tuf/one_signer.rs` | `an_update_has_limits_as_a_whole` |
//! | endless data | `trust/tests/tuf/attacks_standard.rs` | `endless_data_is_cut_off_at_every_step` |
//! | fast-forward | `trust/tests/tuf/attacks.rs` | `fast_forward_ends_with_the_stolen_keys` |
//! | fast-forward | `trust/tests/tuf/attacks.rs` | `fast_forward_of_a_delegation_ends_with_its_stolen_key` |
//! | fast-forward | `trust/tests/tuf/one_signer.rs` | `a_version_does_not_run_ahead` |
//! | fast-forward | `trust/tests/tuf/attacks_standard.rs` | `fast_forward_ends_with_the_stolen_keys` |
//! | arbitrary installation | `trust/tests/tuf/attacks.rs` | `arbitrary_installation_needs_keys` |
//! | arbitrary installation | `trust/tests/tuf/attacks.rs` | `arbitrary_installation_is_not_taken_from_a_publisher_either` |
//! | arbitrary installation | `trust/tests/tuf/attacks_standard.rs` | `arbitrary_installation_needs_keys` |
//! | stolen key below the threshold | `trust/tests/tuf/attacks_keys.rs` | `a_stolen_key_below_the_threshold_is_not_enough` |
//! | stolen key below the threshold | `trust/tests/tuf/attacks_robbed.rs` | `a_stolen_key_below_the_threshold_of_targets_is_not_enough` |
//! | stolen key below the threshold | `trust/tests/tuf/attacks_standard.rs` | `a_stolen_key_below_the_threshold_is_not_enough` |
//! | replay of another repository's or digest's signature | `trust/tests/tuf/attacks_keys.rs` | `replay_of_another_repositorys_files` |
//! | replay of another repository's or digest's signature | `trust/tests/tuf/attacks_keys.rs` | `replay_of_one_roles_file_for_another` |
//! | replay of another repository's or digest's signature | `trust/tests/tuf/attacks_robbed.rs` | `replay_of_a_signature_for_another_digest` |
//! | replay of another repository's or digest's signature | `trust/tests/tuf/managed_attacks.rs` | `replay_of_a_signature_for_another_digest` |
//! | replay of another repository's or digest's signature | `trust/tests/tuf/attacks_standard.rs` | `replay_of_another_repositorys_files` |
//! | replay of another repository's or digest's signature | `trust/tests/tuf/attacks_standard.rs` | `replay_of_a_signature_for_another_digest` |
//! | replay of another repository's or digest's signature | `trust/tests/tuf/attacks_standard.rs` | `replay_of_one_roles_file_for_another` |
//! | replay of another repository's or digest's signature | `store/tests/cases/tuf/managed/files.rs` | `a_file_that_was_signed_for_another_repository_or_role_signs_nothing_here` |
//! | replay of another repository's or digest's signature | `server/tests/conformance/trust/managed.rs` | `a_file_that_was_signed_for_another_repository_is_refused` |
//! | replay of another repository's or digest's signature | `policy/src/gate/tests/signatures.rs` | `a_signature_for_another_repository_does_not_count` |
//! | replay of another repository's or digest's signature | `policy/src/gate/tests/signatures.rs` | `a_signature_over_another_digest_does_not_count` |
//! | replay of another repository's or digest's signature | `policy/src/gate/tests/signatures.rs` | `a_signature_attached_to_another_digest_does_not_count` |
//! | a stage claimed by a stranger | `trust/tests/tuf/managed_attacks.rs` | `a_stage_is_claimed_by_a_stranger` |
//! | a stage claimed by a stranger | `trust/tests/tuf/managed_attacks.rs` | `the_owner_delegates_to_a_key_that_is_nobodys` |
//! | a stage claimed by a stranger | `policy/src/gate/tests/signatures.rs` | `someone_who_signs_for_a_stage_of_others_is_told_so` |
//! | a stage claimed by a stranger | `policy/src/gate/tests/signatures.rs` | `a_key_that_is_verified_but_not_registered_does_not_count` |
//! | a stage claimed by a stranger | `policy/src/gate/tests/stages.rs` | `the_wrong_stage_named_does_not_count` |
//! | one key twice | `trust/tests/tuf/attacks_keys.rs` | `one_key_twice_is_one_key` |
//! | one key twice | `trust/tests/tuf/attacks_keys.rs` | `one_signature_twice_is_one_signature` |
//! | one key twice | `trust/tests/tuf/attacks_robbed.rs` | `one_key_twice_is_one_key_for_readers_too` |
//! | one key twice | `trust/tests/tuf/managed_attacks.rs` | `one_key_twice_is_one_key` |
//! | one key twice | `trust/tests/tuf/attacks_standard.rs` | `one_key_twice_is_one_key` |
//! | one key twice | `trust/tests/tuf/attacks_standard.rs` | `one_signature_twice_is_not_even_read` |
//! | one key twice | `policy/src/gate/tests/signatures.rs` | `one_person_who_signs_twice_with_one_key_counts_once` |
//! | one person with two keys | `trust/tests/tuf/managed_attacks.rs` | `one_person_with_two_keys_is_one_person` |
//! | one person with two keys | `trust/tests/tuf/managed_attacks.rs` | `the_owner_puts_two_people_into_one_delegation` |
//! | one person with two keys | `policy/src/gate/tests/signatures.rs` | `one_person_with_two_keys_counts_once` |
//! | one person with two keys | `policy/src/gate/tests/signatures.rs` | `a_person_and_the_robot_he_owns_count_once` |
//! | a key id that is not the key's hash | `trust/tests/tuf/attacks_keys.rs` | `a_key_id_that_is_not_the_keys_hash` |
//! | a key id that is not the key's hash | `trust/tests/tuf/attacks_robbed.rs` | `a_key_id_that_is_not_the_keys_hash_is_not_read_either` |
//! | a key id that is not the key's hash | `trust/tests/tuf/managed_attacks.rs` | `a_key_is_listed_under_an_id_that_is_not_its_hash` |
//! | a key id that is not the key's hash | `trust/tests/tuf/attacks_standard.rs` | `a_key_id_that_is_another_keys` |
//! | duplicate JSON keys | `trust/tests/tuf/attacks_keys.rs` | `json_that_is_read_in_two_ways` |
//! | duplicate JSON keys | `trust/tests/tuf/attacks_robbed.rs` | `duplicate_json_keys_are_refused_at_every_step` |
//! | duplicate JSON keys | `trust/tests/tuf/attacks_standard.rs` | `duplicate_json_keys_are_read_by_nobody` |

use std::fs;
use std::path::Path;

/// The test functions of notary's `server/handlers/validation_test.go`, in its order.
const NOTARY_CASES: [&str; 47] = [
    "TestValidateEmptyNew",
    "TestValidateRootCanContainOnlyx509KeysWithRightGun",
    "TestValidatePrevTimestamp",
    "TestValidatePreviousTimestampCorrupt",
    "TestValidateGetCurrentTimestampBroken",
    "TestValidateNoNewRoot",
    "TestValidateNoNewTargets",
    "TestValidateOnlySnapshot",
    "TestValidateOldRoot",
    "TestValidateOldRootCorrupt",
    "TestValidateOldRootCorruptRootRole",
    "TestValidateRootGetCurrentRootBroken",
    "TestValidateRootRotationWithOldSigs",
    "TestValidateRootRotationMultipleKeysThreshold1",
    "TestRootRotationNotSignedWithOldKeysForOldRole",
    "TestRootRotationVersionIncrement",
    "TestValidateNoRoot",
    "TestValidateSnapshotMissingNoSnapshotKey",
    "TestValidateSnapshotGenerateNoPrev",
    "TestValidateSnapshotGenerateWithPrev",
    "TestValidateSnapshotGeneratePrevCorrupt",
    "TestValidateSnapshotGenerateStoreGetCurrentSnapshotBroken",
    "TestValidateSnapshotGenerateNoTargets",
    "TestValidateSnapshotGenerate",
    "TestValidateRootNoTimestampKey",
    "TestValidateRootInvalidTimestampKey",
    "TestValidateRootInvalidTimestampThreshold",
    "TestValidateRootInvalidZeroThreshold",
    "TestValidateRootRoleMissing",
    "TestValidateTargetsRoleMissing",
    "TestValidateSnapshotRoleMissing",
    "TestValidateRootSigMissing",
    "TestValidateTargetsSigMissing",
    "TestValidateSnapshotSigMissing",
    "TestValidateRootCorrupt",
    "TestValidateTargetsCorrupt",
    "TestValidateSnapshotCorrupt",
    "TestValidateRootModifiedSize",
    "TestValidateTargetsModifiedSize",
    "TestValidateRootModifiedHash",
    "TestValidateTargetsModifiedHash",
    "TestGenerateSnapshotRootNotLoaded",
    "TestGenerateSnapshotNoKey",
    "TestLoadTargetsLoadsNothingIfNoUpdates",
    "TestValidateTargetsRequiresStoredParent",
    "TestValidateTargetsParentInUpdate",
    "TestValidateTargetsRoleNotInParent",
];

#[test]
fn every_case_of_notarys_own_has_a_test_or_a_reason() {
    let tests = source("trust/tests/tuf/notary_validation.rs");
    let rows = tests
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `Test"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    let cases: Vec<String> = rows
        .iter()
        .map(|row| format!("Test{}", row[0].trim_end_matches('`')))
        .collect();
    assert_eq!(cases, NOTARY_CASES);
    for row in rows {
        let [case, answer, ours] = row.as_slice() else {
            panic!("{row:?}");
        };
        assert!(!answer.is_empty(), "{case}");
        let ours = ours.trim_end_matches(" |");
        match ours.strip_prefix("none: ") {
            Some(reason) => assert!(!reason.is_empty(), "{case}"),
            None => assert_answer(&tests, ours.trim_matches('`'), answer),
        }
    }
}

/// Our test is one, and is about the error that notary-server gives, by one of its names.
fn assert_answer(tests: &str, ours: &str, answer: &str) {
    let body = test_of(tests, ours).unwrap_or_else(|| panic!("no test is called {ours}"));
    let mut names = answer.split('`').skip(1).step_by(2).peekable();
    assert!(
        names.peek().is_none() || names.any(|name| body.contains(name)),
        "{ours} does not ask for {answer}"
    );
}

/// The attacks that must fail closed, each for its own reason.
const ATTACKS: [&str; 13] = [
    "rollback",
    "freeze",
    "mix-and-match",
    "endless data",
    "fast-forward",
    "arbitrary installation",
    "stolen key below the threshold",
    "replay of another repository's or digest's signature",
    "a stage claimed by a stranger",
    "one key twice",
    "one person with two keys",
    "a key id that is not the key's hash",
    "duplicate JSON keys",
];
/// Attacks on how people are counted, of which TUF 1.0 knows nothing.
const ON_COUNTING: [&str; 2] = ["a stage claimed by a stranger", "one person with two keys"];

/// The rows of the table above: attack, file, story.
fn stories() -> Vec<[String; 3]> {
    let texts = source("trust/tests/tuf/index.rs");
    let rows = texts.lines().map_while(|line| line.strip_prefix("//!"));
    let rows = rows.filter_map(|row| row.strip_prefix(" | ")?.strip_suffix(" |"));
    let rows = rows.map(|row| row.split(" | ").map(|cell| cell.replace('`', "")));
    rows.skip(1)
        .map(|cells| cells.collect::<Vec<_>>().try_into().unwrap())
        .collect()
}

fn source(path: &str) -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = crates.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a test function, if the file has one of this name.
fn test_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let tests = text.split("test]\n").skip(1);
    let mut named = tests.filter(|test| {
        let test = test.trim_start_matches("async ").strip_prefix("fn ");
        test.and_then(|test| test.split_once('('))
            .map(|(own, _)| own)
            == Some(name)
    });
    let (body, _) = named.next()?.split_once("\n}\n")?;
    Some(body)
}

#[test]
fn every_attack_has_its_stories() {
    let stories = stories();
    let mut attacks: Vec<&str> = stories.iter().map(|[attack, ..]| attack.as_str()).collect();
    attacks.dedup();
    assert_eq!(attacks, ATTACKS);
    for [attack, file, story] in &stories {
        let text = source(file);
        let body =
            test_of(&text, story).unwrap_or_else(|| panic!("{attack}: {file} has no {story}"));
        let reason = match file.split('/').next() {
            Some("trust") => "assert_says(",
            Some("policy") => "Code::",
            _ => "",
        };
        assert!(
            body.contains(reason),
            "{file}: {story} does not say its reason"
        );
    }
    let told = |attack: &str, wanted: &dyn Fn(&str) -> bool| {
        let mut files = stories.iter().filter(|[of, ..]| of == attack);
        files.any(|[_, file, _]| wanted(file))
    };
    for attack in ATTACKS {
        let standard = |file: &str| file.ends_with("/attacks_standard.rs");
        let notary = |file: &str| file.starts_with("trust/") && !standard(file);
        assert!(told(attack, &notary), "{attack} in the Notary dialect");
        match ON_COUNTING.contains(&attack) {
            true => assert!(
                told(attack, &|file| file.starts_with("policy/")),
                "{attack}"
            ),
            false => assert!(told(attack, &standard), "{attack} in TUF 1.0"),
        }
    }
}
