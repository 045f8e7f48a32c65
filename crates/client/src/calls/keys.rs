//! `/keys`.

use reqwest::Method;

use super::accepted;
use crate::api::keys::{
    Challenge, HeldSignature, Key, KeyRevocation, NewChallenge, NewHeldKey, NewHeldSignature,
    NewKey, NewSuccessor, RevokeKey, SuccessorProof,
};
use crate::limits::{ANSWER_BYTES_MAX, WORK_TIMEOUT};
use crate::{Client, Error};

impl Client {
    /// Asks for the bytes that prove possession of a key when they are signed with it.
    pub async fn key_challenge(&self, challenge: &NewChallenge) -> Result<Challenge, Error> {
        self.write(Method::POST, self.api(&["keys", "challenges"])?, challenge)
            .await
    }

    /// Registers a key. The caller logs in with a password: tokens cannot register keys.
    pub async fn register_key(&self, key: &NewKey) -> Result<Key, Error> {
        self.write(Method::POST, self.api(&["keys"])?, key).await
    }

    /// All keys.
    pub async fn keys(&self) -> Result<Vec<Key>, Error> {
        self.list(self.api(&["keys"])?).await
    }

    /// Revokes a key: none of its signatures counts any more.
    pub async fn revoke_key(&self, id: &str) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["keys", id])?).await
    }

    /// Revokes a key from an instant on, or only tells which images and gates that would hit.
    pub async fn revoke_key_from(
        &self,
        id: &str,
        revocation: &RevokeKey,
    ) -> Result<KeyRevocation, Error> {
        let url = self.api(&["keys", id, "revocation"])?;
        let request = self.as_caller(Method::POST, url.clone()).json(revocation);
        accepted(request, &url, WORK_TIMEOUT)
            .await?
            .json(ANSWER_BYTES_MAX)
            .await
    }

    /// Asks for what the caller's key, by its id, and a new one have to sign, so that the new one takes the other's place. The caller logs
    /// in with a password.
    pub async fn successor_challenge(
        &self,
        id: &str,
        new: &NewSuccessor,
    ) -> Result<Challenge, Error> {
        let url = self.api(&["keys", id, "successor", "challenges"])?;
        self.write(Method::POST, url, new).await
    }

    /// Puts a new key in the place of one of the caller's, by its id. The caller logs in with a password.
    pub async fn succeed_key(&self, id: &str, proof: &SuccessorProof) -> Result<Key, Error> {
        let url = self.api(&["keys", id, "successor"])?;
        self.write(Method::POST, url, proof).await
    }

    /// Has the server make a key and hold it. The caller logs in with a password, as for registering one.
    pub async fn hold_key(&self, key: &NewHeldKey) -> Result<Key, Error> {
        let url = self.api(&["keys", "held"])?;
        self.write(Method::POST, url, key).await
    }

    /// Has the server sign with a key that it holds for the caller.
    pub async fn sign_with_held_key(
        &self,
        name: &str,
        signature: &NewHeldSignature,
    ) -> Result<HeldSignature, Error> {
        let url = self.api(&["keys", "held", name, "signatures"])?;
        self.write(Method::POST, url, signature).await
    }

    /// Has the server make a new key in the place of one that it holds. The caller logs in with a password.
    pub async fn rotate_held_key(&self, name: &str) -> Result<Key, Error> {
        let url = self.api(&["keys", "held", name, "rotation"])?;
        self.write(Method::POST, url, &()).await
    }
}
