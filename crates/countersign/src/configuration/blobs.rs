//! Where blobs are: the flags, variables and the table `[s3]` of the TOML file that lead to a bucket. Keys are never flags: they
//! come from the environment or from a file.

use anyhow::{Result, bail};
use serde::Deserialize;
use std::path::PathBuf;
use store::blobs::{BlobStore, Credentials, Keys};

/// Flags of every command that opens the data folder.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct BlobFlags {
    /// A bucket for blobs instead of the data folder, as `s3://BUCKET/PREFIX`; its keys are AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY, or in a file.
    #[arg(long, env = "COUNTERSIGN_BLOBS", value_name = "URL")]
    blobs: Option<String>,
    /// The S3-compatible service; without, Amazon's.
    #[arg(long, env = "COUNTERSIGN_S3_ENDPOINT", value_name = "URL")]
    s3_endpoint: Option<String>,
    /// The region that requests are signed for.
    #[arg(long, env = "COUNTERSIGN_S3_REGION", value_name = "NAME")]
    s3_region: Option<String>,
    /// The bucket is part of the path, not of the host's name.
    #[arg(long, env = "COUNTERSIGN_S3_PATH_STYLE")]
    s3_path_style: bool,
    /// Let `http://` pass as the service's address.
    #[arg(long, env = "COUNTERSIGN_S3_ALLOW_HTTP")]
    s3_allow_http: bool,
    /// An authority to trust for the service, PEM.
    #[arg(long, env = "COUNTERSIGN_S3_CA", value_name = "FILE")]
    s3_ca: Option<PathBuf>,
    /// A file of keys in the form of `~/.aws/credentials`, read again each minute.
    #[arg(long, env = "COUNTERSIGN_S3_CREDENTIALS", value_name = "FILE")]
    s3_credentials: Option<PathBuf>,
}

/// The table `[s3]`: the same names as the flags.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct S3Table {
    endpoint: Option<String>,
    region: Option<String>,
    path_style: Option<bool>,
    allow_http: Option<bool>,
    ca: Option<PathBuf>,
    credentials: Option<PathBuf>,
}

impl BlobFlags {
    /// The bucket, if there is to be one; `url` and `table` are the file's, `variable` reads the environment.
    pub(super) fn place(
        &self,
        url: Option<&str>,
        table: Option<&S3Table>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<BlobStore>> {
        let table = table.cloned().unwrap_or_default();
        let Some(url) = self.blobs.as_deref().or(url) else {
            return Ok(None);
        };
        let file = self.s3_credentials.clone().or(table.credentials);
        let mut place = BlobStore::parse(url, credentials(file, variable)?)?;
        place.endpoint = self.s3_endpoint.clone().or(table.endpoint);
        if let Some(region) = self.s3_region.clone().or(table.region) {
            place.region = region;
        }
        place.path_style = self.s3_path_style || table.path_style.unwrap_or(false);
        place.allow_http = self.s3_allow_http || table.allow_http.unwrap_or(false);
        place.authority = self.s3_ca.clone().or(table.ca);
        Ok(Some(place))
    }
}

fn credentials(
    file: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Credentials> {
    if let Some(file) = file {
        return Ok(Credentials::File(file));
    }
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let (Some(access_key_id), Some(secret)) = (
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"),
    ) else {
        bail!(
            "the bucket's keys are missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with \
             `--s3-credentials`"
        );
    };
    Ok(Credentials::Keys(Keys {
        access_key_id,
        secret_access_key: secret.into(),
        session_token: variable("AWS_SESSION_TOKEN").map(Into::into),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_keys(name: &str) -> Option<String> {
        match name {
            "AWS_ACCESS_KEY_ID" => Some("AK".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("SK".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn flags_go_over_the_table() {
        let table: S3Table = toml::from_str(
            "endpoint = \"https://s3.example\"\nregion = \"eu-1\"\npath-style = true\nca = \"/ca.pem\"\n",
        )
        .unwrap();
        let flags = BlobFlags {
            s3_region: Some("eu-2".to_owned()),
            ..BlobFlags::default()
        };
        let place = flags
            .place(Some("s3://images/eu"), Some(&table), with_keys)
            .unwrap()
            .unwrap();
        assert_eq!(
            (place.bucket.as_str(), place.prefix.as_str()),
            ("images", "eu")
        );
        assert_eq!(place.endpoint.as_deref(), Some("https://s3.example"));
        assert_eq!(place.region, "eu-2");
        assert!(place.path_style && !place.allow_http);
        assert_eq!(place.authority, Some("/ca.pem".into()));
        assert!(matches!(place.credentials, Credentials::Keys(keys) if keys.access_key_id == "AK"));
    }

    #[test]
    fn without_a_url_blobs_are_in_the_data_folder_and_no_keys_are_needed() {
        let place = BlobFlags::default().place(None, Some(&S3Table::default()), |_| None);
        assert!(place.unwrap().is_none());
    }

    #[test]
    fn keys_come_from_the_environment_or_a_file_and_must_come() {
        let flags = BlobFlags::default();
        assert!(flags.place(Some("s3://images"), None, |_| None).is_err());
        let half = |name: &str| with_keys(name).filter(|value| value == "AK");
        assert!(flags.place(Some("s3://images"), None, half).is_err());
        let flags = BlobFlags {
            s3_credentials: Some("/keys".into()),
            ..BlobFlags::default()
        };
        let place = flags.place(Some("s3://images"), None, |_| None).unwrap();
        assert!(matches!(
            place.unwrap().credentials,
            Credentials::File(path) if path.as_os_str() == "/keys"
        ));
    }
}
