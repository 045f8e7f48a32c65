//! The body of an import: lines of JSON, read as they come, each bounded, and all of them counted. Nothing is imported unless the
//! body is whole and every line is understood.

use crate::error::{ApiError, ApiResult, shown};
use advisories::Advisory;
use axum::http::StatusCode;
use bytes::{Buf, Bytes, BytesMut};
use client::api::advisories::{IMPORT_FORMAT, ImportLine};
use futures_util::{Stream, StreamExt};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::pin::Pin;
use store::feeds::{Extent, NewSet};

/// What an import may hold.
#[derive(Clone, Copy, Debug)]
struct Limits {
    line_bytes_max: usize,
    lines_max: u64,
    bytes_max: u64,
}

const LIMITS: Limits = Limits {
    line_bytes_max: 8 << 20,
    lines_max: 1_000_000,
    bytes_max: 2 << 30,
};

/// The longest id of a record or of a known exploited weakness.
const ID_BYTES_MAX: usize = 200;

/// Reads a whole body as the set of one source. The records take the source's name, whatever they were called before.
pub(super) async fn read<S, E>(body: S, source: &str) -> ApiResult<NewSet>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Display,
{
    read_within(body, source, LIMITS).await
}

async fn read_within<S, E>(body: S, source: &str, limits: Limits) -> ApiResult<NewSet>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Display,
{
    let mut lines = Lines {
        body: Box::pin(body),
        buffer: BytesMut::new(),
        searched: 0,
        ended: false,
        read: 0,
        limits,
    };
    let mut set = NewSet {
        source: source.to_owned(),
        advisories: Vec::new(),
        known_exploited: BTreeSet::new(),
        extent: Extent::Full,
        allow_older: false,
    };
    let mut number = 0;
    while let Some(line) = lines.next().await? {
        number += 1;
        if number > limits.lines_max {
            return Err(too_large(format!(
                "limit exceeded: more than {} lines",
                limits.lines_max
            )));
        }
        add(&mut set, number, &line)
            .map_err(|why| ApiError::invalid(format!("line {number}: {why}")))?;
    }
    if number == 0 {
        return Err(ApiError::invalid(format!(
            "the body is empty: its first line is {{\"format\": \"{IMPORT_FORMAT}\"}}"
        )));
    }
    Ok(set)
}

/// Takes one line into the set.
fn add(set: &mut NewSet, number: u64, line: &[u8]) -> Result<(), String> {
    let unreadable = "it is no line of an import";
    match (
        number,
        serde_json::from_slice(line).map_err(|_| unreadable.to_owned())?,
    ) {
        (1, ImportLine::Header(header)) if header.format == IMPORT_FORMAT => Ok(()),
        (1, ImportLine::Header(header)) => Err(format!(
            "`{}` is not read here: send `{IMPORT_FORMAT}`",
            shown(&header.format)
        )),
        (1, _) => Err(format!(
            "the first line is {{\"format\": \"{IMPORT_FORMAT}\"}}"
        )),
        (_, ImportLine::Header(_)) => Err("only the first line names the format".to_owned()),
        (_, ImportLine::Advisory(line)) => {
            let record: Advisory =
                serde_json::from_value(line.advisory).map_err(|error| error.to_string())?;
            check_id(&record.id)?;
            set.advisories.push(Advisory {
                source: set.source.clone(),
                ..record
            });
            Ok(())
        }
        (_, ImportLine::KnownExploited(line)) => {
            check_id(&line.known_exploited)?;
            set.known_exploited.insert(line.known_exploited);
            Ok(())
        }
    }
}

fn check_id(id: &str) -> Result<(), String> {
    let is_printable = id.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if !id.is_empty() && id.len() <= ID_BYTES_MAX && is_printable {
        return Ok(());
    }
    Err(format!(
        "`{}` is not an id: write 1 to {ID_BYTES_MAX} printable bytes",
        shown(id)
    ))
}

fn too_large(message: String) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
}

/// Cuts a body into lines.
struct Lines<S> {
    body: Pin<Box<S>>,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no end of a line.
    searched: usize,
    ended: bool,
    read: u64,
    limits: Limits,
}

impl<S, E> Lines<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Display,
{
    /// The next line that is not blank, without its end; the last line needs none.
    async fn next(&mut self) -> ApiResult<Option<Bytes>> {
        loop {
            if let Some(line) = self.take()? {
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
            } else if self.ended {
                return Ok(None);
            } else {
                self.fill().await?;
            }
        }
    }

