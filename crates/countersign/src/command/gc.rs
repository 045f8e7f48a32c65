//! `countersign gc`: has a running server collect its garbage now, and looks on; or, with `--data` and no server on that folder,
//! collects in it. The server does it by itself each hour.

use crate::configuration::StoreFlags;
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::progress;
use anyhow::{Context, Result};
use client::api::garbage::{AskCollection, Collection};
use std::time::Duration;
use store::Store;
use store::garbage;

/// The pause between two looks at a server's collection.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign gc                       the server of the last log-in (role admin)\n  \
    countersign gc --dry-run             what would go\n  \
    countersign gc --data /var/lib/countersign   a folder that no server uses"
)]
pub(crate) struct Gc {
    #[command(flatten)]
    store: StoreFlags,
    /// Remove nothing; say what would go.
    #[arg(long)]
    dry_run: bool,
    /// Also look for files that never got a row; otherwise that happens once a day.
    #[arg(long)]
    sweep: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Gc {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let done = if self.store.is_given() {
            self.here().await?
        } else {
            self.at(server).await?
        };
        if self.output == Format::Json {
            output::json(&done)?;
            return Ok(Exit::Done);
        }
        let verb = if self.dry_run {
            "Would remove"
        } else {
            "Removed"
        };
        output::line(format!(
            "{verb} {} links, {} blobs and {} files without a row: {} freed, of {} links and blobs.",
            done.links,
            done.blobs,
            done.orphans,
            progress::size(done.bytes),
            done.looked_at,
        ));
        if done.failed > 0 {
            output::note(format!(
                "{} files could not be removed: the next collection tries again",
                done.failed
            ));
        }
        Ok(Exit::Done)
    }

    /// Asks a server, and looks on until it has ended.
    async fn at(&self, server: &ServerFlags) -> Result<Collection> {
        let client = server.client()?;
        let ask = AskCollection {
            sweep: self.sweep,
            dry_run: self.dry_run,
        };
        let asked = client.collect(&ask).await?;
        if self.dry_run {
            return Ok(asked);
        }
        let bar = progress::items("collecting garbage");
        loop {
            let known = client.collections().await?;
            let one = known
                .into_iter()
                .find(|one| one.id == asked.id)
                .context("the server has forgotten the collection: ask again")?;
            bar.set_length(one.to_look_at);
            bar.set_position(one.looked_at);
            if one.finished_at.is_some() {
                bar.finish_and_clear();
                return Ok(one);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Collects in a data folder that no server uses: its lock says so.
    async fn here(&self) -> Result<Collection> {
        let options = self.store.options()?;
        let store = Store::open(&options).await.with_context(|| {
            format!(
                "cannot open `{}`: where a server uses it, leave `--data` out and log in to that",
                options.data.display()
            )
        })?;
        let now = || server::Clock::System.now();
        let done = if self.dry_run {
            garbage::preview(&store, self.sweep, now()).await
        } else {
            garbage::collect_now(&store, self.sweep, &now).await
        };
        store.close().await;
        let done = done?;
        if let Some(failure) = &done.failure {
            output::note(failure);
        }
        Ok(server::collection(done))
    }
}
