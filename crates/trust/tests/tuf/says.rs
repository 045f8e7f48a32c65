//! Reasons, and word for word: what people are told is part of each story.

use std::fmt::Display;

use trust::tuf::{Problem, RoleName};

/// The reason in full, and not only its kind.
#[track_caller]
pub(super) fn assert_says(reason: &impl Display, text: &str) {
    assert_eq!(reason.to_string(), text);
}

/// Whoever knows a version of a role's file is shown an older one.
pub(super) fn rollback(role: RoleName, version: i64, known: i64) -> Problem {
    Problem::Rollback {
        role,
        version,
        known,
    }
}

/// Too few keys signed a role's file.
pub(super) fn too_few(role: RoleName, valid: usize, threshold: u32) -> Problem {
    Problem::Threshold {
        role,
        valid,
        threshold,
    }
}
