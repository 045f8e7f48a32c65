//! Configuration of the server: flags over `COUNTERSIGN_*` variables over a TOML file over defaults. With none of them, it runs.

mod anchors;
mod operation;
mod trust;
mod witness;

pub(crate) use self::anchors::{Anchor, AnchorFlags, AnchorKind, together};
pub(crate) use self::operation::{Operation, OperationFlags};
pub(crate) use self::trust::{TrustFlags, TrustTable};
pub(crate) use self::witness::WitnessFlags;
use crate::log::LogFormat;
use anyhow::{Context, Result, anyhow, bail};
use policy::break_glass::{LASTS_MILLISECONDS_MAX, LASTS_MILLISECONDS_MIN};
use policy::file::{UnitError, parse_duration};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod blobs;

const DATA_DEFAULT: &str = "countersign-data";
const LISTEN_DEFAULT: &str = "127.0.0.1:5000";

/// Where the data is: for every command that opens the data folder itself.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct DataFlags {
    /// The configuration's file (TOML).
    #[arg(long, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, env = "COUNTERSIGN_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// A PostgreSQL database instead of the embedded one, as `postgres://user@host/name`.
    #[arg(
        long,
        env = "COUNTERSIGN_DATABASE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) database: Option<String>,
    #[command(flatten)]
    pub(crate) blobs: blobs::BlobFlags,
}

/// The same, and what a command that changes the store needs to know: for `serve` and `gc`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StoreFlags {
    #[command(flatten)]
    pub(crate) data: DataFlags,
    /// How long blobs stay that no image needs, as `90m`, `24h` or `7d`; a day, unless said otherwise. Not shorter than the longest push.
    #[arg(long, env = "COUNTERSIGN_GC_GRACE", value_name = "DURATION", value_parser = duration)]
    gc_grace: Option<Duration>,
}

impl StoreFlags {
    /// Whether the command line or a variable says where the data is.
    pub(crate) fn is_given(&self) -> bool {
        self.data.config.is_some() || self.data.data.is_some() || self.data.database.is_some()
    }

    /// Where the store is, and how it is kept.
    pub(crate) fn options(&self) -> Result<store::Options> {
        self.options_with(&self.data.file()?)
    }

    /// The same, with a file that was read already.
    pub(crate) fn options_with(&self, file: &ConfigurationFile) -> Result<store::Options> {
        let options = self.data.options_with(file)?;
        let of_file = file.gc_grace.as_deref().map(duration).transpose();
        let of_file =
            of_file.map_err(|error| anyhow!("`gc-grace` of the configuration: {error}"))?;
        Ok(store::Options {
            grace: self.gc_grace.or(of_file).unwrap_or(options.grace),
            ..options
        })
    }
}

/// What a flag that may be repeated says, or else the file.
pub(crate) fn given<'a, T>(flags: &'a [T], of_file: Option<&'a [T]>) -> &'a [T] {
    if flags.is_empty() {
        of_file.unwrap_or_default()
    } else {
        flags
    }
}

/// Reads `90m`, `24h` or `7d`.
fn duration(text: &str) -> Result<Duration, UnitError> {
    let milliseconds = parse_duration(text)?;
    Ok(Duration::from_millis(
        u64::try_from(milliseconds).unwrap_or(0),
    ))
}

/// Reads the longest time of a break-glass, into milliseconds.
pub(crate) fn break_glass_max(text: &str) -> Result<i64> {
    let milliseconds = parse_duration(text)?;
    if !(LASTS_MILLISECONDS_MIN..=LASTS_MILLISECONDS_MAX).contains(&milliseconds) {
        bail!("`{text}` is not from `1m` to `24h`");
    }
    Ok(milliseconds)
}

