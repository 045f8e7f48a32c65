//! The paths below `_trust`: `/v2/<name>/_trust/tuf/<file>`, where a name holds slashes and a host with its port, and a role slashes
//! too. A repository's name has no part that begins with `_`, so nothing else can look like these.

use crate::query;
use registry::KeyRole;
use trust::tuf::{Gun, GunError, RELEASES, RoleName};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustTarget {
    /// One trust repository, or all of them, or a text that names none.
    pub(crate) name: Result<Option<Gun>, GunError>,
    pub(crate) resource: Resource,
}

/// What of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `tuf/`: all files, for an update or a deletion.
    All,
    /// `tuf/<role>.json`, `tuf/<version>.<role>.json`, `tuf/<role>.<hash>.json`
    File(RoleName, Which),
    /// `tuf/<role>.key`, for the roles that the server may sign for.
    Key(KeyRole),
    /// `changefeed`
    Changes,
    /// Anything else.
    Nothing,
}

/// Which file of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one that is current.
    Current,
    Version(i64),
    Sha256(String),
    /// By a hash that files are not kept by.
    OtherHash,
}

/// Takes what follows `/v2/` apart; `None` if it is not about trust.
pub(crate) fn parse(rest: &str) -> Option<TrustTarget> {
    let (name, tail) = match rest.strip_prefix("_trust/") {
        Some(tail) => (Ok(None), tail),
        None => {
            let (name, tail) = rest.rsplit_once("/_trust/")?;
            (gun(name).map(Some), tail)
        }
    };
    Some(TrustTarget {
        name,
        resource: resource(tail).unwrap_or(Resource::Nothing),
    })
}

/// Clients escape the brackets of an address.
fn gun(text: &str) -> Result<Gun, GunError> {
    match text.contains('%') {
        true => Gun::parse(&query::decoded(text)),
        false => Gun::parse(text),
    }
}

fn resource(tail: &str) -> Option<Resource> {
    if tail == "changefeed" {
        return Some(Resource::Changes);
    }
    let file = tail.strip_prefix("tuf/")?;
    if file.is_empty() {
        return Some(Resource::All);
    }
    if let Some(role) = file.strip_suffix(".key") {
        return match role {
            "snapshot" => Some(Resource::Key(KeyRole::Snapshot)),
            "timestamp" => Some(Resource::Key(KeyRole::Timestamp)),
            RELEASES => Some(Resource::Key(KeyRole::Releases)),
            _ => None,
        };
    }
    let stem = file.strip_suffix(".json")?;
    if let Some((role, hash)) = stem.rsplit_once('.')
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        let which = match hash.len() {
            64 => Some(Which::Sha256(hash.to_ascii_lowercase())),
            96 | 128 => Some(Which::OtherHash),
            _ => None,
        };
        if let Some(which) = which {
            return Some(Resource::File(role.parse().ok()?, which));
        }
    }
    if let Some((version, role)) = stem.split_once('.')
        && version.bytes().all(|byte| byte.is_ascii_digit())
    {
        let which = Which::Version(version.parse().ok()?);
        return Some(Resource::File(role.parse().ok()?, which));
    }
    Some(Resource::File(stem.parse().ok()?, Which::Current))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn shown(rest: &str) -> String {
        let Some(target) = parse(rest) else {
            return "not trust".into();
        };
        let name = match target.name {
            Ok(Some(gun)) => gun.to_string(),
            Ok(None) => "all".into(),
            Err(_) => "no name".into(),
        };
        let resource = match target.resource {
            Resource::All => "files".into(),
            Resource::File(role, Which::Current) => format!("{role}"),
            Resource::File(role, Which::Version(version)) => format!("{role} {version}"),
            Resource::File(role, Which::Sha256(hash)) => format!("{role} {hash}"),
            Resource::File(role, Which::OtherHash) => format!("{role} by another hash"),
            Resource::Key(role) => format!("key of {}", role.as_str()),
            Resource::Changes => "changes".into(),
            Resource::Nothing => "nothing".into(),
        };
        format!("{name}: {resource}")
    }

    #[test]
    fn paths_of_clients() {
        for (rest, expected) in [
            ("127.0.0.1:5500/x/_trust/tuf/", "127.0.0.1:5500/x: files"),
            (
                "127.0.0.1:5500/x/_trust/tuf/root.json",
                "127.0.0.1:5500/x: root",
            ),
            (
                "docker.io/library/alpine/_trust/tuf/timestamp.json",
                "docker.io/library/alpine: timestamp",
            ),
            ("a/_trust/tuf/2.root.json", "a: root 2"),
            ("a/_trust/tuf/007.targets/a/b.json", "a: targets/a/b 7"),
            ("a/_trust/tuf/targets/releases.json", "a: targets/releases"),
            ("a/_trust/tuf/snapshot.key", "a: key of snapshot"),
            ("a/_trust/tuf/timestamp.key", "a: key of timestamp"),
            (
                "a/_trust/tuf/targets/releases.key",
                "a: key of targets/releases",
            ),
            ("a/_trust/changefeed", "a: changes"),
            ("_trust/changefeed", "all: changes"),
            ("_trust/tuf/root.json", "all: root"),
            ("a/_trust/b/_trust/tuf/root.json", "a/_trust/b: root"),
            (
                "%5B::1%5D:5000/x/_trust/tuf/root.json",
                "[::1]:5000/x: root",
            ),
        ] {
            assert_eq!(shown(rest), expected, "{rest}");
        }
        assert_eq!(
            shown(&format!("a/_trust/tuf/targets/alice.{HASH}.json")),
            format!("a: targets/alice {HASH}")
        );
        assert_eq!(
            shown(&format!(
                "a/_trust/tuf/root.{}.json",
                HASH.to_ascii_uppercase()
            )),
            format!("a: root {HASH}")
        );
        assert_eq!(
            shown(&format!("a/_trust/tuf/root.{HASH}{HASH}.json")),
            "a: root by another hash"
        );
    }

    #[test]
    fn others_name_nothing() {
        for file in [
            "root.1.json",
            "1.json",
            "root",
            "root.key",
            "targets.key",
            "targets/alice.key",
            "releases.key",
            "mirror.json",
            "targets/.json",
            "targets/A.json",
            "1.2.root.json",
            "99999999999999999999.root.json",
            "-1.root.json",
            "/root.json",
            "../root.json",
        ] {
            assert_eq!(
                shown(&format!("a/_trust/tuf/{file}")),
                "a: nothing",
                "{file}"
            );
        }
        for (rest, expected) in [
            ("a/_trust/", "a: nothing"),
            ("a/_trust/tuf", "a: nothing"),
            ("a*/_trust/tuf/", "no name: files"),
            ("a%2f..%2fb/_trust/tuf/", "no name: files"),
            ("/_trust/tuf/", "no name: files"),
            ("a/_trust", "not trust"),
            ("a/manifests/_trust", "not trust"),
            ("a/tags/list", "not trust"),
        ] {
            assert_eq!(shown(rest), expected, "{rest}");
        }
    }
}
