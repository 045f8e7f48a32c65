//! The bytes of a row as a leaf of the log: a JSON array of its place and all its columns. Any change of any column changes
//! them. The detail goes in as the text it was stored as. RFC 6962 section 2.1.

use sqlx::any::AnyRow;
use trust::merkle::{Hash, leaf_hash};

use crate::db::RowExt;
use crate::error::{Error, Result};

/// The columns that a leaf is made of, for a SELECT.
pub(super) const COLUMNS: &str = "id, happened_at, actor, act, object, detail";

/// A row's columns.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) id: i64,
    pub(super) happened_at: i64,
    pub(super) actor: String,
    pub(super) act: String,
    pub(super) object: String,
    pub(super) detail: String,
}

impl Leaf {
    /// Reads the columns of `COLUMNS`.
    pub(super) fn read(row: &AnyRow) -> Result<Leaf> {
        Ok(Leaf {
            id: row.int("id")?,
            happened_at: row.int("happened_at")?,
            actor: row.text("actor")?,
            act: row.text("act")?,
            object: row.text("object")?,
            detail: row.text("detail")?,
        })
    }

    /// The hash of the leaf at a place of the log.
    pub(super) fn hash(&self, index: i64) -> Result<Hash> {
        let columns = (
            index,
            self.id,
            self.happened_at,
            &self.actor,
            &self.act,
            &self.object,
            &self.detail,
        );
        Ok(leaf_hash(
            &serde_json::to_vec(&columns).map_err(Error::corrupt("audit row"))?,
        ))
    }
}

/// A stored leaf hash.
pub(super) fn read_hash(row: &AnyRow) -> Result<Hash> {
    Hash::try_from(row.bytes("leaf_hash")?).map_err(|bytes| Error::Corrupt {
        what: "audit.leaf_hash".to_owned(),
        why: format!("it has {} bytes", bytes.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Leaf {
        Leaf {
            id: 7,
            happened_at: 1,
            actor: "principal:1".to_owned(),
            act: "team.create".to_owned(),
            object: "qa".to_owned(),
            detail: "{}".to_owned(),
        }
    }

    #[test]
    fn every_column_and_the_place_change_the_hash() {
        let hash = leaf().hash(0).unwrap();
        let others = [
            Leaf { id: 8, ..leaf() },
            Leaf {
                happened_at: 2,
                ..leaf()
            },
            Leaf {
                actor: "principal:2".to_owned(),
                ..leaf()
            },
            Leaf {
                act: "team.createq".to_owned(),
                object: "a".to_owned(),
                ..leaf()
            },
            Leaf {
                object: "qb".to_owned(),
                ..leaf()
            },
            Leaf {
                detail: "{ }".to_owned(),
                ..leaf()
            },
        ];
        for other in others {
            assert_ne!(other.hash(0).unwrap(), hash, "{other:?}");
        }
        assert_ne!(leaf().hash(1).unwrap(), hash);
        assert_eq!(leaf().hash(0).unwrap(), hash);
    }
}
