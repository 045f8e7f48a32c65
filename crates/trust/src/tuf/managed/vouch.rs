//! What an update vouches for: each new entry of a signer's file, once for each key that signed the file. Also how a stored file is read
//! again for one of them. Deliberately no judgement of what such a signature counts for.

use super::entries::Entries;
use super::fault::Fault;
use super::form::{After, Rules, bare};
use crate::key::{KeyId, PublicKey};
use crate::tuf::key::Key;
use crate::tuf::material::Material;
use crate::tuf::metadata::Targets;
use crate::tuf::publish::{Accepted, Current, Refusal, Uploaded, stored};
use crate::tuf::role::RoleName;
use crate::tuf::signed::Signed;

/// What evidence of this format is called.
pub const FORMAT: &str = "notary";
/// The most entries that one update vouches for at once: docker brings one.
pub const VOUCHES_MAX: usize = 1_000;
/// The most that it says of them, with all keys of each signer: each is a row that is written while others wait.
const SAID_MAX: usize = 4 * VOUCHES_MAX;

/// One key's word for one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouch {
    /// The delegation whose file lists it.
    pub role: RoleName,
    /// The tag under which it is listed.
    pub tag: String,
    /// The SHA-256 of the image's manifest or index.
    pub sha256: [u8; 32],
    /// The registered key that signed the file.
    pub key: KeyId,
}

impl Vouch {
    /// The stage that the delegation names.
    #[must_use]
    pub fn stage(&self) -> Option<&str> {
        stage_of(&self.role)
    }
}

/// The stage that a delegation names: `ci` for `targets/ci/alice`, none for `targets/alice`.
#[must_use]
pub fn stage_of(role: &RoleName) -> Option<&str> {
    let mut parts = role.as_str().split('/').skip(1);
    let (first, second) = (parts.next()?, parts.next());
    second.map(|_| first)
}

/// What the files of an update vouch for, against the versions before them.
pub(super) fn vouches(
    accepted: &Accepted,
    after: &After,
    current: &Current,
    rules: &Rules<'_>,
    refused: &dyn Fn(Fault) -> Refusal,
) -> Result<Vec<Vouch>, Refusal> {
    let mut vouches = Vec::new();
    let mut count = 0_usize;
    let delegated = after.delegated();
    for uploaded in accepted.uploaded() {
        let role = &uploaded.file.role;
        if !matches!(role, RoleName::Delegation(_)) {
            continue;
        }
        let before: Option<Targets> = stored(role, current)?;
        let entries = Entries::between(before.as_ref(), uploaded.targets.as_ref());
        let keys = registered(uploaded, rules);
        count = count.saturating_add(entries.vouched().count());
        if count > VOUCHES_MAX || count.saturating_mul(keys.len()) > SAID_MAX {
            return Err(refused(Fault::TooMany {
                role: role.clone(),
                entries: count,
            }));
        }
        let may_list = |tag: &str| delegated.get(role).is_some_and(|it| it.may_list(tag));
        // The form gives every signer every tag. Should it ever give less, what is beyond that is nobody's word.
        for (tag, file) in entries.vouched().filter(|(tag, _)| may_list(tag)) {
            // Docker finds images by this hash and no other.
            let Some(sha256) = file.hashes.sha256 else {
                continue;
            };
            vouches.extend(keys.iter().map(|key| Vouch {
                role: role.clone(),
                tag: tag.to_owned(),
                sha256,
                key: key.clone(),
            }));
        }
    }
    Ok(vouches)
}

fn registered(uploaded: &Uploaded, rules: &Rules<'_>) -> Vec<KeyId> {
    let keys = uploaded.signers.iter().filter_map(bare);
    keys.filter(|key| (rules.owner)(key).is_some()).collect()
}

/// A stored file of a delegation, for whoever reads kept evidence again: one file may stand behind a thousand pieces, so that it is
/// parsed once, and its signature by the key that was asked for last is checked once.
#[derive(Debug)]
pub struct StoredFile {
    signed: Signed<Targets>,
    by: Option<(KeyId, bool)>,
}

impl StoredFile {
    /// None where the bytes are not such a file of this role.
    #[must_use]
    pub fn parse(role: &RoleName, bytes: Vec<u8>) -> Option<Self> {
        let signed = Signed::parse(role, bytes).ok()?;
        Some(Self { signed, by: None })
    }

    /// The SHA-256 that the file lists under a tag.
    #[must_use]
    pub fn listed(&self, tag: &str) -> Option<[u8; 32]> {
        self.signed.content().targets.get(tag)?.hashes.sha256
    }

    /// When it ends, in milliseconds since 1970.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.signed.content().expires
    }

    /// Whether this key signed it.
    pub fn is_by(&mut self, key: &PublicKey) -> bool {
        match &self.by {
            Some((asked, is_by)) if asked == key.id() => *is_by,
            _ => {
                let is_by = is_by(&self.signed, key);
                self.by = Some((key.id().clone(), is_by));
                is_by
            }
        }
    }
}

fn is_by(signed: &Signed<Targets>, key: &PublicKey) -> bool {
    let Some(material) = Material::of(&Key::from(key)) else {
        return false;
    };
    let mut signatures = signed.signatures().iter();
    signatures
        .any(|signature| material.has_signed(signed.message(), &signature.method, &signature.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_named_between_targets_and_the_signer() {
        for (role, stage) in [
            ("targets", None),
            ("root", None),
            ("targets/alice", None),
            ("targets/ci/alice", Some("ci")),
            ("targets/ci/a/b", Some("ci")),
        ] {
            assert_eq!(stage_of(&role.parse().unwrap()), stage, "{role}");
        }
    }
}
