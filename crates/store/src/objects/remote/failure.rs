//! What the service's failures mean to the store. Its own words go to the log and the operator, and no further.

use std::error::Error as _;

use crate::error::Error;

const WHAT: &str = "the blob store";
/// Characters of the service's own words.
const SAID_MAX: usize = 400;

/// A failure of one request for an object.
pub(super) fn of_object(error: object_store::Error, key: &str) -> Error {
    match &error {
        object_store::Error::NotFound { .. } if !said(&error).contains("NoSuchBucket") => {
            Error::not_found("object", key)
        }
        _ => unavailable(&error),
    }
}

/// A failure of the first requests: what can be mended in the configuration is told as such.
pub(super) fn at_start(error: &object_store::Error, url: &str) -> Error {
    let invalid = |why: String| Error::Invalid {
        what: "place for blobs",
        value: url.to_owned(),
        why,
    };
    let said = said(error);
    // A listing fails without a kind of its own: what the service said tells.
    let is_denied = matches!(
        error,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
    ) || said.contains(" 403 ")
        || said.contains(" 401 ");
    if matches!(error, object_store::Error::NotFound { .. }) || said.contains("NoSuchBucket") {
        invalid(format!(
            "the service knows no such bucket: make it, or correct the name ({said})"
        ))
    } else if is_denied {
        invalid(format!(
            "the service refused these keys, or what they may do: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the \
             file of keys ({said})"
        ))
    } else {
        unavailable(error)
    }
}

/// Whether the service does not know what it was asked for.
pub(super) fn is_not_implemented(error: &object_store::Error) -> bool {
    said(error).contains(" 501 ")
}

/// Something that may work later.
pub(super) fn unavailable(error: &object_store::Error) -> Error {
    Error::Unavailable {
        what: WHAT,
        why: said(error),
    }
}

/// The words at the root of an error: those above it repeat it, with addresses and counts.
fn said(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(SAID_MAX)
        .collect()
}
