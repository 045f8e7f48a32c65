//! Statements over many rows at once: the `($1, $2), ($3, $4)` of an INSERT and the `$1, $2` of an IN list. The texts hold
//! markers only, never a value; values are bound. It knows no table.

use std::fmt::Write as _;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

/// Values in one statement: below the limit of either database, and few enough distinct texts to stay prepared.
const VALUES_MAX: usize = 1_000;

/// How many rows of so many columns go into one statement.
pub(crate) const fn rows_max(columns: usize) -> usize {
    VALUES_MAX / columns
}

/// How many entries go into one IN list.
pub(crate) const LIST_MAX: usize = 500;

/// `($1, $2), ($3, $4)`: the VALUES of `rows` rows.
pub(crate) fn values(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        text.push_str(&markers(row * columns + 1, columns));
        text.push(')');
    }
    text
}

/// `$3, $4, $5`: `count` markers from `first` on.
pub(crate) fn markers(first: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * 6);
    for number in first..first + count {
        let separator = if number == first { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(text, "{separator}${number}");
    }
    text
}

/// A query whose text was put together from literals and markers.
pub(crate) fn query(text: String) -> Query<'static, Any, AnyArguments> {
    sqlx::query(AssertSqlSafe(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_count_through_all_rows() {
        assert_eq!(values(2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(values(1, 1), "($1)");
        assert_eq!(markers(3, 2), "$3, $4");
        assert_eq!(markers(1, 0), "");
    }
}
