//! An upload whose bytes go to a bucket, where nothing can be appended to and nobody holds a lock. Its requests may reach
//! different processes. `sessions/<id>` says that it lives; each request's body is an object of its own,
//! `uploads/<id>/<offset>.<random>`, and what the upload holds is the chain of those that follow one another without a gap. One
//! piece becomes the blob where it lies; several are copied into one object. So is one that was given another digest before, by a
//! request to another process: a piece is one blob's, and a unique index says so.
//!
//! No row knows a piece before it is a blob, so who removes one must not meet who makes it a blob (ADR 10): a piece is removed
//! only by `expire`, when it is old and in no row, and one that old is never made a blob but copied. An upload that ended with
//! pieces to remove says so by `sessions/<id>.ended`.

use std::pin::pin;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use oci::{Digest, Hasher, RepositoryName};

use super::UploadId;
use super::file::Guard;
use super::hashes::Running;
use super::session::unknown;
use crate::blobs::{BlobInfo, PIECE, new_key, settle};
use crate::error::{Error, Result};
use crate::objects::{Remote, Writing};
use crate::{Store, random};

mod expire;

pub(super) use expire::expire;

/// A piece older than this is copied. It is far from the day after which pieces are removed, so that clocks may differ.
const ADOPTED_AGE_MAX_MILLISECONDS: i64 = 12 * 60 * 60 * 1_000;
/// Pieces that one upload may have.
const PIECES_MAX: usize = 20_000;
/// Digits of an offset in a key.
const OFFSET_DIGITS: usize = 20;

/// An upload opened for writing by one request.
#[derive(Debug)]
pub(super) struct Pieces {
    store: Store,
    remote: Remote,
    repository: RepositoryName,
    guard: Guard,
    /// Whether no other request will know it.
    is_own: bool,
    hash: Option<Running>,
    chain: Option<Chain>,
    writing: Option<(i64, Writing)>,
}

/// The pieces of an upload, as far as they follow one another.
#[derive(Debug, Default)]
struct Chain {
    pieces: Vec<Piece>,
    size: u64,
    /// Whether there are pieces that do not belong to it.
    has_strays: bool,
}

#[derive(Debug, Clone)]
struct Piece {
    key: String,
    size: u64,
    begun_at: i64,
}

/// Makes it known that there is an upload.
pub(super) async fn start(remote: &Remote, id: &UploadId) -> Result<()> {
    remote.put(&session_key(id), Vec::new()).await
}

impl Pieces {
    /// Those of an upload that other requests may open after this one.
    pub(super) fn of_session(
        store: &Store,
        remote: &Remote,
        repository: &RepositoryName,
        guard: Guard,
        hash: Running,
    ) -> Pieces {
        Pieces {
            store: store.clone(),
            remote: remote.clone(),
            repository: repository.clone(),
            guard,
            is_own: false,
            hash: Some(hash),
            chain: None,
            writing: None,
        }
    }

    /// Those of an upload within one request: there is nothing to ask for.
    pub(super) fn of_request(
        store: &Store,
        remote: &Remote,
        repository: &RepositoryName,
        guard: Guard,
        hash: Running,
    ) -> Pieces {
        Pieces {
            is_own: true,
            chain: Some(Chain::default()),
            ..Pieces::of_session(store, remote, repository, guard, hash)
        }
    }

    fn id(&self) -> &UploadId {
        self.guard.id()
    }

    pub(super) async fn size(&mut self) -> Result<u64> {
        let held = self.chain().await?.size;
        let coming = self
            .writing
            .as_ref()
            .map_or(0, |(_, writing)| writing.size());
        Ok(held.saturating_add(coming))
    }

