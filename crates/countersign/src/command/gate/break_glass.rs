//! `countersign gate break-glass`: open a gate for one image, for a while. One person asks, another confirms; the server says whether they
//! may. Nothing is decided here.

use super::{client_for, local_reference};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::{Context, Result};
use clap::Subcommand;
use client::Client;
use client::api::break_glass::{BreakGlass as Told, BreakGlassState, NewBreakGlass};
use oci::ImageReference;
use policy::file::{UnitError, parse_duration};

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "It takes two people with the role `security`; robots take no part. Until the second one confirms it nothing changes; \
    then the gate lets the image pass, and says so everywhere, until the time is over.\n\n\
    Examples:\n  countersign gate break-glass shop/web:1 --gate production --for 4h --reason 'the scanner is down, INC-42'\n  \
    countersign gate break-glass list\n  countersign gate break-glass confirm 7     (somebody else)\n  \
    countersign gate break-glass end 7"
)]
pub(crate) struct BreakGlass {
    /// The image, with or without the registry's host. It is for its digest, wherever the tag goes later; of an index also for what it lists.
    #[arg(required = true)]
    image: Option<ImageReference>,
    /// The gate.
    #[arg(long, value_name = "NAME", required = true)]
    gate: Option<String>,
    /// The policy of the gate, where several have one of this name for the image.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// How long, from its confirmation on: `30m`, `4h`; a day at most.
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds, required = true)]
    lasts: Option<i64>,
    /// Why, in one line. Everybody whom the gate answers reads it.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(subcommand)]
    command: Option<Act>,
}

/// What to do with one that was asked for.
#[derive(Debug, Subcommand)]
enum Act {
    /// Confirm what somebody else asked for: the gate is open from now on.
    Confirm {
        /// Its number.
        id: i64,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// List those that wait for somebody to confirm them, and those in force.
    List {
        /// Those that ended, too.
        #[arg(long)]
        all: bool,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// End one before its time, or withdraw what nobody has confirmed.
    #[command(visible_alias = "withdraw")]
    End {
        /// Its number.
        id: i64,
    },
}

impl BreakGlass {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        match self.command {
            Some(act) => act.run(&server.client()?).await?,
            None => self.ask(server).await?,
        }
        Ok(Exit::Done)
    }

    async fn ask(self, server: &ServerFlags) -> Result<()> {
        // clap has seen to it that they are there.
        let image = self.image.context("say which image")?;
        let client = client_for(&image, server)?;
        let new = NewBreakGlass {
            image: local_reference(&image),
            gate: self.gate.context("say which `--gate`")?,
            policy: self.policy,
            for_seconds: self.lasts.context("say how long, with `--for`")?,
            reason: self.reason.context("say why, with `--reason`")?,
        };
        let asked = client.ask_break_glass(&new).await?;
        if self.output == Format::Json {
            return output::json(&asked);
        }
        output::line(format!(
            "Break-glass {} is asked for: {}.",
            asked.id,
            place(&asked)
        ));
        output::line(format!(
            "Nothing changes until somebody else with the role `security` confirms it, before {}:",
            output::instant(asked.until_at)
        ));
        output::line(format!(
            "  countersign gate break-glass confirm {}",
            asked.id
        ));
        note_on_index(&client, &asked).await
    }
}

impl Act {
    async fn run(self, client: &Client) -> Result<()> {
        match self {
            Self::Confirm { id, output } => {
                let confirmed = client.confirm_break_glass(id).await?;
                if output == Format::Json {
                    return output::json(&confirmed);
                }
                output::line(format!(
                    "Break-glass {id} is in force until {}: {}.",
                    output::instant(confirmed.until_at),
                    place(&confirmed)
                ));
                output::line(format!(
                    "Asked for by {}: {}",
                    confirmed.asked_by, confirmed.reason
                ));
                output::line(format!(
                    "To end it before: countersign gate break-glass end {id}"
                ));
            }
            Self::List { all, output } => output::list(
                output,
                &client.break_glasses(all).await?,
                ["no.", "image", "gate", "state", "until", "by", "reason"],
                row,
                "no gate is broken open",
            )?,
            Self::End { id } => {
                client.end_break_glass(id).await?;
                output::line(format!("Break-glass {id} has ended."));
            }
        }
        Ok(())
    }
}

fn place(told: &Told) -> String {
    let (repository, digest) = (&told.repository, told.digest.short());
    format!(
        "gate {} of policy {} for {repository}@{}:{digest}…",
        told.gate,
        told.policy,
        told.digest.algorithm().as_str()
    )
}

fn row(told: &Told) -> [String; 7] {
    let until = told.ended_at.unwrap_or(told.until_at);
    let state = match told.state {
        BreakGlassState::Asked => "asked for".to_owned(),
        BreakGlassState::InForce => "in force".to_owned(),
        BreakGlassState::Ended => match (&told.end, &told.ended_by) {
            (Some(end), Some(by)) => format!("{end} by {by}"),
            (Some(end), None) => end.clone(),
            (None, _) => "ended".to_owned(),
        },
    };
    let by = match &told.confirmed_by {
        Some(confirmer) => format!("{} and {confirmer}", told.asked_by),
        None => told.asked_by.clone(),
    };
    [
        told.id.to_string(),
        format!("{}@{}", told.repository, told.digest.short()),
        format!("{}/{}", told.policy, told.gate),
        state,
        output::instant(until),
        by,
        told.reason.clone(),
    ]
}

/// How much is opened: whoever pulls an index pulls one of its images next, and all of them pass.
async fn note_on_index(client: &Client, asked: &Told) -> Result<()> {
    let image = client
        .image(&format!("{}@{}", asked.repository, asked.digest))
        .await?;
    if !image.children.is_empty() {
        output::note(format!(
            "It is an index: what it lists passes with it, {} in all. To open the gate for one of them alone, ask for that one's digest",
            image.children.len()
        ));
    }
    Ok(())
}

/// Reads `30m` or `4h` into seconds.
fn seconds(text: &str) -> Result<i64, UnitError> {
    parse_duration(text).map(|milliseconds| milliseconds / 1_000)
}
