//! `countersign affected`: which images in stock hold this weakness, or this package.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::Result;
use client::api::advisories::{AffectedBy, AffectedImage};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign affected CVE-2019-14234\n  countersign affected pkg:pypi/django@3.2.0"
)]
pub(crate) struct Affected {
    /// A weakness (`CVE-…`, `GHSA-…`, `PYSEC-…`) or a package URL.
    what: String,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Affected {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let by = if self.what.starts_with("pkg:") {
            AffectedBy::Purl(self.what.clone())
        } else {
            AffectedBy::Id(self.what.clone())
        };
        let images = server.client()?.affected(&by).await?;
        let row = |image: &AffectedImage| {
            let name = image.tags.first().map_or_else(
                || format!("{}@{}", image.repository, image.digest),
                |tag| format!("{}:{tag}", image.repository),
            );
            let instruction = image.instruction.clone().unwrap_or_default();
            [
                name,
                image.purl.clone(),
                image
                    .fixed_version
                    .clone()
                    .unwrap_or_else(|| "-".to_owned()),
                instruction,
            ]
        };
        let empty = format!("no image in stock is affected by {}", self.what);
        output::list(
            self.output,
            &images,
            ["image", "component", "fixed in", "brought by"],
            row,
            &empty,
        )?;
        Ok(Exit::Done)
    }
}
