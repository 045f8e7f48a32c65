//! `countersign backup` and `countersign restore`: copies of a server that may be running, and a data folder made of one. Neither
//! asks a server, and neither touches keys.

use crate::configuration::DataFlags;
use crate::exit::Exit;
use crate::output::{self, Format, Tone, toned};
use crate::progress;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::backup::{self, Damaged, Now, Progress, Taking};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Keys are never in a backup: keep `master.key` (and `tls/`, with `--tls self`) apart from it.\n\n\
    Examples:\n  countersign backup /backup/countersign --data /var/lib/countersign"
)]
pub(crate) struct Backup {
    /// The folder of backups. Blobs that it has are not copied again.
    to: PathBuf,
    #[command(flatten)]
    data: DataFlags,
    /// Give blobs a second name instead of copying them, on the same file system: fast, and no help when the disk fails.
    #[arg(long)]
    hard_links: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The folder must be empty, but for `master.key` and `tls/`, which no backup has.\n\n\
    Examples:\n  countersign restore /backup/countersign --data /var/lib/countersign"
)]
pub(crate) struct Restore {
    /// The folder of backups.
    from: PathBuf,
    #[command(flatten)]
    data: DataFlags,
    /// Which backup in it, by its name; otherwise the newest.
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Backup {
    pub(crate) async fn run(self) -> Result<Exit> {
        let now: Now = Arc::new(|| server::Clock::System.now());
        let name = jiff::Timestamp::from_millisecond(now())
            .context("the clock is not set")?
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let taking = Taking {
            to: self.to,
            name,
            hard_links: self.hard_links,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let seen = Arc::new(Progress::default());
        let bar = watch("backing up", &seen);
        let taken = backup::take(&self.data.options()?, &taking, &seen, &now).await;
        bar.end();
        let taken = taken?;
        let manifest = &taken.manifest;
        if self.output == Format::Json {
            let path = taken.snapshot.display().to_string();
            output::json(&serde_json::json!({
                "snapshot": path, "copied": taken.copied, "manifest": manifest,
            }))?;
        } else {
            say_damaged(&manifest.damaged);
            output::line(format!(
                "{}: the database and {} blobs, {}; {} of them copied now",
                taken.snapshot.display(),
                manifest.blobs,
                progress::size(manifest.bytes),
                taken.copied,
            ));
            output::note(
                "keys are not in it: keep `master.key`, and `tls/` if you use it, elsewhere; without `master.key` it cannot be started",
            );
        }
        Ok(ended(&manifest.damaged))
    }
}

impl Restore {
    pub(crate) async fn run(self) -> Result<Exit> {
        let options = self.data.options()?;
        let seen = Arc::new(Progress::default());
        let bar = watch("restoring", &seen);
        let restored = backup::restore(&self.from, self.snapshot.as_deref(), &options, &seen).await;
        bar.end();
        let restored = restored?;
        if self.output == Format::Json {
            let path = restored.snapshot.display().to_string();
            output::json(&serde_json::json!({
                "snapshot": path, "hasMasterKey": restored.has_master_key, "manifest": restored.manifest,
                "damaged": restored.damaged,
            }))?;
        } else {
            say_damaged(&restored.damaged);
            output::line(toned(
                Tone::Good,
                &format!(
                    "✓ `{}` is restored from {}: {} blobs, {}",
                    options.data.display(),
                    restored.snapshot.display(),
                    restored.manifest.blobs,
                    progress::size(restored.manifest.bytes),
                ),
            ));
            if !restored.has_master_key {
                output::note(format!(
                    "next: put `master.key` into `{}`; the server does not start without it",
                    options.data.display()
                ));
            }
            output::note(
                "then: countersign check, countersign audit verify, each with the same --data",
            );
        }
        Ok(ended(&restored.damaged))
    }
}

fn watch(what: &str, seen: &Arc<Progress>) -> progress::Watch {
    let seen = Arc::clone(seen);
    progress::watch(what, move || {
        (
            seen.bytes.load(Ordering::Relaxed),
            seen.bytes_total.load(Ordering::Relaxed),
        )
    })
}

fn say_damaged(damaged: &[Damaged]) {
    for blob in damaged {
        output::line(toned(
            Tone::Bad,
            &format!("✗ {} is not in it: {}", blob.digest, blob.what),
        ));
    }
}

fn ended(damaged: &[Damaged]) -> Exit {
    if damaged.is_empty() {
        Exit::Done
    } else {
        Exit::Refused
    }
}
