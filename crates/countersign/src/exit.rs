//! Exit codes, which scripts rely on, and how a failure looks.

use client::Error as ClientError;
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
    (refused.status == 401).then(|| "countersign login --server URL".to_owned())
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
}
