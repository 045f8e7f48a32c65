//! Whether a file is signed as the role above it asks. Publishing and reading check with the same functions, so that
//! this server takes no file whose signatures a reader would refuse. Distinct keys count, not ids and not signatures: one key in two
//! certificates is one key.

use std::collections::{BTreeMap, BTreeSet};

use super::certificate;
use super::gun::Gun;
use super::key::{Key, KeyId};
use super::material::Material;
use super::metadata::{Content, RoleKeys, Root, Targets};
use super::problem::{CertificateFault, Problem};
use super::role::RoleName;
use super::signed::{Signature, Signed};

/// A file that is signed as the role above it asks. Its end is checked separately: what has ended may still say which keys followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted<T> {
    signed: Signed<T>,
    signers: Vec<Key>,
}

impl<T> Trusted<T> {
    /// What the file says.
    #[must_use]
    pub fn content(&self) -> &T {
        self.signed.content()
    }

    /// The file, byte for byte.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.signed.bytes()
    }

    /// The distinct keys whose signatures were verified, as the role above lists them.
    #[must_use]
    pub fn signers(&self) -> &[Key] {
        &self.signers
    }

    /// The bytes that were signed.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.signed.message()
    }

    pub(super) fn signed(&self) -> &Signed<T> {
        &self.signed
    }

    pub(super) fn into_parts(self) -> (Vec<u8>, T) {
        self.signed.into_parts()
    }
}

/// How a dialect checks one signature over a message.
pub(super) type Check = fn(&Material, &[u8], &Signature) -> bool;

/// Notary names the method beside each signature.
const NOTARY: Check = |material, message, signature| {
    material.has_signed(message, &signature.method, &signature.bytes)
};

/// A root by its own keys, and by those of the root that was believed before. Only keys with a certificate for the repository count.
/// `now` is left out for a root that was believed before: its certificates may have ended since.
pub(super) fn root(
    gun: &Gun,
    signed: Signed<Root>,
    previous: Option<&Root>,
    now: Option<i64>,
) -> Result<Trusted<Root>, Problem> {
    let own = signers(&signed, &root_keys(gun, signed.content(), now)?, NOTARY);
    if let Some(previous) = previous {
        let old = root_keys(gun, previous, None)?;
        is_rotated(signers(&signed, &old, NOTARY).len(), previous)?;
    }
    let threshold = signed.content().threshold();
    by_threshold(&RoleName::Root, signed, own, threshold)
}

/// A file of one of the other base roles.
pub(super) fn base<T: Content>(
    role: &RoleName,
    root: &Root,
    signed: Signed<T>,
) -> Result<Trusted<T>, Problem> {
    by_root(role, root, signed, NOTARY)
}

/// A delegation's file, by the role above.
pub(super) fn delegation(
    role: &RoleName,
    parent: &RoleName,
    delegating: &Targets,
    signed: Signed<Targets>,
) -> Result<Trusted<Targets>, Problem> {
    let delegated = delegating.delegations.role(role);
    let delegated = delegated.ok_or_else(|| Problem::NotDelegated {
        role: role.clone(),
        parent: parent.clone(),
    })?;
    let listed = &delegating.delegations.keys;
    by_keys(role, signed, &delegated.keys, listed, NOTARY)
}

/// TUF 5.3.4: a new root is signed by the threshold of the old one's keys too.
pub(super) fn is_rotated(valid: usize, previous: &Root) -> Result<(), Problem> {
    let threshold = previous.threshold();
    if !meets(valid, threshold) {
        return Err(Problem::NotRotated { valid, threshold });
    }
    Ok(())
}

/// TUF 5.3.5: a root's version is one higher than that of the root before it.
pub(super) fn follows(root: &Root, previous: &Root) -> Result<(), Problem> {
    let (version, current) = (root.version, previous.version);
    if Some(version) != current.checked_add(1) {
        return Err(Problem::RootVersion { version, current });
    }
    Ok(())
}

