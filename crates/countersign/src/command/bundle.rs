//! `countersign bundle`: an image and all that speaks for it in one file, for hosts that reach no server.

use crate::bundle::collect::{Made, Wanted, collect};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::{output, progress};
use anyhow::Result;
use oci::ImageReference;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign bundle registry.example:5000/shop/web:1 -o web.tar\n  \
    countersign verify --offline web.tar --gate production --receipt-key server.pub     (where there is no network)"
)]
pub(crate) struct Bundle {
    /// The image, with or without the registry's host.
    image: ImageReference,
    /// The file to write, an OCI image layout in a tar archive.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Leave out the proofs that the server's audit log has it all: they show those entries of the log to whoever reads the file.
    #[arg(long)]
    without_log: bool,
}

impl Bundle {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = match (&self.image.host, &server.server) {
            (Some(host), None) => server.registry_client(host)?,
            _ => server.client()?,
        };
        let now = jiff::Timestamp::now().as_millisecond();
        let wanted = Wanted {
            image: &self.image,
            log: !self.without_log,
        };
        let Made { contents, size } = collect(&client, &wanted, &self.output, now).await?;
        output::line(format!(
            "Wrote {} ({})",
            self.output.display(),
            progress::size(size)
        ));
        output::line(format!(
            "  image     {}@{}",
            contents.repository, contents.image
        ));
        output::line(format!(
            "  beside it {} signatures, attestations and receipts",
            contents.attached.len()
        ));
        output::line(format!(
            "  of these  {} are proved to be in the server's log",
            contents.proofs.len()
        ));
        for missing in &contents.missing {
            output::line(format!("  not in it {missing}"));
        }
        Ok(Exit::Done)
    }
}
