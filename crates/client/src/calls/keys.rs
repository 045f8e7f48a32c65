//! `/keys`.

use reqwest::Method;

use super::accepted;
use crate::api::keys::{Challenge, Key, KeyRevocation, NewChallenge, NewKey, RevokeKey};
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
}
