//! `countersign verify`: whose signatures stand behind an image, and why others do not count, whatever the gates ask. Exit code
//! 0 when every stage is signed as the policies ask, 3 when one is not. With `--type` it is about attestations of that type. With `--receipt-key` the gates' receipts are asked instead,
//! and no server.

mod receipt;

use super::attest::predicate_type;
use super::gate::{local_reference, tinted};
use super::key::instant;
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::Result;
use client::api::gate::VerifyAnswer;
use oci::{ImageReference, RepositoryName};
use std::path::PathBuf;
use trust::checkpoint::VerifierKey;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign verify registry.example:5000/shop/web:1\n  \
                  countersign verify shop/web:1 shop/api:1 --stage staging\n  \
                  countersign verify shop/web:1 --type slsaprovenance1\n  \
                  countersign verify --gate production --receipt-key server.pub registry.example:5000/shop/web:1\n  \
                  countersign verify --offline web.tar --gate production --receipt-key server.pub\n  \
                  countersign verify --offline web.tar --receipt-key server.pub --at 2026-12-01     (will it still be good then?)"
)]
pub(crate) struct Verify {
    /// The images, with or without the registry's host; with `--offline` one by its digest, or none.
    #[arg(required_unless_present = "offline")]
    images: Vec<ImageReference>,
    /// Look at this stage only; may be repeated.
    #[arg(long = "stage", value_name = "NAME", conflicts_with = "receipt_keys")]
    stages: Vec<String>,
    /// Look at attestations of this kind instead, by whoever has a registered key: a short name as of `countersign attest`, or a URI.
    #[arg(
        long = "type",
        value_name = "TYPE",
        value_parser = predicate_type,
        conflicts_with_all = ["stages", "receipt_keys"]
    )]
    predicate_type: Option<String>,
    /// Ask the receipts of this gate, not the server; may be repeated.
    #[arg(long = "gate", value_name = "NAME", requires = "receipt_keys")]
    gates: Vec<String>,
    /// A public key of the server's receipts (`countersign key server`); may be repeated.
    #[arg(long = "receipt-key", value_name = "FILE")]
    receipt_keys: Vec<PathBuf>,
    /// A receipt in a file, instead of those beside the image; may be repeated.
    #[arg(
        long = "receipt",
        value_name = "FILE",
        requires = "receipt_keys",
        conflicts_with = "offline"
    )]
    receipts: Vec<PathBuf>,
    /// A policy that has to be the one that answered; may be repeated.
    #[arg(long = "policy", value_name = "FILE", requires = "receipt_keys")]
    policies: Vec<PathBuf>,
    /// The repository that the receipts have to be for, where the image has another name here, or is in a file.
    #[arg(long, value_name = "NAME", requires = "receipt_keys")]
    repository: Option<RepositoryName>,
    /// Judge receipts as of this time, not of this machine's clock: a day (its beginning in UTC), or an instant as
    /// 2026-11-24T08:30:00Z.
    #[arg(long, value_name = "TIME", requires = "receipt_keys", value_parser = instant)]
    at: Option<i64>,
    /// A file made by `countersign bundle`: nothing is asked over the network.
    #[arg(long, value_name = "FILE", requires = "receipt_keys")]
    offline: Option<PathBuf>,
    /// The verifier key of the server's log (`GET /tlog/key`): looks at the proofs in the file too.
    #[arg(long, value_name = "KEY", requires = "offline")]
    log_key: Option<VerifierKey>,
    /// The verifier key of a witness whose signature must be on the log's checkpoint, and every receipt that lets the image pass must be
    /// proved under it; may be repeated.
    #[arg(long = "witness", value_name = "KEY", requires = "log_key")]
    witnesses: Vec<VerifierKey>,
    /// Remember the highest number of the receipts in this file, and believe none that is older than one that was seen.
    #[arg(long, value_name = "FILE", requires = "receipt_keys")]
    state: Option<PathBuf>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Verify {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        if self.is_by_receipt() {
            return self.by_receipt(server).await;
        }
        let mut answers = Vec::new();
        for image in &self.images {
            let client = match (&image.host, &server.server) {
                (Some(host), None) => server.registry_client(host)?,
                _ => server.client()?,
            };
            let local = local_reference(image);
            let answer = match &self.predicate_type {
                Some(wanted) => client.verify_attested(&local, wanted).await?,
                None => client.verify(&local, &self.stages).await?,
            };
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
