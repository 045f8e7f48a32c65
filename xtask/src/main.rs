//! Checks of the house, run as `cargo xtask COMMAND`. Not part of the product: nothing here is shipped.

mod ci;
mod floors;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let outcome = match command.as_str() {
        "floors" => floors::check(&root()),
        "tidy" => tidy::check(&root()),
        "ci" => ci::run(&root()),
        other => Err(anyhow::anyhow!(
            "unknown command `{other}`; use `floors`, `tidy` or `ci`"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!("xtask {command}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace, which is the parent of this package's own.
fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or(own.clone(), PathBuf::from)
}

#[expect(
    clippy::print_stderr,
    reason = "a check talks to the person who runs it"
)]
fn report(line: &str) {
    eprintln!("{line}");
}
