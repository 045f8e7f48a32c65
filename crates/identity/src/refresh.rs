//! Refresh tokens of docker's token protocol: what `docker login` keeps in the place of a password. Nothing of them is
//! stored. A refresh token is a note, sealed with the server's master key, that says whose it is and which credential it
//! was given for; it is worth what that credential is worth when the note is shown. So it ends at once with a changed
//! password, a revoked or ended token, a closed account, and there is nothing to count, list or clean up.
//! distribution "Token Authentication Specification" (`offline_token`) and "OAuth2" (`access_type`, `refresh_token`).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::PrincipalId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use store::{Store, keys};

use crate::error::broken;

/// What every refresh token begins with, so that people and scanners recognise one.
const PREFIX: &str = "csr_";
/// What the seal says that it is.
const USE: &str = "countersign refresh token v1";
/// The longest refresh token that is read, in bytes; ours have about 200.
const BYTES_MAX: usize = 1_024;

/// What a refresh token says, once its seal is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// For which service it was made.
    pub(crate) service: String,
    /// Whose it is.
    pub(crate) principal: PrincipalId,
    /// By what they proved it.
    pub(crate) bond: Bond,
}

/// The credential without which a refresh token, or a session that has ended, is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bond {
    /// The password whose stored hash has this fingerprint.
    Password(String),
    /// The personal or robot token of this number.
    Token(i64),
}

impl Bond {
    /// The bond to a password. Stored hashes are salted, so setting the same password again makes another one.
    pub(crate) fn password(stored: &SecretString) -> Self {
        let hash = digest::digest(&digest::SHA256, stored.expose_secret().as_bytes());
        Self::Password(hex::encode(hash))
    }
}

/// Whether it has the form of a refresh token; neither a password nor another token has it.
pub(crate) fn is_refresh(secret: &SecretString) -> bool {
    secret.expose_secret().starts_with(PREFIX)
}

pub(crate) fn seal(store: &Store, note: &Note) -> Result<SecretString, store::Error> {
    let json =
        serde_json::to_vec(note).map_err(|error| broken("writing a refresh token", &error))?;
    let sealed = URL_SAFE_NO_PAD.encode(keys::seal(store, USE, &json)?);
    Ok(format!("{PREFIX}{sealed}").into())
}

/// What the token says, if this server sealed it as one; nothing otherwise, whatever the reason.
pub(crate) fn open(store: &Store, token: &SecretString) -> Option<Note> {
    let text = token.expose_secret();
    if text.len() > BYTES_MAX {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    serde_json::from_slice(&keys::open(store, USE, &sealed).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use store::Options;
    use tempfile::TempDir;

    use super::*;

    async fn store() -> (Store, TempDir) {
        let folder = TempDir::new().unwrap();
        let options = Options::embedded(folder.path());
        (Store::open(&options).await.unwrap(), folder)
    }

    fn note() -> Note {
        Note {
            service: "countersign".to_owned(),
            principal: PrincipalId(7),
            bond: Bond::password(&"$argon2id$…".into()),
        }
    }

    #[tokio::test]
    async fn only_what_this_server_sealed_as_one_is_believed() {
        let ((store, _a), (other, _b)) = (store().await, store().await);
        let token = seal(&store, &note()).unwrap();
        assert!(is_refresh(&token));
        assert_eq!(open(&store, &token), Some(note()));
        assert_eq!(open(&other, &token), None);

        let text = token.expose_secret();
        let mut flipped = text.to_owned().into_bytes();
        for place in [4, 20, text.len() - 2] {
            flipped[place] = if flipped[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(flipped.clone()).unwrap();
            assert_eq!(open(&store, &forged.into()), None, "{place}");
        }
        let plain = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&note()).unwrap());
        let as_webhook = keys::seal(&store, "webhook", &serde_json::to_vec(&note()).unwrap());
        let as_webhook = URL_SAFE_NO_PAD.encode(as_webhook.unwrap());
        for forged in [
            format!("csr_{plain}"),
            format!("csr_{as_webhook}"),
            text.trim_start_matches("csr_").to_owned(),
            format!("{text}="),
            format!("csr_{}", "A".repeat(5_000)),
            "csr_".to_owned(),
        ] {
            assert_eq!(open(&store, &forged.as_str().into()), None, "{forged}");
        }
    }

    #[test]
    fn another_hash_is_another_bond() {
        assert_ne!(Bond::password(&"one".into()), Bond::password(&"two".into()));
    }
}
