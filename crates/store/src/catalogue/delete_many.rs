//! Removing many tags, or all that a repository holds, while others push and pull: pieces of a few dozen, each a transaction
//! with the audit rows and events that single deletes have. A caller asks again behind `next` until there is none; what was
//! removed stays removed wherever that ends. distribution-spec "Content Management" knows only single deletes.

use std::fmt;
use std::str::FromStr;

use oci::{Digest, RepositoryName, Shape, Tag};
use policy::verb::{Delete, DeleteEvidence};
use policy::{Actor, Permit};

use super::delete::{By, shape_of, tagged};
use super::{LIST_MAX, TagRecord, lock, parse_shape, tag_records};
use crate::db::{RowExt, write_tx};
use crate::error::{Error, Result};
use crate::{Store, permit};

/// What one transaction removes at most: some ten milliseconds of a database's only writer.
const PIECE: usize = 50;
/// The longest pattern, in characters: twice as long as a tag.
const PATTERN_CHARACTERS_MAX: usize = 256;

/// Tags by their names, where `*` stands for any characters, or none: `pr-*`, `*-nightly`, `1.2.3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPattern(String);

impl TagPattern {
    /// Whether it covers a tag.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = tag.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            // The earliest place leaves the most for the parts behind.
            match rest.split_once(part) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// What every name that it covers begins with.
    fn prefix(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }
}

impl FromStr for TagPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<TagPattern> {
        let is_pattern = !text.is_empty()
            && text.len() <= PATTERN_CHARACTERS_MAX
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte));
        if is_pattern {
            return Ok(TagPattern(text.to_owned()));
        }
        Err(Error::Invalid {
            what: "pattern of tags",
            value: text.chars().take(PATTERN_CHARACTERS_MAX).collect(),
            why: "it is a tag with `*` for any characters, such as `pr-*`".to_owned(),
        })
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Who deletes from a repository: images, and evidence too for whoever has that right.
#[derive(Debug, Clone, Copy)]
pub struct Deletion<'a> {
    /// The right to delete images.
    pub images: &'a Permit<Delete>,
    /// The right to delete evidence; without it, evidence stays.
    pub evidence: Option<&'a Permit<DeleteEvidence>>,
}

impl<'a> Deletion<'a> {
    fn actor(&self, now: i64) -> Result<Actor> {
        if let Some(evidence) = self.evidence {
            permit::actor(evidence, now)?;
        }
        permit::actor(self.images, now)
    }

    fn repository(&self) -> Result<&'a RepositoryName> {
        let named = self.images.repository();
        let same = self
            .evidence
            .is_none_or(|evidence| evidence.repository() == named);
        named.filter(|_| same).ok_or_else(|| Error::Refused {
            what: "delete",
            why: "the permits name no repository, or two".to_owned(),
        })
    }

    fn covers(&self, shape: Shape) -> bool {
        shape != Shape::Evidence || self.evidence.is_some()
    }
}

/// What became of some tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// The tags that went, in order.
    pub tags: Vec<Tag>,
    /// Tags on evidence, which stay because the caller may not delete that.
    pub kept: u64,
    /// Behind which tag to go on, where there may be more.
    pub next: Option<String>,
}

/// What became of a part of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emptied {
    /// Manifests that went.
    pub manifests: u64,
    /// Tags that went with them.
    pub tags: u64,
    /// Evidence, which stays because the caller may not delete that.
    pub kept: u64,
    /// Behind which manifest to go on, where there may be more.
    pub next: Option<String>,
}

/// The tags that a pattern covers, in order, after `after`, at most `limit`; and behind which to go on, where there may be
/// more.
pub async fn matching_tags(
    store: &Store,
    repository: &RepositoryName,
    pattern: &TagPattern,
    after: Option<&str>,
    limit: u32,
) -> Result<(Vec<TagRecord>, Option<String>)> {
    let limit = usize::try_from(limit.clamp(1, LIST_MAX)).unwrap_or(usize::MAX);
    let prefix = pattern.prefix();
    let mut behind = after.unwrap_or_default().to_owned();
    let mut found = Vec::new();
    // The tag that is the prefix itself is covered too: it is asked for by name, since lists begin behind one.
    if behind.as_str() < prefix {
        if let Some(record) = named(store, repository, prefix).await?
            && pattern.matches(prefix)
        {
            found.push(record);
        }
        behind = prefix.to_owned();
    }
    loop {
        let page = tag_records(store, repository, Some(&behind), LIST_MAX).await?;
        for record in &page {
            if !record.tag.as_str().starts_with(prefix) {
                return Ok((found, None));
            }
            if !pattern.matches(record.tag.as_str()) {
                continue;
            }
            if found.len() >= limit {
                let next = found.last().map(|last: &TagRecord| last.tag.to_string());
                return Ok((found, next));
            }
            found.push(record.clone());
        }
        match page.last() {
            Some(last) if u32::try_from(page.len()).is_ok_and(|length| length >= LIST_MAX) => {
                behind = last.tag.to_string();
            }
            _ => return Ok((found, None)),
        }
    }
}

