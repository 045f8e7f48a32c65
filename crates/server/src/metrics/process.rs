//! What the process uses, under the names that Prometheus's own libraries give it, and what was built. Where the system does not
//! say it, the figure is absent.

use super::{gauge, made, registered, set};
use crate::limits::open_files_max;
use prometheus::{Gauge, IntGaugeVec, Opts, Registry};
use std::fs;

/// Clock ticks of a second in `/proc`: 100 on every Linux that there is (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Measures the process.
pub(super) fn measure(registry: &Registry) {
    let info = Opts::new(
        "countersign_build_info",
        "What is running; the value is always 1.",
    );
    let info = registered(registry, made(IntGaugeVec::new(info, &["version"])));
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    if let Some(status) = read("/proc/self/status") {
        for (field, name, help) in [
            (
                "VmRSS:",
                "process_resident_memory_bytes",
                "Resident memory.",
            ),
            (
                "VmHWM:",
                "process_resident_memory_max_bytes",
                "The most resident memory so far.",
            ),
            ("VmSize:", "process_virtual_memory_bytes", "Virtual memory."),
        ] {
            if let Some(kibibytes) = number_after(&status, field) {
                set(registry, name, help, kibibytes.saturating_mul(1_024));
            }
        }
        if let Some(threads) = number_after(&status, "Threads:") {
            set(registry, "process_threads", "Threads.", threads);
        }
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        let open = u64::try_from(files.count()).unwrap_or(u64::MAX);
        set(registry, "process_open_fds", "Open file descriptors.", open);
    }
    gauge(
        registry,
        "process_max_fds",
        "File descriptors that may be open.",
    )
    .set(i64::try_from(open_files_max()).unwrap_or(i64::MAX));
    if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
        let name = "process_cpu_seconds_total";
        let help = "Processor time, in the program and in the system.";
        registered(registry, made(prometheus::Counter::new(name, help))).inc_by(seconds);
    }
    if let Some(seconds) = started_at() {
        let name = "process_start_time_seconds";
        let help = "When the process began, in seconds since the epoch.";
        registered(registry, made(Gauge::new(name, help))).set(seconds);
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn number_after(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields of `/proc/self/stat` behind the program's name, which may hold anything but ends with the last parenthesis; the first
/// of them has number 3 in proc(5).
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields
        .split_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS_PER_SECOND)
}

fn started_at() -> Option<f64> {
    let after_boot = field(&read("/proc/self/stat")?, 22)? / TICKS_PER_SECOND;
    let boot: f64 = read("/proc/stat")?
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    Some(boot + after_boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let stat = "7 (a) b 1 (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 12345 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(field(stat, 22), Some(12_345.0));
        assert_eq!(cpu_seconds("nothing"), None);
    }
}
