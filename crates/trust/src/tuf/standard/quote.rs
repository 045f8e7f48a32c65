//! Where the file of a role lies: its name quoted, so that a role called `../root` is a file of this repository and no other.

use super::metadata::Listed;
use crate::tuf::client::Fetch;
use crate::tuf::metadata::Root;
use crate::tuf::role::RoleName;
use crate::tuf::signed::METADATA_BYTES_MAX;

/// TUF 5.5.1, 5.6.1: with consistent snapshots the version stands before the name.
pub(super) fn fetch(root: &Root, role: &RoleName, listed: &Listed) -> Fetch {
    let name = quote(role.as_str());
    let path = if root.consistent_snapshot {
        format!("{}.{name}.json", listed.version)
    } else {
        format!("{name}.json")
    };
    let most = u64::try_from(METADATA_BYTES_MAX).unwrap_or(u64::MAX);
    Fetch {
        path,
        role: role.clone(),
        bytes_max: listed.length.map_or(most, |length| length.min(most)),
    }
}

/// RFC 3986 2.3: what is not unreserved stands as `%` and two digits.
fn quote(name: &str) -> String {
    let mut quoted = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_leaves_the_folder() {
        assert_eq!(quote("role-1_a.b~"), "role-1_a.b~");
        assert_eq!(quote("../a"), "..%2Fa");
        assert_eq!(quote("a?b#c%d\\e"), "a%3Fb%23c%25d%5Ce");
        assert_eq!(quote("ö 🍺"), "%C3%B6%20%F0%9F%8D%BA");
    }

    #[test]
    fn a_length_beyond_every_limit_is_not_fetched() {
        let root = Root::new(0);
        let listed = |length| Listed {
            version: 7,
            length,
            hashes: None,
        };
        let fetched = |length| fetch(&root, &RoleName::Targets, &listed(length));
        assert_eq!(fetched(Some(10)).bytes_max, 10);
        assert_eq!(fetched(Some(u64::MAX)).bytes_max, 8 * 1024 * 1024);
        assert_eq!(fetched(None).bytes_max, 8 * 1024 * 1024);
        assert_eq!(fetched(None).path, "targets.json");
        let mut root = root;
        root.consistent_snapshot = true;
        let fetched = fetch(&root, &RoleName::Targets, &listed(None));
        assert_eq!(fetched.path, "7.targets.json");
    }
}
