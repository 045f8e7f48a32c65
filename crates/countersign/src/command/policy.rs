//! `countersign policy`: the rules of the gates, as files. `lint` alone needs no server.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format, Tone, toned};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use client::Client;
use client::api::policies::{LintSeverity, PolicyReport, PolicySummary, PutPolicy};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check a policy's file, without a server.
    Lint {
        /// The file.
        file: PathBuf,
    },
    /// Say what would change for the images in stock if this policy were applied.
    Test(Put),
    /// Put a policy in force.
    Apply(Put),
    /// Show the policies in force, or one with its text.
    Show {
        /// Its name.
        name: Option<String>,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Take a policy out of force, and say what stays behind.
    Remove {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Put {
    /// The file.
    file: PathBuf,
    /// The policy's name; the file's, unless said otherwise.
    #[arg(long)]
    name: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Policy {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        match self {
            Self::Lint { file } => lint(&file),
            Self::Test(put) => put.send(server, true).await,
            Self::Apply(put) => put.send(server, false).await,
            Self::Show {
                name: Some(name),
                output,
            } => {
                let policy = server.client()?.policy(&name).await?;
                match output {
                    Format::Json => output::json(&policy)?,
                    Format::Table => output::line(policy.document.trim_end()),
                }
                Ok(Exit::Done)
            }
            Self::Show { name: None, output } => {
                let row = |policy: &PolicySummary| {
                    [
                        policy.name.clone(),
                        policy.revision.to_string(),
                        policy.repositories.join(" "),
                        policy.stages.join(", "),
                        policy.gates.join(", "),
                        output::instant(policy.applied_at),
                    ]
                };
                let head = [
                    "name",
                    "revision",
                    "repositories",
                    "stages",
                    "gates",
                    "applied",
                ];
                output::list(
                    output,
                    &server.client()?.policies().await?,
                    head,
                    row,
                    "no policies: nothing is gated yet",
                )?;
                Ok(Exit::Done)
            }
            Self::Remove { name } => {
                remove(&server.client()?, &name).await?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Takes a policy out of force, and says what it leaves behind: nobody else will.
async fn remove(client: &Client, name: &str) -> Result<()> {
    let policy = client.policy(name).await?;
    client.delete_policy(name).await?;
    output::line(format!(
        "Policy {name} is out of force, and what was broken open at its gates is shut."
    ));
    output::line(format!(
        "What stays, in repositories that no other policy covers, of {}: docker goes on pulling with content trust what was released last, and \
         nothing takes a tag out of that list any more, whatever happens to the tag or to a key. `countersign trust status REPOSITORY` shows it; \
         `countersign trust delete REPOSITORY` ends it.",
        policy.summary.repositories.join(", ")
    ));
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read the policy `{}`", file.display()))
}

fn stem(file: &Path) -> Result<String> {
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some(stem) => Ok(stem.to_owned()),
        None => bail!(
            "`{}` has no name to take; give one with `--name`",
            file.display()
        ),
    }
}

fn lint(file: &Path) -> Result<Exit> {
    let (text, name) = (read(file)?, stem(file)?);
    let now = jiff::Timestamp::now().as_millisecond();
    let lints = match policy::file::load(&text, &name) {
        Ok(policy) => policy.warnings(now),
        Err(lints) => lints,
    };
    for lint in &lints {
        let (tone, word) = if lint.is_error() {
            (Tone::Bad, "error")
        } else {
            (Tone::Wait, "warning")
        };
        let at = format!("{}:{}:{}", file.display(), lint.line, lint.column);
        output::line(format!(
            "{at}: {}[{}]: {}",
            toned(tone, word),
            lint.code.as_str(),
            lint.message
        ));
    }
    if lints.iter().any(policy::Lint::is_error) {
        return Ok(Exit::Refused);
    }
    output::line(format!("{}: no errors", file.display()));
    Ok(Exit::Done)
}

impl Put {
    async fn send(self, server: &ServerFlags, dry_run: bool) -> Result<Exit> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => stem(&self.file)?,
        };
        let report = server
            .client()?
            .put_policy(
                &name,
                &PutPolicy {
                    document: read(&self.file)?,
                },
                dry_run,
            )
            .await?;
        if self.output == Format::Json {
            output::json(&report)?;
        } else {
            self.print(&name, &report);
        }
        Ok(if has_errors(&report) {
            Exit::Refused
        } else {
            Exit::Done
        })
    }

    fn print(&self, name: &str, report: &PolicyReport) {
        for lint in &report.lints {
            let (tone, word) = match lint.severity {
                LintSeverity::Error => (Tone::Bad, "error"),
                LintSeverity::Warning => (Tone::Wait, "warning"),
            };
            let at = lint.line.map_or_else(String::new, |line| {
                format!(":{line}:{}", lint.column.unwrap_or(1))
            });
            output::line(format!(
                "{}{at}: {}[{}]: {}",
                self.file.display(),
                toned(tone, word),
                lint.code,
                lint.message
            ));
        }
        if has_errors(report) {
            return output::line("Nothing was applied: the policy has errors.");
        }
        // What is put in force is not tried before: nothing is known of what it changes.
        if !report.applied {
            print_changes(report);
        }
        match (report.applied, &report.digest) {
            (true, Some(digest)) => output::line(format!(
                "Policy {name} is in force, revision {}, {digest}.",
                report.revision.unwrap_or(1)
            )),
            _ => {
                let images = match report.images {
                    1 => "1 image".to_owned(),
                    count => format!("{count} images"),
                };
                output::line(format!("{images} in stock; nothing was applied."));
            }
        }
    }
}

fn has_errors(report: &PolicyReport) -> bool {
    let mut lints = report.lints.iter();
    lints.any(|lint| lint.severity == LintSeverity::Error)
}

/// The images whose answer changes, a line each.
fn print_changes(report: &PolicyReport) {
    let none = "-".to_owned();
    let rows = report
        .changes
        .iter()
        .map(|change| {
            let image = change.tags.first().map_or_else(
                || format!("{}@{}", change.repository, change.digest.short()),
                |tag| format!("{}:{tag}", change.repository),
            );
            let before = change.before.clone().unwrap_or_else(|| none.clone());
            [
                image,
                change.gate.clone(),
                before,
                change.after.clone().unwrap_or_else(|| none.clone()),
            ]
        })
        .collect();
    output::table(
        ["image", "gate", "before", "after"],
        rows,
        "no image in stock gets another answer",
    );
}