/// The TOML file: the same names as the flags.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ConfigurationFile {
    data: Option<PathBuf>,
    database: Option<String>,
    blobs: Option<String>,
    s3: Option<blobs::S3Table>,
    pub(crate) blob_redirect: Option<bool>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) anonymous_pull: Option<bool>,
    pub(crate) tls: Option<String>,
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) public_url: Option<String>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    access_log: Option<bool>,
    metrics_listen: Option<SocketAddr>,
    connections_max: Option<u32>,
    connections_per_address_max: Option<u32>,
    head_timeout: Option<u64>,
    body_timeout: Option<u64>,
    blob_bytes_max: Option<u64>,
    upload_bytes_per_second: Option<u64>,
    room_bytes_min: Option<u64>,
    stop_delay: Option<u64>,
    stop_timeout: Option<u64>,
    gc_grace: Option<String>,
    pub(crate) break_glass_max: Option<String>,
    pub(crate) trust: Option<TrustTable>,
    pub(crate) witnesses: Option<Vec<String>>,
    pub(crate) witness_of: Option<Vec<String>>,
    pub(crate) witness_ca: Option<PathBuf>,
}

impl DataFlags {
    /// Reads the configuration's file, if there is one.
    pub(crate) fn file(&self) -> Result<ConfigurationFile> {
        let Some(path) = &self.config else {
            return Ok(ConfigurationFile::default());
        };
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration `{}`", path.display()))?;
        toml::from_str(&text)
            .with_context(|| format!("the configuration `{}` is not valid", path.display()))
    }

    /// Where the store is.
    pub(crate) fn options(&self) -> Result<store::Options> {
        self.options_with(&self.file()?)
    }

    /// Where the store is, and by whose word certificates are judged in it.
    pub(crate) fn options_with_anchors(&self) -> Result<store::Options> {
        let file = self.file()?;
        let of_file = file.trust.as_ref().map(TrustTable::anchors);
        Ok(store::Options {
            anchors: Arc::new(of_file.unwrap_or_default().read()?),
            ..self.options_with(&file)?
        })
    }

    /// Where the store is, with a file that was read already.
    pub(crate) fn options_with(&self, file: &ConfigurationFile) -> Result<store::Options> {
        let data = self
            .data
            .clone()
            .or_else(|| file.data.clone())
            .unwrap_or_else(|| DATA_DEFAULT.into());
        Ok(store::Options {
            database: self.database.clone().or_else(|| file.database.clone()),
            blobs: self
                .blobs
                .place(file.blobs.as_deref(), file.s3.as_ref(), |name| {
                    std::env::var(name).ok()
                })?,
            ..store::Options::embedded(data)
        })
    }
}

/// What to serve with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsChoice {
    /// Nothing.
    Off,
    /// A local authority in the data folder.
    Local,
    /// A certificate of one's own.
    Files(PathBuf, PathBuf),
}

impl TlsChoice {
    /// Reads `self` or `CERTIFICATE,KEY`.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(Self::Off),
            Some("self") => Ok(Self::Local),
            Some(files) => match files.split_once(',') {
                Some((certificate, key)) => Ok(Self::Files(certificate.into(), key.into())),
                None => bail!("`--tls {files}` is neither `self` nor `CERTIFICATE,KEY`"),
            },
        }
    }

    /// What the TLS layer needs for it.
    pub(crate) fn source(
        &self,
        data: &Path,
        hosts: BTreeSet<String>,
    ) -> Option<server::tls::TlsSource> {
        match self {
            Self::Off => None,
            Self::Local => Some(server::tls::TlsSource::LocalAuthority {
                folder: data.join("tls"),
                hosts,
            }),
            Self::Files(certificate, key) => Some(server::tls::TlsSource::Files {
                certificate: certificate.clone(),
                key: key.clone(),
            }),
        }
    }
}

