//! Steps 5 to 7: refused with reasons, signed by each stage, allowed.

use super::events::Feed;
use super::{GATE, Story};
use crate::command::gate::tinted;
use crate::demo::say;
use crate::demo::wait::{Seen, until};
use anyhow::{Context, Result, ensure};
use client::api::gate::Outcome;
use oci::media;
use policy::Decision;
use policy::decision::Mark;
use policy::reason::Code;

/// The annotation that names the stage on the server's own signature.
const STAGE_ANNOTATION: &str = "dev.countersign.stage";

impl Story {
    pub(super) async fn refuse(&self) -> Result<()> {
        say::plain(&format!(
            "The host web-1 does what docker pull {}/{} does:",
            self.host(),
            self.image.name()
        ));
        let sentence = self.refused_pull().await?;
        ensure!(
            sentence.contains("stage ci") && sentence.contains("stage staging"),
            "the refusal does not name what is missing: {sentence}"
        );
        say::bad(&sentence);
        say::plain(&format!(
            "What countersign gate {} --gate {GATE} says of each stage:",
            self.image.name()
        ));
        let (_, decision) = self.gate().await?;
        show_tree(&decision);
        say::good("by tag, by digest, with HEAD, and layer by layer: refused alike");
        Ok(())
    }

    pub(super) async fn sign(&self) -> Result<()> {
        let people = &self.people;
        let name = self.image.name();
        let signed = people.ci.sign(&name, "ci").await?;
        ensure!(
            signed == self.image.digest,
            "ci-shop signed `{signed}` instead of `{}`",
            self.image.digest
        );
        say::good("ci-shop signed for ci");
        self.stamp_of_scan().await?;
        say::good("the server signed for scan by itself: the limits hold");
        people.erik.sign(&name, "staging").await?;
        people.maria.sign(&name, "staging").await?;
        people.maria.sign(&name, "staging").await?;
        say::plain("erik signs for staging, and maria, to be on the safe side, twice:");
        let (answer, decision) = self.gate().await?;
        ensure!(
            answer.outcome == Outcome::Deny,
            "one person's signatures were enough: {}",
            answer.sentence
        );
        expect_signers(&decision, &["maria"])?;
        not_counted(&decision, "erik", Code::Author)?;
        not_counted(&decision, "maria", Code::SamePrincipal)?;
        people.tom.sign(&name, "staging").await?;
        let (answer, decision) = self.gate().await?;
        expect_signers(&decision, &["maria", "tom"])?;
        ensure!(
            answer.outcome == Outcome::Allow,
            "all stages have signed, and the gate says: {}",
            answer.sentence
        );
        say::good("tom signed for staging: two different people, neither of them the author");
        Ok(())
    }

    /// Answers where people have read the events up to: to the news that the image may pass.
    pub(super) async fn allow(&self) -> Result<Feed> {
        self.image
            .pull_and_compare(&self.people.host.client)
            .await?;
        say::good(&format!(
            "web-1 pulled {}: {} bytes, each as erik pushed it",
            self.image.name(),
            self.image.bytes()
        ));
        let (answer, _) = self.gate().await?;
        ensure!(
            answer.outcome == Outcome::Allow,
            "it was pulled, and the gate says: {}",
            answer.sentence
        );
        say::plain(&format!("The gate: {}", answer.sentence));
        let mut feed = Feed::new(&self.people.anna);
        feed.decision("allow").await?;
        Ok(feed)
    }

    /// Waits for the server's own signature, which lies beside the image like everyone's.
    async fn stamp_of_scan(&self) -> Result<()> {
        let client = &self.people.maria.actor.client;
        until("the server's signature for scan", async || {
            let signatures = client
                .referrers(
                    &self.image.repository,
                    &self.image.digest,
                    Some(media::SIGSTORE_BUNDLE_V03),
                )
                .await?;
            let is_stamp = |stage: &String| stage == "scan";
            Ok(
                match signatures.iter().find(|signature| {
                    signature
                        .annotations
                        .get(STAGE_ANNOTATION)
                        .is_some_and(is_stamp)
                }) {
                    Some(_) => Seen::Yes(()),
                    None => Seen::NotYet(format!(
                        "{} signatures lie beside the image, and none is it",
                        signatures.len()
                    )),
                },
            )
        })
        .await
    }
}

/// The decision as a tree, each line in its tone; of stages that are met, the first line says enough.
pub(super) fn show_tree(decision: &Decision) {
    let mut is_open = true;
    for line in decision.tree_lines() {
        if line.depth <= 1 {
            is_open = line.mark != Mark::Pass;
        }
        if line.depth <= 1 || is_open {
            say::verbatim(&tinted(&line.to_string()));
        }
    }
}

/// Whose signatures count for staging.
fn expect_signers(decision: &Decision, expected: &[&str]) -> Result<()> {
    let stage = decision
        .stage("staging")
        .context("the decision does not speak of staging")?;
    let counted: Vec<&str> = stage
        .counted
        .iter()
        .map(|counted| counted.name.as_str())
        .collect();
    ensure!(
        counted == expected,
        "for staging count {counted:?} instead of {expected:?}"
    );
    Ok(())
}

/// Says why someone's signature does not count, which must be for this reason.
fn not_counted(decision: &Decision, who: &str, code: Code) -> Result<()> {
    let stage = decision
        .stage("staging")
        .context("the decision does not speak of staging")?;
    let named = |signer: &str| signer.split(' ').any(|word| word == who);
    let reason = stage.reasons.iter().find(|reason| {
        reason.code == code
            && reason
                .candidate
                .as_ref()
                .and_then(|candidate| candidate.signer.as_deref())
                .is_some_and(named)
    });
    let reason = reason.with_context(|| format!("nothing says `{code}` of {who}'s signature"))?;
    say::bad(&format!("does not count: {} [{code}]", reason.message));
    Ok(())
}