    pub(super) async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.writing.is_none() {
            let offset = self.chain().await?.size;
            let (folder, random) = (folder(self.id()), random::hex::<4>()?);
            let key = format!("{folder}/{offset:0OFFSET_DIGITS$}.{random}");
            self.writing = Some((now_milliseconds(), self.remote.write(key)));
        }
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        match &mut self.writing {
            Some((_, writing)) => writing.append(bytes).await,
            None => Ok(()),
        }
    }

    /// Makes a piece of what came, and keeps the hash for the next request. Answers how many bytes there are.
    pub(super) async fn flush(mut self) -> Result<u64> {
        if self.is_own {
            // Nobody can go on with it: it is given up.
            return self.size().await;
        }
        self.finish_piece().await?;
        let hash = self.hash.take();
        let chain = self.chain().await?;
        let (size, keys) = (chain.size, chain.keys());
        if let Some(hash) = hash.filter(|hash| hash.is_of(size)) {
            self.remote.chains().keep(self.id(), keys);
            self.store.hashes().keep(self.id(), hash);
        }
        Ok(size)
    }

    /// Makes the bytes the blob `expected`; with other bytes the upload stays as it was.
    pub(super) async fn commit(mut self, expected: &Digest, now: i64) -> Result<BlobInfo> {
        self.finish_piece().await?;
        let hash = self.hash.take();
        let chain = self.chain.take().unwrap_or_default();
        let hash =
            hash.filter(|hash| hash.is_of(chain.size) && hash.algorithm() == expected.algorithm());
        let known = hash.map(Running::finish);
        let stored = match chain.pieces.as_slice() {
            [only] if only.is_young() => self.adopt(only, expected, known).await,
            pieces => self.join(pieces, expected, known).await,
        };
        let location = match stored {
            Err(error) if self.is_own => {
                self.forget_own(&chain).await;
                return Err(error);
            }
            outcome => outcome?,
        };
        let mut info = BlobInfo {
            digest: expected.clone(),
            size: chain.size,
            location: Some(location),
        };
        let is_named = match settle(&self.store, &self.repository, &info, now).await {
            // Another process made it a blob of another algorithm.
            Err(Error::Conflict { kind: PIECE, .. }) => {
                let known = Some(expected.clone());
                info.location = Some(self.join(&chain.pieces, expected, known).await?);
                settle(&self.store, &self.repository, &info, now).await?
            }
            outcome => outcome?,
        };
        let is_adopted = is_named && info.piece().is_some();
        // What fails from here on is done by `expire`, and by nobody that waits for an answer.
        let leaves_pieces = chain.has_strays || !(is_adopted || chain.pieces.is_empty());
        if !leaves_pieces {
            let _ = self.remote.delete(&session_key(self.id())).await;
        } else if self.is_own {
            self.forget_own(&chain).await;
        } else {
            let _ = self.end().await;
        }
        self.remote.chains().forget(self.id());
        Ok(info)
    }

    /// Ends the upload. Its pieces go when they are old.
    pub(super) async fn cancel(mut self) -> Result<()> {
        self.writing = None;
        self.chain().await?;
        self.end().await?;
        self.remote.chains().forget(self.id());
        self.store.hashes().forget(self.id());
        Ok(())
    }

    async fn end(&self) -> Result<()> {
        self.remote.put(&ended_key(self.id()), Vec::new()).await
    }

    /// Nobody else knows it: what is there can go at once.
    async fn forget_own(&self, chain: &Chain) {
        for piece in &chain.pieces {
            if self.remote.delete(&piece.key).await.is_err() {
                return;
            }
        }
        let _ = self.remote.delete(&session_key(self.id())).await;
    }

    /// One piece is the blob, where it is.
    async fn adopt(
        &self,
        piece: &Piece,
        expected: &Digest,
        known: Option<Digest>,
    ) -> Result<String> {
        let found = match known {
            Some(found) => found,
            None => {
                let mut hasher = Hasher::new(expected.algorithm());
                self.read(piece, &mut Some(&mut hasher), &mut None).await?;
                hasher.finish()
            }
        };
        compare(expected, found)?;
        Ok(piece.key.clone())
    }

    /// Several pieces, or none, or an old one, are copied into an object with a key of the digest. What was not hashed is
    /// hashed on the way.
    async fn join(
        &self,
        pieces: &[Piece],
        expected: &Digest,
        known: Option<Digest>,
    ) -> Result<String> {
        let known = known.map(|found| compare(expected, found)).transpose()?;
        let mut hasher = known.is_none().then(|| Hasher::new(expected.algorithm()));
        let mut joined = Some(self.remote.write(new_key(expected)?));
        for piece in pieces {
            self.read(piece, &mut hasher.as_mut(), &mut joined).await?;
        }
        if let Some(hasher) = hasher {
            compare(expected, hasher.finish())?;
        }
        let Some(joined) = joined else {
            return Err(unknown(self.id()));
        };
        let key = joined.key().to_owned();
        joined.finish().await?;
        Ok(key)
    }

    /// Reads a piece through a hash, into an object, or both.
    async fn read(
        &self,
        piece: &Piece,
        hasher: &mut Option<&mut Hasher>,
        into: &mut Option<Writing>,
    ) -> Result<()> {
        let bytes = match self.remote.open(&piece.key).await {
            Err(Error::NotFound { .. }) => return Err(unknown(self.id())),
            outcome => outcome?,
        };
        let mut stream = pin!(bytes.stream(0, piece.size).await?);
        while let Some(bytes) = stream.next().await {
            let bytes = bytes?;
            if let Some(hasher) = hasher {
                hasher.update(&bytes);
            }
            if let Some(writing) = into {
                writing.append(&bytes).await?;
            }
        }
        Ok(())
    }

    /// Makes what came in this request a piece.
    async fn finish_piece(&mut self) -> Result<()> {
        // Whether the upload still lives is asked in any case.
        self.chain().await?;
        let Some((begun_at, writing)) = self.writing.take() else {
            return Ok(());
        };
        let key = writing.key().to_owned();
        if self.is_own {
            // First, so that the piece is found if this process ends before the row is there.
            start(&self.remote, self.id()).await?;
        }
        let size = writing.finish().await?;
        if let Some(chain) = &mut self.chain {
            chain.size = chain.size.saturating_add(size);
            chain.pieces.push(Piece {
                key,
                size,
                begun_at,
            });
        }
        Ok(())
    }

    /// What the upload holds, asked for once. A hash of other pieces than these is dropped.
    async fn chain(&mut self) -> Result<&mut Chain> {
        if self.chain.is_none() {
            let chain = load(&self.remote, self.id()).await?;
            let is_known = self.remote.chains().take(self.id()) == Some(chain.keys());
            let is_of = |hash: &Running| hash.is_of(chain.size);
            if !(self.hash.as_ref().is_some_and(is_of) && (is_known || chain.pieces.is_empty())) {
                self.hash = None;
            }
            self.chain = Some(chain);
        }
        Ok(self.chain.get_or_insert_default())
    }
}

