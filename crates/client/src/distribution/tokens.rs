//! Docker's token protocol: a challenge names a token service, the token service gives a short token for some scopes,
//! and the token goes with the call. Tokens are kept until shortly before they end.
//! distribution "Token authentication specification".

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::challenge::{self, Challenge};
use crate::client::{same_origin, with_credentials};
use crate::limits::{CALL_TIMEOUT, TOKEN_BYTES_MAX, TOKENS_MAX};
use crate::text::clean;
use crate::transport::{Answer, malformed, send, shown};
use crate::{Client, Credentials, Error};

/// How long a token lasts when its service does not say.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(60);
/// A token is not used any more this long before its end.
const MARGIN: Duration = Duration::from_secs(15);

/// What is known of a registry's log-in, and the tokens it gave. Shared by the clones of a client.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<State>);

#[derive(Default)]
struct State {
    login: Option<Login>,
    kept: HashMap<Vec<String>, (SecretString, Instant)>,
}

/// How a registry wants to be logged in to.
#[derive(Debug, Clone)]
enum Login {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(hidden)")
    }
}

impl Tokens {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self, scopes: &[String]) -> Option<SecretString> {
        let state = self.state();
        let (token, until) = state.kept.get(scopes)?;
        (Instant::now() < *until).then(|| token.clone())
    }

    fn keep(&self, scopes: &[String], token: SecretString, lifetime: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        if state.kept.len() >= TOKENS_MAX {
            state.kept.retain(|_, (_, until)| now < *until);
        }
        if state.kept.len() >= TOKENS_MAX {
            state.kept.clear();
        }
        state.kept.insert(
            scopes.to_vec(),
            (token, now + lifetime.saturating_sub(MARGIN)),
        );
    }
}

/// What goes with a request so that it is allowed.
#[derive(Clone)]
pub(crate) enum Authorization {
    None,
    Own(Credentials),
    Token(SecretString),
}

impl Authorization {
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(crate) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Own(credentials) => with_credentials(request, Some(credentials)),
            Self::Token(token) => request.bearer_auth(token.expose_secret()),
        }
    }
}

impl Client {
    /// What to send for these scopes, by what is known so far: nothing, until a challenge was seen.
    pub(crate) async fn authorization(&self, scopes: &[String]) -> Result<Authorization, Error> {
        let login = self.tokens.state().login.clone();
        match login {
            None => Ok(Authorization::None),
            Some(Login::Basic) => Ok(self.own()),
            Some(Login::Bearer { realm, service }) => {
                if let Some(token) = self.tokens.token(scopes) {
                    return Ok(Authorization::Token(token));
                }
                self.fetch_token(&realm, service.as_deref(), scopes, scopes)
                    .await
            }
        }
    }

    /// Learns from a 401 how to log in, and does it; nothing when there is nothing more to try.
    pub(super) async fn answer_challenge(
        &self,
        answer: &Answer,
        scopes: &[String],
    ) -> Result<Option<Authorization>, Error> {
        let headers = answer.headers().get_all(WWW_AUTHENTICATE);
        let texts: Vec<&str> = headers
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let challenges: Vec<Challenge> = texts
            .iter()
            .flat_map(|text| challenge::parse(text))
            .collect();
        let unsupported = || Error::Challenge {
            url: shown(answer.url()),
            challenge: clean(&texts.join(", ")),
        };

        if let Some(bearer) = challenges.iter().find(|c| c.scheme == "bearer") {
            let realm = bearer
                .parameter("realm")
                .and_then(|text| Url::parse(text).ok())
                .ok_or_else(unsupported)?;
            if !self.is_acceptable_realm(&realm) {
                return Err(unsupported());
            }
            let service = bearer.parameter("service").map(str::to_owned);
            let asked: Vec<String> = match bearer.parameter("scope") {
                Some(scope) if !scope.is_empty() => {
                    scope.split_ascii_whitespace().map(str::to_owned).collect()
                }
                _ => scopes.to_vec(),
            };
            self.tokens.state().login = Some(Login::Bearer {
                realm: realm.clone(),
                service: service.clone(),
            });
            return self
                .fetch_token(&realm, service.as_deref(), &asked, scopes)
                .await
                .map(Some);
        }
        if challenges.iter().any(|c| c.scheme == "basic") {
            // Tried already, or nothing to try: the refusal stands.
            let tried = matches!(self.tokens.state().login, Some(Login::Basic));
            self.tokens.state().login = Some(Login::Basic);
            let useful = matches!(self.options.credentials, Some(Credentials::Basic { .. }));
            return Ok((useful && !tried).then(|| self.own()));
        }
        if challenges.is_empty() {
            Ok(None)
        } else {
            Err(unsupported())
        }
    }

    fn own(&self) -> Authorization {
        self.options
            .credentials
            .clone()
            .map_or(Authorization::None, Authorization::Own)
    }

    /// A token service is spoken to over TLS, or on this machine; never in the clear when the registry itself is not.
    fn is_acceptable_realm(&self, realm: &Url) -> bool {
        matches!(realm.scheme(), "http" | "https")
            && realm.username().is_empty()
            && (same_origin(realm, &self.options.base_url)
                || self.options.may_carry_credentials(realm))
    }

    /// Asks the token service; keeps the answer as the token for `scopes`, whatever was `asked`.
    async fn fetch_token(
        &self,
        realm: &Url,
        service: Option<&str>,
        asked: &[String],
        scopes: &[String],
    ) -> Result<Authorization, Error> {
        let mut url = realm.clone();
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        for scope in asked {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        // A token of a Countersign server means nothing elsewhere; a password is what a foreign service expects.
        let credentials = match &self.options.credentials {
            Some(Credentials::Token(_)) if !same_origin(&url, &self.options.base_url) => None,
            other => other.as_ref(),
        };
        let request = with_credentials(
            self.transport.request(Method::GET, url.clone()),
            credentials,
        );
        let answer = send(request, &url, CALL_TIMEOUT).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(malformed(&url, "there is no token service"));
        }
        let token: TokenAnswer = answer.accepted().await?.json(TOKEN_BYTES_MAX).await?;
        let lifetime = token
            .expires_in
            .map_or(LIFETIME_DEFAULT, Duration::from_secs)
            .max(LIFETIME_DEFAULT);
        let token = token
            .token
            .or(token.access_token)
            .filter(|text| !text.is_empty());
        let token = SecretString::from(token.ok_or_else(|| malformed(&url, "no token in it"))?);
        self.tokens.keep(scopes, token.clone(), lifetime);
        Ok(Authorization::Token(token))
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}
