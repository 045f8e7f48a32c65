//! `countersign scan`: the known weaknesses of an image or a folder, with advisories from files. No server is needed.

use super::advisories::read_all;
use super::sbom::{say_problems, short};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format, severity_tone};
use crate::source::{Scanned, Source};
use advisories::{Index, Match, Severity, package_key};
use anyhow::Result;
use sbom::Component;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing over --fail-on · 3 findings over it, or an incomplete inventory with --fail-on · 4 no advisories,\n\
    or none about a part of what is inside\n\n\
    Example:\n  countersign scan --advisories PyPI/all.zip --advisories tracker.json --fail-on high image.tar"
)]
pub(crate) struct Scan {
    /// What to read, as for `countersign sbom`.
    source: String,
    /// Advisories: files, zips or folders.
    #[arg(
        long,
        env = "COUNTERSIGN_ADVISORIES",
        value_name = "PATH",
        value_delimiter = ','
    )]
    advisories: Vec<PathBuf>,
    /// End with 3 when a finding is at least this severe: low, medium, high or critical.
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Scan {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        if self.advisories.is_empty() {
            output::note(
                "no advisories, so nothing can be said; give some with `--advisories PATH` (OSV files, Debian's tracker JSON)",
            );
            return Ok(Exit::NotReady);
        }
        let batch = read_all(&self.advisories)?;
        let index = Index::build(batch.advisories, &batch.known_exploited);
        if index.is_empty() {
            output::note(
                "none of these advisories is about packages that can be matched, so nothing can be said",
            );
            return Ok(Exit::NotReady);
        }
        let scanned = Source::parse(&self.source)?.scan(server).await?;
        let findings = findings(&scanned, &index);
        let unknown = Unknown::of(&scanned, &index);
        match self.output {
            Format::Table => print(&scanned, &findings, &unknown),
            Format::Json => print_json(&scanned, &findings, &unknown)?,
        }
        say_problems(&scanned);
        unknown.say();
        Ok(self.verdict(&scanned, &findings, &unknown))
    }

    fn verdict(
        &self,
        scanned: &Scanned,
        findings: &[(&Component, Match)],
        unknown: &Unknown,
    ) -> Exit {
        match self.fail_on {
            Some(limit) if findings.iter().any(|(_, found)| found.severity >= limit) => {
                Exit::Refused
            }
            // What was not read may hold anything.
            Some(_) if !scanned.inventory.is_complete() => Exit::Refused,
            _ if !unknown.is_nothing() => Exit::NotReady,
            _ => Exit::Done,
        }
    }
}

/// What is inside and could not be matched with these advisories: of that, no findings say nothing.
struct Unknown {
    without_advisories: BTreeSet<String>,
    unmatchable: BTreeSet<String>,
}

impl Unknown {
    fn of(scanned: &Scanned, index: &Index) -> Self {
        let distro = scanned.inventory.distro.as_ref();
        let about = index.ecosystems();
        let mut unknown = Self {
            without_advisories: BTreeSet::new(),
            unmatchable: BTreeSet::new(),
        };
        // What belongs to a package of the operating system is its distribution's to answer for.
        let packages = scanned.inventory.components.iter().map(|it| &it.package);
        for package in packages.filter(|package| package.owner.is_none()) {
            match package_key(package, distro) {
                None => {
                    let distro = distro
                        .map_or_else(|| "an unnamed distribution".to_owned(), ToString::to_string);
                    let packages = format!("{} packages of {distro}", package.kind);
                    unknown.unmatchable.insert(packages);
                }
                Some((key, _)) if !about.contains(&key.ecosystem) => {
                    unknown.without_advisories.insert(key.ecosystem.to_string());
                }
                Some(_) => {}
            }
        }
        unknown
    }

    fn is_nothing(&self) -> bool {
        self.without_advisories.is_empty() && self.unmatchable.is_empty()
    }

    fn say(&self) {
        for ecosystem in &self.without_advisories {
            output::note(format!(
                "no advisories about {ecosystem} were given, so nothing can be said about weaknesses there"
            ));
        }
        for packages in &self.unmatchable {
            output::note(format!(
                "no advisories can be matched with the {packages}, so nothing can be said about weaknesses there"
            ));
        }
    }
}

fn findings<'a>(scanned: &'a Scanned, index: &Index) -> Vec<(&'a Component, Match)> {
    let distro = scanned.inventory.distro.as_ref();
    let mut findings: Vec<(&Component, Match)> = scanned
        .inventory
        .components
        .iter()
        .filter_map(|component| {
            package_key(&component.package, distro).map(|(key, version)| (component, key, version))
        })
        .flat_map(|(component, key, version)| {
            index
                .matches(&key, &version)
                .into_iter()
                .map(move |found| (component, found))
        })
        .collect();
    findings.sort_by(|(a, first), (b, second)| {
        let by_severity = second
            .severity
            .cmp(&first.severity)
            .then(second.known_exploited.cmp(&first.known_exploited));
        by_severity
            .then_with(|| a.package.name.cmp(&b.package.name))
            .then_with(|| first.group.cmp(&second.group))
    });
    findings
}

fn print(scanned: &Scanned, findings: &[(&Component, Match)], unknown: &Unknown) {
    let row = |(component, found): &(&Component, Match)| {
        let severity = found.severity.to_string();
        let exploited = if found.known_exploited {
            " (exploited)"
        } else {
            ""
        };
        let cells = [
            format!("{severity}{exploited}"),
            found.group.clone(),
            component.package.name.clone(),
            component.package.version.clone(),
            found
                .fixed_version
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
            (component.layer_index + 1).to_string(),
            component
                .instruction
                .as_deref()
                .map(short)
                .unwrap_or_default(),
        ];
        (Some(severity_tone(&severity)), cells)
    };
    let empty = match (scanned.inventory.is_complete(), unknown.is_nothing()) {
        (true, true) => "no known weakness",
        (false, true) => "no known weakness in what could be read",
        (true, false) => "no known weakness in what could be matched",
        (false, false) => "no known weakness in what could be read and matched",
    };
    let head = [
        "severity",
        "id",
        "package",
        "installed",
        "fixed in",
        "layer",
        "instruction",
    ];
    output::toned_table(head, findings.iter().map(row).collect(), empty);
    output::note(format!(
        "{} components, {} findings",
        scanned.inventory.components.len(),
        findings.len()
    ));
}

fn print_json(
    scanned: &Scanned,
    findings: &[(&Component, Match)],
    unknown: &Unknown,
) -> Result<()> {
    let findings: Vec<_> = findings
        .iter()
        .map(|(component, found)| {
            json!({
                "id": found.group, "ids": found.ids, "severity": found.severity.to_string(), "cvss": found.cvss,
                "knownExploited": found.known_exploited, "purl": component.purl.to_string(), "package": component.package.name,
                "version": component.package.version, "fixedVersion": found.fixed_version, "range": found.range,
                "summary": found.summary, "layer": component.layer, "layerIndex": component.layer_index,
                "instruction": component.instruction, "path": component.package.path,
            })
        })
        .collect();
    let problems: Vec<&str> = scanned
        .inventory
        .problems
        .iter()
        .map(|problem| problem.detail.as_str())
        .collect();
    output::json(&json!({
        "source": scanned.name, "digest": scanned.digest, "complete": scanned.inventory.is_complete(), "problems": problems,
        "withoutAdvisories": unknown.without_advisories, "unmatchable": unknown.unmatchable,
        "components": scanned.inventory.components.len(), "findings": findings,
    }))
}
