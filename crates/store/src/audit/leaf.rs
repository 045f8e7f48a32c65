//! The bytes of a row as a leaf of the log: a JSON array of its place and all its columns. Any change of any column changes
//! them. The detail goes in as the text it was stored as; where that makes more bytes than an entry has, its hash stands there
//! instead, in an object, so that no text can look like it. RFC 6962 section 2.1, C2SP `tlog-tiles` "Log entries".

use oci::Digest;
use serde_json::json;
use sqlx::any::AnyRow;
use trust::log_proof::ENTRY_BYTES_MAX;
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
        Ok(leaf_hash(&self.entry(index)?))
    }

    /// Whether this is the hash of the leaf at a place of the log. Former versions put every detail in whole.
    pub(super) fn has_hash(&self, index: i64, hash: &Hash) -> Result<bool> {
        Ok(self.hash(index)? == *hash || leaf_hash(&self.whole(index)?) == *hash)
    }

    /// The leaf's bytes at a place of the log: its entry, at most [`ENTRY_BYTES_MAX`].
    pub(super) fn entry(&self, index: i64) -> Result<Vec<u8>> {
        let whole = self.whole(index)?;
        if whole.len() <= ENTRY_BYTES_MAX {
            return Ok(whole);
        }
        let detail = json!({"sha256": Digest::sha256(self.detail.as_bytes()).hex()});
        let columns = (
            index,
            self.id,
            self.happened_at,
            &self.actor,
            &self.act,
            &self.object,
            detail,
        );
        serde_json::to_vec(&columns).map_err(Error::corrupt("audit row"))
    }

    fn whole(&self, index: i64) -> Result<Vec<u8>> {
        let columns = (
            index,
            self.id,
            self.happened_at,
            &self.actor,
            &self.act,
            &self.object,
            &self.detail,
        );
        serde_json::to_vec(&columns).map_err(Error::corrupt("audit row"))
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
        assert!(leaf().has_hash(0, &hash).unwrap() && !leaf().has_hash(1, &hash).unwrap());
    }

    #[test]
    fn a_long_detail_goes_in_as_its_hash() {
        let long = |fill: &str| Leaf {
            detail: fill.repeat(ENTRY_BYTES_MAX),
            ..leaf()
        };
        let entry = long("x").entry(0).unwrap();
        assert!(entry.len() < 300, "{}", String::from_utf8_lossy(&entry));
        assert_ne!(long("x").hash(0).unwrap(), long("y").hash(0).unwrap());
        // A text that looks like the object is still a text.
        let object = json!({"sha256": Digest::sha256(long("x").detail.as_bytes()).hex()});
        let imitation = Leaf {
            detail: object.to_string(),
            ..leaf()
        };
        assert_ne!(imitation.hash(0).unwrap(), long("x").hash(0).unwrap());
        // As former versions sealed it.
        let former = leaf_hash(&long("x").whole(0).unwrap());
        assert!(long("x").has_hash(0, &former).unwrap());
        assert!(!long("y").has_hash(0, &former).unwrap());
        // The longest that goes in whole.
        let room = ENTRY_BYTES_MAX - leaf().whole(0).unwrap().len() + leaf().detail.len();
        let fits = Leaf {
            detail: "x".repeat(room),
            ..leaf()
        };
        assert_eq!(fits.entry(0).unwrap().len(), ENTRY_BYTES_MAX);
        assert_eq!(fits.entry(0).unwrap(), fits.whole(0).unwrap());
    }
}
