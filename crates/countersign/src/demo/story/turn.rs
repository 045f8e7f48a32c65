//! Step 8: a new advisory arrives, people are told, grace ends, the gate turns, and the images in question are named.

use super::Story;
use super::events::{Feed, text};
use super::gate::show_tree;
use crate::command::advisories;
use crate::demo::image::PIP_INSTRUCTION;
use crate::demo::material::{self, LATER, LATER_SOURCE};
use crate::demo::say;
use anyhow::{Context, Result, ensure};
use client::api::advisories::AffectedBy;
use client::api::events::CloudEvent;
use policy::reason::Code;

/// The policy's grace, in milliseconds.
const GRACE_MILLISECONDS: i64 = 2_000;

impl Story {
    pub(super) async fn turn(&self, mut feed: Feed) -> Result<()> {
        let anna = &self.people.anna.client;
        let report =
            advisories::import(anna, LATER_SOURCE, false, material::later_advisories()?).await?;
        ensure!(
            report.added == 1,
            "the import added {} advisories instead of one",
            report.added
        );
        say::plain(&format!(
            "anna imports today's advisories. One is new: {LATER}, and only what it names is matched again."
        ));
        let found = feed
            .next("finding.new", |event| {
                text(&event.data, "/finding/group") == LATER
            })
            .await?;
        say::told(&describe(&found));
        let first_held_at = self.first_held_at().await?;
        say::plain(
            "The policy gives 2 s of grace from the moment the server held the advisory. They pass, and nobody touches anything.",
        );
        let turned = feed.decision("deny").await?;
        let turned_at = turned
            .time
            .parse::<jiff::Timestamp>()
            .context("the event has no time")?
            .as_millisecond();
        let held_for = turned_at - first_held_at;
        ensure!(
            held_for >= GRACE_MILLISECONDS,
            "the gate turned after {held_for} ms, before grace was over"
        );
        say::told(&format!(
            "decision.changed: gate {} says {} instead of {}, {:.1} s after the advisory",
            text(&turned.data, "/gate"),
            text(&turned.data, "/after"),
            text(&turned.data, "/before"),
            std::time::Duration::from_millis(u64::try_from(held_for).unwrap_or_default())
                .as_secs_f64()
        ));
        self.refuse_again().await?;
        self.affected().await
    }

    /// When the server first held the new advisory for the package.
    async fn first_held_at(&self) -> Result<i64> {
        let findings = self
            .people
            .anna
            .client
            .image_findings(&self.image.name())
            .await?
            .findings;
        let found = findings
            .into_iter()
            .find(|finding| finding.id == LATER)
            .with_context(|| format!("{LATER} was told and is no finding"))?;
        ensure!(
            found.severity == "critical",
            "{LATER} is {} instead of critical",
            found.severity
        );
        Ok(found.first_held_at)
    }

    async fn refuse_again(&self) -> Result<()> {
        let sentence = self.refused_pull().await?;
        ensure!(
            sentence.contains(LATER),
            "the refusal does not name {LATER}: {sentence}"
        );
        say::plain("web-1 pulls once more:");
        say::bad(&sentence);
        let (_, decision) = self.gate().await?;
        let scan = decision
            .stage("scan")
            .context("the decision does not speak of scan")?;
        ensure!(!scan.satisfied, "the limits of scan are said to hold");
        ensure!(
            scan.reasons
                .iter()
                .any(|reason| reason.code == Code::VulnerabilityLimit),
            "scan fails for another reason: {}",
            scan.summary
        );
        show_tree(&decision);
        Ok(())
    }

    async fn affected(&self) -> Result<()> {
        let images = self
            .people
            .anna
            .client
            .affected(&AffectedBy::Id(LATER.to_owned()))
            .await?;
        let [image] = images.as_slice() else {
            anyhow::bail!(
                "{} components are said to be affected by {LATER} instead of one",
                images.len()
            );
        };
        ensure!(
            image.digest == self.image.digest,
            "{LATER} is said to affect `{}`",
            image.digest
        );
        ensure!(
            image.instruction.as_deref() == Some(PIP_INSTRUCTION),
            "the instruction that brought it is not named"
        );
        let tags = image.tags.join(", ");
        say::good(&format!(
            "countersign affected {LATER} names it: {}:{tags}, {}, brought by that `RUN pip install`",
            image.repository, image.purl
        ));
        Ok(())
    }
}

/// An event as a person would be told.
fn describe(event: &CloudEvent) -> String {
    let data = &event.data;
    format!(
        "finding.new: {} {} in {} {}, fixed in {} ({}); image {}",
        text(data, "/finding/severity"),
        text(data, "/finding/group"),
        text(data, "/name"),
        text(data, "/version"),
        text(data, "/finding/fixedVersion"),
        text(data, "/finding/summary"),
        short(event.subject.as_deref().unwrap_or_default())
    )
}

/// `shop/web@sha256:…` with enough of the digest to recognise it.
fn short(subject: &str) -> String {
    match subject.split_once("@sha256:") {
        Some((repository, hex)) => format!("{repository}@{}", hex.get(..12).unwrap_or(hex)),
        None => subject.to_owned(),
    }
}
