//! How a server is run: what it logs, where it is measured, how much clients may take, how it stops. Flags go over the file's keys,
//! which have the same names, and those over the defaults of `server::limits`.

use super::ConfigurationFile;
use crate::log::LogFormat;
use server::limits::Limits;
use std::net::SocketAddr;
use std::time::Duration;

/// What is logged when nothing else is asked for.
const LOG_DEFAULT: &str = "warn,countersign=info,server=info";
const ROOM_BYTES_MIN_DEFAULT: u64 = 256 << 20;

/// The flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct OperationFlags {
    /// What is logged: `LEVEL` or `TARGET=LEVEL`, with commas.
    #[arg(long, env = "COUNTERSIGN_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How a line of the log looks.
    #[arg(long, env = "COUNTERSIGN_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Log every request.
    #[arg(long, env = "COUNTERSIGN_ACCESS_LOG")]
    access_log: bool,
    /// An address of its own for `/metrics`, without a log-in.
    #[arg(long, env = "COUNTERSIGN_METRICS_LISTEN", value_name = "ADDR:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// Connections at once.
    #[arg(long, env = "COUNTERSIGN_CONNECTIONS_MAX", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    connections_max: Option<u32>,
    /// Connections at once from one address.
    #[arg(long, env = "COUNTERSIGN_CONNECTIONS_PER_ADDRESS_MAX", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    connections_per_address_max: Option<u32>,
    /// Time for a TLS handshake, for the head of a request, and between two requests of a connection.
    #[arg(long, env = "COUNTERSIGN_HEAD_TIMEOUT", value_name = "SECONDS", value_parser = seconds())]
    head_timeout: Option<u64>,
    /// Time that a body, or an answer, may stand still.
    #[arg(long, env = "COUNTERSIGN_BODY_TIMEOUT", value_name = "SECONDS", value_parser = seconds())]
    body_timeout: Option<u64>,
    /// Bytes of a blob.
    #[arg(long, env = "COUNTERSIGN_BLOB_BYTES_MAX", value_name = "BYTES")]
    blob_bytes_max: Option<u64>,
    /// Bytes that one connection may send in a second, on average.
    #[arg(long, env = "COUNTERSIGN_UPLOAD_BYTES_PER_SECOND", value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    upload_bytes_per_second: Option<u64>,
    /// Bytes that must be free on the data folder's disk for the server to be ready.
    #[arg(long, env = "COUNTERSIGN_ROOM_BYTES_MIN", value_name = "BYTES")]
    room_bytes_min: Option<u64>,
    /// Time to go on as before after being asked to stop, while `/readyz` says that it stops.
    #[arg(long, env = "COUNTERSIGN_STOP_DELAY", value_name = "SECONDS")]
    stop_delay: Option<u64>,
    /// Time that requests under way have to end.
    #[arg(long, env = "COUNTERSIGN_STOP_TIMEOUT", value_name = "SECONDS")]
    stop_timeout: Option<u64>,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

/// How a server is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) access_log: bool,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) limits: Limits,
    pub(crate) room_bytes_min: u64,
    pub(crate) stop_delay: Duration,
}

impl OperationFlags {
    /// What the flags say, or else the file, or else what is usual.
    pub(crate) fn over(&self, file: &ConfigurationFile) -> Operation {
        let usual = Limits::default();
        let time = |flag: Option<u64>, file: Option<u64>, usual: Duration| {
            flag.or(file).map_or(usual, Duration::from_secs)
        };
        let connections_max = self
            .connections_max
            .or(file.connections_max)
            .unwrap_or(usual.connections_max);
        // One address leaves a quarter to the others.
        let for_one = connections_max.saturating_sub(connections_max / 4).max(1);
        Operation {
            log: self
                .log
                .clone()
                .or_else(|| file.log.clone())
                .filter(|filter| !filter.is_empty())
                .unwrap_or_else(|| LOG_DEFAULT.to_owned()),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            access_log: self.access_log || file.access_log.unwrap_or(false),
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            limits: Limits {
                connections_max,
                connections_per_address_max: self
                    .connections_per_address_max
                    .or(file.connections_per_address_max)
                    .unwrap_or(for_one),
                streams_max: usual.streams_max,
                head_timeout: time(self.head_timeout, file.head_timeout, usual.head_timeout),
                body_timeout: time(self.body_timeout, file.body_timeout, usual.body_timeout),
                stop_timeout: time(self.stop_timeout, file.stop_timeout, usual.stop_timeout),
                blob_bytes_max: self.blob_bytes_max.or(file.blob_bytes_max),
                upload_bytes_per_second: self
                    .upload_bytes_per_second
                    .or(file.upload_bytes_per_second),
            },
            room_bytes_min: self
                .room_bytes_min
                .or(file.room_bytes_min)
                .unwrap_or(ROOM_BYTES_MIN_DEFAULT),
            stop_delay: time(self.stop_delay, file.stop_delay, Duration::ZERO),
        }
    }
}

impl Default for Operation {
    fn default() -> Self {
        OperationFlags::default().over(&ConfigurationFile::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_server() {
        let operation = Operation::default();
        assert_eq!(operation.limits, Limits::default());
        assert_eq!(operation.log, LOG_DEFAULT);
    }

    #[test]
    fn flags_go_over_the_file_and_the_file_over_the_defaults() {
        let file: ConfigurationFile =
            toml::from_str("connections-max = 100\nbody-timeout = 5\nlog-format = \"json\"\n")
                .unwrap();
        let flags = OperationFlags {
            body_timeout: Some(7),
            ..OperationFlags::default()
        };
        let operation = flags.over(&file);
        assert_eq!(operation.limits.body_timeout, Duration::from_secs(7));
        assert_eq!(operation.limits.connections_max, 100);
        assert_eq!(operation.limits.connections_per_address_max, 75);
        assert_eq!(operation.log_format, LogFormat::Json);
    }
}
