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

/// A component's line of the table; all of its texts are in the other formats.
fn row(component: &Component) -> [String; 6] {
    let package = &component.package;
    let owner = package
        .owner
        .as_ref()
        .map_or_else(String::new, |owner| format!(" (part of {owner})"));
    [
        package.kind.to_string(),
        package.name.clone(),
        package.version.clone(),
        cut(&package.licences.join(", "), LICENCES_CHARACTERS),
        format!("{}{owner}", component.layer_index + 1),
        component
            .instruction
            .as_deref()
            .map(short)
            .unwrap_or_default(),
    ]
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
    let text = instruction
        .trim_start_matches("/bin/sh -c ")
        .trim_start_matches("#(nop) ");
    cut(text, INSTRUCTION_CHARACTERS)
}

/// The beginning of a text that may be long and have many lines, on one line.
fn cut(text: &str, characters_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= characters_max {
        line
    } else {
        let beginning = characters_max.saturating_sub(1);
        line.chars().take(beginning).chain(['…']).collect()
    }
}

const INSTRUCTION_CHARACTERS: usize = 60;
/// Room for two or three names; some packages declare the whole text of their licence instead of its name.
const LICENCES_CHARACTERS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Digest;
    use sbom::{Package, PackageKind};

    fn licences(licences: &[&str]) -> String {
        let package = Package {
            kind: PackageKind::PyPi,
            name: "django".to_owned(),
            version: "3.2.0".to_owned(),
            architecture: None,
            source: None,
            licences: licences.iter().map(ToString::to_string).collect(),
            path: "METADATA".to_owned(),
            owner: None,
        };
        let component = Component {
            purl: package.purl(None),
            package,
            layer: Digest::sha256(b"layer"),
            layer_index: 0,
            instruction: None,
        };
        let [_, _, _, licences, _, _] = row(&component);
        licences
    }

    #[test]
    fn a_licence_that_is_a_whole_text_has_the_width_of_a_name() {
        assert_eq!(licences(&["MIT", "BSD-3-Clause"]), "MIT, BSD-3-Clause");
        let text = format!(
            "MIT License\n\n  Copyright (c) {}",
            "many words ".repeat(200)
        );
        assert_eq!(
            licences(&[&text]),
            "MIT License Copyright (c) many words ma…"
        );
    }

    #[test]
    fn an_instruction_is_cut_without_what_a_builder_put_before_it() {
        assert_eq!(short("/bin/sh -c #(nop) CMD [\"sh\"]"), "CMD [\"sh\"]");
        assert_eq!(short("RUN <<E\n\tapt\nE"), "RUN <<E apt E");
        assert_eq!(short(&"é".repeat(61)).chars().count(), 60);
    }
}
