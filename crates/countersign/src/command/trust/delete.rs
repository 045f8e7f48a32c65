//! `countersign trust delete`: all files of a trust repository, and what this machine remembers of it. Keys stay where they are.

use super::repository::Repository;
use crate::context::ServerFlags;
use crate::output;
use anyhow::Result;
use oci::ImageReference;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The role `maintainer` is needed. Every client that has read the old files refuses a new root until it has forgotten them: \
    docker keeps them in `~/.docker/trust/tuf/`.\n\nExample:\n  \
    countersign trust delete registry.example:5000/shop/web --yes"
)]
pub(crate) struct Delete {
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    /// Say that it is meant: there is no way back.
    #[arg(long, required = true)]
    yes: bool,
}

impl Delete {
    pub(super) async fn run(self, server: &ServerFlags) -> Result<()> {
        let repository = Repository::named(&self.repository, server)?;
        repository.delete().await?;
        output::line(format!("Deleted the trust data of {}.", repository.gun()));
        output::line(format!(
            "  next: countersign trust init {}",
            repository.gun()
        ));
        Ok(())
    }
}
