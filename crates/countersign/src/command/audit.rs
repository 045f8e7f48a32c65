//! `countersign audit verify`: proves from the data folder that nobody edited the log, or names what was edited. It asks no server.

use crate::configuration::DataFlags;
use crate::exit::Exit;
use crate::output::{self, Format, Tone, toned};
use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check every row, every checkpoint, and what the log says of policies, keys, teams and grants. Exit code 3: something was changed.
    Verify {
        #[command(flatten)]
        data: DataFlags,
        /// Checkpoints that were kept elsewhere, to check beside those of the data folder.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

impl Audit {
    pub(crate) async fn run(self) -> Result<Exit> {
        let Self::Verify {
            data,
            checkpoint,
            output,
        } = self;
        let report = store::audit::verify(&data.options()?, checkpoint.as_deref()).await?;
        if output == Format::Json {
            output::json(&report)?;
        } else {
            for problem in &report.problems {
                let row = problem
                    .row
                    .map_or_else(String::new, |row| format!(" (row {row})"));
                output::line(toned(Tone::Bad, &format!("✗ {}{row}", problem.what)));
            }
            if report.more_problems > 0 {
                output::line(format!("and {} more", report.more_problems));
            }
            output::line(format!(
                "{} rows sealed, {} not yet, {} checkpoints",
                report.sealed, report.unsealed, report.checkpoints
            ));
        }
        if !report.is_intact() {
            return Ok(Exit::Refused);
        }
        if output == Format::Table {
            output::line(toned(Tone::Good, "✓ the log is whole"));
        }
        Ok(Exit::Done)
    }
}
