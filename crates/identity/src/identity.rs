//! Credentials in, a caller out; a caller and scopes in, a session token out. One path each for passwords, tokens and
//! sessions; none of them says which of its checks failed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use oci::RepositoryName;
use policy::{Ceiling, Kind, PrincipalId, VerbKind, Who, access};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Store, accounts, tokens};

use crate::attempts::Attempts;
use crate::passwords::{BYTES_MAX, Passwords};
use crate::recent::Recent;
use crate::refresh::{self, Bond, Note};
use crate::session::{Examined, Session, SessionKeys, Sessions, UPLOAD_MILLISECONDS};
use crate::{AuthError, Caller, Issued, LogIn, Presented, SCOPES_MAX, Scope, Via, scope, secret};

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
    service: String,
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
            service: options.service.clone(),
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
        Ok(self.log_in(presented, peer, now).await?.caller)
    }

    /// The same, with what a refresh token for them can be made of.
    pub async fn log_in(
        &self,
        presented: Presented,
        peer: IpAddr,
        now: i64,
    ) -> Result<LogIn, AuthError> {
        match presented {
            Presented::None => Ok(LogIn {
                caller: Caller::anonymous(),
                bond: None,
            }),
            Presented::Basic { user, secret } if secret::is_token(&secret) => {
                self.by_token(Some(&user), &secret, now).await
            }
            Presented::Basic { user, secret } if refresh::is_refresh(&secret) => {
                self.by_refresh(Some(&user), &secret, now).await
            }
            Presented::Basic { user, secret } => self.by_password(&user, secret, peer, now).await,
            Presented::Bearer(secret) if secret::is_token(&secret) => {
                self.by_token(None, &secret, now).await
            }
            Presented::Bearer(secret) if refresh::is_refresh(&secret) => {
                self.by_refresh(None, &secret, now).await
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
    ) -> Result<LogIn, AuthError> {
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
        let known = |id, hash: &SecretString| {
            let caller = limited(Who::Principal(id), Ceiling::All, Via::Password);
            let bond = Some(Bond::password(hash));
            LogIn { caller, bond }
        };
        let entry = open
            .as_ref()
            .map(|(id, hash)| recent.entry(*id, hash, &password));
        if let (Some((id, hash)), Some(entry)) = (&open, &entry)
            && recent.holds(entry, now)
        {
            return Ok(known(*id, hash));
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
        let is_right = passwords
            .verify(password, stored)
            .await
            .inspect_err(|_| attempts.withdraw(&attempt))?;
        match (open, entry) {
            (Some((id, hash)), Some(entry)) if is_right => {
                attempts.succeeded(&attempt);
                recent.keep(entry, now);
                Ok(known(id, &hash))
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
    ) -> Result<LogIn, AuthError> {
        let hash = secret::token_hash(token);
        let record = tokens::token_by_hash(&self.inner.store, &hash, now)
            .await?
            .ok_or(AuthError::Token)?;
        self.is_named(record.principal, user).await?;
        let via = Via::Token { id: record.id };
        Ok(LogIn {
            caller: limited(Who::Principal(record.principal), record.ceiling, via),
            bond: Some(Bond::Token(record.id)),
        })
    }

    /// A refresh token is worth what the credential that it hangs on is worth now.
    async fn by_refresh(
        &self,
        user: Option<&str>,
        token: &SecretString,
        now: i64,
    ) -> Result<LogIn, AuthError> {
        let Inner { store, service, .. } = &*self.inner;
        let note = refresh::open(store, token)
            .filter(|note| note.service == *service)
            .ok_or(AuthError::Token)?;
        self.is_named(note.principal, user).await?;
        let ceiling = self.worth(note.principal, &note.bond, now).await?;
        Ok(LogIn {
            caller: limited(Who::Principal(note.principal), ceiling, Via::Refresh),
            bond: Some(note.bond),
        })
    }

    /// What the password or token of a bond allows at most, if it is still worth something.
    async fn worth(
        &self,
        principal: PrincipalId,
        bond: &Bond,
        now: i64,
    ) -> Result<Ceiling, AuthError> {
        let store = &self.inner.store;
        let ceiling = match bond {
            Bond::Password(_) => {
                let login = accounts::password_of(store, principal).await?;
                let hash = login
                    .filter(|login| login.active && login.kind == Kind::Person)
                    .and_then(|login| login.password_hash);
                hash.filter(|hash| Bond::password(hash) == *bond)
                    .map(|_| Ceiling::All)
            }
            Bond::Token(id) => tokens::token_by_id(store, *id, now)
                .await?
                .filter(|record| record.principal == principal)
                .map(|record| record.ceiling),
        };
        ceiling.ok_or(AuthError::Token)
    }

    /// A token that is shown with a name is its owner's only.
    async fn is_named(&self, id: PrincipalId, user: Option<&str>) -> Result<(), AuthError> {
        let Some(user) = user else { return Ok(()) };
        let directory = accounts::directory(&self.inner.store).await?;
        let principal = directory.principal(id);
        principal
            .filter(|principal| principal.name == user)
            .map(|_| ())
            .ok_or(AuthError::Token)
    }

    async fn by_session(&self, token: &SecretString, now: i64) -> Result<LogIn, AuthError> {
        let Inner {
            store, sessions, ..
        } = &*self.inner;
        match sessions.examine(store, token, now) {
            Examined::Current(session) => Ok(LogIn {
                caller: self.caller_of(&session).await?,
                bond: None,
            }),
            Examined::Ended(..) => Err(AuthError::Ended),
            Examined::Wrong => Err(AuthError::Token),
        }
    }

    /// Who sends more of an upload that began at `began` under a session that has ended meanwhile: a session of this
    /// server's that was still valid when the upload began, for as long as uploads may take, and as long as its account is
    /// open and the password or token that it was made with is worth something. It excuses the end of the session and nothing
    /// else; what the caller may do is asked as ever.
    pub async fn authenticate_for_upload(
        &self,
        token: &SecretString,
        began: i64,
        now: i64,
    ) -> Result<Caller, AuthError> {
        let Inner {
            store, sessions, ..
        } = &*self.inner;
        match sessions.examine(store, token, now) {
            Examined::Current(session) => self.caller_of(&session).await,
            Examined::Ended(session, ended)
                if began < ended && began <= now && now - began < UPLOAD_MILLISECONDS =>
            {
                let (Who::Principal(id), Some(bond)) = (&session.who, &session.bond) else {
                    return Err(AuthError::Token);
                };
                self.worth(*id, bond, now).await?;
                self.caller_of(&session).await
            }
            Examined::Ended(..) => Err(AuthError::Ended),
            Examined::Wrong => Err(AuthError::Token),
        }
    }

    /// The caller of a session, unless the account was closed since.
    async fn caller_of(&self, session: &Session) -> Result<Caller, AuthError> {
        if let Who::Principal(id) = session.who
            && !accounts::directory(&self.inner.store).await?.is_active(id)
        {
            return Err(AuthError::Token);
        }
        Ok(Caller {
            who: session.who.clone(),
            ceiling: session.ceiling.clone(),
            widest: session.widest.clone(),
            via: Via::Session,
        })
    }

    /// A refresh token for somebody who showed a password or a token; nothing for others, so that no session can prolong
    /// itself. It is written to the audit log.
    pub async fn refresh_token(
        &self,
        log_in: &LogIn,
        now: i64,
    ) -> Result<Option<SecretString>, AuthError> {
        let Inner { store, service, .. } = &*self.inner;
        let (Who::Principal(principal), Some(bond)) = (&log_in.caller.who, &log_in.bond) else {
            return Ok(None);
        };
        let token = match bond {
            Bond::Password(_) => None,
            Bond::Token(id) => Some(*id),
        };
        tokens::refresh_given(store, *principal, token, now).await?;
        let note = Note {
            service: service.clone(),
            principal: *principal,
            bond: bond.clone(),
        };
        Ok(Some(refresh::seal(store, &note)?))
    }

    /// A session token for whoever has logged in: for those of the scopes that they may use now, and never for more than
    /// their own credentials allow. What is not granted is left out; that is no error.
    pub async fn issue(
        &self,
        log_in: &LogIn,
        scopes: &[Scope],
        now: i64,
    ) -> Result<Issued, AuthError> {
        let LogIn { caller, bond } = log_in;
        let Inner {
            store,
            sessions,
            anonymous_pull,
            ..
        } = &*self.inner;
        // A session that could be traded for a new one would outlive the token or password that it was made with.
        if caller.via == Via::Session {
            return Err(AuthError::Token);
        }
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
        let mut texts = Vec::new();
        for scope in scopes.iter().take(SCOPES_MAX) {
            match scope {
                Scope::Repository { name, actions } => {
                    wanted
                        .entry(name)
                        .or_default()
                        .extend(actions.iter().flat_map(|action| action.verbs()));
                }
                Scope::Catalog if texts.is_empty() => {
                    if verbs(None).contains(&VerbKind::ListCatalog) {
                        granted.push(policy::Scope::everywhere([VerbKind::ListCatalog]));
                        texts.push(scope::CATALOG.to_owned());
                    }
                }
                Scope::Catalog => {}
            }
        }
        for (name, wanted) in wanted {
            let both = wanted
                .intersection(&verbs(Some(name)))
                .copied()
                .collect::<BTreeSet<_>>();
            if !both.is_empty() {
                texts.push(scope::granted(name, &both));
                granted.push(policy::Scope::repository(name, both));
            }
        }
        let session = Session {
            who: caller.who.clone(),
            ceiling: Ceiling::Only(granted),
            widest: caller.widest.clone(),
            bond: bond.clone(),
        };
        Ok(Issued {
            scope: texts.join(" "),
            ..sessions.sign(store, &session, now)?
        })
    }
}

/// Somebody whose credentials allow this at most, and no session more.
fn limited(who: Who, ceiling: Ceiling, via: Via) -> Caller {
    Caller {
        who,
        widest: ceiling.clone(),
        ceiling,
        via,
    }
}

/// A name as it may stand in a log.
fn shortened(user: &str) -> String {
    user.chars()
        .take(64)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
