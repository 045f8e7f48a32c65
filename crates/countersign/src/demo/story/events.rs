//! The events as anna reads them, one after the other: what is read once is not read again.

use crate::demo::people::Actor;
use crate::demo::wait::{Seen, until};
use anyhow::{Context, Result};
use client::api::events::CloudEvent;
use client::{Client, PageRequest};
use serde_json::Value;

/// Events that one look brings.
const PAGE: u32 = 500;

/// A place in the events.
pub(super) struct Feed {
    client: Client,
    after: i64,
}

impl Feed {
    /// From the first event on.
    pub(super) fn new(reader: &Actor) -> Self {
        Self {
            client: reader.client.clone(),
            after: 0,
        }
    }

    /// The next event of this kind that fits; those before it are passed over.
    pub(super) async fn next(
        &mut self,
        kind: &str,
        fits: impl Fn(&CloudEvent) -> bool,
    ) -> Result<CloudEvent> {
        until(&format!("an event `{kind}`"), async || {
            let position = self.after.to_string();
            let page = self
                .client
                .events(PageRequest {
                    after: Some(&position),
                    limit: Some(PAGE),
                })
                .await?;
            for event in page.items {
                self.after = event.sequence_number().context("an event has no number")?;
                if event.short_kind() == kind && fits(&event) {
                    return Ok(Seen::Yes(event));
                }
            }
            Ok(Seen::NotYet(format!(
                "it is not among the first {} events",
                self.after
            )))
        })
        .await
    }

    /// The next news that the gate answers so.
    pub(super) async fn decision(&mut self, outcome: &str) -> Result<CloudEvent> {
        self.next("decision.changed", |event| {
            text(&event.data, "/after") == outcome
        })
        .await
    }
}

/// A text inside an event's data; empty where there is none.
pub(super) fn text<'a>(data: &'a Value, pointer: &str) -> &'a str {
    data.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
