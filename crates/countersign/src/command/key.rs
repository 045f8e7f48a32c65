//! `countersign key`: signing keys. A private key stays with its owner, in a file that cosign reads too; the server gets the public
//! key, with a proof that its owner holds the private one. How a proof comes to be is in `possession`, the files are in `files`.

mod convert;
pub(crate) mod files;
mod hold;
mod identity;
mod notation;
pub(crate) mod possession;
mod revoke;
mod rotate;
pub(crate) mod signer;
mod succession;

pub(crate) use revoke::instant;

use super::login::{ask_password, from_stdin};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use client::api::keys::Key as Known;
use client::{Client, ClientOptions, Credentials};
use possession::{Asked, Proof};
use serde::de::DeserializeOwned;
use std::fs;
use std::path::{Path, PathBuf};
use trust::Algorithm;

/// Characters of a key's id that are shown.
const ID_CHARACTERS: usize = 12;
const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// When the server tells of an end for the first time, before it.
const SOON_MILLISECONDS: i64 = 30 * DAY_MILLISECONDS;

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key pair: NAME.key (sealed with a password, as cosign does it) and NAME.pub.
    Generate {
        /// The files' name, without ending.
        name: PathBuf,
        /// The kind of key.
        #[arg(long, value_enum, default_value_t)]
        algorithm: Kind,
    },
    /// Take over a private key of another program: write it again, sealed with a password, with its public half beside it.
    #[command(
        after_help = "Examples:\n  countersign key import ~/.ssl/release.pem release\n  \
        countersign key import ~/.docker/trust/private/69b64fa2….key alice\n\n\
        COUNTERSIGN_NEW_KEY_PASSWORD holds the password of the new file; without it, that is the old one's where a variable holds it."
    )]
    Import(convert::Import),
    /// Write a private key again for another program, sealed with a password.
    #[command(
        after_help = "Example:\n  countersign key export maria.key maria.pem --format pkcs8     (openssl pkey -in maria.pem)"
    )]
    Export(convert::Export),
    /// Print the public half of a key, as PEM.
    #[command(
        after_help = "Examples:\n  countersign key public maria.key > maria.pub\n  countersign key public 'pkcs11:token=release;object=ci' > ci.pub"
    )]
    Public {
        /// The private key's file, or its `pkcs11:` URI.
        key: PathBuf,
    },
    /// Ask the server what the owner of a key has to sign to prove that they hold it (role `security`; the first of three steps).
    #[command(
        after_help = "The three steps, so that the private key never leaves its owner:\n  \
        countersign key challenge --public maria.pub --for maria > challenge.json     (role security)\n  \
        countersign key prove --key maria.key challenge.json > proof.json             (maria, no server needed)\n  \
        countersign key register --proof proof.json --name laptop --scope 'shop/**' --user anna"
    )]
    Challenge {
        /// The public key's file, also one of `docker trust key generate`, or of `gpg --armor --export`.
        #[arg(long, value_name = "FILE")]
        public: PathBuf,
        /// Whose key it is to be.
        #[arg(long = "for", value_name = "NAME")]
        principal: String,
    },
    /// Prove that you hold a key: sign the challenge that you were sent (the second step; it asks no server).
    #[command(
        after_help = "Example:\n  countersign key prove --key maria.key challenge.json > proof.json"
    )]
    Prove {
        /// The private key's file, also one of docker's in `~/.docker/trust/private`; or a key in a token, by its `pkcs11:` URI.
        #[arg(long, value_name = "FILE|URI", required_unless_present = "gpg")]
        key: Option<PathBuf>,
        /// Have gpg sign, which holds the OpenPGP key that the challenge is for.
        #[arg(long, conflicts_with = "key")]
        gpg: bool,
        /// What `countersign key challenge` printed.
        challenge: PathBuf,
    },
    /// Register a key for its owner (the third step), or a name in certificates, which has nothing to prove. It needs the role `security`
    /// and your password: tokens cannot register keys.
    #[command(
        after_help = "Examples:\n  countersign key register --proof proof.json --name laptop --scope 'shop/**' --user anna\n  \
        countersign key register --key ci.key --for ci-shop --name ci --scope 'shop/**' --user anna     (all steps in one, where you hold the key)\n  \
        countersign key register --sigstore-issuer https://token.example --sigstore-identity maria@shop.example --for maria --name keyless --scope 'shop/**' --user anna\n  \
        countersign key register --notation-ca ca.pem --notation-subject 'C=US, ST=WA, O=shop, CN=maria' --for maria --name notation --scope 'shop/**' --user anna\n  \
        countersign key register --notation-policy ~/.config/notation/trustpolicy.json --notation-statement web --for maria --name notation --user anna"
    )]
    Register(Box<Register>),
    /// Have the server make a key and hold it, for one stage and one robot or person. It needs the role `security` and your password.
    Hold(hold::Hold),
    /// Put a new key in the place of an old one of yours, which you hold both, or of one that the server holds; what the old one signed
    /// stays good.
    Rotate(rotate::Rotate),
    /// List registered keys.
    List {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Print the public key of the server's receipts, for `countersign verify --receipt-key`.
    #[command(after_help = "Example:\n  countersign key server > server.pub")]
    Server {
        /// How to print it; JSON lists the keys of before as well.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Revoke a key: none of its signatures counts any more, or none from a moment on. It stays its owner's for ever.
    Revoke(revoke::Revoke),
}

/// The kind of key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// ECDSA on P-256, which every signing tool reads.
    #[default]
    P256,
    /// Ed25519.
    Ed25519,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args([
    "proof", "key", "sigstore_issuer", "notation_ca", "notation_signing_authority", "notation_store", "notation_policy",
]))]
pub(crate) struct Register {
    /// A proof made by `countersign key prove`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "principal"])]
    proof: Option<PathBuf>,
    /// The private key's file, or its `pkcs11:` URI, where you hold it yourself.
    #[arg(long, value_name = "FILE|URI")]
    key: Option<PathBuf>,
    #[command(flatten)]
    identity: identity::IdentityFlags,
    /// Whose key or identity it is, where no proof says it; yours, unless said otherwise.
    #[arg(long = "for", value_name = "NAME")]
    principal: Option<String>,
    /// A name, to tell it from others.
    #[arg(long)]
    name: String,
    /// Repositories that it may sign for, as patterns.
    #[arg(
        long,
        required_unless_present = "notation_policy",
        value_name = "PATTERN"
    )]
    scope: Vec<String>,
    #[command(flatten)]
    authority: Authority,
}

