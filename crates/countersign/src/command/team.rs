//! `countersign team`: people and robots under one name, for grants and policies.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::Result;
use clap::Subcommand;
use client::api::accounts::NewTeam;

#[derive(Debug, Subcommand)]
pub(crate) enum Team {
    /// Create a team.
    Create {
        /// Its name.
        name: String,
    },
    /// Add people or robots. A team that a policy names is changed by `security` only.
    Add {
        /// The team.
        team: String,
        /// Whom.
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Take people or robots out.
    Remove {
        /// The team.
        team: String,
        /// Whom.
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Remove a team with its memberships and grants. One that a policy names stays.
    Delete {
        /// Its name.
        name: String,
    },
    /// List teams with their members.
    List {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

impl Team {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = server.client()?;
        match self {
            Self::Create { name } => {
                let team = client.create_team(&NewTeam { name }).await?;
                output::line(format!("Created team {}.", team.name));
            }
            Self::Add { team, members } => {
                for member in members {
                    client.add_member(&team, &member).await?;
                    output::line(format!("{member} is in {team}."));
                }
            }
            Self::Remove { team, members } => {
                for member in members {
                    client.remove_member(&team, &member).await?;
                    output::line(format!("{member} is no longer in {team}."));
                }
            }
            Self::Delete { name } => {
                client.delete_team(&name).await?;
                output::line(format!(
                    "Team {name} is gone, with its memberships and grants."
                ));
            }
            Self::List { output } => {
                let row = |team: &client::api::accounts::Team| {
                    let members: Vec<&str> = team
                        .members
                        .iter()
                        .map(|member| member.name.as_str())
                        .collect();
                    [team.name.clone(), members.join(", ")]
                };
                output::list(
                    output,
                    &client.teams().await?,
                    ["team", "members"],
                    row,
                    "no teams yet",
                )?;
            }
        }
        Ok(Exit::Done)
    }
}
