//! What the tests of every order ask of it.

use std::cmp::Ordering;

type Compare = fn(&str, &str) -> Ordering;

/// Two versions compare as expected, from either side.
#[track_caller]
pub(super) fn check(compare: Compare, left: &str, expect: Ordering, right: &str) {
    assert_eq!(compare(left, right), expect, "{left} against {right}");
    assert_eq!(
        compare(right, left),
        expect.reverse(),
        "{right} against {left}"
    );
}

/// Each version comes after all before it, and equals itself.
#[track_caller]
pub(super) fn check_ascending(compare: Compare, ascending: &[&str]) {
    for (index, left) in ascending.iter().enumerate() {
        for (other, right) in ascending.iter().enumerate() {
            check(compare, left, index.cmp(&other), right);
        }
    }
}
