//! Checkpoints that are kept elsewhere, changed, removed, torn, or of another key.

use store::Error;
use store::audit::{self, ProblemKind};
use trust::{Algorithm, PrivateKey, Signer};

use super::{checkpoints, only, sealed, verify};
use crate::fixture::{Image, NOW};

#[tokio::test]
async fn a_kept_checkpoint_shows_a_tail_cut_from_log_and_file_alike() {
    let fixture = sealed().await;
    let kept = fixture.folder.path().join("kept");
    std::fs::copy(checkpoints(&fixture), &kept).unwrap();
    let text = std::fs::read_to_string(checkpoints(&fixture)).unwrap();
    let first_note = &text[..text.find("\n\ncountersign").unwrap() + 1];
    std::fs::write(checkpoints(&fixture), first_note).unwrap();
    let size = first_note.lines().nth(1).unwrap();
    fixture
        .edit(&format!("DELETE FROM audit WHERE leaf_index >= {size}"))
        .await;
    for table in ["team_members", "grants", "policies", "first_pushes"] {
        fixture.edit(&format!("DELETE FROM {table}")).await;
    }
    let inside = verify(&fixture).await;
    assert!(
        inside.is_intact(),
        "from the inside it looks whole: {inside:#?}"
    );
    let report = audit::verify(&fixture.options, Some(&kept)).await.unwrap();
    assert!(
        only(&report, ProblemKind::TailCut).what.contains("kept"),
        "{report:#?}"
    );
    let absent = audit::verify(
        &fixture.options,
        Some(&fixture.folder.path().join("absent")),
    )
    .await;
    assert!(matches!(absent, Err(Error::NotFound { .. })), "{absent:?}");
}

#[tokio::test]
async fn changed_and_missing_checkpoints_are_named() {
    let fixture = sealed().await;
    let whole = std::fs::read_to_string(checkpoints(&fixture)).unwrap();
    let size = whole.lines().nth(1).unwrap();
    std::fs::write(
        checkpoints(&fixture),
        whole.replacen(&format!("\n{size}\n"), "\n1\n", 1),
    )
    .unwrap();
    let report = verify(&fixture).await;
    assert!(
        only(&report, ProblemKind::Checkpoint)
            .what
            .contains("checkpoint 1"),
        "{report:#?}"
    );

    std::fs::remove_file(checkpoints(&fixture)).unwrap();
    assert!(
        only(&verify(&fixture).await, ProblemKind::Checkpoint)
            .what
            .contains("no checkpoint")
    );

    std::fs::write(checkpoints(&fixture), &whole).unwrap();
    let key = fixture.path("checkpoints").join("audit.pub");
    let pem = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(
        only(&verify(&fixture).await, ProblemKind::Checkpoint)
            .what
            .contains("key")
    );
    std::fs::write(&key, pem).unwrap();
    assert!(verify(&fixture).await.is_intact());
}

#[tokio::test]
async fn a_log_signed_with_another_key_is_not_believed() {
    let fixture = sealed().await;
    let other = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    std::fs::write(
        fixture.path("checkpoints").join("audit.pub"),
        other.public_key().to_pem(),
    )
    .unwrap();
    assert!(!verify(&fixture).await.is_intact());
    let fixture = fixture.restart().await;
    fixture.push("shop/web", &["9"], &Image::new("z")).await;
    assert!(matches!(
        audit::seal(&fixture.store, NOW).await,
        Err(Error::AuditBroken(_))
    ));
}

#[tokio::test]
async fn a_cut_between_rows_and_checkpoint_is_made_up_for() {
    let fixture = sealed().await;
    let text = std::fs::read_to_string(checkpoints(&fixture)).unwrap();
    let first_note = &text[..text.find("\n\ncountersign").unwrap() + 1];
    let torn = format!(
        "{first_note}\n{}",
        &text[first_note.len() + 1..text.len() - 10]
    );
    std::fs::write(checkpoints(&fixture), torn).unwrap();
    let report = verify(&fixture).await;
    assert!(report.is_intact(), "{report:#?}");
    let fixture = fixture.restart().await;
    assert_eq!(audit::seal(&fixture.store, NOW).await.unwrap().rows, 0);
    assert_eq!(
        std::fs::read_to_string(checkpoints(&fixture)).unwrap(),
        text,
        "the same rows, the same root"
    );
}
