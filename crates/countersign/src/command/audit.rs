//! `countersign audit`: proves that nobody edited the log, or names what was edited: from the data folder, from a server's tiles, or from
//! a file of proof alone. What is asked of a server is only bytes; what they prove is found out here.

mod offline;
mod remote;

use crate::configuration::DataFlags;
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format, Tone, toned};
use anyhow::{Result, anyhow, bail};
use clap::Subcommand;
use std::path::PathBuf;
use trust::checkpoint::VerifierKey;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check every row, every checkpoint, and what the log says of policies, keys, teams and grants. Exit code 3: something was changed.
    Verify(Box<Verify>),
    /// Write a file that proves, without a server, that an entry is in the log, or that the log grew from a checkpoint.
    Prove(remote::Prove),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign audit verify --data /var/lib/countersign\n  \
    countersign audit verify --data /var/lib/countersign --checkpoint /srv/witness/audit\n  \
    countersign audit verify --url https://registry.example:5000 --log-key \"$(cat log.key)\" --checkpoint /srv/witness/audit\n  \
    countersign audit verify --proof act.tlog-proof --log-key \"$(cat log.key)\"\n\n\
Exit codes: 0 whole, 1 failed, 3 something was changed or is not proved."
)]
pub(crate) struct Verify {
    #[command(flatten)]
    data: DataFlags,
    /// Checkpoints that were kept elsewhere, to check beside those of the data folder, or that the log must have grown from.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Check the log of a server over HTTP, by its tiles and entries; needs `read-audit` there.
    #[arg(long, value_name = "URL", conflicts_with = "proof")]
    url: Option<String>,
    /// Check a file of `audit prove`, without a server.
    #[arg(long, value_name = "FILE", requires = "log_key")]
    proof: Option<PathBuf>,
    /// The log's verifier key itself, not its file, as `GET /tlog/key` gave it once; without it, `--url` believes the server's own word
    /// for it.
    #[arg(long, value_name = "KEY")]
    log_key: Option<VerifierKey>,
    /// The verifier key of a witness whose signature must be on the checkpoint; may be repeated.
    #[arg(long = "witness", value_name = "KEY")]
    witnesses: Vec<VerifierKey>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Audit {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        match self {
            Self::Verify(verify) => verify.run(server).await,
            Self::Prove(prove) => prove.run(server).await,
        }
    }
}

impl Verify {
    async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let findings = match (&self.url, &self.proof, &self.log_key) {
            (Some(url), _, _) => remote::verify(server, url, &self).await?,
            (None, Some(proof), Some(log)) => offline::verify(proof, log, &self)?,
            _ if self.log_key.is_some() || !self.witnesses.is_empty() => {
                bail!("`--log-key` and `--witness` go with `--url` or `--proof`");
            }
            _ => return self.of_folder().await,
        };
        findings.print(self.output)
    }

    async fn of_folder(self) -> Result<Exit> {
        let report = store::audit::verify(
            &self.data.options_with_anchors()?,
            self.checkpoint.as_deref(),
        )
        .await
        .map_err(where_to_look)?;
        if self.output == Format::Json {
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
            for line in &report.unjudged {
                output::line(format!("· {line}"));
            }
            if report.more_unjudged > 0 {
                output::line(format!("and {} more", report.more_unjudged));
            }
            output::line(format!(
                "{} rows sealed, {} not yet, {} checkpoints",
                report.sealed, report.unsealed, report.checkpoints
            ));
        }
        if !report.is_intact() {
            return Ok(Exit::Refused);
        }
        if self.output == Format::Table {
            output::line(toned(Tone::Good, "✓ the log is whole"));
        }
        Ok(Exit::Done)
    }
}

/// Says what to name where no data folder was found.
fn where_to_look(error: store::Error) -> anyhow::Error {
    match error {
        store::Error::NotFound {
            kind: "database", ..
        } => anyhow!(
            "{error}: name the server's data folder with `--data DIR`, or a server with `--url URL`"
        ),
        error => error.into(),
    }
}

/// What was found out about a log from outside.
#[derive(Debug, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    /// Entries of the log.
    size: u64,
    /// What holds, for people.
    shown: Vec<String>,
    /// What does not.
    problems: Vec<String>,
}

impl Findings {
    fn holds(&mut self, what: impl Into<String>) {
        self.shown.push(what.into());
    }

    fn fails(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    /// Which of the witnesses signed a checkpoint.
    fn witnesses(&mut self, note: &str, witnesses: &[VerifierKey]) {
        for witness in witnesses {
            match trust::checkpoint::verify_cosignature(note, witness) {
                Ok(signed) => self.holds(format!(
                    "signed by the witness `{}` at {}",
                    witness.name(),
                    output::instant(
                        i64::try_from(signed.time)
                            .unwrap_or(i64::MAX)
                            .saturating_mul(1_000)
                    )
                )),
                Err(error) => self.fails(format!(
                    "not signed by the witness `{}`: {error}",
                    witness.name()
                )),
            }
        }
    }

    fn print(&self, format: Format) -> Result<Exit> {
        if format == Format::Json {
            output::json(self)?;
        } else {
            for line in &self.shown {
                output::line(toned(Tone::Good, &format!("✓ {line}")));
            }
            for line in &self.problems {
                output::line(toned(Tone::Bad, &format!("✗ {line}")));
            }
        }
        Ok(if self.problems.is_empty() {
            Exit::Done
        } else {
            Exit::Refused
        })
    }
}
