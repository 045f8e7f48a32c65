//! The lists that say which of our tests stands for what, held against the tests themselves: a name that is no test's fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every test function in this folder, and the text of all files.
fn sources() -> (BTreeSet<String>, String) {
    let mut texts = String::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tuf"),
        &mut texts,
    );
    let tests = texts.split("#[test]\n").skip(1);
    let names = tests.filter_map(|text| text.trim_start().strip_prefix("fn ")?.split_once('('));
    let names = names.map(|(name, _)| name.to_owned()).collect();
    (names, texts)
}

fn read(folder: &Path, texts: &mut String) {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, texts);
        } else {
            texts.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

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
    let (tests, texts) = sources();
    let rows = texts
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
            None => assert!(tests.contains(ours.trim_matches('`')), "{case}: {ours}"),
        }
    }
}

/// Attacks on metadata, and the stories about them: for readers and the server of the Notary dialect, and for readers of TUF 1.0.
const ATTACKS: [(&str, &[&str]); 11] = [
    (
        "rollback",
        &[
            "rollback_the_whole_old_state_is_shown_again",
            "rollback_an_old_snapshot_under_a_new_timestamp",
            "rollback_old_targets_under_a_new_snapshot",
            "rollback_is_not_taken_from_a_publisher_either",
            "rollback_by_a_publisher_who_signs_snapshots_is_refused",
            "rollback_of_the_root_itself",
            "rollback_to_what_was_seen_in_a_state_that_was_refused",
            "rollback_below_what_has_ended",
        ],
    ),
    (
        "freeze",
        &[
            "freeze_the_same_state_is_shown_for_too_long",
            "freeze_what_a_delegation_said_last_is_shown_for_too_long",
            "freeze_a_new_root_is_held_back",
            "freeze_one_delegation_is_dropped_from_the_snapshot",
            "a_file_that_is_held_back_is_not_passed_over",
            "a_delegation_that_is_held_back_is_not_passed_over",
        ],
    ),
    (
        "mix-and-match",
        &[
            "mix_and_match_files_of_two_states",
            "mix_and_match_a_root_that_the_snapshot_does_not_list",
        ],
    ),
    ("endless data", &["endless_data_is_cut_off_at_every_step"]),
    (
        "fast-forward",
        &[
            "fast_forward_ends_with_the_stolen_keys",
            "fast_forward_of_a_delegation_ends_with_its_stolen_key",
        ],
    ),
    (
        "arbitrary installation",
        &["arbitrary_installation_needs_keys"],
    ),
    (
        "stolen key below the threshold",
        &[
            "a_stolen_key_below_the_threshold_is_not_enough",
            "a_stolen_key_below_the_threshold_of_targets_is_not_enough",
        ],
    ),
    (
        "replay of another repository's signature",
        &[
            "replay_of_another_repositorys_files",
            "replay_of_one_roles_file_for_another",
        ],
    ),
    (
        "one key twice",
        &[
            "one_key_twice_is_one_key",
            "one_signature_twice_is_one_signature",
            "one_signature_twice_is_not_even_read",
            "one_key_twice_is_one_key_for_readers_too",
        ],
    ),
    (
        "a key id that is not the key's hash",
        &[
            "a_key_id_that_is_not_the_keys_hash",
            "a_key_id_that_is_not_the_keys_hash_is_not_read_either",
            "a_key_id_that_is_another_keys",
        ],
    ),
    (
        "duplicate JSON keys",
        &[
            "json_that_is_read_in_two_ways",
            "duplicate_json_keys_are_read_by_nobody",
            "duplicate_json_keys_are_refused_at_every_step",
        ],
    ),
];

#[test]
fn every_attack_has_its_stories() {
    let (tests, _) = sources();
    for (attack, stories) in ATTACKS {
        for story in stories {
            assert!(tests.contains(*story), "{attack}: {story}");
        }
    }
}
