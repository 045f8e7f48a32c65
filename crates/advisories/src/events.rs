//! From OSV's unordered events to intervals.
//!
//! Not an evaluator: the intervals it makes are what `Range::contains` answers for. OSV schema,
//! `affected[].ranges[].events` and "Evaluation".

use std::cmp::Ordering;

use crate::{Ecosystem, Range, version};

/// One event on the line of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The weakness begins at this version; `0` is before all others.
    Introduced(&'a str),
    /// The weakness is gone from this version on.
    Fixed(&'a str),
    /// The weakness is gone after this version.
    LastAffected(&'a str),
}

impl<'a> Event<'a> {
    fn version(self) -> &'a str {
        match self {
            Self::Introduced(version) | Self::Fixed(version) | Self::LastAffected(version) => {
                version
            }
        }
    }

    /// The version, with the beginning of time below everything.
    fn position(self) -> Option<&'a str> {
        (self != Self::Introduced("0")).then(|| self.version())
    }

    fn opens(self) -> bool {
        matches!(self, Self::Introduced(_))
    }
}

/// The intervals that `events` describe, cut off at the last of `limits` (an upper bound,
/// exclusive; `*` is none).
///
/// Events come in any order and are sorted by version first. Where one interval ends at the very
/// version at which another begins, both are kept; where an interval would begin and be fixed at one
/// version, it is empty. Events of an ecosystem that has no order here keep the order they came in.
pub fn ranges(ecosystem: &Ecosystem, events: &[Event<'_>], limits: &[&str]) -> Vec<Range> {
    let mut sorted = events.to_vec();
    if ecosystem.is_matched() {
        sorted.sort_by(|left, right| compare(ecosystem, *left, *right));
    }
    let mut ranges = Vec::new();
    let mut open: Option<Event<'_>> = None;
    for same in sorted.chunk_by(|left, right| compare(ecosystem, *left, *right).is_eq()) {
        // At one version, what is open closes before anything opens, and the other way round.
        let (opening, closing): (Vec<Event<'_>>, Vec<_>) =
            same.iter().partition(|event| event.opens());
        let ordered: [Vec<Event<'_>>; 2] = if open.is_some() {
            [closing, opening]
        } else {
            [opening, closing]
        };
        for event in ordered.into_iter().flatten() {
            match (open, event.opens()) {
                (None, true) => open = Some(event),
                (Some(start), false) => {
                    ranges.extend(close(ecosystem, start, event));
                    open = None;
                }
                _ => {}
            }
        }
    }
    ranges.extend(open.map(|start| Range {
        introduced: bound(start),
        ..Range::default()
    }));
    match highest(ecosystem, limits) {
        Some(limit) => ranges
            .into_iter()
            .filter_map(|range| cut(ecosystem, range, limit))
            .collect(),
        None => ranges,
    }
}

fn compare(ecosystem: &Ecosystem, left: Event<'_>, right: Event<'_>) -> Ordering {
    match (left.position(), right.position()) {
        (Some(left), Some(right)) => version::compare(ecosystem, left, right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

fn bound(start: Event<'_>) -> Option<String> {
    start.position().map(str::to_owned)
}

fn close(ecosystem: &Ecosystem, start: Event<'_>, end: Event<'_>) -> Option<Range> {
    let introduced = bound(start);
    if let Event::LastAffected(last) = end {
        return Some(Range {
            introduced,
            fixed: None,
            last_affected: Some(last.to_owned()),
        });
    }
    let empty = introduced.is_some() && compare(ecosystem, start, end).is_eq();
    let fixed = Some(end.version().to_owned());
    (!empty).then_some(Range {
        introduced,
        fixed,
        last_affected: None,
    })
}

/// The highest limit; `None` when there is none, or one of them is `*`.
fn highest<'a>(ecosystem: &Ecosystem, limits: &[&'a str]) -> Option<&'a str> {
    let bounded = !limits.contains(&"*");
    let limits = limits.iter().copied().filter(|_| bounded);
    limits.max_by(|left, right| version::compare(ecosystem, left, right))
}

/// What of `range` lies below `limit`. The bound is kept as `fixed`: for the reader of a record,
/// versions from there on are not affected.
fn cut(ecosystem: &Ecosystem, range: Range, limit: &str) -> Option<Range> {
    let below = |bound: &String| version::compare(ecosystem, bound, limit).is_lt();
    if !range.introduced.as_ref().is_none_or(below) {
        return None;
    }
    if range
        .fixed
        .as_ref()
        .or(range.last_affected.as_ref())
        .is_some_and(below)
    {
        return Some(range);
    }
    Some(Range {
        fixed: Some(limit.to_owned()),
        last_affected: None,
        ..range
    })
}

#[cfg(test)]
mod tests {
    use super::Event::{Fixed, Introduced, LastAffected};
    use super::*;

    fn check(events: &[Event<'_>], limits: &[&str], expect: &[&str]) {
        let found = ranges(&Ecosystem::PyPi, events, limits);
        let found: Vec<String> = found.iter().map(Range::describe).collect();
        assert_eq!(found, expect, "{events:?}");
        let mut reversed = events.to_vec();
        reversed.reverse();
        let found = ranges(&Ecosystem::PyPi, &reversed, limits);
        let found: Vec<String> = found.iter().map(Range::describe).collect();
        assert_eq!(found, expect, "{reversed:?}");
    }

    #[test]
    fn events_are_sorted_and_paired() {
        check(&[], &[], &[]);
        check(&[Introduced("0")], &[], &["introduced 0, no fix"]);
        check(
            &[Introduced("0"), Fixed("1.2")],
            &[],
            &["introduced 0, fixed 1.2"],
        );
        check(
            &[
                Introduced("5.0"),
                Fixed("5.0.8"),
                Introduced("4.2"),
                Fixed("4.2.15"),
            ],
            &[],
            &[
                "introduced 4.2, fixed 4.2.15",
                "introduced 5.0, fixed 5.0.8",
            ],
        );
        check(
            &[
                Introduced("0"),
                LastAffected("1.10"),
                Introduced("2"),
                Fixed("2.1"),
            ],
            &[],
            &[
                "introduced 0, last affected 1.10",
                "introduced 2, fixed 2.1",
            ],
        );
        check(&[Fixed("1.0")], &[], &[]);
        check(
            &[Introduced("1.0"), Introduced("1.5"), Fixed("2")],
            &[],
            &["introduced 1.0, fixed 2"],
        );
        check(
            &[Introduced("1"), Fixed("1.5"), Fixed("2")],
            &[],
            &["introduced 1, fixed 1.5"],
        );
    }

    #[test]
    fn events_at_one_version() {
        check(&[Introduced("1.0"), Fixed("1.0")], &[], &[]);
        check(
            &[Introduced("1.0"), LastAffected("1.0")],
            &[],
            &["introduced 1.0, last affected 1.0"],
        );
        check(
            &[
                Introduced("0"),
                Fixed("1.0"),
                Introduced("1.0"),
                Fixed("2.0"),
            ],
            &[],
            &["introduced 0, fixed 1.0", "introduced 1.0, fixed 2.0"],
        );
        check(
            &[
                Introduced("0"),
                LastAffected("1.0"),
                Introduced("1.0"),
                Fixed("2.0"),
            ],
            &[],
            &[
                "introduced 0, last affected 1.0",
                "introduced 1.0, fixed 2.0",
            ],
        );
        // `0` is not only below `0.0.1` but below versions that sort under zero.
        check(
            &[Introduced("0"), Fixed("0")],
            &[],
            &["introduced 0, fixed 0"],
        );
    }

    #[test]
    fn limits_cut_off() {
        check(&[Introduced("0")], &["*"], &["introduced 0, no fix"]);
        check(
            &[Introduced("0")],
            &["2.0", "1.0"],
            &["introduced 0, fixed 2.0"],
        );
        check(
            &[Introduced("1"), Fixed("3")],
            &["2"],
            &["introduced 1, fixed 2"],
        );
        check(
            &[Introduced("1"), LastAffected("1.5")],
            &["2"],
            &["introduced 1, last affected 1.5"],
        );
        check(
            &[Introduced("1"), LastAffected("2")],
            &["2"],
            &["introduced 1, fixed 2"],
        );
        check(&[Introduced("2"), Fixed("3")], &["2"], &[]);
    }

    #[test]
    fn unordered_ecosystems_keep_the_order_of_the_record() {
        let maven = Ecosystem::parse("Maven");
        let events = [Introduced("9.0"), Fixed("10.0")];
        assert_eq!(
            ranges(&maven, &events, &[])[0].describe(),
            "introduced 9.0, fixed 10.0"
        );
    }
}
