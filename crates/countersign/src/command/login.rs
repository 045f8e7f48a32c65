//! `countersign login`, `logout`, `whoami`. The password makes a token, which is kept; the password itself is not.

use crate::context::{Contexts, ServerFlags, normal};
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::{Context, Result, bail};
use client::api::tokens::NewToken;
use client::{Client, ClientOptions, Credentials};
use secrecy::SecretString;
use std::fs;
use std::io::{IsTerminal, Read};

/// Days that a log-in lasts.
const LOGIN_DAYS: u32 = 30;
/// Bytes of a password on standard input.
const PASSWORD_BYTES_MAX: u64 = 4_096;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign login --server https://registry.example:5000\n  \
    printf %s \"$PASSWORD\" | countersign login --server http://127.0.0.1:5000 --user admin --password-stdin"
)]
pub(crate) struct Login {
    /// Who you are.
    #[arg(short, long, value_name = "NAME")]
    user: Option<String>,
    /// Read the password from standard input.
    #[arg(long)]
    password_stdin: bool,
}

impl Login {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let address = normal(&server.address()?);
        let user = match self.user {
            Some(user) => user,
            None => ask("User name: ")?,
        };
        let password = if self.password_stdin {
            from_stdin()?
        } else {
            ask_password(&user)?
        };
        let options = server.with_authority(ClientOptions::new(&address)?)?;
        let client = Client::new(options.with_credentials(Credentials::Basic {
            user: user.clone(),
            password,
        }))?;
        let name = format!("login from {}", host_name());
        let created = client
            .create_token(&NewToken {
                name,
                expires_in_days: Some(LOGIN_DAYS),
                principal: None,
                scope: None,
            })
            .await?;
        let authority = match &server.ca {
            Some(path) => Some(
                fs::read_to_string(path)
                    .with_context(|| format!("cannot read `{}`", path.display()))?,
            ),
            None => None,
        };
        let mut contexts = Contexts::load()?;
        contexts.keep(
            &address,
            &user,
            &SecretString::from(created.token.expose().to_owned()),
            authority,
        );
        contexts.save()?;
        output::line(format!(
            "Logged in to {address} as {user}, for {LOGIN_DAYS} days."
        ));
        Ok(Exit::Done)
    }
}

fn ask(question: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("no user name; say who you are with `--user NAME`");
    }
    output::note(question);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Asks for the password of somebody's account on the terminal.
pub(crate) fn ask_password(of: &str) -> Result<SecretString> {
    ask_secret(&format!("Password of {of}"), "use `--password-stdin`")
}

/// Asks for a secret on the terminal; where there is none, what to do `instead` is said.
pub(crate) fn ask_secret(question: &str, instead: &str) -> Result<SecretString> {
    let text = rpassword::prompt_password(format!("{question}: "))
        .with_context(|| format!("there is no terminal to ask on; {instead}"))?;
    Ok(SecretString::from(text))
}

/// Reads a password from standard input, without its line end.
pub(crate) fn from_stdin() -> Result<SecretString> {
    let mut text = String::new();
    std::io::stdin()
        .take(PASSWORD_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(SecretString::from(
        text.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "this machine".to_owned(), |name| name.trim().to_owned())
}

#[derive(Debug, clap::Args)]
pub(crate) struct Logout {}

impl Logout {
    pub(crate) fn run(self, server: &ServerFlags) -> Result<Exit> {
        let address = server.address()?;
        let mut contexts = Contexts::load()?;
        if contexts.forget(&address) {
            contexts.save()?;
            output::line(format!(
                "Forgot the log-in to {address}. Its token stays valid; revoke it with `countersign token revoke`."
            ));
        } else {
            output::line(format!("There was no log-in to {address}."));
        }
        Ok(Exit::Done)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Whoami {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Whoami {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let me = server.client()?.whoami().await?;
        if self.output == Format::Json {
            output::json(&me)?;
            return Ok(Exit::Done);
        }
        output::line(format!("{:?} {}", me.kind, me.name).to_lowercase());
        if !me.teams.is_empty() {
            output::line(format!("teams: {}", me.teams.join(", ")));
        }
        let rows = me
            .roles
            .iter()
            .map(|role| [role.role.clone(), role.pattern.clone()])
            .collect();
        output::table(
            ["role", "repositories"],
            rows,
            "no roles yet; ask an admin for a grant",
        );
        Ok(Exit::Done)
    }
}
