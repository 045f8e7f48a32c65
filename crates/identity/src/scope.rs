//! The scopes of docker's token protocol: `repository:shop/web:pull,push`. Read leniently, as the protocol wants it: what
//! is not known is left out, and missing rights show where the token is used.
//! distribution "Token Scope Documentation".

use std::collections::BTreeSet;

use oci::RepositoryName;
use policy::VerbKind;

/// The most scopes that are read of one request.
pub const SCOPES_MAX: usize = 100;

/// The scope of listing the names of repositories.
pub(crate) const CATALOG: &str = "registry:catalog:*";

/// What a client wants to do with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Something with a repository.
    Repository {
        /// Its name, without host.
        name: RepositoryName,
        /// What.
        actions: BTreeSet<Action>,
    },
    /// List the names of repositories.
    Catalog,
}

/// The actions of docker's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Read.
    Pull,
    /// Write; evidence too, because a signature is pushed as anything else is.
    Push,
    /// Delete.
    Delete,
}

impl Action {
    const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// The verbs that the action may turn out to be.
    #[must_use]
    pub fn verbs(self) -> &'static [VerbKind] {
        match self {
            Self::Pull => &[VerbKind::Pull],
            Self::Push => &[VerbKind::Push, VerbKind::Attach],
            Self::Delete => &[VerbKind::Delete, VerbKind::DeleteEvidence],
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

impl Scope {
    /// Reads one scope; nothing when it is about something that is not here, such as `repository(plugin)`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A name may hold a host with a port, so the type ends at the first colon and the actions begin at the last.
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        match kind {
            "repository" => {
                let actions: BTreeSet<Action> = actions.split(',').flat_map(actions_of).collect();
                Some(Self::Repository {
                    name: repository(name)?,
                    actions,
                })
            }
            "registry" if name == "catalog" && actions == "*" => Some(Self::Catalog),
            _ => None,
        }
    }

    /// Reads a list with spaces between, as one parameter may hold it.
    #[must_use]
    pub fn parse_list(text: &str) -> Vec<Self> {
        text.split_ascii_whitespace()
            .take(SCOPES_MAX)
            .filter_map(Self::parse)
            .collect()
    }
}

/// The scope that a session covers, as the protocol writes it: an action stands for any of its verbs.
pub(crate) fn granted(name: &RepositoryName, verbs: &BTreeSet<VerbKind>) -> String {
    let covered = |action: &Action| action.verbs().iter().any(|verb| verbs.contains(verb));
    let actions: Vec<&str> = Action::ALL
        .into_iter()
        .filter(covered)
        .map(Action::as_str)
        .collect();
    format!("repository:{name}:{}", actions.join(","))
}

fn actions_of(text: &str) -> Vec<Action> {
    if text == "*" {
        return Action::ALL.to_vec();
    }
    Action::ALL
        .into_iter()
        .filter(|action| action.as_str() == text)
        .collect()
}

/// The repository of a name, which some clients write with the registry's host before it. Without a port such a host may as well be
/// a part of the repository's name, and stays, in the letters that names have.
fn repository(name: &str) -> Option<RepositoryName> {
    if let Ok(name) = name.parse() {
        return Some(name);
    }
    let (host, rest) = name.split_once('/')?;
    if host.contains(':') {
        return rest.parse().ok();
    }
    let name = format!("{}/{rest}", host.to_ascii_lowercase());
    host.contains('.').then(|| name.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<(&str, &[Action])>) {
        let expected = expected.map(|(name, actions)| Scope::Repository {
            name: name.parse().unwrap(),
            actions: actions.iter().copied().collect(),
        });
        assert_eq!(Scope::parse(text), expected, "{text}");
    }

    #[test]
    fn scopes_of_clients() {
        use Action::{Delete, Pull, Push};
        check("repository:shop/web:pull", Some(("shop/web", &[Pull])));
        check(
            "repository:shop/web:pull,push",
            Some(("shop/web", &[Pull, Push])),
        );
        check(
            "repository:shop/web:push,pull,push",
            Some(("shop/web", &[Pull, Push])),
        );
        check(
            "repository:shop/web:*",
            Some(("shop/web", &[Pull, Push, Delete])),
        );
        check(
            "repository:shop/web:delete,sign",
            Some(("shop/web", &[Delete])),
        );
        check("repository:shop/web:", Some(("shop/web", &[])));
        check(
            "repository:127.0.0.1:5000/shop/web:pull",
            Some(("shop/web", &[Pull])),
        );
        check(
            "repository:registry.example:443/web:pull,push",
            Some(("web", &[Pull, Push])),
        );
        check(
            "repository:registry.example/web:pull",
            Some(("registry.example/web", &[Pull])),
        );
        // A host is one in whatever letters.
        check(
            "repository:Registry.EXAMPLE/web:pull",
            Some(("registry.example/web", &[Pull])),
        );
        assert_eq!(Scope::parse("registry:catalog:*"), Some(Scope::Catalog));
    }

    #[test]
    fn what_is_granted_is_written_as_it_was_asked() {
        let name = "shop/web".parse().unwrap();
        for (verbs, expected) in [
            (
                &[VerbKind::Pull, VerbKind::Push, VerbKind::Attach][..],
                "pull,push",
            ),
            (&[VerbKind::Attach], "push"),
            (&[VerbKind::Pull, VerbKind::Delete], "pull,delete"),
        ] {
            let text = granted(&name, &verbs.iter().copied().collect());
            assert_eq!(text, format!("repository:shop/web:{expected}"));
            assert!(Scope::parse(&text).is_some());
        }
    }

    #[test]
    fn what_is_not_here_is_left_out() {
        for text in [
            "",
            "repository",
            "repository:shop/web",
            "repository(plugin):shop/web:pull",
            "repository:Shop/Web:pull",
            "repository:../etc:pull",
            "repository:Registry.example/Web:pull",
            "repository:Shop/web:pull",
            "repository:a:b:c:pull",
            "registry:catalog:pull",
            "registry:other:*",
            "token:shop/web:pull",
        ] {
            check(text, None);
        }
        let list = "  repository:a:pull repository(plugin):b:pull\trepository:c:push ";
        assert_eq!(Scope::parse_list(list).len(), 2);
        let many = "repository:a:pull ".repeat(1_000);
        assert_eq!(Scope::parse_list(&many).len(), SCOPES_MAX);
    }

    proptest! {
        #[test]
        fn anything_is_read_without_failing(text in "\\PC{0,200}") {
            let _ = Scope::parse_list(&text);
        }
    }
}
