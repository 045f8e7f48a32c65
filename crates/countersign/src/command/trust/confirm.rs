//! Asks before something is published that is not undone as easily.

use crate::output;
use anyhow::{Result, bail};
use std::io::IsTerminal;

/// Whether to go on: with `--yes`, or when somebody at a terminal says so.
///
/// # Errors
/// There is nobody to ask.
pub(super) fn goes_on(yes: bool, question: &str) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("nothing was changed: say `--yes` where nobody can be asked");
    }
    output::note(format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let said = answer.trim().to_lowercase();
    Ok(matches!(said.as_str(), "y" | "yes"))
}
