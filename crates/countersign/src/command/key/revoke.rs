//! `countersign key revoke`: which images and gates it hits is said first, then it is done; with `--dry-run` it is only said. Nobody is
//! asked in between: when a key is stolen, minutes count, and revoking is what is safe.

use super::{short, whole_id};
use crate::context::ServerFlags;
use crate::output::{self, Format, Tone};
use anyhow::{Context, Result};
use client::Client;
use client::api::keys::{Key, KeyHit, KeyRevocation, RevokeKey};
use trust::KeyId;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  countersign key revoke 6d32477f\n  \
    countersign key revoke 6d32477f --from 2026-11-24T00:00:00Z --dry-run\n  \
    countersign key revoke 6d32477f --from now     (a planned change of keys: what it signed so far stays good)")]
pub(crate) struct Revoke {
    /// Its id, or the beginning of it.
    id: String,
    /// Distrust only what it signed from this instant on, by the time at which the server knows it to have been there: `now`, a day
    /// (its beginning in UTC), or an instant as 2026-11-24T08:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<i64>,
    /// Only say which images and gates it would hit.
    #[arg(long)]
    dry_run: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Revoke {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<()> {
        self.at(&server.client()?).await
    }

    async fn at(self, client: &Client) -> Result<()> {
        let (id, before) = match client.keys().await {
            Ok(keys) => (whole_id(&keys, &self.id)?, keys),
            // A whole id needs no list, and what else ended with the key is then not said.
            Err(_) if KeyId::parse(&self.id).is_ok() => (self.id.clone(), Vec::new()),
            Err(error) => {
                return Err(error).context(
                    "the keys cannot be listed; a key can be revoked without that by its whole id",
                );
            }
        };
        let ask = |dry_run| RevokeKey {
            from: self.from,
            dry_run,
        };
        let mut report = client.revoke_key_from(&id, &ask(true)).await?;
        if self.output == Format::Table {
            print(&report);
        }
        if !self.dry_run {
            report.revoked = client.revoke_key_from(&id, &ask(false)).await?.revoked;
        }
        match self.output {
            Format::Json => output::json(&report)?,
            Format::Table => output::line(self.done(&id)),
        }
        // It is done: that it cannot be looked at any more is no failure.
        if let (Format::Table, Ok(after)) = (self.output, client.keys().await) {
            for key in taken_along(&before, &after, &id) {
                output::line(format!(
                    "Revoked with it: key {} of {} (`{}`), which took its place.",
                    short(&key.id),
                    key.principal,
                    key.name
                ));
            }
        }
        Ok(())
    }

    fn done(&self, id: &str) -> String {
        let what = self.from.map_or_else(String::new, |from| {
            format!(" for what it signed from {} on", output::instant(from))
        });
        match self.dry_run {
            true => format!("Key {} is as it was: nothing was revoked{what}.", short(id)),
            false => format!("Key {id} is revoked{what}."),
        }
    }
}

/// The keys whose end came or moved with that of this one: those that succeeded it.
fn taken_along<'a>(before: &[Key], after: &'a [Key], id: &str) -> Vec<&'a Key> {
    let end = |key: &Key| (key.revoked_at, key.revoked_from);
    let is_taken = |key: &&Key| {
        let was = before.iter().find(|was| was.id == key.id);
        key.id != id && key.revoked_at.is_some() && was.is_some_and(|was| end(was) != end(key))
    };
    after.iter().filter(is_taken).collect()
}

fn print(report: &KeyRevocation) {
    let rows = report.images.iter().flat_map(rows).collect();
    output::toned_table(
        [
            "image",
            "signatures lost",
            "kept",
            "gate",
            "before",
            "after",
        ],
        rows,
        "no image in stock loses a signature",
    );
    if !report.complete {
        output::note("There are more images than are listed.");
    }
}

