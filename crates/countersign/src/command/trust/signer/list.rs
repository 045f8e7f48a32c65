//! `countersign trust signer list`: the part of `status` that is about signers.

use crate::command::trust::keyring::{KeyFlags, Keyring};
use crate::command::trust::repository::Repository;
use crate::command::trust::status;
use crate::context::ServerFlags;
use crate::output::{self, Format};
use anyhow::Result;
use oci::ImageReference;

pub(super) async fn run(
    reference: &ImageReference,
    format: Format,
    server: &ServerFlags,
) -> Result<()> {
    let repository = Repository::named(reference, server)?;
    let keyring = Keyring::new(&KeyFlags::default())?;
    let status = status::gather(&repository, &keyring).await?;
    match format {
        Format::Json => output::json(&status.signers),
        Format::Table => {
            status.print_signers(repository.now());
            Ok(())
        }
    }
}
