//! Credentials in, a caller out; a caller and scopes in, a session token out. One path each for passwords, tokens and
//! sessions; none of them says which of its checks failed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use oci::RepositoryName;
use policy::{Ceiling, Kind, VerbKind, Who, access};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Store, accounts, tokens};

use crate::attempts::Attempts;
use crate::passwords::{BYTES_MAX, Passwords};
use crate::recent::Recent;
use crate::session::{Session, SessionKeys, Sessions};
use crate::{AuthError, Caller, Issued, Presented, SCOPES_MAX, Scope, Via, secret};

/// The name of the service in challenges and session tokens.
pub const SERVICE: &str = "countersign";
/// The name of the first account.
pub const ADMIN: &str = "admin";

/// How identities are checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether anybody may pull: session tokens then cover pulls of those too who have no right of their own.
    pub anonymous_pull: bool,
    /// The name of the service in session tokens: a token of another service is not taken.
    pub service: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            anonymous_pull: false,
            service: SERVICE.to_owned(),
        }
    }
}

/// Knows who is asking. Clones share what they have seen.
#[derive(Clone)]
pub struct Identity {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) passwords: Passwords,
    anonymous_pull: bool,
    attempts: Attempts,
    recent: Recent,
    sessions: Sessions,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// Checks identities against a store. Fails only when the system gives no random bytes.
    pub fn new(store: Store, options: Options) -> Result<Self, store::Error> {
        let inner = Inner {
            store,
            passwords: Passwords::new(),
            anonymous_pull: options.anonymous_pull,
            attempts: Attempts::default(),
            recent: Recent::new()?,
            sessions: Sessions::new(options.service, SessionKeys::default()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Who presents these credentials from this address. Nothing presented is someone anonymous; something wrong presented
    /// is an error, also where nothing would have been enough.
    pub async fn authenticate(
        &self,
        presented: Presented,
        peer: IpAddr,
        now: i64,
    ) -> Result<Caller, AuthError> {
        match presented {
            Presented::None => Ok(Caller::anonymous()),
            Presented::Basic { user, secret } if secret::is_token(&secret) => {
                self.by_token(Some(&user), &secret, now).await
            }
            Presented::Basic { user, secret } => self.by_password(&user, secret, peer, now).await,
            Presented::Bearer(secret) if secret::is_token(&secret) => {
                self.by_token(None, &secret, now).await
            }
            Presented::Bearer(secret) => self.by_session(&secret, now).await,
        }
    }

    async fn by_password(
        &self,
        user: &str,
        password: SecretString,
        peer: IpAddr,
        now: i64,
    ) -> Result<Caller, AuthError> {
        let Inner {
            store,
            passwords,
            attempts,
            recent,
            ..
        } = &*self.inner;
        let login = accounts::principal_password(store, user).await?;
        let open = login.filter(|login| login.active && login.kind == Kind::Person);
        let open = open.and_then(|login| login.password_hash.map(|hash| (login.id, hash)));
        let caller = |id| Caller {
            who: Who::Principal(id),
            ceiling: Ceiling::All,
            widest: Ceiling::All,
            via: Via::Password,
        };
        let entry = open
            .as_ref()
            .map(|(id, hash)| recent.entry(*id, hash, &password));
        if let (Some((id, _)), Some(entry)) = (&open, &entry)
            && recent.holds(entry, now)
        {
            return Ok(caller(*id));
        }
        let attempt = attempts.begin(user, peer, now)?;
        let is_too_long = password.expose_secret().len() > BYTES_MAX;
        let stored = open
            .as_ref()
            .map(|(_, hash)| hash.clone())
            .filter(|_| !is_too_long);
        let password = if is_too_long {
            SecretString::default()
        } else {
            password
        };
        let is_right = passwords.verify(password, stored).await?;
        match (open, entry) {
            (Some((id, _)), Some(entry)) if is_right => {
                attempts.succeeded(&attempt);
                recent.keep(entry, now);
                Ok(caller(id))
            }
            _ => {
                tracing::warn!(user = %shortened(user), %peer, "a log-in with a password failed");
                Err(AuthError::Credentials)
            }
        }
    }

    /// Tokens hold 256 random bits: there is nothing to guess, so failures are not counted.
    async fn by_token(
        &self,
        user: Option<&str>,
        token: &SecretString,
        now: i64,
    ) -> Result<Caller, AuthError> {
        let store = &self.inner.store;
        let hash = secret::token_hash(token);
        let record = tokens::token_by_hash(store, &hash, now)
            .await?
            .ok_or(AuthError::Token)?;
        if let Some(user) = user {
            let directory = accounts::directory(store).await?;
            let principal = directory.principal(record.principal);
            principal
                .filter(|principal| principal.name == user)
                .ok_or(AuthError::Token)?;
        }
        let via = Via::Token { id: record.id };
        Ok(Caller {
            who: Who::Principal(record.principal),
            ceiling: record.ceiling.clone(),
            widest: record.ceiling,
            via,
        })
    }

    async fn by_session(&self, token: &SecretString, now: i64) -> Result<Caller, AuthError> {
        let Inner {
            store, sessions, ..
        } = &*self.inner;
        let Session {
            who,
            ceiling,
            widest,
        } = sessions.verify(store, token, now).ok_or(AuthError::Token)?;
        if let Who::Principal(id) = who
            && !accounts::directory(store).await?.is_active(id)
        {
            return Err(AuthError::Token);
        }
        Ok(Caller {
            who,
            ceiling,
            widest,
            via: Via::Session,
        })
    }

    /// A session token for a caller: for those of the scopes that the caller may use now, and never for more than the
    /// caller's own credentials allow. What is not granted is left out; that is no error.
    pub async fn issue(
        &self,
        caller: &Caller,
        scopes: &[Scope],
        now: i64,
    ) -> Result<Issued, AuthError> {
        let Inner {
            store,
            sessions,
            anonymous_pull,
            ..
        } = &*self.inner;
        let directory = accounts::directory(store).await?;
        let verbs = |repository: Option<&RepositoryName>| -> BTreeSet<VerbKind> {
            access::verbs(
                &directory,
                &caller.who,
                repository,
                &caller.ceiling,
                *anonymous_pull,
            )
        };
        // Docker repeats a repository in several scopes; they are one.
        let mut wanted: BTreeMap<&RepositoryName, BTreeSet<VerbKind>> = BTreeMap::new();
        let mut granted = Vec::new();
        for scope in scopes.iter().take(SCOPES_MAX) {
            match scope {
                Scope::Repository { name, actions } => {
                    wanted
                        .entry(name)
                        .or_default()
                        .extend(actions.iter().flat_map(|action| action.verbs()));
                }
                Scope::Catalog => {
                    let may_list = verbs(None).contains(&VerbKind::ListCatalog);
                    granted.extend(
                        may_list.then(|| policy::Scope::everywhere([VerbKind::ListCatalog])),
                    );
                }
            }
        }
        for (name, wanted) in wanted {
            let both = wanted
                .intersection(&verbs(Some(name)))
                .copied()
                .collect::<BTreeSet<_>>();
            granted.extend((!both.is_empty()).then(|| policy::Scope::repository(name, both)));
        }
        let session = Session {
            who: caller.who.clone(),
            ceiling: Ceiling::Only(granted),
            widest: caller.widest.clone(),
        };
        Ok(sessions.sign(store, &session, now)?)
    }
}

/// A name as it may stand in a log.
fn shortened(user: &str) -> String {
    user.chars()
        .take(64)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
