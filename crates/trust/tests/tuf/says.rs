//! Reasons word for word: what people are told is part of each story.

use std::fmt::Display;

/// The reason in full, and not only its kind.
#[track_caller]
pub(super) fn assert_says(reason: &impl Display, text: &str) {
    assert_eq!(reason.to_string(), text);
}
