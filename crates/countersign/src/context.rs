//! Which server, and as whom: contexts that `countersign login` keeps, as docker keeps its own, and docker's log-ins as a second source.
//! A context holds a token, never a password; its file is readable by its owner only.

use anyhow::{Context as _, Result, bail};
use client::docker_config::{DOCKER_CONFIG_BYTES_MAX, DockerConfig, Found};
use client::{Client, ClientOptions, Credentials};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "contexts.json";

/// What is kept of log-ins.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contexts {
    /// The server that is asked when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    servers: BTreeMap<String, LogIn>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogIn {
    user: String,
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority_pem: Option<String>,
}

/// Flags of every command that asks a server.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServerFlags {
    /// The server, as `https://registry.example:5000`; otherwise the one of the last log-in.
    #[arg(long, env = "COUNTERSIGN_SERVER", global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// A personal or robot token to use instead of the log-in.
    #[arg(
        long,
        env = "COUNTERSIGN_TOKEN",
        global = true,
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub(crate) token: Option<String>,
    /// A certificate authority to trust (PEM), for servers with `--tls self`.
    #[arg(long, env = "COUNTERSIGN_CA", global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

impl ServerFlags {
    /// The server's address: from the flag, or of the last log-in.
    pub(crate) fn address(&self) -> Result<String> {
        if let Some(server) = &self.server {
            return Ok(normal(server));
        }
        match Contexts::load()?.current {
            Some(current) => Ok(current),
            None => bail!(
                "no server: say which with `--server URL`, or log in first with `countersign login --server URL`"
            ),
        }
    }

    /// A client with whatever credentials there are for the server.
    pub(crate) fn client(&self) -> Result<Client> {
        let address = self.address()?;
        Ok(Client::new(self.options(&address)?)?)
    }

    /// A client for the registry of an image reference: its own log-in, or docker's.
    pub(crate) fn registry_client(&self, host: &str) -> Result<Client> {
        let options = ClientOptions::for_host(host)?;
        let address = normal(options.base_url());
        for candidate in [
            format!("https://{host}"),
            format!("http://{host}"),
            address.clone(),
        ] {
            if Contexts::load()?.servers.contains_key(&candidate)
                || self.server.as_deref().map(normal) == Some(candidate.clone())
            {
                return Ok(Client::new(self.options(&candidate)?)?);
            }
        }
        let mut options = self.with_authority(options)?;
        if let Some(credentials) = docker_login(host)? {
            options = options.with_credentials(credentials);
        }
        Ok(Client::new(options)?)
    }

    fn options(&self, address: &str) -> Result<ClientOptions> {
        let contexts = Contexts::load()?;
        let options = self.with_authority(ClientOptions::new(address)?)?;
        if let Some(token) = &self.token {
            return Ok(
                options.with_credentials(Credentials::Token(SecretString::from(token.clone())))
            );
        }
        if let Some(log_in) = contexts.servers.get(address) {
            return Ok(options
                .with_credentials(Credentials::Token(SecretString::from(log_in.token.clone()))));
        }
        match docker_login(&options.authority())? {
            Some(credentials) => Ok(options.with_credentials(credentials)),
            None => Ok(options),
        }
    }

    /// Trusts the authority of `--ca`, or else the one that was kept with the log-in to this server.
    pub(crate) fn with_authority(&self, options: ClientOptions) -> Result<ClientOptions> {
        if let Some(path) = &self.ca {
            return Ok(options.with_authority(read_authority(path)?));
        }
        let contexts = Contexts::load()?;
        match contexts
            .servers
            .get(&normal(options.base_url()))
            .and_then(|kept| kept.authority_pem.clone())
        {
            Some(pem) => Ok(options.with_authority(pem.into_bytes())),
            None => Ok(options),
        }
    }
}

/// Reads the file of an authority that is to be trusted (PEM). Whether it is one, whoever trusts it says.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read_authority(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read the authority `{}`", path.display()))
}

