//! Why someone is not believed, and why an account is not changed. Neither says whether a name exists.

/// Why a request's credentials are not taken.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No such name, a wrong password, a closed account, a robot with a password: all the same from outside.
    #[error("the name or password is wrong: log in again")]
    Credentials,
    /// A token that is not known, was revoked, has ended, or whose account is closed.
    #[error("the token is not valid, or has ended: log in again")]
    Token,
    /// A session token of this server whose time is over.
    #[error("the session has ended: ask for a new one")]
    Ended,
    /// A session for so many scopes would not fit into a header.
    #[error("the token would be too large: ask for fewer scopes at once")]
    TooManyScopes,
    /// Too many failures for this name from this address, or too many log-ins at once.
    #[error("too many failed log-ins: wait {retry_after_seconds} s")]
    TooMany {
        /// How long to wait.
        retry_after_seconds: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Why an account, password or token is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A password that is too short, too long, or looks like something else.
    #[error("the password cannot be used: {why}")]
    Password {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A token's scope that cannot be read.
    #[error(
        "`{value}` is not a scope of a token ({why}): write it as `repository:shop/**:pull,push`"
    )]
    Scope {
        /// The text, shortened.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// These credentials cannot be used for it.
    #[error("{why}")]
    Refused {
        /// Why, and what to do.
        why: &'static str,
    },
    /// The store failed, or refused.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Something that only fails when the machine is broken, as the store's failures do.
pub(crate) fn broken(what: &'static str, why: &dyn std::fmt::Display) -> store::Error {
    store::Error::Crypto {
        what,
        why: why.to_string(),
    }
}
