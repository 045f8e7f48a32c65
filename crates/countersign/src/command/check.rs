//! `countersign check`: reads every stored blob of a data folder again and names those that are damaged, beside a server that
//! runs. It asks no server.

use crate::configuration::DataFlags;
use crate::exit::Exit;
use crate::output::{self, Format, Tone, toned};
use crate::progress;
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::check::{Checking, Progress, check};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 3: something is damaged. It is remembered, and no longer served until it is pushed again.\n\n\
    Examples:\n  countersign check --data /var/lib/countersign\n  \
    countersign check --data /var/lib/countersign --bytes-per-second 50000000"
)]
pub(crate) struct Check {
    #[command(flatten)]
    data: DataFlags,
    /// Read at most so much in a second, beside a server that has other work.
    #[arg(long, value_name = "BYTES")]
    bytes_per_second: Option<u64>,
    /// Write nothing: what is damaged goes on being served.
    #[arg(long)]
    forget: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Check {
    pub(crate) async fn run(self) -> Result<Exit> {
        let checking = Checking {
            bytes_per_second: self.bytes_per_second,
            remember: !self.forget,
        };
        let seen = Arc::new(Progress::default());
        let bar = progress::watch("checking", {
            let seen = Arc::clone(&seen);
            move || {
                (
                    seen.bytes.load(Ordering::Relaxed),
                    seen.bytes_total.load(Ordering::Relaxed),
                )
            }
        });
        let now = || server::Clock::System.now();
        let report = check(&self.data.options()?, &checking, &seen, &now).await;
        bar.end();
        let report = report?;
        if self.output == Format::Json {
            output::json(&report)?;
        } else {
            for fault in &report.faults {
                let needs = match fault.needed_by.as_slice() {
                    [] => "no image needs it".to_owned(),
                    images => format!("needed by {}", images.join(", ")),
                };
                output::line(toned(
                    Tone::Bad,
                    &format!("✗ {}: {}; {needs}", fault.digest, fault.what),
                ));
            }
            if report.more_faults > 0 {
                output::line(format!("and {} more", report.more_faults));
            }
            output::line(format!(
                "{} blobs read, {}; {} files without a row, {}",
                report.blobs,
                progress::size(report.bytes),
                report.strays,
                progress::size(report.stray_bytes),
            ));
        }
        if !report.is_whole() {
            if self.output == Format::Table && !self.forget {
                output::note(
                    "what is damaged is not served any more; push the images again to heal it",
                );
            }
            return Ok(Exit::Refused);
        }
        if self.output == Format::Table {
            output::line(toned(Tone::Good, "✓ every blob is what its digest says"));
        }
        Ok(Exit::Done)
    }
}
