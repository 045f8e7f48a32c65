//! `countersign sbom`: what is inside an image or a folder. No server is needed for local sources.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Tone, toned};
use crate::source::{Scanned, Source};
use anyhow::Result;
use clap::ValueEnum;
use sbom::{Component, cyclonedx};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "SOURCE is docker-archive:PATH, oci-dir:PATH, oci-archive:PATH, dir:PATH, docker:REF or registry:REF.\n\
    Without a scheme, an existing path is recognised by its content and anything else is a registry reference.\n\n\
    Examples:\n  countersign sbom image.tar\n  countersign sbom -o cyclonedx-json registry.example:5000/shop/web:1"
)]
pub(crate) struct Sbom {
    /// What to read.
    source: String,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: SbomFormat,
}

/// How an SBOM is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SbomFormat {
    /// For people.
    #[default]
    Table,
    /// All that is known, in our own form.
    Json,
    /// CycloneDX 1.6.
    CyclonedxJson,
}

impl Sbom {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let scanned = Source::parse(&self.source)?.scan(server).await?;
        match self.output {
            SbomFormat::Table => print(&scanned),
            SbomFormat::Json => output::json(&scanned.inventory)?,
            SbomFormat::CyclonedxJson => {
                let subject = cyclonedx::Subject {
                    name: scanned.name.clone(),
                    digest: scanned.digest.clone(),
                    tool_version: env!("CARGO_PKG_VERSION").to_owned(),
                };
                let now = jiff::Timestamp::now().as_millisecond();
                output::json(&cyclonedx::write(&scanned.inventory, &subject, now))?;
            }
        }
        say_problems(&scanned);
        Ok(Exit::Done)
    }
}

fn print(scanned: &Scanned) {
    let row = |component: &Component| {
        let package = &component.package;
        let owner = package
            .owner
            .as_ref()
            .map_or_else(String::new, |owner| format!(" (part of {owner})"));
        [
            package.kind.to_string(),
            package.name.clone(),
            package.version.clone(),
            package.licences.join(", "),
            format!("{}{owner}", component.layer_index + 1),
            component
                .instruction
                .as_deref()
                .map(short)
                .unwrap_or_default(),
        ]
    };
    let rows = scanned.inventory.components.iter().map(row).collect();
    output::table(
        [
            "kind",
            "name",
            "version",
            "licences",
            "layer",
            "instruction",
        ],
        rows,
        "no package was found",
    );
    let distro = scanned
        .inventory
        .distro
        .as_ref()
        .map_or("unknown distribution", |distro| distro.pretty_name.as_str());
    output::note(format!(
        "{} components, {distro}",
        scanned.inventory.components.len()
    ));
}

/// What is missing, beside the output: an incomplete inventory is never passed off as a whole one.
pub(crate) fn say_problems(scanned: &Scanned) {
    if scanned.inventory.is_complete() {
        return;
    }
    output::note(toned(Tone::Bad, "the inventory is incomplete:"));
    for problem in &scanned.inventory.problems {
        let path = problem
            .path
            .as_ref()
            .map_or_else(String::new, |path| format!(" (`{path}`)"));
        output::note(format!("  {}{path}", problem.detail));
    }
}

/// An instruction's beginning, for a table.
pub(crate) fn short(instruction: &str) -> String {
    const CHARACTERS: usize = 60;
    let text = instruction
        .trim_start_matches("/bin/sh -c ")
        .trim_start_matches("#(nop) ")
        .trim();
    if text.chars().count() <= CHARACTERS {
        text.to_owned()
    } else {
        text.chars().take(CHARACTERS - 1).chain(['…']).collect()
    }
}