async fn load(remote: &Remote, id: &UploadId) -> Result<Chain> {
    let (session, ended, folder) = (session_key(id), ended_key(id), folder(id));
    let (is_alive, is_ended, listed) = tokio::try_join!(
        remote.is_there(&session),
        remote.is_there(&ended),
        remote.list_folder(&folder, None, PIECES_MAX),
    )?;
    if !is_alive || is_ended {
        return Err(unknown(id));
    }
    if listed.len() >= PIECES_MAX {
        return Err(Error::Invalid {
            what: "upload",
            value: id.to_string(),
            why: format!("it has {PIECES_MAX} pieces: send larger ones in a new upload"),
        });
    }
    let mut chain = Chain::default();
    for listed in listed {
        // In the order of offsets; of two at one offset the first counts, for every process alike.
        if offset(&listed.key) == Some(chain.size) && listed.size > 0 {
            chain.size = chain.size.saturating_add(listed.size);
            chain.pieces.push(Piece {
                key: listed.key,
                size: listed.size,
                begun_at: listed.modified_at,
            });
        } else {
            chain.has_strays = true;
        }
    }
    Ok(chain)
}

impl Chain {
    fn keys(&self) -> Vec<String> {
        self.pieces.iter().map(|piece| piece.key.clone()).collect()
    }
}

impl Piece {
    /// S3 counts the age of an object in parts from when it was begun, and so does this.
    fn is_young(&self) -> bool {
        now_milliseconds().saturating_sub(self.begun_at) < ADOPTED_AGE_MAX_MILLISECONDS
    }
}

fn compare(expected: &Digest, found: Digest) -> Result<()> {
    if found == *expected {
        return Ok(());
    }
    Err(Error::DigestMismatch {
        expected: expected.clone(),
        found,
    })
}

/// Whether this is the key of a piece.
pub(crate) fn is_piece(key: &str) -> bool {
    let parts = key
        .strip_prefix("uploads/")
        .and_then(|rest| rest.split_once('/'))
        .filter(|(_, name)| !name.contains('/'));
    parts.is_some_and(|(id, name)| {
        let random = name.split_once('.').map_or("", |(_, random)| random);
        id.parse::<UploadId>().is_ok()
            && offset(key).is_some()
            && !random.is_empty()
            && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Where in the upload a piece begins.
fn offset(key: &str) -> Option<u64> {
    let (_, name) = key.rsplit_once('/')?;
    let (digits, _) = name.split_once('.')?;
    let is_offset =
        digits.len() == OFFSET_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_offset.then(|| digits.parse().ok()).flatten()
}

fn folder(id: &UploadId) -> String {
    format!("uploads/{id}")
}

fn session_key(id: &UploadId) -> String {
    format!("sessions/{id}")
}

fn ended_key(id: &UploadId) -> String {
    format!("sessions/{id}.ended")
}

/// The clock of this machine: compared with the service's.
fn now_milliseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_ours_are_pieces() {
        let id = "0123456789abcdef0123456789abcdef";
        for (key, expect) in [
            (format!("uploads/{id}/00000000000000000017.0a1b2c3d"), true),
            (format!("uploads/{id}/17.0a1b2c3d"), false),
            (format!("uploads/{id}/+0000000000000000017.0a1b2c3d"), false),
            (format!("uploads/{id}/00000000000000000017"), false),
            (format!("uploads/{id}/00000000000000000017."), false),
            (format!("uploads/{id}/00000000000000000017.0a/../x"), false),
            (
                format!("uploads/{id}/x/00000000000000000017.0a1b2c3d"),
                false,
            ),
            ("uploads/../00000000000000000017.0a1b2c3d".to_owned(), false),
            (format!("sessions/{id}"), false),
        ] {
            assert_eq!(is_piece(&key), expect, "{key}");
        }
        let key = format!("uploads/{id}/00000000000000000017.0a1b2c3d");
        assert_eq!(offset(&key), Some(17));
    }
}
