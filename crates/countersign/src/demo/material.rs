//! What the demo is made of: a part of Debian 12.4's package database, metadata of Python packages, the shop's policy, and advisories
//! written from published facts. It is part of the program, so the demo needs no network; it is far from all that is known.

use advisories::{Batch, read_bytes};
use anyhow::{Result, bail};

/// The policy, and the name it gets.
pub(super) const POLICY: &str = include_str!("../../demo/shop.yaml");
pub(super) const POLICY_NAME: &str = "shop";

/// Files of the image's base, by path.
pub(super) const BASE_FILES: [(&str, &[u8]); 6] = [
    (
        "usr/lib/os-release",
        include_bytes!("../../demo/image/base/os-release"),
    ),
    (
        "var/lib/dpkg/status",
        include_bytes!("../../demo/image/base/status"),
    ),
    (
        "usr/share/doc/ca-certificates/copyright",
        include_bytes!("../../demo/image/base/ca-certificates.copyright"),
    ),
    (
        "usr/share/doc/libssl3/copyright",
        include_bytes!("../../demo/image/base/openssl.copyright"),
    ),
    (
        "usr/share/doc/openssl/copyright",
        include_bytes!("../../demo/image/base/openssl.copyright"),
    ),
    (
        "usr/share/doc/zlib1g/copyright",
        include_bytes!("../../demo/image/base/zlib1g.copyright"),
    ),
];

/// The Python packages that the second layer brings: folder and metadata.
pub(super) const PYTHON_PACKAGES: [(&str, &[u8]); 4] = [
    (
        "Django-3.2.dist-info",
        include_bytes!("../../demo/image/app/django.metadata"),
    ),
    (
        "Jinja2-2.10.dist-info",
        include_bytes!("../../demo/image/app/jinja2.metadata"),
    ),
    (
        "certifi-2024.7.4.dist-info",
        include_bytes!("../../demo/image/app/certifi.metadata"),
    ),
    (
        "requests-2.31.0.dist-info",
        include_bytes!("../../demo/image/app/requests.metadata"),
    ),
];

/// What the scanner must find of that: as many Debian packages as are installed, without the one that was removed.
pub(super) const DEBIAN_PACKAGES_INSTALLED: usize = 13;

/// The weaknesses that the image has before the turn, each with its package.
pub(super) const KNOWN_FINDINGS: [(&str, &str); 14] = [
    ("CVE-2005-2541", "tar"),
    ("CVE-2016-2781", "coreutils"),
    ("CVE-2019-10906", "jinja2"),
    ("CVE-2020-28493", "jinja2"),
    ("CVE-2021-33203", "django"),
    ("CVE-2021-33571", "django"),
    ("CVE-2023-45853", "zlib1g"),
    ("CVE-2023-5678", "libssl3"),
    ("CVE-2023-5678", "openssl"),
    ("CVE-2024-0727", "libssl3"),
    ("CVE-2024-0727", "openssl"),
    ("CVE-2024-2961", "libc-bin"),
    ("CVE-2024-2961", "libc6"),
    ("CVE-2024-35195", "requests"),
];

/// The weakness that becomes known later.
pub(super) const LATER: &str = "CVE-2021-35042";
/// The source that brings it.
pub(super) const LATER_SOURCE: &str = "osv-pypi";

const OSV_FILES: [(&str, &[u8]); 6] = [
    (
        "GHSA-43fp-rhv2-5gv8.json",
        include_bytes!("../../demo/advisories/GHSA-43fp-rhv2-5gv8.json"),
    ),
    (
        "GHSA-462w-v97r-4m45.json",
        include_bytes!("../../demo/advisories/GHSA-462w-v97r-4m45.json"),
    ),
    (
        "GHSA-68w8-qjq3-2gfm.json",
        include_bytes!("../../demo/advisories/GHSA-68w8-qjq3-2gfm.json"),
    ),
    (
        "GHSA-9wx4-h78v-vm56.json",
        include_bytes!("../../demo/advisories/GHSA-9wx4-h78v-vm56.json"),
    ),
    (
        "GHSA-g3rq-g295-4j3m.json",
        include_bytes!("../../demo/advisories/GHSA-g3rq-g295-4j3m.json"),
    ),
    (
        "GHSA-p99v-5w3c-jqq9.json",
        include_bytes!("../../demo/advisories/GHSA-p99v-5w3c-jqq9.json"),
    ),
];
const OTHER_FILES: [(&str, &[u8]); 3] = [
    (
        "PYSEC-2021-98.json",
        include_bytes!("../../demo/advisories/PYSEC-2021-98.json"),
    ),
    (
        "debian.json",
        include_bytes!("../../demo/advisories/debian.json"),
    ),
    (
        "known-exploited.json",
        include_bytes!("../../demo/advisories/known-exploited.json"),
    ),
];
const LATER_FILE: (&str, &[u8]) = (
    "GHSA-xpfp-f569-q3p2.json",
    include_bytes!("../../demo/advisories/GHSA-xpfp-f569-q3p2.json"),
);

/// What is known when the story begins.
pub(super) fn advisories() -> Result<Batch> {
    read(OSV_FILES.iter().chain(&OTHER_FILES))
}

/// The set of [`LATER_SOURCE`] with the new advisory: a source is always sent whole.
pub(super) fn later_advisories() -> Result<Batch> {
    read(OSV_FILES.iter().chain([&LATER_FILE]))
}

fn read<'a>(files: impl Iterator<Item = &'a (&'static str, &'static [u8])>) -> Result<Batch> {
    let mut all = Batch::default();
    for (name, bytes) in files {
        let batch = read_bytes(name, bytes);
        if let Some((file, why)) = batch.skipped.first() {
            bail!("`{file}` of the demo cannot be read: {why}");
        }
        all.advisories.extend(batch.advisories);
        all.known_exploited.extend(batch.known_exploited);
        all.files += batch.files;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_reads() {
        let known = advisories().unwrap();
        assert_eq!(known.advisories.len(), 16);
        assert_eq!(known.known_exploited.len(), 1);
        assert!(known.unmatched.is_empty());
        let later = later_advisories().unwrap();
        assert!(
            later
                .advisories
                .iter()
                .all(|advisory| advisory.source == LATER_SOURCE)
        );
        assert!(
            later
                .advisories
                .iter()
                .any(|advisory| advisory.aliases.contains(&LATER.to_owned()))
        );
    }

    #[test]
    fn the_policy_has_no_lints() {
        let policy = policy::file::load(POLICY, POLICY_NAME).unwrap();
        assert!(policy.warnings(0).is_empty());
    }
}
