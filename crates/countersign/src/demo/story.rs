//! The story, step by step. Each step prints what happens, and fails, naming itself, when something else happens.

mod account;
mod arrival;
mod events;
mod gate;
mod rules;
mod turn;

use super::image::Image;
use super::people::People;
use super::say;
use anyhow::{Context, Result, bail, ensure};
use client::Error as ClientError;
use client::api::gate::{GateAnswer, Outcome};
use policy::Decision;
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// The image that the story is about.
const REPOSITORY: &str = "shop/web";
const TAG: &str = "1.0";
/// The gate in its way.
pub(super) const GATE: &str = "production";

/// What the steps share.
pub(super) struct Story {
    pub(super) people: People,
    pub(super) image: Image,
    /// The server's data folder, for the one step that reads it.
    data: PathBuf,
}

/// One step: its headline, then what happens, and its name on whatever goes wrong.
pub(super) async fn step<T>(
    number: u8,
    title: &str,
    happens: impl Future<Output = Result<T>>,
) -> Result<T> {
    say::headline(number, title);
    happens
        .await
        .with_context(|| format!("step {number} ({}) did not go as told", lowercase(title)))
}

/// A headline inside a sentence.
fn lowercase(title: &str) -> String {
    let mut characters = title.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}

impl Story {
    /// Everyone arrives and the rules are laid down.
    pub(super) async fn prepare(url: String, admin: SecretString, data: &Path) -> Result<Self> {
        let people = step(
            2,
            "People, machines, keys, and the rules of the shop",
            rules::lay_down(&url, admin),
        )
        .await?;
        Ok(Self {
            people,
            image: Image::assemble(REPOSITORY, TAG)?,
            data: data.to_path_buf(),
        })
    }

    /// From the push to the sealed account.
    pub(super) async fn tell(&self) -> Result<()> {
        let pushed_at = step(3, "The developer pushes an image", self.push()).await?;
        step(
            4,
            "It is taken apart, and matched with what is known",
            self.inventory(pushed_at),
        )
        .await?;
        step(5, "Production asks for it too early", self.refuse()).await?;
        step(6, "Each stage puts its stamp on it", self.sign()).await?;
        let told = step(7, "Production asks again", self.allow()).await?;
        step(8, "Later, a new weakness becomes known", self.turn(told)).await?;
        step(
            9,
            "Everything that was done is on the record",
            self.account(),
        )
        .await
    }

    /// The server as image references name it.
    fn host(&self) -> &str {
        self.people
            .host
            .client
            .base_url()
            .trim_start_matches("http://")
            .trim_end_matches('/')
    }

    /// What the gate says, as someone who may look at the image hears it.
    async fn gate(&self) -> Result<(GateAnswer, Decision)> {
        let answer = self
            .people
            .host
            .client
            .gate(&self.image.name(), GATE, None)
            .await?;
        let [decision] = answer.decisions.as_slice() else {
            bail!("{} gates answered instead of one", answer.decisions.len());
        };
        let decision =
            serde_json::from_value(decision.clone()).context("the decision cannot be read")?;
        Ok((answer, decision))
    }

    /// A pull by the production host, which the gate must refuse; answers the sentence that docker would print.
    async fn refused_pull(&self) -> Result<String> {
        let client = &self.people.host.client;
        let repository = &self.image.repository;
        let sentence = refusal(
            "the image, by its tag,",
            client.manifest(repository, &self.image.by_tag()).await,
        )?;
        refusal(
            "the image, by its digest,",
            client.manifest(repository, &self.image.by_digest()).await,
        )?;
        refusal(
            "a look with HEAD",
            client
                .head_manifest(repository, &self.image.by_digest())
                .await,
        )?;
        for (layer, _) in self.image.layers() {
            refusal("a layer", client.blob(repository, &layer).await)?;
        }
        let (answer, _) = self.gate().await?;
        ensure!(
            answer.outcome == Outcome::Deny,
            "the registry refuses, and the gate says {:?}",
            answer.outcome
        );
        Ok(sentence)
    }
}

/// The sentence of a refusal by the gate; whatever is served instead is an error.
fn refusal<T>(what: &str, answer: Result<T, ClientError>) -> Result<String> {
    match answer {
        Ok(_) => bail!("{what} was given to a host that the gate holds back"),
        Err(ClientError::Refused(refused)) if refused.status == 403 && refused.code == "DENIED" => {
            Ok(refused.message.clone())
        }
        Err(error) => {
            Err(error).with_context(|| format!("{what} was refused, but not by the gate"))
        }
    }
}
