//! Whether the packages of the operating system are known, given the distribution: a distribution without a database
//! that is read is never "no packages".

use sbom::{Distro, Problem, ProblemKind};

use super::databases::Databases;
use crate::cataloger::OS_RELEASE_PATHS;

/// What is missing, if anything is; `told` when it has been said already what became of a database.
pub(super) fn problem(
    distro: Option<&Distro>,
    databases: &Databases<'_>,
    told: bool,
) -> Option<Problem> {
    let Some(distro) = distro else {
        return (!databases.is_empty()).then(|| Problem {
            kind: ProblemKind::UnreadableMetadata,
            detail: "no os-release says which distribution the installed packages are from"
                .to_owned(),
            path: OS_RELEASE_PATHS.first().map(|path| (*path).to_owned()),
            layer: None,
        });
    };
    let missing = |detail| {
        Some(Problem {
            kind: ProblemKind::MissingDatabase,
            detail,
            path: None,
            layer: None,
        })
    };
    if let Some((_, database)) = UNREAD
        .iter()
        .find(|(id, _)| is_distribution(&distro.id, id))
    {
        return missing(format!(
            "the packages of `{}` are in {database}, which this version does not read",
            distro.id
        ));
    }
    if !databases.is_empty() || told {
        return None;
    }
    missing(match databases.paths().next() {
        Some(path) => format!(
            "the package database `{path}` of `{}` lists no package",
            distro.id
        ),
        None => format!(
            "the distribution is `{}`, and there is no package database in var/lib/dpkg",
            distro.id
        ),
    })
}

// `opensuse-leap` and `opensuse-tumbleweed` are both `opensuse`.
fn is_distribution(id: &str, known: &str) -> bool {
    id.strip_prefix(known)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Distributions by `ID`, with databases that no cataloger reads yet.
const UNREAD: [(&str, &str); 28] = [
    ("alpine", APK),
    ("chainguard", APK),
    ("postmarketos", APK),
    ("wolfi", APK),
    ("almalinux", RPM),
    ("amzn", RPM),
    ("azurelinux", RPM),
    ("bottlerocket", RPM),
    ("centos", RPM),
    ("fedora", RPM),
    ("mageia", RPM),
    ("mariner", RPM),
    ("ol", RPM),
    ("openeuler", RPM),
    ("opensuse", RPM),
    ("photon", RPM),
    ("rhel", RPM),
    ("rocky", RPM),
    ("sle", RPM),
    ("sled", RPM),
    ("sles", RPM),
    ("arch", PACMAN),
    ("archlinux", PACMAN),
    ("manjaro", PACMAN),
    ("gentoo", "the portage database"),
    ("nixos", "the nix store"),
    ("openwrt", "the opkg database"),
    ("void", "the xbps database"),
];

const APK: &str = "the apk database";
const RPM: &str = "the rpm database";
const PACMAN: &str = "the pacman database";
