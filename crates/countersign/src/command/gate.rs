//! `countersign gate`: may this image pass, and if not, why, and what to do. Exit code 0 allowed, 3 denied, 4 not ready.

mod break_glass;

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format, Tone, toned};
use anyhow::{Context, Result};
use clap::Subcommand;
use client::Client;
use client::api::gate::Outcome;
use oci::ImageReference;

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  countersign gate registry.example:5000/shop/web:1 --gate production\n  \
    countersign gate break-glass shop/web:1 --gate production --for 4h --reason 'the scanner is down, INC-42'"
)]
pub(crate) struct Gate {
    /// The image, with or without the registry's host.
    #[arg(required = true)]
    image: Option<ImageReference>,
    /// The gate.
    #[arg(long, value_name = "NAME", required = true)]
    gate: Option<String>,
    /// Ask on behalf of someone: which gates hold them there.
    #[arg(long = "for", value_name = "NAME")]
    principal: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What else can be done with a gate.
#[derive(Debug, Subcommand)]
enum Command {
    /// Open a gate for one image, for a while: one person asks, another confirms.
    BreakGlass(Box<break_glass::BreakGlass>),
}

impl Gate {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        if let Some(Command::BreakGlass(break_glass)) = self.command {
            return break_glass.run(server).await;
        }
        // clap has seen to it that they are there.
        let image = self.image.context("say which image")?;
        let gate = self.gate.context("say which `--gate`")?;
        let client = client_for(&image, server)?;
        let local = local_reference(&image);
        let answer = client
            .gate(&local, &gate, self.principal.as_deref())
            .await?;
        match self.output {
            Format::Json => output::json(&answer)?,
            Format::Table => answer
                .tree
                .lines()
                .for_each(|line| output::line(tinted(line))),
        }
        Ok(match answer.outcome {
            Outcome::Allow | Outcome::Warn => Exit::Done,
            Outcome::Deny => Exit::Refused,
            Outcome::NotReady => Exit::NotReady,
        })
    }
}

/// The server that the image's name or the command line names.
fn client_for(image: &ImageReference, server: &ServerFlags) -> Result<Client> {
    match (&image.host, &server.server) {
        (Some(host), None) => server.registry_client(host),
        _ => server.client(),
    }
}

/// A reference as the server itself names it: without a host.
pub(crate) fn local_reference(image: &ImageReference) -> String {
    ImageReference {
        host: None,
        ..image.clone()
    }
    .to_string()
}

/// A line of a decision's tree in its tone.
pub(crate) fn tinted(line: &str) -> String {
    match line.trim_start().chars().next() {
        Some('✓') => toned(Tone::Good, line),
        Some('✗') => toned(Tone::Bad, line),
        Some('…') => toned(Tone::Wait, line),
        Some('→') => toned(Tone::Strong, line),
        _ => line.to_owned(),
    }
}
