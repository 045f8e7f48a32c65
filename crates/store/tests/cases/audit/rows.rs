//! Rows of the audit log that are edited, moved, removed, cut off or forged by hand.

use store::Error;
use store::audit::{self, ProblemKind};

use super::{only, sealed, verify};
use crate::fixture::{Image, NOW};

#[tokio::test]
async fn one_byte_of_any_column_of_a_row_is_named() {
    for edit in [
        "detail = REPLACE(detail, 'omar', 'umar')",
        "actor = 'principal:2'",
        "act = 'principal.creatf'",
        "object = 'omaR'",
        "happened_at = happened_at + 1",
    ] {
        let fixture = sealed().await;
        let row = fixture
            .number("SELECT id FROM audit WHERE object = 'omar'")
            .await;
        assert_eq!(
            fixture
                .edit(&format!("UPDATE audit SET {edit} WHERE id = {row}"))
                .await,
            1
        );
        let report = verify(&fixture).await;
        assert_eq!(
            only(&report, ProblemKind::RowEdited).row,
            Some(row),
            "{edit}"
        );
    }
}

#[tokio::test]
async fn an_edit_that_also_replaces_the_stored_hash_contradicts_the_checkpoint() {
    let fixture = sealed().await;
    let row = fixture
        .number("SELECT id FROM audit WHERE act = 'team.create'")
        .await;
    let other = fixture
        .number("SELECT id FROM audit WHERE act = 'policy.apply'")
        .await;
    let text = format!(
        "UPDATE audit SET leaf_hash = (SELECT leaf_hash FROM audit WHERE id = {other}) WHERE id = {row}"
    );
    fixture.edit(&text).await;
    let report = verify(&fixture).await;
    assert_eq!(only(&report, ProblemKind::RowEdited).row, Some(row));
    let changed = only(&report, ProblemKind::LogChanged);
    assert!(
        changed.row.unwrap() <= row && changed.what.contains("checkpoint 2"),
        "{changed:?}"
    );
}

#[tokio::test]
async fn rows_that_change_places_are_named() {
    let fixture = sealed().await;
    let first = fixture
        .number("SELECT id FROM audit WHERE leaf_index = 0")
        .await;
    let second = fixture
        .number("SELECT id FROM audit WHERE leaf_index = 1")
        .await;
    fixture
        .edit(&format!(
            "UPDATE audit SET leaf_index = 1000 WHERE id = {first}"
        ))
        .await;
    fixture
        .edit(&format!(
            "UPDATE audit SET leaf_index = 0 WHERE id = {second}"
        ))
        .await;
    fixture
        .edit(&format!(
            "UPDATE audit SET leaf_index = 1 WHERE id = {first}"
        ))
        .await;
    let report = verify(&fixture).await;
    let edited: Vec<_> = report
        .problems
        .iter()
        .filter(|p| p.kind == ProblemKind::RowEdited)
        .map(|p| p.row)
        .collect();
    assert_eq!(edited, [Some(second), Some(first)]);
}

#[tokio::test]
async fn a_removed_row_is_named_by_its_neighbours() {
    let fixture = sealed().await;
    let row = fixture
        .number("SELECT id FROM audit WHERE act = 'team.create'")
        .await;
    let before = fixture
        .number(&format!("SELECT MAX(id) FROM audit WHERE id < {row}"))
        .await;
    let after = fixture
        .number(&format!("SELECT MIN(id) FROM audit WHERE id > {row}"))
        .await;
    fixture
        .edit(&format!("DELETE FROM audit WHERE id = {row}"))
        .await;
    let report = verify(&fixture).await;
    let removed = only(&report, ProblemKind::RowRemoved);
    assert!(
        removed
            .what
            .contains(&format!("between row {before} and row {after}")),
        "{removed:?}"
    );
    assert_eq!(report.problems.len(), 1, "{report:#?}");
}

#[tokio::test]
async fn the_first_row_removed_is_named() {
    let fixture = sealed().await;
    let row = fixture.number("SELECT MIN(id) FROM audit").await;
    fixture
        .edit(&format!("DELETE FROM audit WHERE id = {row}"))
        .await;
    let report = verify(&fixture).await;
    assert!(
        only(&report, ProblemKind::RowRemoved)
            .what
            .contains("before row"),
        "{report:#?}"
    );
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_named_also_after_a_restart_and_new_acts() {
    for cut in [
        "DELETE FROM audit WHERE id >= $ROW",
        "UPDATE audit SET leaf_index = NULL WHERE id >= $ROW",
    ] {
        let fixture = sealed().await;
        let row = fixture
            .number("SELECT id FROM audit WHERE act = 'policy.apply'")
            .await;
        let last = fixture
            .number(&format!("SELECT MAX(id) FROM audit WHERE id < {row}"))
            .await;
        fixture.edit(&cut.replace("$ROW", &row.to_string())).await;
        let report = verify(&fixture).await;
        assert_eq!(only(&report, ProblemKind::TailCut).row, Some(last), "{cut}");
        // The server does not sign over the loss, so it cannot be covered up.
        let fixture = fixture.restart().await;
        fixture.push("shop/web", &["9"], &Image::new("z")).await;
        let sealed = audit::seal(&fixture.store, NOW).await;
        assert!(matches!(sealed, Err(Error::AuditBroken(_))), "{sealed:?}");
        only(&verify(&fixture).await, ProblemKind::TailCut);
    }
}

#[tokio::test]
async fn a_tail_cut_under_a_running_server_is_a_gap() {
    let fixture = sealed().await;
    let row = fixture.number("SELECT MAX(id) FROM audit").await;
    fixture
        .edit(&format!("DELETE FROM audit WHERE id = {row}"))
        .await;
    fixture.push("shop/web", &["9"], &Image::new("z")).await;
    audit::seal(&fixture.store, NOW).await.unwrap();
    only(&verify(&fixture).await, ProblemKind::RowRemoved);
}

#[tokio::test]
async fn a_restarted_server_does_not_sign_a_log_that_was_changed() {
    let fixture = sealed().await;
    fixture.edit("UPDATE audit SET leaf_hash = (SELECT leaf_hash FROM audit WHERE leaf_index = 0) WHERE leaf_index = 1").await;
    let fixture = fixture.restart().await;
    fixture.push("shop/web", &["9"], &Image::new("z")).await;
    assert!(matches!(
        audit::seal(&fixture.store, NOW).await,
        Err(Error::AuditBroken(_))
    ));
}

#[tokio::test]
async fn a_forged_row_that_says_nothing_is_named() {
    let fixture = sealed().await;
    fixture
        .edit("INSERT INTO audit (happened_at, actor, act, object, detail) VALUES (1, 'principal:1', 'policy.apply', 'shop', '{}')")
        .await;
    only(&verify(&fixture).await, ProblemKind::RowUnreadable);
}
