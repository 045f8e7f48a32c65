//! Which crate may depend on which, and which outside crates may be named where (ARCHITECTURE.md, "Floors").
//! It looks at direct, non-dev edges only: what a library pulls in by itself is `cargo deny`'s business.

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::BTreeSet;
use std::path::Path;

/// One crate and the crates of the house that it may name directly.
struct Floor {
    name: &'static str,
    may_use: &'static [&'static str],
}

const GROUND: &[&str] = &["oci", "sbom", "trust", "scanner", "advisories", "policy"];

const FLOORS: &[Floor] = &[
    Floor {
        name: "oci",
        may_use: &[],
    },
    Floor {
        name: "sbom",
        may_use: &["oci"],
    },
    Floor {
        name: "trust",
        may_use: &["oci"],
    },
    Floor {
        name: "scanner",
        may_use: &["oci", "sbom"],
    },
    Floor {
        name: "advisories",
        may_use: &["sbom"],
    },
    Floor {
        name: "policy",
        may_use: &["oci", "sbom", "trust", "advisories"],
    },
    Floor {
        name: "store",
        may_use: &["oci", "sbom", "trust", "advisories", "policy"],
    },
    Floor {
        name: "client",
        may_use: &["oci"],
    },
    Floor {
        name: "identity",
        may_use: &["oci", "policy", "store", "client"],
    },
    Floor {
        name: "registry",
        may_use: &["oci", "trust", "policy", "store", "client"],
    },
    Floor {
        name: "monitor",
        may_use: &[
            "oci",
            "sbom",
            "trust",
            "scanner",
            "advisories",
            "policy",
            "store",
            "client",
            "registry",
        ],
    },
    Floor {
        name: "server",
        may_use: &[
            "oci",
            "sbom",
            "trust",
            "scanner",
            "advisories",
            "policy",
            "store",
            "client",
            "identity",
            "registry",
            "monitor",
        ],
    },
    Floor {
        name: "enforcer",
        may_use: &["oci", "trust", "policy", "client"],
    },
];

/// Crates that may name anything: the binary and what only developers run.
const UNBOUND: &[&str] = &["countersign", "testkit", "xtask"];

/// An outside crate that may be named only by the crates listed.
struct Confined {
    outside: &'static str,
    only_in: &'static [&'static str],
}

const CONFINED: &[Confined] = &[
    Confined {
        outside: "sqlx",
        only_in: &["store"],
    },
    Confined {
        outside: "rusqlite",
        only_in: &["store"],
    },
    Confined {
        outside: "object_store",
        only_in: &["store"],
    },
    Confined {
        outside: "reqwest",
        only_in: &["client"],
    },
    Confined {
        outside: "axum",
        only_in: &["server", "enforcer", "countersign"],
    },
    Confined {
        outside: "hyper",
        only_in: &["server", "enforcer"],
    },
    Confined {
        outside: "hyper-util",
        only_in: &["server", "enforcer"],
    },
    Confined {
        outside: "multer",
        only_in: &["server"],
    },
    Confined {
        outside: "http",
        only_in: &["server", "enforcer", "client"],
    },
    Confined {
        outside: "cryptoki",
        only_in: &["countersign"],
    },
    Confined {
        outside: "pgp",
        only_in: &["trust"],
    },
    Confined {
        outside: "anyhow",
        only_in: &["countersign", "xtask"],
    },
];

/// Outside crates that the ground floor never names: it has no runtime, no log and no network.
const NOT_ON_THE_GROUND: &[&str] = &[
    "tokio",
    "tokio-util",
    "futures-util",
    "tracing",
    "reqwest",
    "sqlx",
    "axum",
    "hyper",
    "http",
    "rand",
];

/// Fails with every edge that the table does not allow.
pub(crate) fn check(root: &Path) -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cannot read the workspace with `cargo metadata`")?;
    let violations = violations(&metadata);
    if violations.is_empty() {
        return Ok(());
    }
    bail!(
        "{} edge(s) that the floors do not allow:\n  {}",
        violations.len(),
        violations.join("\n  ")
    )
}

fn violations(metadata: &Metadata) -> Vec<String> {
    let house: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    metadata
        .packages
        .iter()
        .flat_map(|package| package_violations(package, &house))
        .collect()
}

fn package_violations(package: &Package, house: &BTreeSet<&str>) -> Vec<String> {
    let name = package.name.as_str();
    if UNBOUND.contains(&name) {
        return Vec::new();
    }
    let Some(floor) = FLOORS.iter().find(|floor| floor.name == name) else {
        return vec![format!(
            "crate `{name}` has no place in the table of xtask/src/floors.rs; give it one"
        )];
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .filter_map(|dependency| {
            edge_violation(
                floor,
                &dependency.name,
                house.contains(dependency.name.as_str()),
            )
        })
        .collect()
}

fn edge_violation(floor: &Floor, to: &str, inside: bool) -> Option<String> {
    let from = floor.name;
    if inside {
        return (!floor.may_use.contains(&to))
            .then(|| format!("`{from}` may not depend on `{to}`"));
    }
    if GROUND.contains(&from) && NOT_ON_THE_GROUND.contains(&to) {
        return Some(format!(
            "`{from}` is on the ground floor and may not name `{to}`"
        ));
    }
    let confined = CONFINED.iter().find(|confined| confined.outside == to)?;
    (!confined.only_in.contains(&from)).then(|| {
        format!(
            "`{from}` may not name `{to}`; it belongs in {}",
            confined.only_in.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(name: &str) -> &'static Floor {
        FLOORS.iter().find(|floor| floor.name == name).unwrap()
    }

    #[test]
    fn an_edge_upwards_is_refused() {
        assert!(edge_violation(floor("advisories"), "scanner", true).is_some());
        assert!(edge_violation(floor("registry"), "scanner", true).is_some());
        assert!(edge_violation(floor("scanner"), "sbom", true).is_none());
    }

    #[test]
    fn outside_crates_stay_in_their_room() {
        assert!(edge_violation(floor("registry"), "sqlx", false).is_some());
        assert!(edge_violation(floor("trust"), "tokio", false).is_some());
        assert!(edge_violation(floor("monitor"), "reqwest", false).is_some());
        assert!(edge_violation(floor("store"), "sqlx", false).is_none());
    }

    #[test]
    fn every_name_in_the_table_is_on_a_floor() {
        for used in FLOORS.iter().flat_map(|floor| floor.may_use) {
            assert!(FLOORS.iter().any(|floor| floor.name == *used), "{used}");
        }
    }

    #[test]
    fn the_table_has_no_cycle() {
        fn reaches(from: &str, goal: &str) -> bool {
            floor(from)
                .may_use
                .iter()
                .any(|next| *next == goal || reaches(next, goal))
        }
        for each in FLOORS {
            assert!(!reaches(each.name, each.name), "{}", each.name);
        }
    }
}
