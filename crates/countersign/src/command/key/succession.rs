//! `countersign key rotate --old KEY --new KEY`: both keys sign that the one takes the other's place. What is signed is what is shown:
//! server, owner and keys are read from the very bytes, and nothing else is ever signed here.

use super::possession::gpg;
use super::{Authority, files, short, signer};
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::api::keys::{Challenge, NewSuccessor, SuccessorProof};
use std::fs;
use std::path::Path;
use trust::succession::{Side, Succession};
use trust::{OpenPgpKey, RegisteredKey, Signer};

/// Somebody's key, and what signs with it.
enum Holder {
    /// A file or a token.
    Signer(Box<dyn Signer>),
    /// gpg, which finds the private half by the fingerprint.
    Gpg(RegisteredKey),
}

impl Holder {
    fn open(key: &Path, side: Side) -> Result<Self> {
        let text = fs::read(key).unwrap_or_default();
        if OpenPgpKey::is_armoured(&text) {
            return Ok(Self::Gpg(files::registered(key)?));
        }
        Ok(Self::Signer(match side {
            Side::Old => signer::open(key)?,
            Side::New => signer::open_next(key)?,
        }))
    }

    fn public_key(&self) -> RegisteredKey {
        match self {
            Self::Signer(signer) => signer.public_key().clone().into(),
            Self::Gpg(key) => key.clone(),
        }
    }

    /// The signature in base64.
    fn sign(&self, side: Side, said: &Succession) -> Result<String> {
        let signature = match self {
            Self::Signer(signer) => said.sign(side, signer.as_ref())?,
            Self::Gpg(key) => {
                let key = key.openpgp().context("the key is not one of OpenPGP")?;
                gpg(&key.fingerprint(), &said.to_bytes())?
            }
        };
        Ok(STANDARD.encode(signature))
    }
}

pub(super) async fn rotate(
    old: &Path,
    new: &Path,
    authority: &Authority,
    server: &ServerFlags,
) -> Result<()> {
    // What is on this machine is read before anybody is asked for a password.
    let old = Holder::open(old, Side::Old)?;
    let new = Holder::open(new, Side::New)?;
    let (old_key, new_key) = (old.public_key(), new.public_key());
    let client = authority.client(server)?;
    let request = NewSuccessor {
        public_key_pem: new_key.to_text(),
    };
    let id = old_key.id().as_str();
    let challenge = client.successor_challenge(id, &request).await?;
    let said = read(&challenge, &old_key, &new_key)?;
    output::note(format!(
        "Both keys sign that key {} takes the place of key {}, which is {}'s, for the server `{}`.",
        short(said.new.as_str()),
        short(said.old.as_str()),
        said.principal,
        said.server
    ));
    let proof = SuccessorProof {
        public_key_pem: request.public_key_pem,
        nonce: said.nonce.clone(),
        old_signature: old.sign(Side::Old, &said)?,
        new_signature: new.sign(Side::New, &said)?,
    };
    let next = client.succeed_key(id, &proof).await?;
    output::line(format!(
        "Key {} is {}'s, for {}, in the place of {}. What that signed stays good; sign with the new one from now on.",
        short(&next.id),
        next.principal,
        next.scope.join(", "),
        short(id)
    ));
    Ok(())
}

/// What the bytes to sign say, where they say what was asked for.
fn read(challenge: &Challenge, old: &RegisteredKey, new: &RegisteredKey) -> Result<Succession> {
    let statement = STANDARD
        .decode(&challenge.statement)
        .context("the statement is not base64")?;
    let said = Succession::parse(&statement)?;
    ensure!(
        said.old == *old.id() && said.new == *new.id() && said.nonce == challenge.nonce,
        "the bytes to sign speak of other keys; do not sign them, ask again"
    );
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::{Algorithm, PrivateKey};

    #[test]
    fn nothing_else_is_signed_than_what_was_asked_for() {
        let key = || PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let [old, new, other] =
            [key(), key(), key()].map(|key| RegisteredKey::from(key.public_key().clone()));
        let challenge = |from: &RegisteredKey, to: &RegisteredKey, nonce: &str| {
            let said = Succession {
                server: "countersign".to_owned(),
                nonce: "nonce".to_owned(),
                principal: "maria".to_owned(),
                old: from.id().clone(),
                new: to.id().clone(),
            };
            Challenge {
                nonce: nonce.to_owned(),
                statement: STANDARD.encode(said.to_bytes()),
                expires_at: 0,
            }
        };
        assert!(read(&challenge(&old, &new, "nonce"), &old, &new).is_ok());
        for wrong in [
            challenge(&other, &new, "nonce"),
            challenge(&old, &other, "nonce"),
            challenge(&new, &old, "nonce"),
            challenge(&old, &new, "another"),
        ] {
            assert!(read(&wrong, &old, &new).is_err());
        }
        let image = Challenge {
            statement: STANDARD.encode("DSSEv1 28 application/vnd.in-toto+json 2 {}"),
            ..challenge(&old, &new, "nonce")
        };
        assert!(read(&image, &old, &new).is_err());
    }
}
