//! One file by whose word certificates are judged, looked at again and again. Each look reads it once, with a bound, in a thread of its
//! own: the pool is for requests, and a file of a server that is gone hangs for good. What was last taken stays in force, whatever is
//! wrong with what the file holds now. Whose word counts is not decided here, nor when to look.

use crate::configuration::{Anchor, AnchorKind};
use anyhow::Result;
use oci::Digest;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use trust::notation::SuccessionFault;

/// How often it is said that a file is refused, in milliseconds, and how often its bytes are judged again while they stay the same.
const REMIND_MILLISECONDS: u64 = 3_600_000;
/// How long the others wait for a file.
const PATIENCE: Duration = Duration::from_secs(10);

type Parse = fn(AnchorKind, &[u8]) -> Result<Anchor>;

/// A file, and what was last taken from it.
pub(super) struct AnchorFile {
    path: PathBuf,
    kind: AnchorKind,
    parse: Parse,
    patience: Duration,
    held: Anchor,
    digest: Digest,
    refused: Option<Refused>,
    /// A look that had not ended when the others had to go on.
    looking: Option<oneshot::Receiver<Found>>,
}

/// What is wrong with the file as it is now.
struct Refused {
    /// Of its bytes, where these are what is wrong.
    digest: Option<Digest>,
    why: String,
    said_at: i64,
}

/// What a look found.
enum Found {
    /// The bytes that were taken.
    Held,
    /// The bytes that were refused.
    Refused,
    /// Others, and what they are.
    New(Digest, Result<Anchor>),
    /// Nothing, and why not.
    Unreadable(String),
}

/// What a look gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// Nothing that has to be said.
    Quiet,
    /// The file holds something else, which counts from now on.
    Taken,
    /// It holds again what was taken before something was wrong with it.
    Righted,
    /// What is wrong with it; said once, and every hour while it lasts.
    Refused(String),
}

impl AnchorFile {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// Those of [`AnchorKind::read`].
    pub(super) fn open(kind: AnchorKind, path: &Path) -> Result<Self> {
        let (held, digest) = kind.read(path)?;
        Ok(Self {
            path: path.to_owned(),
            kind,
            parse: |kind, bytes| kind.parse(bytes),
            patience: PATIENCE,
            held,
            digest,
            refused: None,
            looking: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was last taken.
    pub(super) fn held(&self) -> &Anchor {
        &self.held
    }

    /// Whether what it holds now is not what certificates are judged by.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Looks at it at `now` (milliseconds since the epoch). Nothing is lost if nobody waits for the end.
    pub(super) async fn look(&mut self, now: i64) -> Looked {
        // One that could not be read since the last time gets no time of the others again.
        let (looking, patience) = match self.looking.take() {
            Some(looking) => (self.looking.insert(looking), Duration::ZERO),
            None => match self.begin(now) {
                Ok(looking) => (self.looking.insert(looking), self.patience),
                Err(error) => return self.refuse(None, error.to_string(), now),
            },
        };
        let found = match tokio::time::timeout(patience, looking).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Found::Unreadable("reading it came to no end".to_owned()),
            Err(_) => return self.refuse(None, "it is still being read".to_owned(), now),
        };
        self.looking = None;
        self.judge(found, now)
    }

    fn begin(&self, now: i64) -> std::io::Result<oneshot::Receiver<Found>> {
        let (path, kind, parse) = (self.path.clone(), self.kind, self.parse);
        let held = self.digest.clone();
        let refused = self.refused.as_ref();
        let refused = refused.filter(|refused| refused.is_fresh(now));
        let refused = refused.and_then(|refused| refused.digest.clone());
        let (found, looking) = oneshot::channel();
        thread::Builder::new()
            .name("anchor".to_owned())
            .spawn(move || {
                // Whoever has stopped does not wait for it.
                let _ = found.send(read(&path, kind, parse, &held, refused.as_ref()));
            })?;
        Ok(looking)
    }

    fn judge(&mut self, found: Found, now: i64) -> Looked {
        match found {
            Found::Refused => Looked::Quiet,
            Found::Held => match self.refused.take() {
                Some(_) => Looked::Righted,
                None => Looked::Quiet,
            },
            Found::Unreadable(why) => self.refuse(None, why, now),
            Found::New(digest, Err(error)) => self.refuse(Some(digest), format!("{error:#}"), now),
            Found::New(digest, Ok(anchor)) => match self.succeeds(&anchor, now) {
                // These bytes are right at another time: they are judged at every look.
                Err(why @ SuccessionFault::Early { .. }) => self.refuse(None, why.to_string(), now),
                Err(why) => self.refuse(Some(digest), why.to_string(), now),
                Ok(()) => {
                    (self.held, self.digest, self.refused) = (anchor, digest, None);
                    Looked::Taken
                }
            },
        }
    }

    /// A trusted root has no number; a list has, and does not go back.
    fn succeeds(&self, new: &Anchor, now: i64) -> Result<(), SuccessionFault> {
        match (new, &self.held) {
            (Anchor::List(new), Anchor::List(held)) => new.succeeds(held, now),
            _ => Ok(()),
        }
    }

    fn refuse(&mut self, digest: Option<Digest>, why: String, now: i64) -> Looked {
        let is_said = |refused: &Refused| {
            refused.is_fresh(now) && refused.digest == digest && refused.why == why
        };
        if self.refused.as_ref().is_some_and(is_said) {
            return Looked::Quiet;
        }
        self.refused = Some(Refused {
            digest,
            why: why.clone(),
            said_at: now,
        });
        Looked::Refused(why)
    }
}

#[cfg(test)]
impl AnchorFile {
    pub(super) fn wait(&mut self, patience: Duration) {
        self.patience = patience;
    }
}

impl Refused {
    fn is_fresh(&self, now: i64) -> bool {
        self.said_at.abs_diff(now) < REMIND_MILLISECONDS
    }
}

/// Reads the file once; what is judged are the bytes that the digest is of.
fn read(
    path: &Path,
    kind: AnchorKind,
    parse: Parse,
    held: &Digest,
    refused: Option<&Digest>,
) -> Found {
    let bytes = match kind.bytes(path) {
        Ok(bytes) => bytes,
        Err(error) => return Found::Unreadable(error.to_string()),
    };
    let digest = Digest::sha256(&bytes);
    if digest == *held {
        return Found::Held;
    }
    if Some(&digest) == refused {
        return Found::Refused;
    }
    // A fault in a parser is the file's affair, and no other's.
    let parsed = catch_unwind(|| parse(kind, &bytes))
        .unwrap_or_else(|_| Err(anyhow::anyhow!("reading it found a fault in the server")));
    Found::New(digest, parsed)
}

#[cfg(test)]
mod tests;
