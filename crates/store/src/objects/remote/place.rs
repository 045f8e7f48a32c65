//! Which bucket, where, and with whose keys: what an operator says about an S3-compatible service.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::error::{Error, Result};

/// The region that is signed for where none is given; services other than Amazon's ignore it.
const REGION_DEFAULT: &str = "us-east-1";
/// After this time no request is begun again, where nothing else is said.
const PATIENCE_SECONDS_DEFAULT: u64 = 10;
const PREFIX_BYTES_MAX: usize = 512;

/// A bucket of an S3-compatible service in which blobs are kept.
#[derive(Debug, Clone)]
pub struct BlobStore {
    /// The bucket; it is not made.
    pub bucket: String,
    /// What every key begins with, without a slash at either end; may be empty.
    pub prefix: String,
    /// The service, as `https://s3.example`; Amazon's own where there is none.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether the bucket is the first part of the path, and not of the host's name.
    pub path_style: bool,
    /// Whether `http://` will do: keys are never sent, but blobs can be read on the way.
    pub allow_http: bool,
    /// An authority to trust beside those of the system, PEM.
    pub authority: Option<PathBuf>,
    /// How long a request that the service is too busy for is repeated.
    pub patience: Duration,
    /// Who is asking.
    pub credentials: Credentials,
}

/// The keys to a bucket.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// As they were given; they stay as long as the process does.
    Keys(Keys),
    /// A file in the form of `~/.aws/credentials`, whose section `default` is read again each minute.
    File(PathBuf),
}

/// One pair of keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: SecretString,
    /// What temporary keys come with.
    pub session_token: Option<SecretString>,
}

impl BlobStore {
    /// Reads `s3://BUCKET` or `s3://BUCKET/PREFIX`; the rest is as Amazon has it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else.
    pub fn parse(url: &str, credentials: Credentials) -> Result<BlobStore> {
        let invalid = |why: &str| Error::Invalid {
            what: "place for blobs",
            value: url.chars().take(200).collect(),
            why: why.to_owned(),
        };
        let rest = url
            .strip_prefix("s3://")
            .ok_or_else(|| invalid("give it as `s3://BUCKET/PREFIX`"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if !is_bucket(bucket) {
            return Err(invalid(
                "a bucket's name has 3 to 63 of the characters `a-z0-9.-` and begins and ends with a letter or digit",
            ));
        }
        if !(prefix.is_empty()
            || prefix.split('/').all(is_part) && prefix.len() <= PREFIX_BYTES_MAX)
        {
            return Err(invalid(
                "the parts of a prefix have characters of `A-Za-z0-9._-` and are not `.` or `..`",
            ));
        }
        Ok(BlobStore {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: None,
            region: REGION_DEFAULT.to_owned(),
            path_style: false,
            allow_http: false,
            authority: None,
            patience: Duration::from_secs(PATIENCE_SECONDS_DEFAULT),
            credentials,
        })
    }

    /// The place as it is written in a configuration.
    pub(crate) fn url(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket, self.prefix)
    }
}

/// Amazon S3, "Bucket naming rules".
fn is_bucket(name: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
        && is_end(name.as_bytes().first())
        && is_end(name.as_bytes().last())
}

/// A part of a key that needs no encoding anywhere.
fn is_part(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<BlobStore> {
        BlobStore::parse(url, Credentials::File(PathBuf::new()))
    }

    #[test]
    fn buckets_and_prefixes() {
        for (url, bucket, prefix) in [
            ("s3://images", "images", ""),
            ("s3://images/", "images", ""),
            ("s3://im.ag-es/eu/countersign", "im.ag-es", "eu/countersign"),
            ("s3://images/a_B.1/", "images", "a_B.1"),
        ] {
            let place = parse(url).unwrap();
            assert_eq!(
                (place.bucket.as_str(), place.prefix.as_str()),
                (bucket, prefix)
            );
            assert_eq!(place.url(), url.trim_end_matches('/'));
        }
    }

    #[test]
    fn what_is_no_place() {
        for url in [
            "images",
            "http://images",
            "s3://",
            "s3://ab",
            "s3://Images",
            "s3://-images",
            "s3://images/../x",
            "s3://images//x",
            "s3://images/a b",
            "s3://images?endpoint=http://127.0.0.1",
        ] {
            assert!(matches!(parse(url), Err(Error::Invalid { .. })), "{url}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let keys = Keys {
            access_key_id: "AK".to_owned(),
            secret_access_key: "secret-value".into(),
            session_token: Some("token-value".into()),
        };
        let place = BlobStore::parse("s3://images", Credentials::Keys(keys)).unwrap();
        let shown = format!("{place:?}");
        assert!(!shown.contains("-value"), "{shown}");
    }
}
