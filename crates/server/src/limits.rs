//! How much of the server one client, or all of them, may take, and the bodies of requests under these limits. What a limit
//! is by default is said here and in `docs/configuration.md`; that it was hit is said in the answer.

pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod stream;

use std::time::Duration;

/// Limits of connections and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections_max: u32,
    /// Connections at once from one address, or one IPv6 network of 64 bits.
    pub connections_per_address_max: u32,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// Time for a TLS handshake, for the head of a request, and between two requests of a connection.
    pub head_timeout: Duration,
    /// Time that a body, or an answer, may stand still.
    pub body_timeout: Duration,
    /// Time that requests under way have once the server is asked to stop.
    pub stop_timeout: Duration,
    /// Bytes of one blob; no limit where there is none.
    pub blob_bytes_max: Option<u64>,
    /// Bytes of request bodies that one connection may send in a second, on average.
    pub upload_bytes_per_second: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8_192,
            connections_per_address_max: 6_144,
            streams_max: 128,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(300),
            blob_bytes_max: None,
            upload_bytes_per_second: None,
        }
    }
}

/// File descriptors that are kept for the database, the log and what else is not a connection.
const FILES_RESERVED: u64 = 64;
/// File descriptors of a connection that moves a blob: its own and the file's.
const FILES_PER_CONNECTION: u64 = 2;

impl Limits {
    /// Takes connections away that the process would have no file descriptors for, and streams: each may move a blob.
    #[must_use]
    pub fn within(mut self, files_max: u64) -> Self {
        let files = files_max.saturating_sub(FILES_RESERVED);
        let number = |files| u32::try_from(files).unwrap_or(u32::MAX).max(1);
        let room = number(files / FILES_PER_CONNECTION);
        self.connections_max = self.connections_max.min(room);
        self.connections_per_address_max =
            self.connections_per_address_max.min(self.connections_max);
        let of_each = files / u64::from(self.connections_max.max(1));
        self.streams_max = self.streams_max.min(number(of_each.saturating_sub(1)));
        self
    }
}

/// Raises the number of files that this process may have open to the most that the system allows, and answers it.
///
/// # Errors
/// The system refuses; the limit is as it was.
pub fn raise_open_files() -> std::io::Result<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        )?;
    }
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The number of files that this process may have open.
pub(crate) fn open_files_max() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_files() {
        let of = |files| Limits::default().within(files).connections_max;
        assert_eq!(of(1_048_576), 8_192);
        assert_eq!(of(1_024), 480);
        assert_eq!(of(10), 1);
        let few = Limits::default().within(1_024);
        assert_eq!(few.connections_per_address_max, 480);
    }

    #[test]
    fn streams_have_files() {
        let of = |files| Limits::default().within(files).streams_max;
        assert_eq!(of(4_000_000), 128);
        assert_eq!(of(524_288), 62);
        assert_eq!(of(65_536), 6);
        assert_eq!(of(1_024), 1);
        assert_eq!(of(10), 1);
        let few = Limits {
            connections_max: 100,
            ..Limits::default()
        };
        assert_eq!(few.within(65_536).streams_max, 128);
    }

    #[test]
    fn the_limit_of_files_is_raised() {
        let most = raise_open_files().unwrap();
        assert_eq!(open_files_max(), most);
    }
}