/// A line for each gate that turns, or one for an image where none does.
fn rows(hit: &KeyHit) -> Vec<(Option<Tone>, [String; 6])> {
    let image = hit.tags.first().map_or_else(
        || format!("{}@{}", hit.repository, hit.digest.short()),
        |tag| format!("{}:{tag}", hit.repository),
    );
    let row = |tone, gate: String, before: &str, after: &str| {
        let cells = [
            image.clone(),
            hit.signatures.to_string(),
            hit.kept.to_string(),
            gate,
            before.to_owned(),
            after.to_owned(),
        ];
        (tone, cells)
    };
    if hit.gates.is_empty() {
        return vec![row(None, "-".to_owned(), "-", "-")];
    }
    let turns = hit.gates.iter().map(|turn| {
        let gate = format!("{}/{}", turn.policy, turn.gate);
        row(Some(Tone::Bad), gate, &turn.before, &turn.after)
    });
    turns.collect()
}

/// Milliseconds since the epoch, of `now`, a day or an instant.
pub(crate) fn instant(text: &str) -> Result<i64> {
    if text == "now" {
        return Ok(jiff::Timestamp::now().as_millisecond());
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let day = format!("{text}T00:00:00Z").parse::<jiff::Timestamp>();
    let day = day.ok().with_context(|| {
        format!("`{text}` is not `now`, a day, or an instant as 2026-11-24T08:30:00Z")
    })?;
    Ok(day.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::ClientOptions;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    /// A server that lists its one key so often and then no more, and revokes it; the bodies of the revocations come out.
    async fn server(key: &str, lists: usize) -> (Client, UnboundedReceiver<Value>) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (asked, seen) = unbounded_channel();
        let key = key.to_owned();
        tokio::spawn(async move {
            let mut left = lists;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                answer(stream, &key, &mut left, &asked).await;
            }
        });
        let client = Client::new(ClientOptions::new(&base).unwrap()).unwrap();
        (client, seen)
    }

    async fn answer(
        mut stream: TcpStream,
        key: &str,
        lists: &mut usize,
        asked: &UnboundedSender<Value>,
    ) {
        let mut request = Vec::new();
        let text = loop {
            let mut buffer = [0; 4_096];
            let length = stream.read(&mut buffer).await.unwrap();
            request.extend_from_slice(&buffer[..length]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let is_get = text.starts_with("GET ") && text.ends_with("\r\n\r\n");
            if length == 0 || is_get || text.ends_with('}') {
                break text;
            }
        };
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (status, said) = match head.split(' ').nth(1).unwrap() {
            "/api/v1/keys" if *lists > 0 => {
                *lists -= 1;
                let known = json!({
                    "id": key, "principal": "maria", "name": "laptop", "scope": ["**"], "publicKeyPem": "", "registeredAt": 1,
                });
                ("200 OK", json!({"items": [known]}))
            }
            path if path == format!("/api/v1/keys/{key}/revocation") => {
                let body: Value = serde_json::from_str(body).unwrap();
                let said = json!({"revoked": body["dryRun"] == false, "complete": true});
                asked.send(body).unwrap();
                ("200 OK", said)
            }
            _ => ("503 Service Unavailable", json!({})),
        };
        let said = said.to_string();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
            said.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_key_is_revoked_where_the_list_of_keys_fails() {
        let key = "ab".repeat(32);
        for (id, lists, expected) in [
            (key.as_str(), 0, vec![true, false]),
            (key.as_str(), 1, vec![true, false]),
            ("abab", 1, vec![true, false]),
            ("abab", 0, Vec::new()),
        ] {
            let (client, mut seen) = server(&key, lists).await;
            let revoke = Revoke {
                id: id.to_owned(),
                from: None,
                dry_run: false,
                output: Format::Table,
            };
            let done = revoke.at(&client).await;
            assert_eq!(done.is_ok(), !expected.is_empty(), "{id} {lists}: {done:?}");
            let mut dry = Vec::new();
            while let Ok(body) = seen.try_recv() {
                dry.push(body["dryRun"] == true);
            }
            assert_eq!(dry, expected, "{id} {lists}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_utc_and_a_time_without_a_zone_is_none() {
        let of = |text: &str| instant(text).ok();
        assert_eq!(of("1970-01-02"), Some(86_400_000));
        assert_eq!(of("1970-01-01T00:00:01Z"), Some(1_000));
        assert_eq!(of("1970-01-01T01:00:01+01:00"), Some(1_000));
        for text in ["", "yesterday", "1970-01-32", "12"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
