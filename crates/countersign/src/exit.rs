//! Exit codes, which scripts rely on, and how a failure looks.

use client::{Error as ClientError, Refused};
use oci::ErrorCode;
use serde_json::Value;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or the gate allows.
    Done,
    /// The gate denies, a signature does not verify, or findings are over the limit that was asked for.
    Refused,
    /// No advisories, or not indexed yet.
    NotReady,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // 1 is a failure (`failed`), 2 is clap's for wrong usage.
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Refused => 3,
            Exit::NotReady => 4,
        })
    }
}

/// Says what failed, with its causes and what to do next, and ends with 1.
#[expect(
    clippy::print_stderr,
    reason = "the one place where the program says why it failed"
)]
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("countersign: {}", describe(error));
    if let Some(next) = error.downcast_ref::<ClientError>().and_then(next_step) {
        eprintln!("  next: {next}");
    }
    ExitCode::FAILURE
}

/// An error and its causes in one line, without saying the same thing twice.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn next_step(error: &ClientError) -> Option<String> {
    let refused = error.refused()?;
    if let Some(next) = &refused.next {
        return Some(next.clone());
    }
    match refused.status {
        401 => Some("countersign login --server URL".to_owned()),
        // What a registry says to somebody who may not, and of what is not there.
        403 if refused.registry_code() == ErrorCode::Denied && says_no_more(refused) => {
            Some("countersign whoami     (your roles; an admin grants more)".to_owned())
        }
        _ => None,
    }
}

/// Whether it is a registry's bare no, without a sentence of its own or a gate's decision.
fn says_no_more(refused: &Refused) -> bool {
    let is_bare = refused.detail.as_ref().is_none_or(Value::is_null);
    is_bare && refused.message.contains("access to the resource is denied")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_are_said_once() {
        let inner = std::io::Error::other("disk full");
        let error = Err::<(), _>(inner).context("cannot write `x`").unwrap_err();
        assert_eq!(describe(&error), "cannot write `x`: disk full");
        assert_eq!(describe(&anyhow::anyhow!("a").context("b: a")), "b: a");
    }

    #[test]
    fn a_refusal_without_a_reason_says_where_the_roles_are_and_a_gates_does_not() {
        let refusal = |status, code: &str, detail| {
            next_step(&ClientError::Refused(Box::new(Refused {
                status,
                code: code.to_owned(),
                message: "requested access to the resource is denied".to_owned(),
                next: None,
                detail,
                request_id: None,
                retry_after_seconds: None,
            })))
        };
        let whoami = refusal(403, "DENIED", None).unwrap();
        assert!(whoami.starts_with("countersign whoami"), "{whoami}");
        let decisions = serde_json::json!({"decisions": []});
        assert_eq!(refusal(403, "DENIED", Some(decisions)), None);
        assert_eq!(refusal(404, "MANIFEST_UNKNOWN", None), None);
        let login = refusal(401, "UNAUTHORIZED", None).unwrap();
        assert!(login.starts_with("countersign login"), "{login}");
    }
}
