//! `countersign token`: secrets that stand for a principal. Each is shown once and kept hashed.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::Result;
use clap::Subcommand;
use client::api::tokens::NewToken;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Create a token and show it, once.
    #[command(
        after_help = "Examples:\n  countersign token create laptop --days 30\n  countersign token create ci --for ci-shop --quiet | docker login -u ci-shop --password-stdin HOST"
    )]
    Create {
        /// What it is for, to tell it from others.
        name: String,
        /// The robot that it stands for; you, unless said otherwise.
        #[arg(long = "for", value_name = "ROBOT")]
        principal: Option<String>,
        /// Days until it ends; never, unless said otherwise.
        #[arg(long)]
        days: Option<u32>,
        /// What it is good for, as `repository:shop/**:pull,push`; all that you may, unless said otherwise.
        #[arg(long, value_name = "repository:PATTERN:VERBS")]
        scope: Vec<String>,
        /// Print the token and nothing else.
        #[arg(short, long)]
        quiet: bool,
    },
    /// List tokens, without their secrets.
    List {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// End a token now.
    Revoke {
        /// Its number, from the list.
        id: i64,
    },
}

impl Token {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = server.client()?;
        match self {
            Self::Create {
                name,
                principal,
                days,
                scope,
                quiet,
            } => {
                let scope = (!scope.is_empty()).then_some(scope);
                let created = client
                    .create_token(&NewToken {
                        name,
                        expires_in_days: days,
                        principal,
                        scope,
                    })
                    .await?;
                if quiet {
                    output::line(created.token.expose());
                } else {
                    output::line(format!(
                        "Token {} of {} (shown once):",
                        created.about.id, created.about.principal
                    ));
                    output::line(created.token.expose());
                }
            }
            Self::List { output } => {
                let row = |token: &client::api::tokens::Token| {
                    let state = match (token.revoked_at, token.expires_at) {
                        (Some(at), _) => format!("revoked {}", output::instant(at)),
                        (None, Some(at)) => format!("until {}", output::instant(at)),
                        (None, None) => "no end".to_owned(),
                    };
                    [
                        token.id.to_string(),
                        token.principal.clone(),
                        token.name.clone(),
                        state,
                    ]
                };
                output::list(
                    output,
                    &client.tokens().await?,
                    ["id", "of", "name", "state"],
                    row,
                    "no tokens",
                )?;
            }
            Self::Revoke { id } => {
                client.delete_token(id).await?;
                output::line(format!("Token {id} is revoked."));
            }
        }
        Ok(Exit::Done)
    }
}
