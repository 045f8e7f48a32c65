//! An upload's bytes as a stream that waits for more, like `tail -f`, and ends where the blob does. It gives up, for good, when
//! the upload is given up or stands still, when a job needs the turn, or when the server stops.

use crate::turns::Turns;
use oci::Digest;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::time::Duration;
use store::uploads::{Growing, Growth};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long an upload may stand still.
const STILL_MAX: Duration = Duration::from_secs(10);

/// Why following ended before the upload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GaveUp {
    #[error("the upload was given up")]
    Ended,
    #[error("the upload stands still")]
    Still,
    #[error("a job needs the turn")]
    Preempted,
    #[error("the server stops")]
    Stopped,
    #[error("its file cannot be read, or is shorter than was said")]
    Unreadable,
}

/// The reading end of an upload. It is read on a thread of its own, where it may wait.
pub(super) struct Tail {
    growing: Growing,
    given: u64,
    gave_up: Option<GaveUp>,
    turns: Turns,
    stop: CancellationToken,
    runtime: Handle,
}

impl Tail {
    /// From the first byte of the upload. To be called in a runtime.
    pub(super) fn new(growing: Growing, turns: Turns, stop: CancellationToken) -> Self {
        Self {
            growing,
            given: 0,
            gave_up: None,
            turns,
            stop,
            runtime: Handle::current(),
        }
    }

    /// Bytes that were read so far.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Why it ended early, if it did.
    pub(super) fn gave_up(&self) -> Option<GaveUp> {
        self.gave_up
    }

    /// The blob that the upload became, if what was read is all of it. They are the bytes that whoever uploads hashed: behind
    /// what the upload says it has, its file is never changed again. Hashing them a second time would cost as much as the upload.
    pub(super) fn blob(&self) -> Option<Digest> {
        let growth = self.growing.growth.borrow();
        let is_whole = self.gave_up.is_none() && self.given == growth.bytes;
        growth.committed.clone().filter(|_| is_whole)
    }

    /// The upload, if it ended early only because a job needed the turn.
    pub(super) fn into_preempted(self) -> Option<Growing> {
        (self.gave_up == Some(GaveUp::Preempted)).then_some(self.growing)
    }

    /// How many bytes there are, at least one more than were given; or as many, when the upload became a blob of that size.
    fn there(&mut self) -> Result<u64, GaveUp> {
        if self.stop.is_cancelled() {
            return Err(GaveUp::Stopped);
        }
        let (bytes, is_complete) = {
            let growth = self.growing.growth.borrow();
            (growth.bytes, growth.committed.is_some())
        };
        // What is complete is read to its end: the job that waits may be the one that needs this layer.
        if !is_complete && self.turns.are_wanted() {
            return Err(GaveUp::Preempted);
        }
        if is_complete || bytes > self.given {
            return Ok(bytes);
        }
        self.runtime.clone().block_on(self.grown())
    }

    async fn grown(&mut self) -> Result<u64, GaveUp> {
        let given = self.given;
        let news = |growth: &Growth| growth.bytes > given || growth.committed.is_some();
        tokio::select! {
            // In this order: an upload that is complete is not preempted by the job that was asked for after it.
            biased;
            growth = self.growing.growth.wait_for(news) => {
                growth.map(|growth| growth.bytes).map_err(|_| GaveUp::Ended)
            }
            () = self.turns.become_wanted() => Err(GaveUp::Preempted),
            () = self.stop.cancelled() => Err(GaveUp::Stopped),
            () = tokio::time::sleep(STILL_MAX) => Err(GaveUp::Still),
        }
    }

    fn read_more(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.there().map_err(|why| self.give_up(why))?;
        // Never behind what the upload says: what is written there now may be cut off again.
        let room = usize::try_from(there.saturating_sub(self.given)).unwrap_or(usize::MAX);
        let length = room.min(buffer.len());
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        let count = match self.growing.file.read_at(buffer, self.given) {
            Ok(count) if count > 0 || length == 0 => count,
            Ok(_) | Err(_) => return Err(self.give_up(GaveUp::Unreadable)),
        };
        self.given += count as u64;
        Ok(count)
    }

    fn give_up(&mut self, why: GaveUp) -> io::Error {
        self.gave_up = Some(why);
        io::Error::other(why)
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.gave_up {
            Some(why) => Err(io::Error::other(why)),
            None => self.read_more(buffer),
        }
    }
}

#[cfg(test)]
mod tests;
