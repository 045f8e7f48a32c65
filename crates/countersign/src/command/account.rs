//! `countersign user` and `countersign robot`: the accounts of people and of machines. Accounts are never deleted, only
//! deactivated, because what they signed and did stays theirs.

use super::login::{ask_password, from_stdin};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::Result;
use clap::Subcommand;
use client::api::Secret;
use client::api::accounts::{NewRobot, NewUser, PrincipalChange};
use secrecy::ExposeSecret;

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Create a person; without a given password one is made and shown once.
    Create {
        /// The name to log in with.
        name: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a new password.
    Password {
        /// Whose.
        name: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List people.
    List {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Take all access from a person, and from the robots they own; their signatures no longer count.
    Deactivate {
        /// Whom.
        name: String,
    },
    /// Give a deactivated person their access back.
    Activate {
        /// Whom.
        name: String,
    },
}

impl User {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = server.client()?;
        match self {
            Self::Create {
                name,
                password_stdin,
            } => {
                let password = if password_stdin {
                    Some(Secret::from(from_stdin()?.expose_secret().to_owned()))
                } else {
                    None
                };
                let created = client.create_user(&NewUser { name, password }).await?;
                output::line(format!("Created {}.", created.name));
                if let Some(password) = &created.password {
                    output::line(format!("Password (shown once): {}", password.expose()));
                }
            }
            Self::Password {
                name,
                password_stdin,
            } => {
                let password = if password_stdin {
                    from_stdin()?
                } else {
                    ask_password(&name)?
                };
                let change = PrincipalChange {
                    password: Some(Secret::from(password.expose_secret().to_owned())),
                    active: None,
                };
                client.change_user(&name, &change).await?;
                output::line(format!("{name} has a new password."));
            }
            Self::List { output } => {
                let row = |user: &client::api::accounts::User| {
                    [
                        user.name.clone(),
                        active(user.active),
                        output::instant(user.created_at),
                    ]
                };
                output::list(
                    output,
                    &client.users().await?,
                    ["name", "state", "since"],
                    row,
                    "no people yet",
                )?;
            }
            Self::Deactivate { name } => {
                client.change_user(&name, &activity(false)).await?;
                output::line(format!("{name} is deactivated."));
            }
            Self::Activate { name } => {
                client.change_user(&name, &activity(true)).await?;
                output::line(format!("{name} is active again."));
            }
        }
        Ok(Exit::Done)
    }
}

/// Changes whether an account may do anything, and nothing else.
fn activity(active: bool) -> PrincipalChange {
    PrincipalChange {
        active: Some(active),
        password: None,
    }
}

fn active(active: bool) -> String {
    if active { "active" } else { "deactivated" }.to_owned()
}

#[derive(Debug, Subcommand)]
pub(crate) enum Robot {
    /// Create a robot; it logs in with tokens: `countersign token create NAME --for ROBOT`.
    Create {
        /// Its name.
        name: String,
        /// The person who owns it; you, unless said otherwise.
        #[arg(long)]
        owner: Option<String>,
    },
    /// List robots.
    List {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Take all access from a robot; its signatures no longer count.
    Deactivate {
        /// Which.
        name: String,
    },
    /// Give a deactivated robot its access back.
    Activate {
        /// Which.
        name: String,
    },
}

impl Robot {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = server.client()?;
        match self {
            Self::Create { name, owner } => {
                let created = client.create_robot(&NewRobot { name, owner }).await?;
                output::line(format!(
                    "Created robot {}, owned by {}.",
                    created.name, created.owner
                ));
                output::line(format!(
                    "  next: countersign token create ci --for {}",
                    created.name
                ));
            }
            Self::List { output } => {
                let row = |robot: &client::api::accounts::Robot| {
                    [
                        robot.name.clone(),
                        robot.owner.clone(),
                        active(robot.active),
                        output::instant(robot.created_at),
                    ]
                };
                output::list(
                    output,
                    &client.robots().await?,
                    ["name", "owner", "state", "since"],
                    row,
                    "no robots yet",
                )?;
            }
            Self::Deactivate { name } => {
                client.change_robot(&name, &activity(false)).await?;
                output::line(format!("{name} is deactivated."));
            }
            Self::Activate { name } => {
                client.change_robot(&name, &activity(true)).await?;
                output::line(format!("{name} is active again."));
            }
        }
        Ok(Exit::Done)
    }
}
