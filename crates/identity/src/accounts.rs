//! The operations on accounts that make secrets: people with passwords, tokens, the first admin. What needs no secret
//! (robots, teams, grants) is the store's. Here it is also seen to that a token cannot make itself into more than it is.

use policy::verb::ManageAccounts;
use policy::{Ceiling, Kind, Permit, PrincipalId, Who};
use secrecy::SecretString;
use store::System;
use store::accounts::{self, By, NewPrincipal};
use store::tokens::{self, NewToken};

use crate::{ADMIN, Caller, Error, Identity, Via, secret};

/// A person, just made.
#[derive(Debug, Clone)]
pub struct CreatedUser {
    /// The account.
    pub id: PrincipalId,
    /// The password, if it was made up here: to be shown once.
    pub password: Option<SecretString>,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Whom it stands for: the caller, or a robot.
    pub principal: PrincipalId,
    /// What its owner calls it.
    pub name: String,
    /// What it allows at most.
    pub ceiling: Ceiling,
    /// The first instant at which it is no longer taken, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
}

/// A token, just made.
#[derive(Debug, Clone)]
pub struct CreatedToken {
    /// Its number.
    pub id: i64,
    /// The token: to be shown once.
    pub token: SecretString,
}

impl Identity {
    /// Makes the account `admin` with all roles on a server that has no accounts. Answers the password if it was made up
    /// here; nothing when it was given, or when there are accounts already.
    pub async fn bootstrap_admin(
        &self,
        password: Option<SecretString>,
        now: i64,
    ) -> Result<Option<SecretString>, Error> {
        // Hashing costs time and memory, which every later start would pay for nothing.
        if accounts::any(&self.inner.store).await? {
            return Ok(None);
        }
        let (password, made_up) = given_or_made_up(password)?;
        let hash = self.inner.passwords.hash(password).await?;
        let created =
            accounts::bootstrap(&self.inner.store, System::job("start"), ADMIN, &hash, now).await?;
        Ok(created.and(made_up))
    }

    /// Makes a person, with a password that is given or made up.
    pub async fn create_user(
        &self,
        permit: &Permit<ManageAccounts>,
        name: &str,
        password: Option<SecretString>,
        now: i64,
    ) -> Result<CreatedUser, Error> {
        let (password, made_up) = given_or_made_up(password)?;
        let password_hash = Some(self.inner.passwords.hash(password).await?);
        let new = NewPrincipal {
            kind: Kind::Person,
            name: name.to_owned(),
            owner: None,
            password_hash,
        };
        let id = accounts::create_principal(&self.inner.store, permit, &new, now).await?;
        Ok(CreatedUser {
            id,
            password: made_up,
        })
    }

    /// Sets a person's password. One's own is changed only by whoever knows the old one: a token is not enough.
    pub async fn set_password(
        &self,
        caller: &Caller,
        by: &By<'_>,
        id: PrincipalId,
        password: SecretString,
        now: i64,
    ) -> Result<(), Error> {
        if caller.who == Who::Principal(id) && !caller.used_password() {
            return Err(Error::Refused {
                why: "a token cannot change its own account's password: log in with the password",
            });
        }
        let hash = self.inner.passwords.hash(password).await?;
        Ok(accounts::set_password(&self.inner.store, by, id, Some(&hash), now).await?)
    }

    /// Makes a token: for the caller, for a robot of theirs, or for any robot by someone who manages accounts. Nobody makes
    /// a token that stands for another person.
    pub async fn create_token(
        &self,
        caller: &Caller,
        by: &By<'_>,
        request: TokenRequest,
        now: i64,
    ) -> Result<CreatedToken, Error> {
        self.may_create_token(caller, request.principal).await?;
        let token = secret::token()?;
        let TokenRequest {
            principal,
            name,
            ceiling,
            expires_at,
        } = request;
        let new = NewToken {
            principal,
            name,
            hash: secret::token_hash(&token),
            ceiling,
            expires_at,
        };
        let id = tokens::create(&self.inner.store, by, &new, now).await?;
        Ok(CreatedToken { id, token })
    }

    async fn may_create_token(&self, caller: &Caller, principal: PrincipalId) -> Result<(), Error> {
        let refused = |why| Err(Error::Refused { why });
        let directory = accounts::directory(&self.inner.store).await?;
        let kind_of = |id| directory.principal(id).map(|principal| principal.kind);
        let Some(own) = caller.who.principal() else {
            return refused("log in first");
        };
        if kind_of(own) != Some(Kind::Person) {
            return refused("a robot cannot make tokens: its owner makes them");
        }
        if caller.via == Via::Refresh {
            return refused("docker's log-in cannot make tokens: log in with the password");
        }
        if caller.ceiling != Ceiling::All {
            return refused("a limited token cannot make tokens: log in with the password");
        }
        if principal != own && kind_of(principal) == Some(Kind::Person) {
            return refused("a token that stands for a person is made by that person only");
        }
        Ok(())
    }
}

/// A password that may be one, and the same again if it was made up here.
fn given_or_made_up(
    password: Option<SecretString>,
) -> Result<(SecretString, Option<SecretString>), Error> {
    match password {
        Some(given) => Ok((given, None)),
        None => {
            let made_up = secret::password()?;
            Ok((made_up.clone(), Some(made_up)))
        }
    }
}
