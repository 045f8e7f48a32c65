//! On whose behalf content is written to a repository: someone who may push, someone who may only attach evidence, or the
//! server itself. Content of one repository is written through one of these, and nothing else.

use oci::{RepositoryName, Shape, Tag};
use policy::verb::{Attach, Push};
use policy::{Actor, Permit, PrincipalId};

use crate::error::{Error, Result};
use crate::permit::{self, System};

/// Who writes, and where.
#[derive(Debug, Clone, Copy)]
pub enum Writer<'a> {
    /// Someone who may push anything.
    Push(&'a Permit<Push>),
    /// Someone who may attach evidence and nothing else.
    Attach(&'a Permit<Attach>),
    /// The server, in one of its jobs.
    System(System, &'a RepositoryName),
}

impl<'a> Writer<'a> {
    /// Who acts, as long as the permit is valid at `now`.
    pub(crate) fn actor(&self, now: i64) -> Result<Actor> {
        match self {
            Writer::Push(permit) => permit::actor(permit, now),
            Writer::Attach(permit) => permit::actor(permit, now),
            Writer::System(system, _) => Ok(system.actor()),
        }
    }

    /// The repository that the permit is for.
    ///
    /// # Errors
    /// `Refused` where it is for none.
    pub fn repository(&self) -> Result<&'a RepositoryName> {
        let repository = match self {
            Writer::Push(permit) => permit.repository(),
            Writer::Attach(permit) => permit.repository(),
            Writer::System(_, repository) => Some(*repository),
        };
        repository.ok_or_else(|| Error::Refused {
            what: "push",
            why: "the permit names no repository".to_owned(),
        })
    }

    /// The principal, if it is one.
    #[must_use]
    pub fn principal(&self) -> Option<PrincipalId> {
        match self {
            Writer::Push(permit) => permit.who().principal(),
            Writer::Attach(permit) => permit.who().principal(),
            Writer::System(..) => None,
        }
    }

    /// Whether this writer may store a manifest of this shape under these tags. Whoever may only attach must not be able to
    /// put evidence where an image is expected. What an index lists is for [`Writer::attaches_list`] to ask about.
    pub(crate) fn check_manifest(&self, shape: Shape, tags: &[Tag]) -> Result<()> {
        let Writer::Attach(_) = self else {
            return Ok(());
        };
        if self.attaches_list(shape, tags) {
            return Ok(());
        }
        if shape != Shape::Evidence {
            let why = "only evidence may be attached: pushing an image needs the role `writer`"
                .to_owned();
            return Err(Error::Refused {
                what: "attach",
                why,
            });
        }
        let Some(tag) = tags
            .iter()
            .find(|tag| !is_evidence_tag(tag) || is_list_tag(tag))
        else {
            return Ok(());
        };
        let why = match is_list_tag(tag) {
            // Clients stop at what is no index there, and nobody could add to the list any more.
            true => format!(
                "tag `{tag}` stands in for the list of an image's referrers: only an index goes there"
            ),
            false => format!(
                "tag `{tag}` is not one for evidence, such as `sha256-….sig`: moving it needs the role `writer`"
            ),
        };
        Err(Error::Refused {
            what: "attach",
            why,
        })
    }

    /// Whether whoever may only attach brings the list of a digest's referrers, as tools do for registries that keep none themselves: an
    /// index under the tag `sha256-…` and no other. It may list nothing but evidence.
    pub(crate) fn attaches_list(&self, shape: Shape, tags: &[Tag]) -> bool {
        matches!(self, Writer::Attach(_))
            && shape == Shape::Index
            && !tags.is_empty()
            && tags.iter().all(is_list_tag)
    }
}

/// The tag that stands in for the list of referrers, which is an index and nothing else (distribution-spec, "Referrers Tag Schema").
fn is_list_tag(tag: &Tag) -> bool {
    is_evidence_tag(tag) && !tag.as_str().contains('.')
}

/// The tags that tools attach evidence by: `sha256-` and 64 digits, alone or with `.sig`, `.att` or `.sbom`.
fn is_evidence_tag(tag: &Tag) -> bool {
    let name = tag.as_str();
    let name = [".sig", ".att", ".sbom"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    name.strip_prefix("sha256-").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_tags_are_those_that_name_a_digest() {
        let hex = "a".repeat(64);
        for (name, expect) in [
            (format!("sha256-{hex}"), true),
            (format!("sha256-{hex}.sig"), true),
            (format!("sha256-{hex}.att"), true),
            (format!("sha256-{hex}.sbom"), true),
            (format!("sha256-{hex}.sig.sig"), false),
            (format!("sha256-{}", &hex[1..]), false),
            (format!("sha512-{hex}.sig"), false),
            ("latest".to_owned(), false),
            ("latest.sig".to_owned(), false),
        ] {
            assert_eq!(is_evidence_tag(&name.parse().unwrap()), expect, "{name}");
        }
    }
}