/// Who makes keys count, by their password.
#[derive(Debug, clap::Args)]
pub(crate) struct Authority {
    /// Who you are: your password is asked for.
    #[arg(short, long)]
    user: String,
    /// Read your password from standard input.
    #[arg(long)]
    password_stdin: bool,
}

impl Authority {
    /// Somebody, by the password that standard input holds, or that is asked for.
    pub(crate) fn of(user: String, password_stdin: bool) -> Self {
        Self {
            user,
            password_stdin,
        }
    }

    /// A client that logs in with the password, which is asked for.
    fn client(&self, server: &ServerFlags) -> Result<Client> {
        self.client_at(&server.address()?, server)
    }

    /// The same for a server that is known by its address.
    pub(crate) fn client_at(&self, address: &str, server: &ServerFlags) -> Result<Client> {
        let password = match self.password_stdin {
            true => from_stdin()?,
            false => ask_password(&self.user)?,
        };
        let options = server.with_authority(ClientOptions::new(address)?)?;
        Ok(Client::new(options.with_credentials(Credentials::Basic {
            user: self.user.clone(),
            password,
        }))?)
    }
}

impl Key {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        match self {
            Self::Generate { name, algorithm } => generate(&name, algorithm)?,
            Self::Import(import) => import.run()?,
            Self::Export(export) => export.run()?,
            Self::Public { key } => {
                output::line(signer::open(&key)?.public_key().to_pem().trim_end())
            }
            Self::Challenge { public, principal } => {
                let pem = files::registered(&public)?.to_text();
                output::json(&possession::ask(&server.client()?, &pem, &principal).await?)?;
            }
            Self::Prove {
                key,
                gpg: _,
                challenge,
            } => prove(key.as_deref(), &challenge)?,
            Self::Register(register) => register.run(server).await?,
            Self::Hold(hold) => hold.run(server).await?,
            Self::Rotate(rotate) => rotate.run(server).await?,
            Self::List { output } => {
                let now = jiff::Timestamp::now().as_millisecond();
                let row = |key: &Known| {
                    let since = key.revoked_from.map_or_else(String::new, |from| {
                        format!(", from {} on", output::instant(from))
                    });
                    let state = key.revoked_at.map_or_else(
                        || standing(key.ends_at, now),
                        |at| format!("revoked {}{since}", output::instant(at)),
                    );
                    let name = match key.held_for {
                        Some(_) => format!("server:{}", key.name),
                        None => key.name.clone(),
                    };
                    [
                        short(&key.id).to_owned(),
                        key.principal.clone(),
                        name,
                        key.scope.join(" "),
                        state,
                        trust::RegisteredKey::parse(&key.public_key_pem)
                            .map(|key| key.describe())
                            .unwrap_or_default(),
                    ]
                };
                output::list(
                    output,
                    &server.client()?.keys().await?,
                    ["id", "of", "name", "scope", "state", "kind"],
                    row,
                    "no keys yet",
                )?;
            }
            Self::Server { output } => {
                let keys = server.client()?.receipt_keys().await?;
                match (output, keys.first()) {
                    (Format::Json, _) => output::json(&keys)?,
                    // The file has one key; a receipt of one of before ends by itself.
                    (Format::Table, Some(newest)) => output::line(newest.public_key_pem.trim_end()),
                    (Format::Table, None) => bail!("the server has no key for receipts yet"),
                }
            }
            Self::Revoke(revoke) => revoke.run(server).await?,
        }
        Ok(Exit::Done)
    }
}

