//! The id of a request: it ties an answer to what the log says about it. A number under a prefix of this process, so that making
//! one costs an addition; it is written out only where somebody reads it.

use axum::http::HeaderValue;
use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Two processes, also of one machine or one image, hardly share it.
static PREFIX: LazyLock<u32> = LazyLock::new(|| {
    let began = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = u32::try_from(began.as_secs() & 0xffff_ffff).unwrap_or(0);
    seconds.wrapping_mul(0x9e37_79b1) ^ began.subsec_nanos() ^ std::process::id().rotate_left(16)
});
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The id of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestId {
    pub(super) fn next() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The id as a header's value.
    pub(super) fn header(self) -> HeaderValue {
        let mut text = Short::default();
        // It has room for every id.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{self}"));
        HeaderValue::from_bytes(text.bytes()).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}-{:x}", *PREFIX, self.0)
    }
}

/// The id of the request that the calling task answers, if it answers one: for the log's lines.
#[must_use]
pub fn request_id() -> Option<impl fmt::Display> {
    super::exchange::try_with(super::exchange::Exchange::id)
}

/// A text on the stack, long enough for an id: 8 digits, a hyphen, 16 digits.
#[derive(Default)]
struct Short {
    bytes: [u8; 25],
    length: usize,
}

impl Short {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_wherever_it_is_read_and_there_is_room_for_the_last_one() {
        for id in [RequestId(0), RequestId::next(), RequestId(u64::MAX)] {
            assert_eq!(id.header().to_str().unwrap(), id.to_string());
        }
        assert_ne!(RequestId::next(), RequestId::next());
    }
}
