//! Why a call did not succeed. *Refused* is the server's answer, in its own words; everything else is about the way
//! there. Deliberately without the types of the HTTP library.

use std::error::Error as StdError;

use oci::{Digest, ErrorCode};
use serde_json::Value;

/// What lies under a failure of the network or of a certificate.
pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one of a server.
    #[error(
        "`{value}` is not the address of a server ({why}): write it as `https://registry.example:5000`"
    )]
    Address {
        /// What was given.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something that is no name stands where one should.
    #[error("`{value}` is not a name")]
    Name {
        /// What was given.
        value: String,
    },
    /// Credentials would travel in the clear.
    #[error(
        "credentials for `{url}` would travel unencrypted: use https, or http on loopback only"
    )]
    Insecure {
        /// Where they would go.
        url: String,
    },
    /// A certificate authority could not be read.
    #[error("a certificate authority could not be read: give it as PEM")]
    Authority(#[source] Source),
    /// The program installed no TLS provider.
    #[error("no TLS provider is installed in this program")]
    NoTlsProvider,
    /// The server was not reached, or the connection broke.
    #[error("no answer from `{url}`: check the address and the network")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network said.
        #[source]
        source: Source,
    },
    /// The server took too long.
    #[error("`{url}` did not answer within {seconds} s: try again")]
    Timeout {
        /// What was asked for.
        url: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The server refused.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// The server asks for a log-in in a way that is not spoken here.
    #[error("`{url}` asks for a log-in that is not supported: `{challenge}`")]
    Challenge {
        /// What was asked for.
        url: String,
        /// What the server said.
        challenge: String,
    },
    /// A redirect that is not followed.
    #[error("`{url}` redirects where it should not ({why})")]
    Redirect {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The answer is longer than anything reasonable.
    #[error("the answer of `{url}` is larger than {bytes_max} bytes: limit exceeded")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        bytes_max: u64,
    },
    /// The answer cannot be read.
    #[error("the answer of `{url}` cannot be read: {why}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The content is not what its digest says.
    #[error("`{url}` sent other content than asked for: expected {expected}, got {actual}")]
    DigestMismatch {
        /// What was asked for.
        url: String,
        /// The digest that was asked for or announced.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// What was to be sent could not be read.
    #[error("what was to be sent cannot be read")]
    Content(#[source] Source),
}

impl Error {
    /// The server's refusal, if it is one.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// Whether the server says that the thing does not exist, or that the caller may not know of it.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.refused().is_some_and(|refused| refused.status == 404)
    }
}

/// A refusal in the server's words. Texts are cut and cleaned of control characters: a server is not trusted with the
/// reader's terminal.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message} ({code}, status {status})")]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The code: of the registry (`MANIFEST_UNKNOWN`) or of our API (`not-found`).
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub next: Option<String>,
    /// Facts for programs: a gate's decisions stand here.
    pub detail: Option<Value>,
    /// The name of the request in the server's log.
    pub request_id: Option<String>,
    /// How long to wait before asking again.
    pub retry_after_seconds: Option<u64>,
}

impl Refused {
    /// The code as a registry's error code; [`ErrorCode::Unknown`] when it is none.
    #[must_use]
    pub fn registry_code(&self) -> ErrorCode {
        self.code.parse().unwrap_or(ErrorCode::Unknown)
    }
}
