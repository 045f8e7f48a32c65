//! Phase 4, once a day: bytes that have a key and never got a row, because whoever stored them was cut off in between. Only
//! what has been there for a while is one: between key and row there is a moment in every upload.

use std::collections::HashSet;

use oci::Digest;

use super::run::Run;
use super::{blobs, cut};
use crate::db::{Db, RowExt};
use crate::error::Result;
use crate::objects::{Listed, Objects, claim};
use crate::{Store, batch};

/// Objects that are looked at at a time.
const PAGE_OBJECTS: usize = 500;
/// However short the grace is, bytes without a row stay so long: longer than a commit may wait for its turn.
const AGE_MILLISECONDS_MIN: i64 = 60 * 60 * 1_000;

/// Looks at one page; false at the end.
pub(super) async fn step(run: &mut Run<'_>) -> Result<bool> {
    if let Objects::Remote(remote) = run.store.objects() {
        claim::confirm(run.store.db(), remote).await?;
    }
    let (found, last) = page(run.store, &run.held.position, run.now()).await?;
    for orphan in &found {
        if run.remove(&orphan.key).await? == Some(true) {
            run.held.collection.orphans += 1;
            let bytes = run.held.collection.bytes.saturating_add(orphan.size);
            run.held.collection.bytes = bytes;
        }
    }
    match last {
        Some(last) => {
            run.held.position = last;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// The orphans of a page of the listing, and where the page ends.
pub(super) async fn page(
    store: &Store,
    after: &str,
    now: i64,
) -> Result<(Vec<Listed>, Option<String>)> {
    let after = Some(after).filter(|after| !after.is_empty());
    let listed = store.objects().list(after, PAGE_OBJECTS).await?;
    let last = listed.last().map(|last| last.key.clone());
    let cut = cut(store, now).min(now.saturating_sub(AGE_MILLISECONDS_MIN));
    let old = listed
        .into_iter()
        .filter(|listed| listed.modified_at < cut)
        .collect();
    Ok((without_row(store.db(), old).await?, last))
}

/// Those whose keys no row names, neither of a blob nor of a discarded file. What does not look like ours is left alone.
pub(crate) async fn without_row(db: &Db, listed: Vec<Listed>) -> Result<Vec<Listed>> {
    let ours: Vec<(Listed, Digest)> = listed
        .into_iter()
        .filter_map(|listed| digest(&listed.key).map(|digest| (listed, digest)))
        .collect();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let digests: Vec<Digest> = ours.iter().map(|(_, digest)| digest.clone()).collect();
    // Blobs first: one that goes in between is found among the discarded.
    let mut named: HashSet<String> = HashSet::from_iter(blobs::keys(db, &digests).await?);
    for piece in ours.chunks(batch::LIST_MAX) {
        let text = format!(
            "SELECT location FROM discarded_files WHERE location IN ({})",
            batch::markers(1, piece.len())
        );
        let mut query = batch::query(text);
        for (listed, _) in piece {
            query = query.bind(listed.key.clone());
        }
        for row in query.fetch_all(db.read()).await? {
            named.insert(row.text("location")?);
        }
    }
    Ok(ours
        .into_iter()
        .map(|(listed, _)| listed)
        .filter(|listed| !named.contains(&listed.key))
        .collect())
}

/// The digest that a key belongs to: `sha256/ab/abcd….01234567`, or `sha256/ab/abcd…` of older versions.
fn digest(key: &str) -> Option<Digest> {
    let mut parts = key.split('/');
    let (algorithm, shard, name) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = name.split('.').next()?;
    if parts.next().is_some() || !hex.starts_with(shard) {
        return None;
    }
    format!("{algorithm}:{hex}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_ours_have_a_digest() {
        let hex = "ab".repeat(32);
        for (key, expect) in [
            (format!("sha256/ab/{hex}"), true),
            (format!("sha256/ab/{hex}.01234567"), true),
            (format!("sha256/cd/{hex}"), false),
            (format!("sha256/ab/x/{hex}"), false),
            ("sha256/ab/notes.txt".to_owned(), false),
            (format!("md5/ab/{hex}"), false),
            ("README".to_owned(), false),
        ] {
            assert_eq!(digest(&key).is_some(), expect, "{key}");
        }
    }
}
