//! `countersign key hold` and `key rotate` of a key that the server holds: it is made there and stays there.

use super::{Authority, short};
use crate::context::ServerFlags;
use crate::output;
use anyhow::Result;
use client::api::keys::NewHeldKey;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  countersign key hold shop-ci --stage ci --for ci-shop --scope 'shop/**' --user anna\n  \
    countersign sign --stage ci --key server:shop-ci registry.example:5000/shop/web:1     (the robot ci-shop, with its token)"
)]
pub(crate) struct Hold {
    /// The key's name, by which it is asked for.
    name: String,
    /// The stage that it signs for; no other.
    #[arg(long)]
    stage: String,
    /// Whose key it is: who alone may have it sign. You, unless said otherwise.
    #[arg(long = "for", value_name = "NAME")]
    principal: Option<String>,
    /// Repositories that it may sign for, as patterns.
    #[arg(long, required = true, value_name = "PATTERN")]
    scope: Vec<String>,
    #[command(flatten)]
    authority: Authority,
}

impl Hold {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<()> {
        let client = self.authority.client(server)?;
        let new = NewHeldKey {
            name: self.name,
            stage: self.stage,
            scope: self.scope,
            principal: Some(self.principal.unwrap_or(self.authority.user)),
        };
        let held = client.hold_key(&new).await?;
        output::line(format!(
            "Key {} is {}'s, for {}. The server holds it for the stage {}.",
            short(&held.id),
            held.principal,
            held.scope.join(", "),
            new.stage
        ));
        output::note(format!(
            "{} signs with `--key server:{}`.",
            held.principal, held.name
        ));
        Ok(())
    }
}
