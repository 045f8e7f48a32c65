//! Evidence of format `notary` read again, from its raw bytes and the stored files that they name, for the audit. A file may stand behind
//! a thousand pieces that follow each other, and the newest file of its role behind more: the last few that were parsed are kept.

use sqlx::AnyConnection;
use trust::PublicKey;
use trust::tuf::RoleName;
use trust::tuf::managed::{self, StoredFile};

use super::vouches::{Place, digest};
use crate::db::RowExt;
use crate::error::Result;

/// A file and the newest one of its role, of two signers in turn. Each may be as large as an update.
const FILES_MAX: usize = 4;

/// What the columns say that was signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimed<'a> {
    /// The piece's row.
    pub(crate) evidence: i64,
    pub(crate) subject: Option<&'a str>,
    pub(crate) stage: Option<&'a str>,
    pub(crate) repository: Option<&'a str>,
}

/// Which file of which trust repository.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    trust: i64,
    role: RoleName,
    version: i64,
}

/// Reads pieces again, one after the other, in one transaction: what a name stands for does not change meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Rereader {
    /// The one that was asked for last comes last. None: it is not such a file.
    files: Vec<(Name, Option<StoredFile>)>,
}

impl Rereader {
    /// Whether this key signed that the file's role says so of this digest, for this stage, in this repository, and whether it ends with
    /// the newest file of the role, or before.
    pub(crate) async fn is_so(
        &mut self,
        conn: &mut AnyConnection,
        raw: &[u8],
        key: &PublicKey,
        claim: &Claimed<'_>,
    ) -> Result<bool> {
        let Ok(place) = serde_json::from_slice::<Place>(raw) else {
            return Ok(false);
        };
        let row = sqlx::query(
            "SELECT t.id, r.name, l.current, v.expires_at FROM trust_repositories t \
             JOIN repositories r ON r.id = t.repository_id JOIN trust_roles l ON l.trust_id = t.id AND l.role = $2 \
             JOIN trust_vouches v ON v.trust_id = t.id AND v.role = l.role AND v.evidence_id = $3 WHERE t.gun = $1",
        )
        .bind(place.gun.as_str())
        .bind(place.role.as_str())
        .bind(claim.evidence)
        .fetch_optional(&mut *conn)
        .await?;
        let (Some(row), Ok(role)) = (row, RoleName::parse(&place.role)) else {
            return Ok(false);
        };
        let is_stage = managed::stage_of(&role) == claim.stage;
        if !is_stage || Some(row.text("name")?.as_str()) != claim.repository {
            return Ok(false);
        }
        let trust = row.int("id")?;
        let name = |version| Name {
            trust,
            role: role.clone(),
            version,
        };
        let Some(newest) = self.file(conn, &name(row.int("current")?)).await? else {
            return Ok(false);
        };
        let (expires, end) = (row.int("expires_at")?, newest.expires());
        let ends = match newest.is_by(key) {
            true => expires == end,
            false => expires <= end,
        };
        let Some(file) = self.file(conn, &name(place.version)).await? else {
            return Ok(false);
        };
        let listed = file.listed(&place.tag).filter(|_| file.is_by(key));
        let listed = listed.map(|sha256| digest(&sha256)).transpose()?;
        Ok(ends && listed.is_some_and(|listed| Some(listed.as_str()) == claim.subject))
    }

    async fn file(
        &mut self,
        conn: &mut AnyConnection,
        name: &Name,
    ) -> Result<Option<&mut StoredFile>> {
        let kept = match self.files.iter().position(|(kept, _)| kept == name) {
            Some(index) => self.files.remove(index),
            None => (name.clone(), read(conn, name).await?),
        };
        if self.files.len() == FILES_MAX {
            self.files.remove(0);
        }
        self.files.push(kept);
        Ok(self.files.last_mut().and_then(|(_, file)| file.as_mut()))
    }
}

async fn read(conn: &mut AnyConnection, name: &Name) -> Result<Option<StoredFile>> {
    let row = sqlx::query(
        "SELECT content FROM trust_files WHERE trust_id = $1 AND role = $2 AND version = $3",
    )
    .bind(name.trust)
    .bind(name.role.as_str())
    .bind(name.version)
    .fetch_optional(conn)
    .await?;
    let content = row.map(|row| row.bytes("content")).transpose()?;
    Ok(content.and_then(|content| StoredFile::parse(&name.role, content)))
}
