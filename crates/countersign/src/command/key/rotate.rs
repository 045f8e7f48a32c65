//! `countersign key rotate`: a new key in the place of an old one. What the old one signed stays good.

use super::{Authority, short};
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  countersign key rotate server:shop-ci --user anna")]
pub(crate) struct Rotate {
    /// A key that the server holds, as `server:NAME`.
    key: String,
    #[command(flatten)]
    authority: Authority,
}

impl Rotate {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<()> {
        let name = super::signer::held(&self.key).with_context(|| {
            format!(
                "`{}` is no key that the server holds; such a one is named `server:NAME`",
                self.key
            )
        })?;
        let client = self.authority.client(server)?;
        let next = client.rotate_held_key(name).await?;
        output::line(format!(
            "Key {} is in the place of the one before, as `server:{name}`. What that signed stays good.",
            short(&next.id)
        ));
        Ok(())
    }
}
