//! Reading columns of a row by name, as the types of the domain. A value that does not parse is `Error::Corrupt`, never a
//! panic: the database may have been edited by hand.

use std::fmt::Display;
use std::str::FromStr;

use oci::Digest;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::{Error, Result};

/// Typed columns.
pub(crate) trait RowExt {
    /// A BIGINT that may be NULL.
    fn opt_int(&self, column: &str) -> Result<Option<i64>>;
    /// A text that may be NULL.
    fn opt_text(&self, column: &str) -> Result<Option<String>>;
    /// A BIGINT.
    fn int(&self, column: &str) -> Result<i64>;
    /// A text.
    fn text(&self, column: &str) -> Result<String>;
    /// A blob.
    fn bytes(&self, column: &str) -> Result<Vec<u8>>;
    /// A BIGINT that counts something.
    fn count(&self, column: &str) -> Result<u64> {
        u64::try_from(self.int(column)?).map_err(Error::corrupt(column))
    }
    /// A flag, 0 or 1.
    fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }
    /// A text that parses as `T`.
    fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T> {
        self.text(column)?.parse().map_err(Error::corrupt(column))
    }
    /// A text that parses as `T`, or NULL.
    fn opt_parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>> {
        self.opt_text(column)?
            .map(|text| text.parse().map_err(Error::corrupt(column)))
            .transpose()
    }
    /// A text that is JSON for `T`.
    fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(Error::corrupt(column))
    }
    /// A digest.
    fn digest(&self, column: &str) -> Result<Digest> {
        self.parsed(column)
    }
}

impl RowExt for AnyRow {
    fn opt_int(&self, column: &str) -> Result<Option<i64>> {
        Ok(self.try_get(column)?)
    }

    fn opt_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.try_get(column)?)
    }

    fn int(&self, column: &str) -> Result<i64> {
        Ok(self.try_get(column)?)
    }

    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }
}

/// A flag as a column value.
pub(crate) fn flag(value: bool) -> i64 {
    i64::from(value)
}
