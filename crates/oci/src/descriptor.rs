//! Descriptors, by which manifests refer to content, and the platform they may name. A descriptor is a claim: nothing
//! here says that the content exists. image-spec `descriptor.md` and `image-index.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Digest;
use crate::excerpt::excerpt;

/// A reference to content: its type, digest and size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content; empty when it was not given.
    #[serde(default, deserialize_with = "null_as_default")]
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// The platform of an image in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free key-value pairs.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The type of an artifact, when the content is a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Other places to fetch the content from; never used for fetching here.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// The content itself in base64, when it was embedded; not checked against the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// The descriptor of these bytes, without any of the optional parts.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self::new(media_type, Digest::sha256(bytes), size)
    }

    /// A descriptor without any of the optional parts; the size is in bytes.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
            artifact_type: None,
            urls: Vec::new(),
            data: None,
        }
    }
}

/// What an image runs on, such as `linux/arm64/v8`. Unknown parts are empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The CPU, as Go's `GOARCH` names it.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, as Go's `GOOS` names it.
    #[serde(default)]
    pub os: String,
    /// The variant of the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The version of the operating system (Windows).
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
}

impl Platform {
    /// A platform without variant and version.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            variant: None,
            os_version: None,
        }
    }

    /// Whether it says `unknown/unknown`, as BuildKit marks attestations in an index.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        let (os, architecture, variant) = (parts.next(), parts.next(), parts.next());
        let is_word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        match (os, architecture) {
            (Some(os), Some(architecture))
                if parts.next().is_none()
                    && is_word(os)
                    && is_word(architecture)
                    && variant.is_none_or(is_word) =>
            {
                Ok(Self {
                    variant: variant.map(str::to_owned),
                    ..Self::new(os, architecture)
                })
            }
            _ => Err(PlatformError(excerpt(text))),
        }
    }
}

/// The text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: write it as `linux/amd64` or `linux/arm64/v8`")]
pub struct PlatformError(String);

/// Programs written in Go print empty lists and maps as `null`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_reads_and_prints() {
        for text in ["linux/amd64", "linux/arm64/v8", "unknown/unknown"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm64/v8/x",
            "linux/amd 64",
        ] {
            assert_eq!(
                text.parse::<Platform>(),
                Err(PlatformError(text.to_owned()))
            );
        }
    }

    #[test]
    fn descriptor_keeps_every_field() {
        let text = format!(
            r#"{{"mediaType":"a/b","digest":"{}","size":3,"platform":{{"architecture":"amd64","os":"windows","os.version":"10.0"}},"annotations":{{"k":"v"}},"artifactType":"c/d","urls":["https://example.com/x"],"data":"YWJj"}}"#,
            Digest::sha256(b"abc")
        );
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(descriptor.digest, Descriptor::of("a/b", b"abc").digest);
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), text);
    }

    #[test]
    fn descriptor_tolerates_what_go_prints_for_nothing() {
        let text = format!(
            r#"{{"digest":"{}","size":0,"urls":null,"annotations":null}}"#,
            Digest::sha256(b"")
        );
        assert_eq!(
            serde_json::from_str::<Descriptor>(&text).unwrap(),
            Descriptor::of("", b"")
        );
    }
}
