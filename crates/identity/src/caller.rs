//! What a request presents, and who that turns out to be.

use policy::{Ceiling, Who};
use secrecy::SecretString;

use crate::refresh::Bond;

/// What a request presents, as its `Authorization` header has it.
#[derive(Debug, Clone)]
pub enum Presented {
    /// Nothing.
    None,
    /// A name with a password, or with a token in the password's place.
    Basic {
        /// The name.
        user: String,
        /// The password or token.
        secret: SecretString,
    },
    /// A personal or robot token, a session token, or a refresh token.
    Bearer(SecretString),
}

/// Somebody who has just shown who they are, with what a refresh token or a session for them would hang on.
#[derive(Debug, Clone)]
pub struct LogIn {
    /// Who it is.
    pub caller: Caller,
    pub(crate) bond: Option<Bond>,
}

/// Who asks, with what their credentials allow at most. Worth nothing without `policy::access`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub who: Who,
    /// What the credentials allow at most.
    pub ceiling: Ceiling,
    /// What the best session of theirs would allow at most: the ceiling of the credentials that the session was asked for
    /// with, and outside sessions `ceiling` itself. It gives no rights; it tells whether asking for more can help.
    pub widest: Ceiling,
    /// How they proved it.
    pub via: Via,
}

/// How a caller proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Not at all.
    Nothing,
    /// With a password.
    Password,
    /// With a personal or robot token.
    Token {
        /// Its number.
        id: i64,
    },
    /// With a session token of docker's protocol.
    Session,
    /// With a refresh token of docker's protocol.
    Refresh,
}

impl Caller {
    /// Someone who presented nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            who: Who::Anonymous,
            ceiling: Ceiling::All,
            widest: Ceiling::All,
            via: Via::Nothing,
        }
    }

    /// Whether a person proved with their password that it is them: what registering a key asks for, so that a stolen
    /// token cannot do it.
    #[must_use]
    pub fn used_password(&self) -> bool {
        self.via == Via::Password
    }
}
