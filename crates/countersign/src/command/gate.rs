//! `countersign gate`: may this image pass, and if not, why, and what to do. Exit code 0 allowed, 3 denied, 4 not ready.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format, Tone, toned};
use anyhow::Result;
use client::api::gate::Outcome;
use oci::ImageReference;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  countersign gate registry.example:5000/shop/web:1 --gate production"
)]
pub(crate) struct Gate {
    /// The image, with or without the registry's host.
    image: ImageReference,
    /// The gate.
    #[arg(long, value_name = "NAME")]
    gate: String,
    /// Ask on behalf of someone: which gates hold them there.
    #[arg(long = "for", value_name = "NAME")]
    principal: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Gate {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = match (&self.image.host, &server.server) {
            (Some(host), None) => server.registry_client(host)?,
            _ => server.client()?,
        };
        let local = local_reference(&self.image);
        let answer = client
            .gate(&local, &self.gate, self.principal.as_deref())
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
