//! Connections for which there is no room: each is accepted and told so, at the cost of one small write, because a client that
//! is left in the system's queue learns nothing until it gives up. Over TLS it would cost a handshake to say anything, so there
//! the connection is closed without a word. Whoever takes long to read it, or comes in a flood, is not told either.

use crate::limits::admission::TurnedAway;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Connections that are being told at a time.
const TOLD_AT_ONCE_MAX: usize = 64;
/// Time to read the answer.
const TIME: Duration = Duration::from_secs(2);
/// Bytes of a request that are read before the connection is closed; a close with bytes unread would take the answer back.
const READ_BYTES_MAX: u64 = 64 * 1024;

/// The answers, and who is being told.
pub(super) struct Refusals {
    full: String,
    full_from_there: String,
    told: Arc<Semaphore>,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self {
            full: answer(
                "503 Service Unavailable",
                "UNAVAILABLE",
                "the server has as many connections as it takes; try again in a moment",
            ),
            full_from_there: answer(
                "429 Too Many Requests",
                "TOOMANYREQUESTS",
                "there are as many connections from this address as the server takes; close some, or try again in a moment",
            ),
            told: Arc::new(Semaphore::new(TOLD_AT_ONCE_MAX)),
        }
    }

    /// Says no, in a task of its own.
    pub(super) fn tell(&self, stream: TcpStream, why: TurnedAway) {
        let Ok(permit) = Arc::clone(&self.told).try_acquire_owned() else {
            return;
        };
        let text = match why {
            TurnedAway::Full => self.full.clone(),
            TurnedAway::FullFromThere => self.full_from_there.clone(),
        };
        tokio::spawn(async move {
            // Whoever is not there any more has nothing to be told.
            let _ = tokio::time::timeout(TIME, say(stream, &text)).await;
            drop(permit);
        });
    }
}

async fn say(mut stream: TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(READ_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

fn answer(status: &str, code: &str, message: &str) -> String {
    let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"{message}\"}}]}}");
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 5\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
