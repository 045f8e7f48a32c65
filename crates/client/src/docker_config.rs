//! Docker's `config.json`, read for the log-ins in it, so that `docker login` is enough. Credential helpers are named
//! here and run by the binary. Nothing is ever written.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::Credentials;
use crate::api::Secret;

/// The largest file that is worth reading, in bytes.
pub const DOCKER_CONFIG_BYTES_MAX: u64 = 4 << 20;

/// The part of docker's configuration that is about log-ins.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Auth {
    #[serde(default)]
    auth: Option<Secret>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    identitytoken: Option<Secret>,
}

/// What the refresh tokens of a Countersign server begin with: docker keeps them as identity tokens. Those of others are
/// docker's own business.
const OUR_TOKENS: &str = "csr_";

/// Where docker keeps the log-in for a host.
#[derive(Debug)]
pub enum Found {
    /// In the file itself.
    Credentials(Credentials),
    /// With a program: `docker-credential-<name> get`, which is given the host on its standard input.
    Helper {
        /// The last part of the program's name; letters, digits, `-`, `_` and `.` only.
        name: String,
        /// What to give it.
        server: String,
    },
    /// Nowhere.
    Nothing,
}

impl DockerConfig {
    /// Reads the file's content.
    pub fn parse(bytes: &[u8]) -> Result<Self, DockerConfigError> {
        serde_json::from_slice(bytes)
            .map_err(|e| DockerConfigError::Malformed { why: e.to_string() })
    }

    /// Where the log-in for a host (`registry.example:5000`, `docker.io`) is.
    #[must_use]
    pub fn find(&self, host: &str) -> Found {
        let entry = self
            .auths
            .iter()
            .find(|(key, _)| host_of(key) == canonical(host));
        let server = entry.map_or_else(|| host.to_owned(), |(key, _)| key.clone());
        let special = self
            .cred_helpers
            .iter()
            .find(|(key, _)| host_of(key) == canonical(host));
        if let Some(name) = special
            .map(|(_, name)| name)
            .filter(|name| is_program(name))
        {
            return Found::Helper {
                name: name.clone(),
                server,
            };
        }
        if let Some(credentials) = entry.and_then(|(_, auth)| auth.credentials()) {
            return Found::Credentials(credentials);
        }
        match self.creds_store.as_ref().filter(|name| is_program(name)) {
            Some(name) => Found::Helper {
                name: name.clone(),
                server,
            },
            None => Found::Nothing,
        }
    }
}

impl Auth {
    fn credentials(&self) -> Option<Credentials> {
        if let Some(token) = &self.identitytoken {
            return our_token(token);
        }
        if let Some(auth) = self.auth.as_ref().filter(|auth| !auth.expose().is_empty()) {
            let decoded =
                SecretString::from(String::from_utf8(STANDARD.decode(auth.expose()).ok()?).ok()?);
            let (user, password) = decoded.expose_secret().split_once(':')?;
            let password = password.trim_end_matches('\0');
            return Some(Credentials::Basic {
                user: user.to_owned(),
                password: password.into(),
            });
        }
        let password = self.password.clone()?.into_inner();
        Some(Credentials::Basic {
            user: self.username.clone()?,
            password,
        })
    }
}

fn our_token(token: &Secret) -> Option<Credentials> {
    let is_ours = token.expose().starts_with(OUR_TOKENS);
    is_ours.then(|| Credentials::Token(token.clone().into_inner()))
}

/// Reads what a credential helper printed; nothing when it gives an identity token of another kind of server.
pub fn helper_answer(bytes: &[u8]) -> Result<Option<Credentials>, DockerConfigError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: Secret,
    }
    let answer: Answer = serde_json::from_slice(bytes)
        .map_err(|e| DockerConfigError::Malformed { why: e.to_string() })?;
    if answer.username == "<token>" {
        return Ok(our_token(&answer.secret));
    }
    Ok(Some(Credentials::Basic {
        user: answer.username,
        password: answer.secret.into_inner(),
    }))
}

/// The host of a key in the file, which may be a whole address.
fn host_of(key: &str) -> &str {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    canonical(bare.split('/').next().unwrap_or_default())
}

fn canonical(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

/// A name that cannot lead to another program than the one it looks like.
fn is_program(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Why docker's configuration tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerConfigError {
    /// Not JSON, or not docker's.
    #[error("docker's configuration cannot be read ({why}): run `docker login` again")]
    Malformed {
        /// What is wrong with it.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "auths": {
            "https://index.docker.io/v1/": {"auth": "bWFyaWE6YTpi"},
            "registry.example:5000": {"username": "ci", "password": "pw"},
            "http://127.0.0.1:5000": {"auth": "Ym9iOng="},
            "store.example": {},
            "broken.example": {"auth": "!!!"},
            "ours.example": {"auth": "bWFyaWE6", "identitytoken": "csr_abc"},
            "azure.example": {"auth": "bWFyaWE6", "identitytoken": "eyJ"}
        },
        "credHelpers": {"helped.example": "pass", "evil.example": "../../bin/sh"},
        "HttpHeaders": {"User-Agent": "docker"}
    }"#;

    fn check(file: &str, host: &str, expected: &str) {
        let shown = match DockerConfig::parse(file.as_bytes()).unwrap().find(host) {
            Found::Credentials(Credentials::Basic { user, password }) => {
                format!("{user}/{}", password.expose_secret())
            }
            Found::Credentials(Credentials::Token(token)) => {
                format!("token {}", token.expose_secret())
            }
            Found::Helper { name, server } => format!("helper {name} for {server}"),
            Found::Nothing => "nothing".to_owned(),
        };
        assert_eq!(shown, expected, "{host}");
    }

    #[test]
    fn finds_log_ins() {
        check(FILE, "docker.io", "maria/a:b");
        check(FILE, "registry-1.docker.io", "maria/a:b");
        check(FILE, "registry.example:5000", "ci/pw");
        check(FILE, "registry.example", "nothing");
        check(FILE, "127.0.0.1:5000", "bob/x");
        check(FILE, "store.example", "nothing");
        check(FILE, "broken.example", "nothing");
        check(FILE, "ours.example", "token csr_abc");
        check(FILE, "azure.example", "nothing");
        check(FILE, "helped.example", "helper pass for helped.example");
        check(FILE, "evil.example", "nothing");
    }

    #[test]
    fn store_is_asked_for_what_the_file_does_not_hold() {
        let file = r#"{"auths": {"https://h.example/v1/": {}}, "credsStore": "desktop"}"#;
        check(
            file,
            "h.example",
            "helper desktop for https://h.example/v1/",
        );
        check(file, "other.example", "helper desktop for other.example");
    }

    #[test]
    fn answers_of_helpers() {
        let found = helper_answer(br#"{"ServerURL":"h","Username":"maria","Secret":"s"}"#).unwrap();
        assert!(matches!(found, Some(Credentials::Basic { user, .. }) if user == "maria"));
        assert!(
            helper_answer(br#"{"ServerURL":"h","Username":"<token>","Secret":"s"}"#)
                .unwrap()
                .is_none()
        );
        let ours = helper_answer(br#"{"ServerURL":"h","Username":"<token>","Secret":"csr_a"}"#);
        assert!(matches!(ours, Ok(Some(Credentials::Token(_)))));
        assert!(helper_answer(b"credentials not found in native keychain").is_err());
    }
}
