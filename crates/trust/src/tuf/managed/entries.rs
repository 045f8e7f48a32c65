//! What one version of a file lists that the version before did not: a signer who signs one tag more has not signed the others again.

use std::collections::{BTreeMap, BTreeSet};

use crate::tuf::metadata::{FileMeta, Targets};

/// How the entries of two versions differ. An entry is another one if its SHA-256 is; what else stands beside that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    /// Tags that were not listed before.
    pub added: BTreeMap<String, FileMeta>,
    /// Tags that were listed with another image.
    pub changed: BTreeMap<String, FileMeta>,
    /// Tags that are listed no more.
    pub gone: BTreeSet<String>,
}

impl Entries {
    /// What `after` lists, compared with `before`; without one, all of it is added.
    #[must_use]
    pub fn between(before: Option<&Targets>, after: Option<&Targets>) -> Self {
        let mut entries = Self::default();
        let before = before.map(|before| &before.targets);
        let after = after.map(|after| &after.targets);
        for (tag, file) in after.into_iter().flatten() {
            match before.and_then(|before| before.get(tag)) {
                None => entries.added.insert(tag.clone(), file.clone()),
                Some(old) if old.hashes.sha256 != file.hashes.sha256 => {
                    entries.changed.insert(tag.clone(), file.clone())
                }
                Some(_) => None,
            };
        }
        for tag in before.into_iter().flatten().map(|(tag, _)| tag) {
            if after.is_none_or(|after| !after.contains_key(tag)) {
                entries.gone.insert(tag.clone());
            }
        }
        entries
    }

    /// True if both versions list the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }

    /// What the new version vouches for: what it adds or changes.
    pub fn vouched(&self) -> impl Iterator<Item = (&str, &FileMeta)> {
        let both = self.added.iter().chain(&self.changed);
        both.map(|(tag, file)| (tag.as_str(), file))
    }

    /// The tags for which the version before vouches no more: what is gone or changed.
    pub fn ended(&self) -> impl Iterator<Item = &str> {
        let both = self.gone.iter().chain(self.changed.keys());
        both.map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::author;

    fn listing(entries: &[(&str, u8)]) -> Targets {
        let mut targets = Targets::new(0);
        let entries = entries.iter();
        targets.targets = entries
            .map(|(tag, image)| ((*tag).to_owned(), author::image([*image; 32], 7)))
            .collect();
        targets
    }

    fn shown(entries: &Entries) -> (Vec<&str>, Vec<&str>) {
        let mut vouched: Vec<&str> = entries.vouched().map(|(tag, _)| tag).collect();
        let mut ended: Vec<&str> = entries.ended().collect();
        vouched.sort_unstable();
        ended.sort_unstable();
        (vouched, ended)
    }

    #[test]
    fn a_version_vouches_for_what_it_adds_or_changes() {
        let before = listing(&[("gone", 1), ("moved", 1), ("same", 1)]);
        let after = listing(&[("moved", 2), ("new", 1), ("same", 1)]);
        let entries = Entries::between(Some(&before), Some(&after));
        assert_eq!(
            shown(&entries),
            (vec!["moved", "new"], vec!["gone", "moved"])
        );
        assert!(!entries.is_empty());
        assert!(Entries::between(Some(&after), Some(&after)).is_empty());
    }

    #[test]
    fn the_first_version_adds_all_and_the_end_takes_all() {
        let listed = listing(&[("a", 1), ("b", 2)]);
        let first = Entries::between(None, Some(&listed));
        assert_eq!(shown(&first), (vec!["a", "b"], vec![]));
        let last = Entries::between(Some(&listed), None);
        assert_eq!(shown(&last), (vec![], vec!["a", "b"]));
        assert!(Entries::between(None, None).is_empty());
    }

    #[test]
    fn what_else_stands_beside_an_entry_is_no_signature() {
        let before = listing(&[("a", 1)]);
        let mut after = before.clone();
        let file = after.targets.get_mut("a").unwrap();
        file.custom = Some(serde_json::json!({"note": 1}));
        file.hashes.sha512 = Some([9; 64]);
        file.length = 8;
        assert!(Entries::between(Some(&before), Some(&after)).is_empty());
    }
}
