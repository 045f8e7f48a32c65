//! What an upload is for, as its URL says it: repository, principal, algorithm and beginning, authenticated with a key that
//! follows from the master key. So a session needs no row, and survives a restart. It is not a credential: whoever sends it
//! must be its principal. distribution-spec end-4a: the `Location` of an upload is opaque to clients.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oci::{Algorithm, RepositoryName};
use policy::PrincipalId;

use crate::error::{Error, Result};
use crate::master::TAG_BYTES;
use crate::{Store, Writer, random};

/// The length of an id in hex digits.
const ID_DIGITS: usize = 32;
/// What the first field of a state says: how the rest is to be read.
const VERSION: &str = "1";
/// What is authenticated begins with this, so that it is nothing else that the same key may authenticate one day.
const PURPOSE: &str = "countersign upload";
/// Longer ones are not looked at.
const STATE_BYTES_MAX: usize = 1024;

/// The name of an upload: 128 random bits in hex, so that it is a file name and cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl UploadId {
    pub(super) fn random() -> Result<UploadId> {
        Ok(UploadId(random::hex::<{ ID_DIGITS / 2 }>()?))
    }

    /// The id as it stands in URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for UploadId {
    type Err = Error;

    fn from_str(text: &str) -> Result<UploadId> {
        let is_id = text.len() == ID_DIGITS
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id {
            Ok(UploadId(text.to_owned()))
        } else {
            Err(unknown(&text.chars().take(64).collect::<String>()))
        }
    }
}

/// An upload that was begun here, and what it is for. Whether it is still open, its file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    id: UploadId,
    repository: RepositoryName,
    principal: Option<PrincipalId>,
    algorithm: Algorithm,
    started_at: i64,
    state: String,
}

impl Session {
    pub(super) fn new(
        store: &Store,
        writer: &Writer<'_>,
        algorithm: Algorithm,
        now: i64,
    ) -> Result<Session> {
        let (id, repository) = (UploadId::random()?, writer.repository()?.clone());
        let principal = writer.principal();
        let fields = [
            VERSION.to_owned(),
            now.to_string(),
            principal.map_or_else(String::new, |id| id.0.to_string()),
            algorithm.to_string(),
            repository.to_string(),
        ]
        .join("\n");
        let mut bytes = store.master().authenticate(&message(&id, &fields));
        bytes.extend_from_slice(fields.as_bytes());
        Ok(Session {
            id,
            repository,
            principal,
            algorithm,
            started_at: now,
            state: URL_SAFE_NO_PAD.encode(bytes),
        })
    }

    /// Its name.
    pub fn id(&self) -> &UploadId {
        &self.id
    }

    /// The repository that it was begun in.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Who began it; none for anonymous callers.
    pub fn principal(&self) -> Option<PrincipalId> {
        self.principal
    }

    /// What its bytes are hashed with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// When it began (milliseconds since the epoch).
    pub fn started_at(&self) -> i64 {
        self.started_at
    }

    /// What its URL carries: letters, digits, `-` and `_`.
    pub fn state(&self) -> &str {
        &self.state
    }
}

/// The session that a URL names, if this server began it: the id and the state of its URL are both needed. Whoever asks for it
/// may be somebody else; `open` refuses them.
///
/// # Errors
/// `NotFound` for whatever is wrong with either.
pub fn session(store: &Store, id: &str, state: &str) -> Result<Session> {
    let id: UploadId = id.parse()?;
    read(store, &id, state).ok_or_else(|| unknown(&id))
}

fn read(store: &Store, id: &UploadId, state: &str) -> Option<Session> {
    if state.len() > STATE_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(state).ok()?;
    let (tag, fields) = bytes.split_at_checked(TAG_BYTES)?;
    let fields = std::str::from_utf8(fields).ok()?;
    // Authenticated before anything in it is read.
    if !store.master().is_authentic(&message(id, fields), tag) {
        return None;
    }
    let mut parts = fields.split('\n');
    let (version, started_at) = (parts.next()?, parts.next()?);
    let (principal, algorithm) = (parts.next()?, parts.next()?);
    if version != VERSION {
        return None;
    }
    Some(Session {
        id: id.clone(),
        repository: parts.next()?.parse().ok()?,
        principal: match principal {
            "" => None,
            number => Some(PrincipalId(number.parse().ok()?)),
        },
        algorithm: algorithm.parse().ok()?,
        started_at: started_at.parse().ok()?,
        state: state.to_owned(),
    })
}

fn message(id: &UploadId, fields: &str) -> Vec<u8> {
    format!("{PURPOSE}\n{id}\n{fields}").into_bytes()
}

pub(super) fn unknown(id: &(impl fmt::Display + ?Sized)) -> Error {
    Error::not_found("upload", id)
}
