//! Whose keys they are: what the server has registered, as far as the caller may see it.

use anyhow::Result;
use client::Client;
use client::api::keys::Key as Known;
use oci::RepositoryName;
use policy::Pattern;
use trust::PublicKey;
use trust::tuf::Key;

/// Roles that see every key.
const SEE_ALL: [&str; 2] = ["security", "auditor"];

/// Registered keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Registered {
    keys: Vec<Known>,
    sees_all: bool,
}

impl Registered {
    /// Asks the server. Who may not see keys sees none.
    pub(super) async fn at(client: &Client) -> Result<Self> {
        let keys = match client.keys().await {
            Ok(keys) => keys,
            Err(error) if error.refused().is_some() => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let me = client.whoami().await?;
        let sees_all = me
            .roles
            .iter()
            .any(|at| SEE_ALL.contains(&at.role.as_str()) && at.pattern == "**");
        Ok(Self { keys, sees_all })
    }

    /// What is known of a key that a delegation lists.
    pub(super) fn of(&self, key: &Key) -> Option<&Known> {
        self.of_public(&key.to_public_key().ok()?)
    }

    pub(super) fn of_public(&self, key: &PublicKey) -> Option<&Known> {
        let id = key.id().as_str();
        self.keys.iter().find(|known| known.id == id)
    }

    /// Whether a key that is not known here is not registered at all.
    pub(super) fn sees_all(&self) -> bool {
        self.sees_all
    }
}

/// Why a registered key's signatures count for nobody in a repository; nothing if they do.
pub(super) fn fault(known: &Known, repository: &RepositoryName) -> Option<String> {
    if known.revoked_at.is_some() {
        return Some(format!(
            "the key `{}` of {} is revoked",
            known.name, known.principal
        ));
    }
    let covers = |text: &String| Pattern::parse(text).is_ok_and(|scope| scope.matches(repository));
    if known.scope.iter().any(covers) {
        return None;
    }
    Some(format!(
        "the key `{}` of {} is registered for {} only",
        known.name,
        known.principal,
        known.scope.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_within_its_scope_until_it_is_revoked() {
        let mut known = Known {
            id: String::new(),
            name: "laptop".to_owned(),
            principal: "maria".to_owned(),
            public_key_pem: String::new(),
            scope: vec!["base/*".to_owned(), "shop/**".to_owned()],
            registered_at: 0,
            revoked_at: None,
            revoked_from: None,
            held_for: None,
            ends_at: None,
            succeeds: None,
        };
        let fault = |known: &Known, name: &str| fault(known, &name.parse().unwrap());
        assert_eq!(fault(&known, "shop/web"), None);
        assert!(fault(&known, "other").unwrap().contains("base/*, shop/**"));
        known.revoked_at = Some(1);
        assert!(fault(&known, "shop/web").unwrap().ends_with("revoked"));
    }
}
