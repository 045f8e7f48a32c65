//! Alias groups: which records are about the same weakness.
//!
//! Two records are joined when one names the other, or both name a third id, over any number of
//! steps. `related` and `upstream` ids do not join; neither do bulletins for several weaknesses.

use std::collections::HashMap;

/// A partition of ids, made by joining (union-find with halved paths).
#[derive(Debug, Default)]
pub(crate) struct Groups {
    numbers: HashMap<String, usize>,
    parents: Vec<usize>,
}

impl Groups {
    /// Joins all of `ids` into one group, and returns a number that [`Groups::root`] understands.
    pub(crate) fn join<'a>(&mut self, ids: impl Iterator<Item = &'a str>) -> usize {
        let numbers: Vec<usize> = ids.map(|id| self.number(id)).collect();
        let first = numbers.first().copied().unwrap_or_default();
        for number in numbers {
            let (from, into) = (self.root(number), self.root(first));
            self.point(from, into);
        }
        first
    }

    /// The group of a number; the same for all that were joined, once all joining is done.
    pub(crate) fn root(&mut self, mut number: usize) -> usize {
        loop {
            let parent = self.parent(number);
            if parent == number {
                return number;
            }
            let grandparent = self.parent(parent);
            self.point(number, grandparent);
            number = grandparent;
        }
    }

    fn number(&mut self, id: &str) -> usize {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let number = self.parents.len();
        self.parents.push(number);
        self.numbers.insert(id.to_owned(), number);
        number
    }

    fn parent(&self, number: usize) -> usize {
        self.parents.get(number).copied().unwrap_or(number)
    }

    fn point(&mut self, number: usize, parent: usize) {
        if let Some(slot) = self.parents.get_mut(number) {
            *slot = parent;
        }
    }
}

/// The id that a group is called by: its first CVE id, or else GHSA id, or else any.
pub(crate) fn canonical<'a>(ids: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rank = |id: &str| match id {
        cve if cve.starts_with("CVE-") => 0,
        ghsa if ghsa.starts_with("GHSA-") => 1,
        _ => 2,
    };
    ids.min_by_key(|id| (rank(id), *id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_over_any_number_of_steps() {
        let mut groups = Groups::default();
        let rows: &[&[&str]] = &[&["a", "b"], &["c", "d"], &["e"], &["d", "b"], &["f", "e"]];
        let numbers: Vec<usize> = rows
            .iter()
            .map(|ids| groups.join(ids.iter().copied()))
            .collect();
        let roots: Vec<usize> = numbers
            .into_iter()
            .map(|number| groups.root(number))
            .collect();
        assert_eq!(roots[0], roots[1]);
        assert_eq!(roots[0], roots[3]);
        assert_eq!(roots[2], roots[4]);
        assert_ne!(roots[0], roots[2]);
    }

    #[test]
    fn a_long_chain_is_one_group() {
        let mut groups = Groups::default();
        let ids: Vec<String> = (0..10_000).map(|index| format!("id-{index}")).collect();
        for pair in ids.windows(2) {
            groups.join(pair.iter().map(String::as_str));
        }
        let (first, last) = (
            groups.join(["id-0"].into_iter()),
            groups.join(["id-9999"].into_iter()),
        );
        assert_eq!(groups.root(first), groups.root(last));
    }

    #[test]
    fn groups_are_called_by_what_people_know() {
        let check = |ids: &[&str], expect| assert_eq!(canonical(ids.iter().copied()), expect);
        check(
            &["PYSEC-1", "GHSA-a", "CVE-2024-2", "CVE-2024-1"],
            Some("CVE-2024-1"),
        );
        check(&["PYSEC-1", "GHSA-b", "GHSA-a"], Some("GHSA-a"));
        check(&["PYSEC-2", "MAL-1"], Some("MAL-1"));
        check(&[], None);
    }
}