/// TUF 5.3.10 and its like: the end is later than now.
pub(super) fn not_expired(role: &RoleName, expires: i64, now: i64) -> Result<(), Problem> {
    if expires <= now {
        return Err(Problem::Expired {
            role: role.clone(),
            expires,
        });
    }
    Ok(())
}

/// The root keys that count, or what is wrong with the first of them.
fn root_keys<'a>(
    gun: &Gun,
    root: &'a Root,
    now: Option<i64>,
) -> Result<BTreeMap<&'a KeyId, &'a Key>, Problem> {
    let mut keys = BTreeMap::new();
    let mut first_fault = None;
    for key in root.keys_of(&RoleName::Root) {
        match certificate::check_root_key(key, gun, now) {
            Ok(()) => {
                keys.insert(key.id(), key);
            }
            Err(fault) => {
                first_fault.get_or_insert(fault);
            }
        }
    }
    if keys.is_empty() {
        return Err(Problem::RootKeys {
            gun: gun.clone(),
            fault: first_fault.unwrap_or(CertificateFault::NoCertificate),
        });
    }
    Ok(keys)
}

/// A file of a base role by the keys that a root gives it.
pub(super) fn by_root<T>(
    role: &RoleName,
    root: &Root,
    signed: Signed<T>,
    check: Check,
) -> Result<Trusted<T>, Problem> {
    let keys = root.role(role).ok_or_else(|| Problem::NotDelegated {
        role: role.clone(),
        parent: RoleName::Root,
    })?;
    by_keys(role, signed, keys, &root.keys, check)
}

/// A file by the keys of its role, out of those that the role above lists.
pub(super) fn by_keys<T>(
    role: &RoleName,
    signed: Signed<T>,
    keys: &RoleKeys,
    listed: &BTreeMap<KeyId, Key>,
    check: Check,
) -> Result<Trusted<T>, Problem> {
    let signers = signers(&signed, &allowed(keys, listed), check);
    by_threshold(role, signed, signers, keys.threshold)
}

/// How many distinct keys of a role signed a file.
pub(super) fn count<T>(
    signed: &Signed<T>,
    keys: &RoleKeys,
    listed: &BTreeMap<KeyId, Key>,
    check: Check,
) -> usize {
    signers(signed, &allowed(keys, listed), check).len()
}

fn allowed<'a>(keys: &RoleKeys, listed: &'a BTreeMap<KeyId, Key>) -> BTreeMap<&'a KeyId, &'a Key> {
    let ids = keys.keyids.iter();
    ids.filter_map(|id| listed.get_key_value(id)).collect()
}

fn by_threshold<T>(
    role: &RoleName,
    signed: Signed<T>,
    signers: Vec<Key>,
    threshold: u32,
) -> Result<Trusted<T>, Problem> {
    if !meets(signers.len(), threshold) {
        return Err(Problem::Threshold {
            role: role.clone(),
            valid: signers.len(),
            threshold,
        });
    }
    Ok(Trusted { signed, signers })
}

/// The distinct keys with a valid signature. Of several signatures under one id the first counts, so that none can be checked again and
/// again.
fn signers<T>(signed: &Signed<T>, allowed: &BTreeMap<&KeyId, &Key>, check: Check) -> Vec<Key> {
    let mut found = Vec::new();
    let (mut tried, mut counted) = (BTreeSet::new(), BTreeSet::new());
    for signature in signed.signatures() {
        let Some(key) = allowed.get(&signature.key) else {
            continue;
        };
        let valid = tried.insert(key.id())
            && Material::of(key)
                .is_some_and(|material| check(&material, signed.message(), signature));
        if valid && key.canonical_id().is_some_and(|id| counted.insert(id)) {
            found.push((*key).clone());
        }
    }
    found
}

fn meets(valid: usize, threshold: u32) -> bool {
    // A threshold of none was refused when the file was read.
    usize::try_from(threshold).is_ok_and(|threshold| valid >= threshold.max(1))
}
