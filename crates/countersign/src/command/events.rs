//! `countersign events`: what happened, oldest first, each with the id and number that a webhook would get.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use anyhow::Result;
use client::PageRequest;
use client::api::events::CloudEvent;
use std::time::Duration;

/// The pause between two looks with `--follow`.
const FOLLOW_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Events {
    /// Events after this number.
    #[arg(long, default_value_t = 0)]
    after: i64,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Go on as more happens.
    #[arg(short, long)]
    follow: bool,
    /// How to print it: lines for people, or JSON.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Events {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let client = server.client()?;
        let mut after = self.after;
        loop {
            let position = after.to_string();
            let page = client
                .events(PageRequest {
                    after: Some(&position),
                    limit: Some(self.limit),
                })
                .await?;
            for event in &page.items {
                self.print(event)?;
                after = event.sequence_number().unwrap_or(after);
            }
            if !self.follow {
                if page.items.is_empty() && self.output == Format::Table {
                    output::note(match self.after {
                        0 => "no events yet".to_owned(),
                        after => format!("no events after {after}"),
                    });
                }
                return Ok(Exit::Done);
            }
            if page.items.is_empty() {
                tokio::time::sleep(FOLLOW_PAUSE).await;
            }
        }
    }

    fn print(&self, event: &CloudEvent) -> Result<()> {
        if self.output == Format::Json {
            output::line(serde_json::to_string(event)?);
            return Ok(());
        }
        let number = event.sequence_number().unwrap_or_default();
        let subject = event.subject.as_deref().unwrap_or("");
        output::line(format!(
            "{number:>6}  {}  {:<20} {subject}  {}",
            event.time,
            event.short_kind(),
            event.data
        ));
        Ok(())
    }
}
