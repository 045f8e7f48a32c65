//! `countersign verify`: whose signatures stand behind an image, and why others do not count, whatever the gates ask. Exit code
//! 0 when every stage is signed as the policies ask, 3 when one is not.

use super::gate::{local_reference, tinted};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::Result;
use client::api::gate::VerifyAnswer;
use oci::ImageReference;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign verify registry.example:5000/shop/web:1\n  \
                  countersign verify shop/web:1 shop/api:1 --stage staging"
)]
pub(crate) struct Verify {
    /// The images, with or without the registry's host.
    #[arg(required = true)]
    images: Vec<ImageReference>,
    /// Look at this stage only; may be repeated.
    #[arg(long = "stage", value_name = "NAME")]
    stages: Vec<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Verify {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let mut answers = Vec::new();
        for image in &self.images {
            let client = match (&image.host, &server.server) {
                (Some(host), None) => server.registry_client(host)?,
                _ => server.client()?,
            };
            let answer = client.verify(&local_reference(image), &self.stages).await?;
            if self.output == Format::Table {
                answer
                    .tree
                    .lines()
                    .for_each(|line| output::line(tinted(line)));
            }
            answers.push(answer);
        }
        match (self.output, answers.as_slice()) {
            (Format::Json, [answer]) => output::json(answer)?,
            (Format::Json, answers) => output::json(&answers)?,
            (Format::Table, _) => {}
        }
        Ok(exit(&answers))
    }
}

/// One image that is not verified is enough.
fn exit(answers: &[VerifyAnswer]) -> Exit {
    match answers.iter().all(|answer| answer.verified) {
        true => Exit::Done,
        false => Exit::Refused,
    }
}
