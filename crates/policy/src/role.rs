//! Roles, the grants that give them, and the matrix of what each role allows.
//!
//! It does not look anything up in a directory: `access.rs` does. DESIGN §6, last paragraph.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::principal::PrincipalId;
use crate::verb::VerbKind;

/// What a grant makes of someone, within its pattern of repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May pull and inspect.
    Reader,
    /// May also push and attach evidence.
    Writer,
    /// May pull, inspect and attach evidence.
    Signer,
    /// A writer who may also delete, evidence too.
    Maintainer,
    /// Writes policies and exceptions, registers keys, imports advisories, breaks the glass with another; may pull and inspect.
    Security,
    /// Runs accounts and the server; sees no images.
    Admin,
    /// Reads what was decided and done; changes nothing.
    Auditor,
}

impl Role {
    /// All roles, in the order in which the matrix is printed.
    pub const ALL: &'static [Role] = &[
        Role::Reader,
        Role::Writer,
        Role::Signer,
        Role::Maintainer,
        Role::Security,
        Role::Admin,
        Role::Auditor,
    ];

    /// The name in kebab case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Writer => "writer",
            Role::Signer => "signer",
            Role::Maintainer => "maintainer",
            Role::Security => "security",
            Role::Admin => "admin",
            Role::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Role::ALL
            .iter()
            .copied()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| RoleError::Unknown(text.chars().take(64).collect()))
    }
}

/// Why a text is not a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// There is no role of this name.
    #[error(
        "`{0}` is not a role; use reader, writer, signer, maintainer, security, admin or auditor"
    )]
    Unknown(String),
}

/// Who receives a grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grantee {
    /// One person or robot.
    Principal(PrincipalId),
    /// Every member of a team.
    Team(String),
    /// Everybody who is not logged in; whatever the role, it gives `pull` only.
    Anonymous,
}

/// A role for someone on the repositories of a pattern. Only `**` reaches the server as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Who receives it.
    pub to: Grantee,
    /// The role.
    pub role: Role,
    /// On which repositories.
    pub pattern: Pattern,
}

/// The matrix: whether a role allows a verb.
#[must_use]
pub fn allows(role: Role, verb: VerbKind) -> bool {
    use Role::{Admin, Auditor, Maintainer, Reader, Security, Signer, Writer};
    match verb {
        VerbKind::Pull => matches!(role, Reader | Writer | Signer | Maintainer | Security),
        VerbKind::Inspect => {
            matches!(
                role,
                Reader | Writer | Signer | Maintainer | Security | Auditor
            )
        }
        VerbKind::Push => matches!(role, Writer | Maintainer),
        VerbKind::Attach => matches!(role, Writer | Signer | Maintainer),
        VerbKind::Delete | VerbKind::DeleteEvidence => matches!(role, Maintainer),
        VerbKind::ListCatalog => matches!(role, Admin | Auditor),
        VerbKind::BreakGlass
        | VerbKind::ManagePolicy
        | VerbKind::ManageKeys
        | VerbKind::ManageTeams
        | VerbKind::ManageAdvisories => matches!(role, Security),
        VerbKind::ManageAccounts | VerbKind::ManageWebhooks | VerbKind::Operate => {
            matches!(role, Admin)
        }
        VerbKind::ReadEvents => matches!(role, Security | Auditor),
        VerbKind::ReadAudit => matches!(role, Auditor),
    }
}

#[cfg(test)]
mod tests;
