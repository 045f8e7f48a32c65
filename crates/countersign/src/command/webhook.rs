//! `countersign webhook`: programs that are told of events, each delivery signed (Standard Webhooks).

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::Result;
use clap::Subcommand;
use client::api::webhooks::{NewWebhook, Webhook as Known};

#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// Tell a program of everything from now on; its secret is shown once.
    Create {
        /// A name, to tell it from others.
        name: String,
        /// Where to post to.
        url: String,
    },
    /// List webhooks.
    List {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Stop telling.
    Delete {
        /// Its number, from the list.
        id: i64,
    },
}

impl Webhook {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = server.client()?;
        match self {
            Self::Create { name, url } => {
                let created = client.create_webhook(&NewWebhook { name, url }).await?;
                output::line(format!(
                    "Webhook {} posts to {}.",
                    created.about.id, created.about.url
                ));
                output::line(format!("Secret (shown once): {}", created.secret.expose()));
            }
            Self::List { output } => {
                let row = |webhook: &Known| {
                    [
                        webhook.id.to_string(),
                        webhook.name.clone(),
                        webhook.url.clone(),
                    ]
                };
                output::list(
                    output,
                    &client.webhooks().await?,
                    ["id", "name", "url"],
                    row,
                    "no webhooks",
                )?;
            }
            Self::Delete { id } => {
                client.delete_webhook(id).await?;
                output::line(format!("Webhook {id} is deleted."));
            }
        }
        Ok(Exit::Done)
    }
}
