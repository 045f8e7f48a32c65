//! The closed set of things that can be done, as values ([`VerbKind`]) and as types that mark a
//! [`Permit`](crate::Permit) ([`Verb`]).
//!
//! It does not say who may do what: that is the matrix in `role.rs`. DESIGN §4, "Types that carry the promises".

use serde::{Deserialize, Serialize};

/// A verb as a type, so that a permit for one act cannot be used for another.
pub trait Verb: sealed::Sealed + 'static {
    /// The name in messages and audit rows, in kebab case.
    const NAME: &'static str;
    /// The same verb as a value.
    const KIND: VerbKind;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! verbs {
    ($($(#[doc = $doc:literal])+ $verb:ident = $name:literal,)+) => {
        /// Every verb there is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum VerbKind {
            $($(#[doc = $doc])+ $verb,)+
        }

        impl VerbKind {
            /// All verbs, in the order in which the matrix is printed.
            pub const ALL: &'static [VerbKind] = &[$(VerbKind::$verb,)+];

            /// The name in kebab case, as in messages, tokens and audit rows.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(VerbKind::$verb => $name,)+
                }
            }
        }

        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug)]
            pub struct $verb;

            impl sealed::Sealed for $verb {}

            impl Verb for $verb {
                const NAME: &'static str = $name;
                const KIND: VerbKind = VerbKind::$verb;
            }
        )+
    };
}

verbs! {
    /// Read manifests, tags, referrers and blobs of a repository.
    Pull = "pull",
    /// Write manifests, tags and blobs to a repository.
    Push = "push",
    /// Attach evidence (a signature, an attestation) to what a repository holds.
    Attach = "attach",
    /// Delete tags and images.
    Delete = "delete",
    /// Delete evidence.
    DeleteEvidence = "delete-evidence",
    /// Read inventories, findings, evidence and decisions.
    Inspect = "inspect",
    /// Ask for a break-glass, confirm one, end one.
    BreakGlass = "break-glass",
    /// List the names of repositories.
    ListCatalog = "list-catalog",
    /// Apply policies, with their exceptions.
    ManagePolicy = "manage-policy",
    /// Register and revoke signing keys.
    ManageKeys = "manage-keys",
    /// Change the members of a team that a policy names.
    ManageTeams = "manage-teams",
    /// Import and update advisories.
    ManageAdvisories = "manage-advisories",
    /// Create and change people, robots, other teams, tokens and grants.
    ManageAccounts = "manage-accounts",
    /// Create and change webhooks.
    ManageWebhooks = "manage-webhooks",
    /// Read events.
    ReadEvents = "read-events",
    /// Read the audit log and its proofs.
    ReadAudit = "read-audit",
    /// Run the server: storage, garbage collection, jobs.
    Operate = "operate",
}

impl VerbKind {
    /// Whether the verb acts on what one repository holds, rather than on the server.
    #[must_use]
    pub fn is_for_repository(self) -> bool {
        match self {
            VerbKind::Pull
            | VerbKind::Push
            | VerbKind::Attach
            | VerbKind::Delete
            | VerbKind::DeleteEvidence
            | VerbKind::Inspect
            | VerbKind::BreakGlass => true,
            VerbKind::ListCatalog
            | VerbKind::ManagePolicy
            | VerbKind::ManageKeys
            | VerbKind::ManageTeams
            | VerbKind::ManageAdvisories
            | VerbKind::ManageAccounts
            | VerbKind::ManageWebhooks
            | VerbKind::ReadEvents
            | VerbKind::ReadAudit
            | VerbKind::Operate => false,
        }
    }

    /// The verb with this kebab-case name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<VerbKind> {
        VerbKind::ALL
            .iter()
            .copied()
            .find(|verb| verb.as_str() == name)
    }
}

impl std::fmt::Display for VerbKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for verb in VerbKind::ALL {
            assert_eq!(VerbKind::from_name(verb.as_str()), Some(*verb));
            assert_eq!(
                serde_json::to_value(verb).expect("a verb is JSON"),
                serde_json::Value::from(verb.as_str())
            );
        }
        assert_eq!(VerbKind::from_name("everything"), None);
    }
}
