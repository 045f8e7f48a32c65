//! Session tokens of docker's token protocol: who it is and how they proved it, what the token allows at most, and for how
//! short a time. A JWT signed with EdDSA, and read by a reader that knows nothing else. RFC 7519; RFC 8725 3.1 (one algorithm), 3.8, 3.9
//! (issuer and audience); RFC 8037.

mod key;
mod remembered;

use std::sync::Arc;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::{Ceiling, PrincipalId, Who};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use store::Store;

pub(crate) use self::key::SessionKeys;
use self::remembered::{Genuine, Remembered};
use crate::AuthError;
use crate::error::broken;
use crate::refresh::Bond;

/// How long a session lasts, in seconds.
pub const SESSION_SECONDS: i64 = 300;
/// How long after its beginning an upload may go on under a session that has ended, in milliseconds.
pub const UPLOAD_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// How far the clocks of two servers may be apart, in seconds.
const SKEW_SECONDS: i64 = 30;
/// The longest token that is made and read, in bytes: what fits a header.
const TOKEN_BYTES_MAX: usize = 16 * 1_024;

/// A session token, just made.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub token: SecretString,
    /// How long it lasts, in seconds.
    pub expires_in_seconds: i64,
    /// When it was made, in milliseconds since the epoch.
    pub issued_at: i64,
    /// What it was granted for, as scopes of docker's protocol with spaces between.
    pub scope: String,
}

/// What a session token says, once it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) who: Who,
    pub(crate) ceiling: Ceiling,
    pub(crate) widest: Ceiling,
    /// By what they proved it, for what outlasts the session. A password's fingerprint tells nothing about it.
    pub(crate) bond: Option<Bond>,
}

/// What a session token turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Examined {
    /// One of this server's, in its time.
    Current(Arc<Session>),
    /// One of this server's, whose time is over since this instant (milliseconds since the epoch).
    Ended(Arc<Session>, i64),
    /// Anything else; whoever presents it learns no more.
    Wrong,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    /// The public key, vouched for with the server's master key.
    kid: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    ceiling: Ceiling,
    widest: Ceiling,
    bond: Option<Bond>,
}

/// Makes and reads session tokens of one service.
pub(crate) struct Sessions {
    service: String,
    keys: SessionKeys,
    remembered: Remembered,
}

const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "countersign-session+jwt";
const ANONYMOUS: &str = "anonymous";

impl Sessions {
    pub(crate) fn new(service: String, keys: SessionKeys) -> Self {
        Self {
            service,
            keys,
            remembered: Remembered::default(),
        }
    }

    pub(crate) fn sign(
        &self,
        store: &Store,
        session: &Session,
        now: i64,
    ) -> Result<Issued, AuthError> {
        let now_s = now.div_euclid(1_000);
        let mut jti = [0; 16];
        rand::fill(&mut jti).map_err(|error| broken("making random bytes", &error))?;
        let claims = Claims {
            iss: self.service.clone(),
            aud: self.service.clone(),
            sub: match session.who {
                Who::Anonymous => ANONYMOUS.to_owned(),
                Who::Principal(id) => id.to_string(),
            },
            iat: now_s,
            nbf: now_s,
            exp: now_s.saturating_add(SESSION_SECONDS),
            jti: hex::encode(jti),
            ceiling: session.ceiling.clone(),
            widest: session.widest.clone(),
            bond: session.bond.clone(),
        };
        let key = self.keys.current(store, now)?;
        let header = Header {
            alg: ALGORITHM.to_owned(),
            typ: TYPE.to_owned(),
            kid: key.id().to_owned(),
        };
        let signed = format!("{}.{}", encode(&header)?, encode(&claims)?);
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        let token = SecretString::from(format!("{signed}.{signature}"));
        if token.expose_secret().len() > TOKEN_BYTES_MAX {
            return Err(AuthError::TooManyScopes);
        }
        Ok(Issued {
            token,
            expires_in_seconds: SESSION_SECONDS,
            issued_at: now,
            scope: String::new(),
        })
    }

    /// What the token is. Its signatures are checked once and remembered; its times are looked at each time.
    pub(crate) fn examine(&self, store: &Store, token: &SecretString, now: i64) -> Examined {
        let text = token.expose_secret();
        if text.len() > TOKEN_BYTES_MAX {
            return Examined::Wrong;
        }
        let place = Remembered::place(text);
        let genuine = self.remembered.find(&place).or_else(|| {
            let genuine = self.genuine(store, text, now)?;
            self.remembered.keep(place, &genuine, now);
            Some(genuine)
        });
        genuine.map_or(Examined::Wrong, |genuine| genuine.at(now))
    }

    /// What the token says, if this server made it for this service; nothing otherwise, whatever the reason.
    fn genuine(&self, store: &Store, text: &str, now: i64) -> Option<Genuine> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = decode(header)?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key_until = self
            .keys
            .verify(store, &header.kid, signed.as_bytes(), &signature, now)?;
        let claims: Claims = decode(claims)?;
        let is_ours = claims.iss == self.service
            && claims.aud == self.service
            && claims.exp.saturating_sub(claims.iat) <= SESSION_SECONDS;
        let who = match claims.sub.as_str() {
            ANONYMOUS => Who::Anonymous,
            id => Who::Principal(PrincipalId(id.parse().ok()?)),
        };
        is_ours.then(|| Genuine {
            session: Arc::new(Session {
                who,
                ceiling: claims.ceiling,
                widest: claims.widest,
                bond: claims.bond,
            }),
            begins_s: claims.iat.max(claims.nbf),
            ends_s: claims.exp,
            key_until,
        })
    }
}

fn encode<T: Serialize>(part: &T) -> Result<String, store::Error> {
    let json =
        serde_json::to_vec(part).map_err(|error| broken("writing a session token", &error))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests;
