//! Step 2: people, machines and their keys; what is known to be weak; the policy.

use crate::command::advisories;
use crate::demo::material::{self, POLICY, POLICY_NAME};
use crate::demo::people::{Actor, People};
use crate::demo::say;
use crate::output::Tone;
use ::advisories::Batch;
use anyhow::{Result, ensure};
use client::api::policies::PutPolicy;
use secrecy::SecretString;

/// Makes the accounts, imports advisories, applies the policy.
pub(super) async fn lay_down(url: &str, admin: SecretString) -> Result<People> {
    let people = People::arrive(url, admin).await?;
    introduce();
    let names: Vec<&str> = people
        .signatories()
        .iter()
        .map(|signatory| signatory.actor.name)
        .collect();
    let keys = people.anna.client.keys().await?;
    ensure!(
        keys.len() == names.len(),
        "{} keys are registered instead of {}",
        keys.len(),
        names.len()
    );
    say::good(&format!(
        "{} keys registered ({}), each with a proof that its owner holds it",
        keys.len(),
        names.join(", ")
    ));
    import(&people.anna, material::advisories()?).await?;
    apply_policy(&people.anna).await?;
    Ok(people)
}

fn introduce() {
    let row = |name: &str, what: &str| (Tone::Strong, [name.to_owned(), what.to_owned()]);
    say::rows(&[
        row(
            "anna",
            "security: writes the policy, registers keys, brings advisories",
        ),
        row(
            "erik",
            "developer: pushes to shop/**, owns the robot ci-shop, helps out in team qa",
        ),
        row("maria, tom", "team qa: approve in their own names"),
        row("ci-shop", "robot: builds and tests"),
        row(
            "web-1",
            "robot of team production-hosts: what it pulls must have passed the gate",
        ),
    ]);
}

/// Sends each source whole, as `countersign advisories import` does.
async fn import(anna: &Actor, batch: Batch) -> Result<()> {
    let (records, exploited) = (batch.advisories.len(), batch.known_exploited.len());
    for (source, part) in advisories::by_source(batch, None) {
        advisories::import(&anna.client, &source, false, part).await?;
    }
    let status = anna.client.advisory_status().await?;
    ensure!(status.ready, "the server holds advisories and is not ready");
    let held: u64 = status.sources.iter().map(|source| source.advisories).sum();
    ensure!(
        usize::try_from(held).ok() == Some(records),
        "the server holds {held} advisories instead of {records}"
    );
    let sources: Vec<&str> = status
        .sources
        .iter()
        .map(|source| source.source.as_str())
        .collect();
    say::good(&format!(
        "{records} advisories imported ({}), {exploited} weakness known to be exploited",
        sources.join(", ")
    ));
    Ok(())
}

async fn apply_policy(anna: &Actor) -> Result<()> {
    let report = anna
        .client
        .put_policy(
            POLICY_NAME,
            &PutPolicy {
                document: POLICY.to_owned(),
            },
            false,
        )
        .await?;
    ensure!(report.applied, "the policy was not applied");
    if let Some(lint) = report.lints.first() {
        anyhow::bail!("the policy has a lint: {}", lint.message);
    }
    say::good(&format!(
        "policy `{POLICY_NAME}` is in force for shop/**; gate production asks for three stages:"
    ));
    let row = |stage: &str, what: &str| (Tone::Strong, [format!("  {stage}"), what.to_owned()]);
    say::rows(&[
        row("ci", "signed by the robot ci-shop"),
        row(
            "scan",
            "automatic: nothing critical that has a fix (2 s of grace), nothing known to be exploited",
        ),
        row(
            "staging",
            "after those, signed by two people of qa, not by the author",
        ),
    ]);
    Ok(())
}
