//! Which images need a blob, for people who have to push it again.

use oci::Digest;

use crate::db::{Db, RowExt};
use crate::error::Result;

/// Images beyond so many are not told.
const IMAGES_MAX: i64 = 50;

/// The images that need a blob: by the tags of their manifests or of the indexes that list those, else by digest.
pub(super) async fn of(db: &Db, blob: &Digest) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT DISTINCT n.name AS repository, m.manifest, COALESCE(t.name, u.name) AS tag FROM repository_blobs b \
         JOIN repositories n ON n.id = b.repository_id \
         JOIN manifest_references m ON m.repository_id = b.repository_id AND m.digest = b.digest \
         LEFT JOIN tags t ON t.repository_id = m.repository_id AND t.digest = m.manifest \
         LEFT JOIN manifest_references p ON p.repository_id = m.repository_id AND p.digest = m.manifest AND p.kind = 'child' \
         LEFT JOIN tags u ON u.repository_id = p.repository_id AND u.digest = p.manifest \
         WHERE b.digest = $1 ORDER BY 1, 2, 3 LIMIT $2",
    )
    .bind(blob.as_str())
    .bind(IMAGES_MAX)
    .fetch_all(db.read())
    .await?;
    rows.iter()
        .map(|row| {
            let repository = row.text("repository")?;
            Ok(match row.opt_text("tag")? {
                Some(tag) => format!("{repository}:{tag}"),
                None => format!("{repository}@{}", row.text("manifest")?),
            })
        })
        .collect()
}
