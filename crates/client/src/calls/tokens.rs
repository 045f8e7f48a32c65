//! `/tokens`.

use reqwest::Method;

use crate::api::tokens::{CreatedToken, NewToken, Token};
use crate::{Client, Error};

impl Client {
    /// The caller's tokens, and those of its robots.
    pub async fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.list(self.api(&["tokens"])?).await
    }

    /// Makes a token; the answer is the only place where it stands.
    pub async fn create_token(&self, token: &NewToken) -> Result<CreatedToken, Error> {
        self.write(Method::POST, self.api(&["tokens"])?, token)
            .await
    }

    /// Revokes a token.
    pub async fn delete_token(&self, id: i64) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["tokens", &id.to_string()])?)
            .await
    }
}