/// Removes the tags that a pattern covers after `after`, at most about `limit` of them, and leaves their manifests.
pub async fn delete_tags(
    store: &Store,
    deletion: &Deletion<'_>,
    pattern: &TagPattern,
    after: Option<&str>,
    limit: u32,
    now: i64,
) -> Result<Swept> {
    let (actor, repository) = (deletion.actor(now)?, deletion.repository()?);
    let (found, next) = matching_tags(store, repository, pattern, after, limit).await?;
    let by = By {
        actor: &actor,
        repository,
        now,
    };
    let mut swept = Swept {
        next,
        ..Swept::default()
    };
    for piece in found.chunks(PIECE) {
        let (tags, kept) = write_tx!(store.db(), |tx| {
            let repository_id = lock(tx, repository).await?;
            let (mut tags, mut kept) = (Vec::new(), 0_u64);
            for TagRecord { tag, .. } in piece {
                // One that somebody else removed meanwhile is no failure.
                let Some((digest, shape)) = tagged(tx, repository_id, tag).await? else {
                    continue;
                };
                if deletion.covers(shape) {
                    by.remove_tag(tx, repository_id, tag, &digest, shape)
                        .await?;
                    tags.push(tag.clone());
                } else {
                    kept += 1;
                }
            }
            Ok((tags, kept))
        })?;
        swept.tags.extend(tags);
        swept.kept = swept.kept.saturating_add(kept);
    }
    Ok(swept)
}

/// Removes manifests of a repository, by digest after `after`, at most `limit` of them, each with its tags; evidence that
/// they carried is withdrawn. A repository that holds none is gone for everybody.
pub async fn empty_repository(
    store: &Store,
    deletion: &Deletion<'_>,
    after: Option<&str>,
    limit: u32,
    now: i64,
) -> Result<Emptied> {
    let (actor, repository) = (deletion.actor(now)?, deletion.repository()?);
    let limit = limit.clamp(1, LIST_MAX);
    let found = digests(store, repository, after, limit).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|length| length >= limit);
    let by = By {
        actor: &actor,
        repository,
        now,
    };
    let mut emptied = Emptied {
        next: found.last().filter(|_| is_full).map(ToString::to_string),
        ..Emptied::default()
    };
    for piece in found.chunks(PIECE) {
        let (manifests, tags, kept) = write_tx!(store.db(), |tx| {
            let repository_id = lock(tx, repository).await?;
            let (mut manifests, mut tags, mut kept) = (0_u64, 0_usize, 0_u64);
            for digest in piece {
                match shape_of(tx, repository_id, digest).await? {
                    None => {}
                    Some(shape) if deletion.covers(shape) => {
                        let gone = by.remove_manifest(tx, repository_id, digest, shape).await?;
                        manifests += 1;
                        tags = tags.saturating_add(gone.len());
                    }
                    Some(_) => kept += 1,
                }
            }
            Ok((manifests, u64::try_from(tags).unwrap_or(u64::MAX), kept))
        })?;
        emptied.manifests = emptied.manifests.saturating_add(manifests);
        emptied.tags = emptied.tags.saturating_add(tags);
        emptied.kept = emptied.kept.saturating_add(kept);
    }
    Ok(emptied)
}

async fn named(
    store: &Store,
    repository: &RepositoryName,
    name: &str,
) -> Result<Option<TagRecord>> {
    let row = sqlx::query(
        "SELECT t.name, t.digest, t.updated_at, m.shape FROM repositories r \
         JOIN tags t ON t.repository_id = r.id \
         JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest \
         WHERE r.name = $1 AND t.name = $2",
    )
    .bind(repository.as_str())
    .bind(name)
    .fetch_optional(store.db().read())
    .await?;
    row.map(|row| {
        Ok(TagRecord {
            tag: super::tag(&row, "name")?,
            digest: row.digest("digest")?,
            shape: parse_shape(&row.text("shape")?)?,
            updated_at: row.int("updated_at")?,
        })
    })
    .transpose()
}

async fn digests(
    store: &Store,
    repository: &RepositoryName,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Digest>> {
    let rows = sqlx::query(
        "SELECT m.digest FROM repositories r JOIN manifests m ON m.repository_id = r.id \
         WHERE r.name = $1 AND m.digest > $2 ORDER BY m.digest LIMIT $3",
    )
    .bind(repository.as_str())
    .bind(after.unwrap_or_default())
    .bind(i64::from(limit))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| row.digest("digest")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, tag, expect) in [
            ("1.2", "1.2", true),
            ("1.2", "1.2.3", false),
            ("1.2", "11.2", false),
            ("pr-*", "pr-17", true),
            ("pr-*", "pr-", true),
            ("pr-*", "a-pr-17", false),
            ("*-nightly", "1-nightly", true),
            ("*-nightly", "1-nightly-2", false),
            ("*", "anything", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("ab*ba", "aba", false),
            ("**", "x", true),
        ] {
            let pattern: TagPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(tag), expect, "{pattern} {tag}");
        }
        for wrong in ["", "a/b", "a b", "ä*", &"a".repeat(300)] {
            assert!(wrong.parse::<TagPattern>().is_err(), "{wrong}");
        }
    }
}
