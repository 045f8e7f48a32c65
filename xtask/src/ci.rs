//! All checks that need no service: formatting, lints, floors, tidiness, documentation, licences, tests.
//! The interop tests with real clients are started by `.ci/run`, which installs what they need.

use crate::{floors, report, tidy};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// A command line and the environment variable it needs, if any.
struct Step {
    command: &'static [&'static str],
    variable: Option<(&'static str, &'static str)>,
}

const STEPS: &[Step] = &[
    Step {
        command: &["cargo", "fmt", "--all", "--check"],
        variable: None,
    },
    Step {
        command: &[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        variable: None,
    },
    Step {
        command: &["cargo", "doc", "--workspace", "--no-deps", "--quiet"],
        variable: Some(("RUSTDOCFLAGS", "-D warnings")),
    },
    Step {
        command: &[
            "cargo",
            "deny",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ],
        variable: None,
    },
    Step {
        command: &["cargo", "test", "--workspace"],
        variable: None,
    },
];

/// Runs every check and stops at the first that fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    report("floors");
    floors::check(root)?;
    report("tidy");
    tidy::check(root)?;
    STEPS.iter().try_for_each(|step| run_step(root, step))
}

fn run_step(root: &Path, step: &Step) -> Result<()> {
    let line = step.command.join(" ");
    report(&line);
    let Some((program, arguments)) = step.command.split_first() else {
        bail!("an empty step");
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    if let Some((name, value)) = step.variable {
        command.env(name, value);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    Ok(())
}
