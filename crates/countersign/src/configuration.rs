//! Configuration of the server: flags over `COUNTERSIGN_*` variables over a TOML file over defaults. With none of them, it runs.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    pub(crate) hosts: Option<BTreeSet<String>>,
    pub(crate) public_url: Option<String>,
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

    /// Where the store is, with a file that was read already.
    pub(crate) fn options_with(&self, file: &ConfigurationFile) -> Result<store::Options> {
        let data = self
            .data
            .clone()
            .or_else(|| file.data.clone())
            .unwrap_or_else(|| DATA_DEFAULT.into());
        Ok(store::Options {
            data,
            database: self.database.clone().or_else(|| file.database.clone()),
            blobs: self
                .blobs
                .place(file.blobs.as_deref(), file.s3.as_ref(), |name| {
                    std::env::var(name).ok()
                })?,
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

    #[test]
    fn a_key_that_does_nothing_is_an_error() {
        assert!(toml::from_str::<ConfigurationFile>("anonymus-pull = true\n").is_err());
    }
}
