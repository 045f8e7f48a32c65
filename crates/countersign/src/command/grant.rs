//! `countersign grant`: a role for someone in some repositories. Roles: reader, writer, signer, maintainer, security, admin, auditor.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::{Result, bail};
use clap::Subcommand;
use client::api::accounts::{Grant as Granted, Grantee, NewGrant};

#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// Give a role.
    #[command(
        after_help = "Examples:\n  countersign grant add --role writer --to ci-shop 'shop/**'\n  countersign grant add --role reader --team developers '**'"
    )]
    Add {
        /// reader, writer, signer, maintainer, security, admin or auditor.
        #[arg(long)]
        role: String,
        /// A person or robot.
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
        /// A team.
        #[arg(long, conflicts_with = "to")]
        team: Option<String>,
        /// Whoever has not logged in (reader only).
        #[arg(long, conflicts_with_all = ["to", "team"])]
        anonymous: bool,
        /// Repositories, such as `shop/web`, `shop/*`, `shop/**` or `**`.
        pattern: String,
    },
    /// List grants.
    List {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Take a grant back.
    Remove {
        /// Its number, from the list.
        id: i64,
    },
}

impl Grant {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = server.client()?;
        match self {
            Self::Add {
                role,
                to,
                team,
                anonymous,
                pattern,
            } => {
                let to = match (to, team, anonymous) {
                    (Some(name), ..) => Grantee::Principal(name),
                    (_, Some(team), _) => Grantee::Team(team),
                    (_, _, true) => Grantee::Anonymous,
                    _ => bail!("to whom: say `--to NAME`, `--team TEAM` or `--anonymous`"),
                };
                let grant = client.create_grant(&NewGrant { to, role, pattern }).await?;
                output::line(format!(
                    "{} is {} of {}.",
                    grantee(&grant.to),
                    grant.role,
                    grant.pattern
                ));
            }
            Self::List { output } => {
                let row = |grant: &Granted| {
                    [
                        grant.id.to_string(),
                        grantee(&grant.to),
                        grant.role.clone(),
                        grant.pattern.clone(),
                    ]
                };
                output::list(
                    output,
                    &client.grants().await?,
                    ["id", "to", "role", "repositories"],
                    row,
                    "no grants",
                )?;
            }
            Self::Remove { id } => {
                client.delete_grant(id).await?;
                output::line(format!("Grant {id} is taken back."));
            }
        }
        Ok(Exit::Done)
    }
}

fn grantee(to: &Grantee) -> String {
    match to {
        Grantee::Principal(name) => name.clone(),
        Grantee::Team(team) => format!("team {team}"),
        Grantee::Anonymous => "anonymous".to_owned(),
    }
}
