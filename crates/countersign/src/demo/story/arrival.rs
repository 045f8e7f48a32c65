//! Steps 3 and 4: the push, and what the server finds inside by itself.

use super::Story;
use crate::demo::image::PIP_INSTRUCTION;
use crate::demo::material::{DEBIAN_PACKAGES_INSTALLED, KNOWN_FINDINGS, PYTHON_PACKAGES};
use crate::demo::say;
use crate::demo::wait::{Seen, until};
use crate::output::{Tone, severity_tone};
use anyhow::{Context, Result, bail, ensure};
use client::api::image::{Finding, InventoryState};
use sbom::{Component, ImageInventory, PackageKind, pep503};
use std::collections::BTreeSet;
use std::time::Instant;

/// Findings that are shown; the rest is counted.
const SHOWN: usize = 6;

impl Story {
    pub(super) async fn push(&self) -> Result<Instant> {
        say::plain("The image is put together here: a part of Debian 12.4, and on top of it");
        say::detail(PIP_INSTRUCTION);
        self.image.push(&self.people.erik.actor.client).await?;
        let pushed_at = Instant::now();
        let layers: Vec<String> = self
            .image
            .layers()
            .map(|(digest, bytes)| format!("{} ({bytes} bytes)", digest.short()))
            .collect();
        say::good(&format!(
            "erik pushed {}: layers {}",
            self.image.name(),
            layers.join(" and ")
        ));
        say::good(&format!(
            "{}, on the disk before the server answered",
            self.image.digest
        ));
        Ok(pushed_at)
    }

    pub(super) async fn inventory(&self, pushed_at: Instant) -> Result<()> {
        let (anna, name) = (&self.people.anna.client, self.image.name());
        let findings = until("the image to be inventoried and matched", async || {
            let found = anna.image_findings(&name).await?;
            Ok(match found.state {
                InventoryState::Complete if found.advisories_ready => Seen::Yes(found.findings),
                InventoryState::Complete => {
                    Seen::NotYet("its components are not matched yet".to_owned())
                }
                InventoryState::NotIndexed => Seen::NotYet("it is not indexed yet".to_owned()),
                other => bail!(
                    "its inventory is {other:?}: {:?}",
                    anna.image(&name).await?.inventory
                ),
            })
        })
        .await?;
        let milliseconds = pushed_at.elapsed().as_millis();
        let inventory: ImageInventory =
            serde_json::from_slice(&anna.image_sbom(&name, "json").await?)
                .context("the inventory cannot be read")?;
        self.components(&inventory, milliseconds)?;
        expect_findings(&findings)?;
        show_findings(&findings);
        Ok(())
    }

    fn components(&self, inventory: &ImageInventory, milliseconds: u128) -> Result<()> {
        let distro = inventory
            .distro
            .as_ref()
            .context("the inventory names no distribution")?;
        say::good(&format!(
            "{}, {} components, {milliseconds} ms after the push:",
            distro.pretty_name,
            inventory.components.len()
        ));
        let kinds = [
            (PackageKind::Deb, DEBIAN_PACKAGES_INSTALLED, 0),
            (PackageKind::PyPi, PYTHON_PACKAGES.len(), 1),
        ];
        for (kind, expected, layer) in kinds {
            let found: Vec<&Component> = inventory
                .components
                .iter()
                .filter(|found| found.package.kind == kind)
                .collect();
            ensure!(
                found.len() == expected,
                "{} {kind} packages were found instead of {expected}",
                found.len()
            );
            if let Some(astray) = found
                .iter()
                .find(|component| component.layer_index != layer)
            {
                bail!(
                    "{} is blamed on layer {} instead of {}",
                    astray.package.name,
                    astray.layer_index + 1,
                    layer + 1
                );
            }
            let instruction = found
                .first()
                .and_then(|component| component.instruction.clone())
                .unwrap_or_default();
            ensure!(
                layer != 1 || instruction == PIP_INSTRUCTION,
                "{kind} packages are blamed on `{instruction}`"
            );
            let names: Vec<String> = found
                .iter()
                .map(|component| component.package.name.clone())
                .collect();
            say::plain(&format!("layer {}: {instruction}", layer + 1));
            say::detail(&format!("{} {kind}: {}", found.len(), names.join(", ")));
        }
        Ok(())
    }
}

/// Not one finding more, not one less.
fn expect_findings(findings: &[Finding]) -> Result<()> {
    let found: BTreeSet<(String, String)> = findings
        .iter()
        .map(|finding| (finding.id.clone(), pep503(&finding.package)))
        .collect();
    let expected: BTreeSet<(String, String)> = KNOWN_FINDINGS
        .iter()
        .map(|(id, package)| ((*id).to_owned(), (*package).to_owned()))
        .collect();
    if let Some((id, package)) = expected.difference(&found).next() {
        bail!("{id} in {package} was not found");
    }
    if let Some((id, package)) = found.difference(&expected).next() {
        bail!("{id} in {package} was found, and should not be");
    }
    Ok(())
}

fn show_findings(findings: &[Finding]) {
    let row = |finding: &Finding| {
        let fixed = finding.fixed_version.as_ref().map_or_else(
            || "no fix".to_owned(),
            |version| format!("fixed in {version}"),
        );
        let installed = format!("{} {}", finding.package, finding.version);
        let cells = [
            finding.severity.clone(),
            finding.id.clone(),
            installed,
            fixed,
            format!("layer {}", finding.layer_index + 1),
        ];
        (severity_tone(&finding.severity), cells)
    };
    say::good(&format!(
        "{} known weaknesses, none critical with a fix, none known to be exploited:",
        findings.len()
    ));
    say::rows(&findings.iter().take(SHOWN).map(row).collect::<Vec<_>>());
    if findings.len() > SHOWN {
        let more = format!(
            "and {} more, low or not rated by Debian",
            findings.len() - SHOWN
        );
        say::rows(&[(Tone::Soft, [more])]);
    }
}
