//! Waiting for what other processes do. The clock of another process cannot be injected, so this looks again and again, with a
//! short pause, up to a deadline; no scenario pauses by itself.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(15);

/// Looks until there is an answer; fails after `seconds`.
pub(crate) fn within<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {seconds} s in vain: {what}"
        );
        std::thread::sleep(PAUSE);
    }
}

/// Looks until it is so; fails after `seconds`.
pub(crate) fn until(seconds: u64, what: &str, mut is_so: impl FnMut() -> bool) {
    within(seconds, what, || is_so().then_some(()));
}

/// Whether somebody listens at a port of this machine. Where nobody does yet, a connection may be given this very port as its own end,
/// and so be one to itself.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .is_ok_and(|stream| stream.local_addr().ok() != stream.peer_addr().ok())
}