impl Register {
    async fn run(self, server: &ServerFlags) -> Result<()> {
        // What is on this machine is read before anybody is asked for a password.
        if let Some(named) = self.identity.named()? {
            return self.run_identity(server, named).await;
        }
        let sealed = self.key.as_deref().map(signer::open).transpose()?;
        let given: Option<Proof> = self
            .proof
            .as_deref()
            .map(|path| document(path, "a proof made by `countersign key prove`"))
            .transpose()?;
        let client = self.authority.client(server)?;
        let proof = match (given, sealed) {
            (Some(proof), _) => proof,
            (None, Some(key)) => {
                let principal = self.principal.as_deref().unwrap_or(&self.authority.user);
                let asked = possession::ask(&client, &key.public_key().to_pem(), principal).await?;
                possession::prove(key.as_ref(), &asked)?
            }
            (None, None) => bail!("say which key: `--proof FILE` or `--key FILE`"),
        };
        let registered = possession::register(&client, proof, self.name, self.scope).await?;
        output::line(format!(
            "Key {} is {}'s, for {}.",
            short(&registered.id),
            registered.principal,
            registered.scope.join(", ")
        ));
        Ok(())
    }
}

fn generate(name: &Path, kind: Kind) -> Result<()> {
    let algorithm = match kind {
        Kind::P256 => Algorithm::EcdsaP256,
        Kind::Ed25519 => Algorithm::Ed25519,
    };
    let made = files::generate(name, algorithm)?;
    output::line(format!(
        "Private key: {} (keep it; nobody can make it again)",
        made.private.display()
    ));
    output::line(format!("Public key:  {}", made.public.display()));
    output::line(format!("Key id:      {}", made.id));
    Ok(())
}

/// With the key in a file or token; without one, by gpg.
fn prove(key: Option<&Path>, challenge: &Path) -> Result<()> {
    let asked: Asked = document(challenge, "what `countersign key challenge` prints")?;
    let said = possession::read(&asked)?;
    // Beside the output, so that whoever signs sees what they sign.
    output::note(format!(
        "You sign that key {} is {}'s, for the server `{}`.",
        short(said.key.as_str()),
        said.principal,
        said.server
    ));
    output::json(&match key {
        Some(key) => possession::prove(signer::open(key)?.as_ref(), &asked)?,
        None => possession::prove_by_gpg(&asked)?,
    })
}

/// Reads one of the JSON documents that the three steps hand on.
pub(crate) fn document<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("`{}` is not {what}", path.display()))
}

fn whole_id(keys: &[Known], beginning: &str) -> Result<String> {
    let ids = keys.iter().map(|key| key.id.as_str());
    let found: Vec<&str> = ids.filter(|id| id.starts_with(beginning)).collect();
    match found.as_slice() {
        [id] => Ok((*id).to_owned()),
        [] => bail!("no registered key begins with `{beginning}`; see `countersign key list`"),
        _ => bail!("several keys begin with `{beginning}`; give more of the id"),
    }
}

/// What a key that nobody revoked is worth for new signatures, by its own end.
fn standing(ends_at: Option<i64>, now: i64) -> String {
    let Some(at) = ends_at else {
        return "good".to_owned();
    };
    let until = output::instant(at);
    match at.saturating_sub(now) {
        ..=0 => format!("ended {until}"),
        left if left <= SOON_MILLISECONDS => {
            format!("ENDS in {} days, {until}", left / DAY_MILLISECONDS)
        }
        _ => format!("good until {until}"),
    }
}

fn short(id: &str) -> &str {
    id.get(..ID_CHARACTERS).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_marked_when_it_is_near() {
        let at = 1_800_000_000_000;
        let said = |days: i64| standing(Some(at), at - days * DAY_MILLISECONDS);
        assert_eq!(said(31), "good until 2027-01-15 08:00:00 UTC");
        assert_eq!(said(30), "ENDS in 30 days, 2027-01-15 08:00:00 UTC");
        assert_eq!(said(0), "ended 2027-01-15 08:00:00 UTC");
        assert_eq!(standing(None, 0), "good");
    }
}
