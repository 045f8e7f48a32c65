//! Proof of possession in three steps: someone with the role `security` asks the server what is to be signed, the owner of the key
//! signs it where the key is, `security` hands the answer in. What is signed is what is shown: server, principal and key are read from
//! the very bytes, and nothing else is ever signed here.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::Client;
use client::api::keys::{Key, NewChallenge, NewKey};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::{Command, Stdio};
use trust::possession::{Challenge, is_challenge_for};
use trust::{RegisteredKey, Signer};

/// What `countersign key challenge` prints and `prove` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Asked {
    /// Whose key it is to be.
    principal: String,
    public_key_pem: String,
    nonce: String,
    /// The bytes to sign, in base64.
    statement: String,
    expires_at: i64,
}

/// What `countersign key prove` prints and `register` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Proof {
    principal: String,
    public_key_pem: String,
    nonce: String,
    signature: String,
}

impl Proof {
    /// Whose key it is to be.
    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    /// The key that is proved.
    pub(crate) fn key(&self) -> Result<RegisteredKey> {
        RegisteredKey::parse(&self.public_key_pem)
            .context("the public key of the proof cannot be read")
    }
}

/// The first step: asks the server for a challenge.
pub(crate) async fn ask(client: &Client, public_key_pem: &str, principal: &str) -> Result<Asked> {
    let request = NewChallenge {
        public_key_pem: public_key_pem.to_owned(),
        principal: Some(principal.to_owned()),
    };
    let challenge = client.key_challenge(&request).await?;
    let asked = Asked {
        principal: principal.to_owned(),
        public_key_pem: request.public_key_pem,
        nonce: challenge.nonce,
        statement: challenge.statement,
        expires_at: challenge.expires_at,
    };
    read(&asked)?;
    Ok(asked)
}

/// What the bytes to sign say, where they say what stands beside them.
pub(crate) fn read(asked: &Asked) -> Result<Challenge> {
    let said = Challenge::parse(&statement(asked)?)?;
    let key = RegisteredKey::parse(&asked.public_key_pem)
        .context("the public key of the challenge cannot be read")?;
    if said.key != *key.id() || said.principal != asked.principal || said.nonce != asked.nonce {
        bail!(
            "the challenge is shown as one for `{}`, and the bytes to sign speak of `{}` or of another key; do not sign it, ask for a new one",
            asked.principal,
            said.principal
        );
    }
    Ok(said)
}

/// The second step: signs the challenge with the key that it names.
pub(crate) fn prove(key: &dyn Signer, asked: &Asked) -> Result<Proof> {
    let said = read(asked)?;
    ensure!(
        is_challenge_for(&statement(asked)?, key.public_key().id()),
        "the challenge is for the key `{}`, and this file holds `{}`; nothing was signed",
        said.key,
        key.public_key().id()
    );
    Ok(Proof {
        principal: said.principal.clone(),
        public_key_pem: key.public_key().to_pem(),
        nonce: said.nonce.clone(),
        signature: STANDARD.encode(said.prove(key)?),
    })
}

/// The same by gpg, for an OpenPGP key: it finds the private half by the fingerprint, and asks for what it needs.
pub(crate) fn prove_by_gpg(asked: &Asked) -> Result<Proof> {
    let said = read(asked)?;
    let key = RegisteredKey::parse(&asked.public_key_pem)?;
    let Some(openpgp) = key.openpgp() else {
        bail!("the challenge is for a key that gpg does not hold: prove it with `--key FILE`");
    };
    let signature = gpg(&openpgp.fingerprint(), &statement(asked)?)?;
    let now = jiff::Timestamp::now().as_millisecond();
    // What the server will do: nobody hands in a proof that is none.
    said.verify_any(&signature, &key, now)?;
    Ok(Proof {
        principal: said.principal.clone(),
        public_key_pem: asked.public_key_pem.clone(),
        nonce: said.nonce.clone(),
        signature: STANDARD.encode(signature),
    })
}

/// A detached signature over these bytes. Its questions go to the terminal, not to the output.
pub(super) fn gpg(fingerprint: &str, message: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new("gpg")
        .args([
            "--detach-sign",
            "--digest-algo",
            "SHA256",
            "--local-user",
            fingerprint,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start gpg: install it, or prove the key where it is")?;
    let mut input = child.stdin.take().context("gpg takes no input")?;
    input.write_all(message).context("gpg ended early")?;
    drop(input);
    let done = child.wait_with_output()?;
    ensure!(done.status.success(), "gpg did not sign: {}", done.status);
    Ok(done.stdout)
}

/// The third step: registers the key. The client logs in with a password.
pub(crate) async fn register(
    client: &Client,
    proof: Proof,
    name: String,
    scope: Vec<String>,
) -> Result<Key> {
    let new = NewKey {
        nonce: proof.nonce,
        public_key_pem: proof.public_key_pem,
        signature: proof.signature,
        name,
        scope,
        principal: Some(proof.principal),
    };
    Ok(client.register_key(&new).await?)
}

/// Registers a name in certificates, for which there is no proof. The client logs in with a password.
pub(crate) async fn register_identity(
    client: &Client,
    identity: &RegisteredKey,
    principal: String,
    name: String,
    scope: Vec<String>,
) -> Result<Key> {
    let new = NewKey {
        nonce: String::new(),
        public_key_pem: identity.to_text(),
        signature: String::new(),
        name,
        scope,
        principal: Some(principal),
    };
    Ok(client.register_key(&new).await?)
}

fn statement(asked: &Asked) -> Result<Vec<u8>> {
    STANDARD
        .decode(&asked.statement)
        .context("the challenge's statement is not base64")
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::possession::challenge_bytes;
    use trust::{Algorithm, PrivateKey};

    fn asked(key: &PrivateKey, principal: &str) -> Asked {
        let statement = challenge_bytes("countersign", "nonce", principal, key.public_key().id());
        Asked {
            principal: "maria".to_owned(),
            public_key_pem: key.public_key().to_pem(),
            nonce: "nonce".to_owned(),
            statement: STANDARD.encode(statement),
            expires_at: 0,
        }
    }

    #[test]
    fn a_proof_is_one_that_the_server_takes() {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let asked = asked(&key, "maria");
        let proof = prove(&key, &asked).unwrap();
        let signature = STANDARD.decode(proof.signature).unwrap();
        read(&asked)
            .unwrap()
            .verify(&signature, key.public_key())
            .unwrap();
    }

    #[test]
    fn what_is_shown_is_what_is_signed() {
        let [key, other] = [(); 2].map(|()| PrivateKey::generate(Algorithm::Ed25519).unwrap());
        // The document says maria, the bytes say mallory.
        assert!(
            prove(&key, &asked(&key, "mallory"))
                .unwrap_err()
                .to_string()
                .contains("mallory")
        );
        // Another key than the one that is named.
        assert!(
            prove(&other, &asked(&key, "maria"))
                .unwrap_err()
                .to_string()
                .contains("nothing was signed")
        );
        // The nonce beside the bytes is another.
        let swapped = Asked {
            nonce: "other".to_owned(),
            ..asked(&key, "maria")
        };
        assert!(prove(&key, &swapped).is_err());
        // Something that is no challenge at all.
        let image = Asked {
            statement: STANDARD.encode("DSSEv1 28 application/vnd.in-toto+json 2 {}"),
            ..asked(&key, "maria")
        };
        assert!(prove(&key, &image).is_err());
    }
}