    fn take(&mut self) -> ApiResult<Option<Bytes>> {
        let tail = self.buffer.get(self.searched..).unwrap_or_default();
        let end = tail
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|position| self.searched + position);
        let length = end.unwrap_or(self.buffer.len());
        if length > self.limits.line_bytes_max {
            return Err(too_large(format!(
                "limit exceeded: a line has more than {} bytes",
                self.limits.line_bytes_max
            )));
        }
        let line = match end {
            Some(end) => {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(1);
                line
            }
            None if self.ended && !self.buffer.is_empty() => self.buffer.split().freeze(),
            None => {
                self.searched = length;
                return Ok(None);
            }
        };
        self.searched = 0;
        Ok(Some(line))
    }

    async fn fill(&mut self) -> ApiResult<()> {
        match self.body.next().await {
            None => self.ended = true,
            Some(Ok(bytes)) => {
                self.read = self
                    .read
                    .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if self.read > self.limits.bytes_max {
                    return Err(too_large(format!(
                        "limit exceeded: more than {} bytes",
                        self.limits.bytes_max
                    )));
                }
                self.buffer.extend_from_slice(&bytes);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "the body of an import ended early");
                return Err(ApiError::invalid(
                    "the body ended before it was whole: send it again",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const HEADER: &str = r#"{"format":"countersign.advisories/v1"}"#;
    const SMALL: Limits = Limits {
        line_bytes_max: 100,
        lines_max: 4,
        bytes_max: 300,
    };

    /// The set, from a body that arrives in pieces of `piece` bytes.
    async fn set(body: &str, piece: usize) -> Result<NewSet, String> {
        let pieces = body
            .as_bytes()
            .chunks(piece)
            .map(|bytes| Ok::<_, String>(Bytes::copy_from_slice(bytes)));
        let pieces: Vec<_> = pieces.collect();
        read_within(stream::iter(pieces), "osv", SMALL)
            .await
            .map_err(|error| error.message().to_owned())
    }

    #[tokio::test]
    async fn lines_are_the_same_however_the_body_is_cut() {
        let body = format!(
            "{HEADER}\n\n{{\"advisory\":{{\"id\":\"CVE-1\",\"source\":\"x\"}}}}\r\n{{\"knownExploited\":\"CVE-1\"}}"
        );
        for piece in [1, 2, 7, 1_000] {
            let set = set(&body, piece).await.unwrap();
            let records: Vec<_> = set
                .advisories
                .iter()
                .map(|it| (it.id.as_str(), it.source.as_str()))
                .collect();
            assert_eq!(records, [("CVE-1", "osv")], "pieces of {piece}");
            assert_eq!(set.known_exploited, BTreeSet::from(["CVE-1".to_owned()]));
        }
    }

    #[tokio::test]
    async fn what_is_not_an_import_is_refused_whole() {
        let exploited = r#"{"knownExploited":"CVE-1"}"#;
        for (body, expected) in [
            (String::new(), "is empty"),
            ("\n\n".to_owned(), "is empty"),
            (exploited.to_owned(), "line 1: the first line is"),
            (
                r#"{"format":"other/v1"}"#.to_owned(),
                "`other/v1` is not read here",
            ),
            (format!("{HEADER}\n{HEADER}"), "line 2: only the first line"),
            (format!("{HEADER}\nnot json"), "line 2: it is no line"),
            (
                format!("{HEADER}\n{{\"knownExploited\":\"\"}}"),
                "line 2: `` is not an id",
            ),
            (
                format!("{HEADER}\n{{\"advisory\":{{\"id\":\"a b\",\"source\":\"x\"}}}}"),
                "`a b` is not an id",
            ),
            (
                format!("{HEADER}\n{}", "x".repeat(101)),
                "a line has more than 100 bytes",
            ),
            (
                format!("{HEADER}\n{}", [exploited; 4].join("\n")),
                "more than 4 lines",
            ),
            (
                format!("{HEADER}\n{}", "\n".repeat(300)),
                "more than 300 bytes",
            ),
        ] {
            let refused = set(&body, 16).await.unwrap_err();
            assert!(refused.contains(expected), "{body}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_imported() {
        let pieces = vec![
            Ok(Bytes::from(format!("{HEADER}\n"))),
            Err("connection reset"),
        ];
        let refused = read_within(stream::iter(pieces), "osv", SMALL)
            .await
            .unwrap_err();
        assert!(
            refused.message().contains("ended before it was whole"),
            "{}",
            refused.message()
        );
    }
}
