//! The one written form of a path in a layer: no leading slash, no `.`, `..` or empty parts, UTF-8.
//!
//! A name is kept apart from every other name: a byte that is not UTF-8 becomes `\xNN` and a backslash becomes `\\`, so
//! that no two files of a layer can pass for one. Nothing is resolved here: links are the collector's. image-spec
//! `layer.md`, "File Types" and "Whiteouts".

use sha2::{Digest as _, Sha256};

/// Why a name has no place in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPath {
    #[error("leaves the root of the image")]
    LeavesRoot,
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    #[error("holds a NUL byte")]
    Nul,
    #[error("goes through symbolic links without end")]
    LinkLoop,
}

/// Writes the normal form of `name` into an empty buffer; absolute names count from the root of the image, which
/// itself is the empty path.
pub(crate) fn normalise(name: &[u8], bytes_max: usize, path: &mut String) -> Result<(), BadPath> {
    path.clear();
    append(name, bytes_max, path)
}

/// Goes on from `path` along `name`, as [`normalise`] does from the root.
pub(crate) fn append(name: &[u8], bytes_max: usize, path: &mut String) -> Result<(), BadPath> {
    if name.contains(&0) {
        return Err(BadPath::Nul);
    }
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if path.is_empty() => return Err(BadPath::LeavesRoot),
            b".." => pop(path),
            _ => {
                push(part, path);
                if path.len() > bytes_max {
                    return Err(BadPath::TooLong(bytes_max));
                }
            }
        }
    }
    Ok(())
}

/// Takes the last part away.
pub(crate) fn pop(path: &mut String) {
    path.truncate(path.rfind('/').unwrap_or(0));
}

fn push(part: &[u8], path: &mut String) {
    if !path.is_empty() {
        path.push('/');
    }
    for chunk in part.utf8_chunks() {
        for (index, text) in chunk.valid().split('\\').enumerate() {
            path.push_str(if index > 0 { "\\\\" } else { "" });
            path.push_str(text);
        }
        for byte in chunk.invalid() {
            path.push_str(&format!("\\x{byte:02x}"));
        }
    }
}

/// A normalised path as parent and name.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The folders above a normalised path, nearest first, without the root.
pub(crate) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/')
        .filter_map(|(slash, _)| path.get(..slash))
}

/// The first eight bytes of the SHA-256 of a path: how an inventory remembers that an entry is there.
pub(crate) fn fingerprint(path: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(path.as_bytes()).into();
    hash.first_chunk()
        .copied()
        .map(u64::from_be_bytes)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(name: &[u8]) -> Result<String, BadPath> {
        let mut path = String::from("left over");
        normalise(name, 40, &mut path).map(|()| path)
    }

    #[test]
    fn paths_have_one_form() {
        let check = |name: &[u8], expect: &str| assert_eq!(normal(name).as_deref(), Ok(expect));
        check(b"", "");
        check(b"./", "");
        check(b"/", "");
        check(b"./a//b/../c", "a/c");
        check(b"/etc/passwd", "etc/passwd");
        check(b"a/..", "");
        check(b"a/b/../../c/", "c");
        check(b"...", "...");
        check("ü/\u{1f980}".as_bytes(), "ü/\u{1f980}");
        check(b"a\xff/b", "a\\xff/b");
        check(b"a\\xff/b", "a\\\\xff/b");
    }

    #[test]
    fn paths_out_of_the_root_are_refused() {
        for name in [
            "..",
            "../a",
            "/..",
            "a/../..",
            "a/../../a",
            "./../x",
            "a/b/../../../etc/passwd",
        ] {
            assert_eq!(normal(name.as_bytes()), Err(BadPath::LeavesRoot), "{name}");
        }
        assert_eq!(normal(&[b'a'; 41]), Err(BadPath::TooLong(40)));
        assert_eq!(
            normal(&[b"a/../".repeat(100), b"b".to_vec()].concat()).as_deref(),
            Ok("b")
        );
        assert_eq!(normal(b"a\0b"), Err(BadPath::Nul));
    }

    #[test]
    fn ancestors_come_nearest_first() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(ancestors("a").count(), 0);
        assert_eq!(split("a/b/c"), ("a/b", "c"));
        assert_eq!(split("a"), ("", "a"));
    }

    #[test]
    fn a_fingerprint_is_the_start_of_the_sha256() {
        // printf var | sha256sum
        let digest = oci::Digest::sha256(b"var/lib");
        assert_eq!(
            format!("{:016x}", fingerprint("var/lib")),
            digest.hex()[..16]
        );
    }

    proptest! {
        #[test]
        fn a_normal_path_stays_inside_and_is_its_own_form(name in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(path) = normal(&name) {
                prop_assert!(!path.starts_with('/') && !path.ends_with('/'));
                prop_assert!(path.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }

        #[test]
        fn different_names_stay_different(a in "[ab\\\\/x]{1,6}", b in proptest::collection::vec(any::<u8>(), 1..6)) {
            let plain = |name: &[u8]| !name.contains(&b'/') && !matches!(name, b"." | b"..");
            if let (true, true, Ok(left), Ok(right)) = (plain(a.as_bytes()), plain(&b), normal(a.as_bytes()), normal(&b)) {
                prop_assert_eq!(left == right, a.as_bytes() == b.as_slice());
            }
        }
    }
}
