//! How much one trust repository may hold. Each update is small, and many of them are not: a snapshot that a publisher brings is compared
//! with every current file, the server's own lists every role, and root and snapshot are read whenever something is asked.

use trust::tuf::RoleName;
use trust::tuf::publish::Accepted;

use super::State;

/// Bytes of all files of publishers that readers are given.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of a root, and of a snapshot.
const BASE_BYTES_MAX: usize = 1024 * 1024;
/// Roles that ever had a file: what is listed no more keeps its versions.
const ROLES_MAX: usize = 1_000;

impl State {
    /// Why the repository cannot hold what an update brings, if it cannot. One that makes nothing larger always has room.
    pub(super) fn exceeded_by(&self, accepted: &Accepted) -> Option<String> {
        let uploaded = accepted.uploaded();
        let is_base = |role: &RoleName| matches!(role, RoleName::Root | RoleName::Snapshot);
        let large = uploaded
            .iter()
            .find(|one| is_base(&one.file.role) && one.file.bytes.len() > BASE_BYTES_MAX);
        if let Some(large) = large {
            return Some(format!(
                "limit exceeded: {} has at most {BASE_BYTES_MAX} bytes",
                large.file.role
            ));
        }
        let new = uploaded
            .iter()
            .filter(|one| !self.roles.contains(&one.file.role))
            .count();
        if new > 0 && self.roles.len().saturating_add(new) > ROLES_MAX {
            return Some(format!(
                "limit exceeded: a trust repository has at most {ROLES_MAX} roles, with those that are listed no more"
            ));
        }
        let before: u64 = self.listed.values().sum();
        let brought = uploaded
            .iter()
            .map(|one| u64::try_from(one.file.bytes.len()).unwrap_or(u64::MAX));
        let replaced = uploaded
            .iter()
            .filter_map(|one| self.listed.get(&one.file.role));
        let after = before
            .saturating_add(brought.sum())
            .saturating_sub(replaced.sum());
        (after > before.max(BYTES_MAX)).then(|| {
            format!(
                "limit exceeded: the current files of a trust repository have at most {BYTES_MAX} bytes together"
            )
        })
    }
}
