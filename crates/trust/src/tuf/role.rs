//! The names of roles: the four that a root names, and delegations below `targets`. Deliberately no wildcards: `targets/*`
//! exists only on a publisher's own disk.

use std::fmt;
use std::str::FromStr;

use crate::excerpt::excerpt;

/// The longest name of a role, in bytes.
pub const ROLE_BYTES_MAX: usize = 255;

/// A role of a trust repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoleName {
    /// Names the keys of the four base roles.
    Root,
    /// Lists tags, and delegates to others.
    Targets,
    /// Lists the files of all roles but the timestamp.
    Snapshot,
    /// Names the snapshot; the only file that is always asked for.
    Timestamp,
    /// Lists tags on behalf of `targets` or of another delegation.
    Delegation(Delegation),
}

impl RoleName {
    /// Reads a name: `root`, `targets`, `snapshot`, `timestamp`, or `targets/…` in lower-case letters, digits, `-` and
    /// `_`, without empty parts.
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        match text {
            "root" => Ok(Self::Root),
            "targets" => Ok(Self::Targets),
            "snapshot" => Ok(Self::Snapshot),
            "timestamp" => Ok(Self::Timestamp),
            _ => Delegation::parse(text).map(Self::Delegation),
        }
    }

    /// [`RELEASES`], whose tags docker pulls.
    #[must_use]
    pub fn releases() -> Self {
        Self::Delegation(Delegation(RELEASES.into()))
    }

    /// True for [`RELEASES`].
    #[must_use]
    pub fn is_releases(&self) -> bool {
        self.as_str() == RELEASES
    }

    /// A delegation of any name, as TUF 1.0 allows them: never one of the four base roles, without control characters, 1 to 255 bytes.
    /// It is for showing and comparing; whoever makes a path of it has to quote it.
    pub(super) fn delegated(text: &str) -> Result<Self, RoleError> {
        if text.len() > ROLE_BYTES_MAX {
            return Err(RoleError::TooLong { bytes: text.len() });
        }
        let base = matches!(text, "root" | "targets" | "snapshot" | "timestamp");
        if base || text.is_empty() || text.chars().any(char::is_control) {
            return Err(RoleError::Form(excerpt(text)));
        }
        Ok(Self::Delegation(Delegation(text.into())))
    }

    /// The name as it stands in metadata and in paths, with all its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
            Self::Delegation(delegation) => delegation.as_str(),
        }
    }

    /// The role that delegates to this one; none for base roles.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let Self::Delegation(Delegation(name)) = self else {
            return None;
        };
        match name.rsplit_once('/') {
            Some((TARGETS, _)) | None => Some(Self::Targets),
            Some((parent, _)) => Some(Self::Delegation(Delegation(parent.into()))),
        }
    }

    /// How many delegations lie between `targets` and this role: 0 for base roles, 1 for `targets/alice`.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Self::Delegation(Delegation(name)) => name.matches('/').count(),
            _ => 0,
        }
    }

    /// True for `targets` and everything below it.
    #[must_use]
    pub fn lists_targets(&self) -> bool {
        matches!(self, Self::Targets | Self::Delegation(_))
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RoleName {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::parse(text)
    }
}

/// The name of a delegation, with `targets/` before it in the Notary dialect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Delegation(Box<str>);

impl Delegation {
    fn parse(text: &str) -> Result<Self, RoleError> {
        if text.len() > ROLE_BYTES_MAX {
            return Err(RoleError::TooLong { bytes: text.len() });
        }
        let mut parts = text.split('/');
        let below_targets = parts.next() == Some(TARGETS) && text.len() > TARGETS.len();
        if below_targets && parts.all(is_part) {
            Ok(Self(text.into()))
        } else {
            Err(RoleError::Form(excerpt(text)))
        }
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part: `alice` of `targets/alice`.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

fn is_part(part: &str) -> bool {
    let known = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !part.is_empty() && part.bytes().all(known)
}

/// Why a text is not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Longer than [`ROLE_BYTES_MAX`].
    #[error("limit exceeded: the name of a role has {bytes} bytes, at most {max} are read", max = ROLE_BYTES_MAX)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// No base role, and no delegation below `targets`.
    #[error(
        "`{0}` is not a role: use `root`, `targets`, `snapshot`, `timestamp`, or `targets/name` in lower-case letters, \
         digits, `-` and `_`"
    )]
    Form(String),
}

const TARGETS: &str = "targets";
/// The delegation whose tags docker pulls.
pub const RELEASES: &str = "targets/releases";

#[cfg(test)]
mod tests {
    use super::*;

    fn role(text: &str) -> RoleName {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "root",
            "targets",
            "snapshot",
            "timestamp",
            "targets/a",
            "targets/ci/build-1_x",
            "targets/targets",
        ] {
            assert_eq!(role(text).as_str(), text);
        }
        assert_eq!(role("targets"), RoleName::Targets);
        assert_eq!(role(RELEASES), RoleName::releases());
        assert!(RoleName::releases().is_releases());
        assert!(!role("targets/releases/x").is_releases());
    }

    #[test]
    fn refuses_what_is_no_role() {
        for text in [
            "",
            "mirror",
            "Root",
            "targets/",
            "targets//a",
            "targets/a/",
            "/targets/a",
            "targets/A",
            "targets/a b",
            "targets/..",
            "targets/a.b",
            "targets/*",
            "targetsx/a",
            "root/a",
            "targets/é",
        ] {
            assert!(
                matches!(RoleName::parse(text), Err(RoleError::Form(_))),
                "{text}"
            );
        }
        let longest = format!("targets/{}", "a".repeat(ROLE_BYTES_MAX - 8));
        assert!(RoleName::parse(&longest).is_ok());
        assert_eq!(
            RoleName::parse(&format!("{longest}a")),
            Err(RoleError::TooLong { bytes: 256 })
        );
    }

    #[test]
    fn knows_who_delegates() {
        assert_eq!(role("targets/a/b").parent(), Some(role("targets/a")));
        assert_eq!(role("targets/a").parent(), Some(RoleName::Targets));
        assert_eq!(RoleName::Targets.parent(), None);
        assert_eq!(RoleName::Root.parent(), None);
        assert_eq!(role("targets/a/b").depth(), 2);
        assert_eq!(role("targets/a").depth(), 1);
        assert_eq!(RoleName::Targets.depth(), 0);
    }
}