impl Contexts {
    /// Reads the file; none is an empty one.
    pub(crate) fn load() -> Result<Self> {
        let path = folder()?.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("`{}` cannot be read; log in again", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    /// Keeps a log-in, and makes its server the current one.
    pub(crate) fn keep(
        &mut self,
        address: &str,
        user: &str,
        token: &SecretString,
        authority_pem: Option<String>,
    ) {
        let log_in = LogIn {
            user: user.to_owned(),
            token: token.expose_secret().to_owned(),
            authority_pem,
        };
        self.servers.insert(address.to_owned(), log_in);
        self.current = Some(address.to_owned());
    }

    /// Forgets a server's log-in; answers whether there was one.
    pub(crate) fn forget(&mut self, address: &str) -> bool {
        if self.current.as_deref() == Some(address) {
            self.current = None;
        }
        self.servers.remove(address).is_some()
    }

    /// Writes the file whole, then renames it into place.
    pub(crate) fn save(&self) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let folder = folder()?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
        let draft = folder.join(format!("{FILE}.{}", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .with_context(|| format!("cannot write `{}`", draft.display()))?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&draft, folder.join(FILE))
            .with_context(|| format!("cannot write `{}`", folder.join(FILE).display()))
    }
}

/// An address without its final slash.
pub(crate) fn normal(address: &str) -> String {
    address.trim_end_matches('/').to_owned()
}

/// Where this person's log-ins are kept, and what else belongs to them and not to a server.
pub(crate) fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("COUNTERSIGN_CONFIG_DIR") {
        return Ok(PathBuf::from(folder));
    }
    if let Some(folder) = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()) {
        return Ok(PathBuf::from(folder).join("countersign"));
    }
    match std::env::var_os("HOME") {
        Some(home) => Ok(Path::new(&home).join(".config/countersign")),
        None => bail!(
            "neither HOME nor COUNTERSIGN_CONFIG_DIR is set, so there is no place for log-ins"
        ),
    }
}

/// Where docker keeps what is this person's.
pub(crate) fn docker_folder() -> Option<PathBuf> {
    match (std::env::var_os("DOCKER_CONFIG"), std::env::var_os("HOME")) {
        (Some(folder), _) => Some(PathBuf::from(folder)),
        (None, Some(home)) => Some(Path::new(&home).join(".docker")),
        (None, None) => None,
    }
}

/// What `docker login` keeps for a host, where it keeps it in its own file (credential helpers are not asked).
fn docker_login(host: &str) -> Result<Option<Credentials>> {
    let Some(folder) = docker_folder() else {
        return Ok(None);
    };
    let Ok(file) = fs::File::open(folder.join("config.json")) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(DOCKER_CONFIG_BYTES_MAX)
        .read_to_end(&mut bytes)
        .context("docker's config.json cannot be read")?;
    log_in_of(host, &bytes)
}

/// The log-in for a host in docker's file.
fn log_in_of(host: &str, config: &[u8]) -> Result<Option<Credentials>> {
    Ok(match DockerConfig::parse(config)?.find(host) {
        Found::Credentials(credentials) => Some(credentials),
        Found::Helper { .. } | Found::Nothing => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_log_in_is_found_however_docker_wrote_it() {
        let config = br#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "bWFyaWE6YTpi"},
                "http://127.0.0.1:5000": {"username": "ci", "password": "pw"},
                "helped.example": {},
                "ours.example": {"auth": "bWFyaWE6", "identitytoken": "csr_abc"}
            },
            "credHelpers": {"helped.example": "pass"}
        }"#;
        for (host, expect) in [
            ("docker.io", Some(("maria", "a:b"))),
            ("registry-1.docker.io", Some(("maria", "a:b"))),
            ("127.0.0.1:5000", Some(("ci", "pw"))),
            ("helped.example", None),
            ("ours.example", Some(("", "csr_abc"))),
            ("other.example", None),
        ] {
            let found = log_in_of(host, config).unwrap();
            let found = found.as_ref().map(|credentials| match credentials {
                Credentials::Basic { user, password } => (user.as_str(), password.expose_secret()),
                Credentials::Token(token) => ("", token.expose_secret()),
            });
            assert_eq!(found, expect, "{host}");
        }
        assert!(log_in_of("docker.io", b"{").is_err());
    }
}
