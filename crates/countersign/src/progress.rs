//! Progress on a terminal, for what takes over a second. Nothing is drawn where nobody looks.

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often somebody else's progress is looked at.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// A bar over bytes, or a spinner where the size is not known; it appears after a second.
pub(crate) fn bytes(what: &str, total: Option<u64>) -> ProgressBar {
    let template = if total.is_some() {
        "{msg} [{bar:30}] {bytes}/{total_bytes}"
    } else {
        "{spinner} {msg} {bytes}"
    };
    bar(what, total, template)
}

/// A bar over things, whose number is said as soon as it is known.
pub(crate) fn items(what: &str) -> ProgressBar {
    bar(what, None, "{spinner} {msg} {pos}").with_finish(indicatif::ProgressFinish::AndClear)
}

fn bar(what: &str, total: Option<u64>, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// A bar over the bytes that somebody else counts.
pub(crate) struct Watch {
    bar: ProgressBar,
    looking: JoinHandle<()>,
}

/// Draws what `look` says, done and total, until it is ended.
pub(crate) fn watch(what: &str, look: impl Fn() -> (u64, u64) + Send + 'static) -> Watch {
    let drawn = bytes(what, Some(0));
    let bar = drawn.clone();
    let looking = tokio::spawn(async move {
        loop {
            let (done, total) = look();
            drawn.set_length(total);
            drawn.set_position(done);
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    });
    Watch { bar, looking }
}

impl Watch {
    /// Takes the bar away.
    pub(crate) fn end(self) {
        self.looking.abort();
        self.bar.finish_and_clear();
    }
}

/// A number of bytes, for people.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}
