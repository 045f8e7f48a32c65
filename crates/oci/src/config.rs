//! The configuration of an image: platform, diffIDs and history. Only what other parts use is read; the rest is
//! ignored. image-spec `config.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::descriptor::null_as_default;
use crate::strict::{self, DocumentError, Role};

/// The largest image configuration, in bytes (8 MiB).
pub const CONFIG_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most layers or history entries.
const ENTRIES_MAX: usize = 10_000;
/// The longest instruction that is kept, in characters.
const INSTRUCTION_CHARS_MAX: usize = 1_000;

/// The configuration of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The operating system; cosign's signatures leave it empty.
    #[serde(default)]
    pub os: String,
    /// The CPU.
    #[serde(default)]
    pub architecture: String,
    /// The variant of the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// When it was built, as its builder claims (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The layers by their uncompressed digests.
    pub rootfs: RootFs,
    /// How it was built, the oldest step first.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
    /// How it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<RunConfig>,
}

/// The layers of an image by their diffIDs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers_kind")]
    pub kind: String,
    /// Digests of the uncompressed layers, the base first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

fn layers_kind() -> String {
    "layers".to_owned()
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// When, as the builder claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command, as the builder recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A remark, such as the name of the builder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// How an image runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// User and group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Environment, as `NAME=value`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub entrypoint: Vec<String>,
    /// The default arguments.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub cmd: Vec<String>,
    /// The folder it starts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Free key-value pairs.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
}

impl ImageConfig {
    /// Reads an image configuration of at most 8 MiB and 10,000 layers and steps.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLarge { bytes: bytes.len() });
        }
        strict::check(bytes, Role::ImageConfig)?;
        let config: Self =
            serde_json::from_slice(bytes).map_err(|error| DocumentError::json(&error))?;
        for (what, count) in [
            ("layers", config.rootfs.diff_ids.len()),
            ("history entries", config.history.len()),
        ] {
            if count > ENTRIES_MAX {
                return Err(ConfigError::TooMany { what, count });
            }
        }
        Ok(config)
    }

    /// The instruction that made each of the image's `layers` layers: history without the steps that made none.
    /// All are `None` when the two do not line up, since a guess would blame the wrong line.
    #[must_use]
    pub fn instructions(&self, layers: usize) -> Vec<Option<String>> {
        let steps: Vec<_> = self
            .history
            .iter()
            .filter(|step| !step.empty_layer)
            .map(History::instruction)
            .collect();
        if steps.len() == layers {
            steps
        } else {
            vec![None; layers]
        }
    }
}

impl History {
    /// The step as a line of a Dockerfile: the shell that docker puts around it and BuildKit's mark are taken off.
    /// At most 1,000 characters.
    #[must_use]
    pub fn instruction(&self) -> Option<String> {
        let recorded = self.created_by.as_deref()?.trim();
        let recorded = recorded
            .strip_suffix("# buildkit")
            .unwrap_or(recorded)
            .trim_end();
        let line = match recorded.strip_prefix("/bin/sh -c #(nop)") {
            Some(rest) => rest.trim_start().to_owned(),
            None => as_run(recorded),
        };
        let line = match line.char_indices().nth(INSTRUCTION_CHARS_MAX) {
            Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
            None => line,
        };
        (!line.is_empty()).then_some(line)
    }
}

/// `/bin/sh -c x`, `RUN /bin/sh -c x` and `|1 ARG=v /bin/sh -c x` (with build arguments) are all `RUN x`.
fn as_run(recorded: &str) -> String {
    const SHELL: &str = "/bin/sh -c ";
    let body = recorded.strip_prefix("RUN ").unwrap_or(recorded);
    let command = match body.strip_prefix(SHELL) {
        Some(command) => Some(command),
        None if body.starts_with('|') => body.split_once(SHELL).map(|(_, command)| command),
        None => None,
    };
    command.map_or_else(
        || recorded.to_owned(),
        |command| format!("RUN {}", command.trim()),
    )
}

/// Why bytes are not an acceptable image configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Limit exceeded: more than 8 MiB.
    #[error("the image configuration has {bytes} bytes: the limit is {max}", max = CONFIG_BYTES_MAX)]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// Limit exceeded: too many layers or steps.
    #[error("the image configuration has {count} {what}: the limit is {max}", max = ENTRIES_MAX)]
    TooMany {
        /// Which parts.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// Not JSON, ambiguous JSON, or wrong types of values.
    #[error("the image configuration is {0}")]
    Document(#[from] DocumentError),
}

#[cfg(test)]
mod tests;