/// The address to listen on when none is given.
pub(crate) fn default_address() -> Result<SocketAddr> {
    LISTEN_DEFAULT.parse().context("the default address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_choices() {
        assert_eq!(TlsChoice::parse(None).unwrap(), TlsChoice::Off);
        assert_eq!(TlsChoice::parse(Some("self")).unwrap(), TlsChoice::Local);
        assert_eq!(
            TlsChoice::parse(Some("a.pem,b.pem")).unwrap(),
            TlsChoice::Files("a.pem".into(), "b.pem".into())
        );
        assert!(TlsChoice::parse(Some("a.pem")).is_err());
    }

    #[test]
    fn flags_go_over_the_file() {
        let file: ConfigurationFile =
            toml::from_str("data = \"/from/file\"\nanonymous-pull = true\n").unwrap();
        let flags = DataFlags {
            data: Some("/from/flag".into()),
            ..DataFlags::default()
        };
        assert_eq!(
            flags.options_with(&file).unwrap().data,
            PathBuf::from("/from/flag")
        );
        assert_eq!(
            DataFlags::default().options_with(&file).unwrap().data,
            PathBuf::from("/from/file")
        );
        assert_eq!(
            DataFlags::default()
                .options_with(&ConfigurationFile::default())
                .unwrap()
                .data,
            PathBuf::from(DATA_DEFAULT)
        );
    }

    /// The names that `deny_unknown_fields` lists.
    fn keys() -> Vec<String> {
        let error = toml::from_str::<ConfigurationFile>("no-such-key = 1\n").unwrap_err();
        let message = error.message();
        let (_, expected) = message.split_once("expected one of ").unwrap();
        expected
            .split(", ")
            .map(|key| key.trim_matches('`').to_owned())
            .collect()
    }

    #[test]
    fn every_flag_variable_and_key_is_in_the_reference() {
        use clap::CommandFactory;
        let page = include_str!("../../../docs/configuration.md");
        let (reference, _) = page.split_once("## The other commands").unwrap();
        let mut command = crate::arguments::Arguments::command();
        command.build();
        let serve = command.find_subcommand("serve").unwrap();
        let own = serve.get_arguments().filter(|flag| !flag.is_global_set());
        let mut flags = 0;
        for flag in own.filter(|flag| flag.get_id() != "help") {
            let name = format!("`--{}", flag.get_long().unwrap());
            let variable = format!("`{}`", flag.get_env().unwrap().to_str().unwrap());
            let is_listed = reference.lines().any(|line| {
                line.starts_with('|') && line.contains(&name) && line.contains(&variable)
            });
            assert!(is_listed, "{name} with {variable}");
            flags += 1;
        }
        let keys = keys();
        assert!(keys.len() > 15 && flags > keys.len(), "{flags}, {keys:?}");
        for key in keys {
            let is_listed = reference
                .lines()
                .filter_map(|line| line.split('|').nth(3))
                // A table stands there by its keys, as `endpoint` in `[s3]`.
                .any(|cell| {
                    cell.contains(&format!("`{key}`")) || cell.contains(&format!("`[{key}]`"))
                });
            assert!(is_listed, "{key}");
        }
    }

    #[test]
    fn the_grace_is_a_day_unless_flag_or_file_say_otherwise() {
        let file: ConfigurationFile = toml::from_str("gc-grace = \"7d\"\n").unwrap();
        let grace = |flag: Option<u64>, file: &ConfigurationFile| {
            let flags = StoreFlags {
                gc_grace: flag.map(Duration::from_secs),
                ..StoreFlags::default()
            };
            flags
                .options_with(file)
                .map(|options| options.grace.as_secs() / 3600)
        };
        assert_eq!(grace(None, &ConfigurationFile::default()).unwrap(), 24);
        assert_eq!(grace(None, &file).unwrap(), 7 * 24);
        assert_eq!(grace(Some(3600), &file).unwrap(), 1);
        let wrong: ConfigurationFile = toml::from_str("gc-grace = \"soon\"\n").unwrap();
        assert!(grace(None, &wrong).is_err());
    }

    #[test]
    fn a_break_glass_lasts_a_day_at_most() {
        assert_eq!(break_glass_max("4h").unwrap(), 4 * 3_600_000);
        assert_eq!(break_glass_max("24h").unwrap(), LASTS_MILLISECONDS_MAX);
        for text in ["0m", "30s", "25h", "2d", "soon"] {
            assert!(break_glass_max(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_that_does_nothing_is_an_error() {
        assert!(toml::from_str::<ConfigurationFile>("anonymus-pull = true\n").is_err());
    }
}
