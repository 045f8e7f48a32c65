//! Matching: components against the advisories under their package keys. The cost follows what changed: a new image brings its new
//! components here, an import the components under the keys it changed, and nobody else is looked at.

use crate::{Context, Error, Result};
use store::System;
use store::feeds::{self, MatchWork};
use store::findings::{self, Matched, StockComponent};

/// Package keys whose components are matched at a time.
const KEYS_AT_A_TIME: usize = 500;
/// How often a piece is matched again when an import came between.
const TRIES_MAX: usize = 5;

/// Matches every component under these keys again.
pub(crate) async fn match_keys(context: &Context, work: &MatchWork) -> Result<()> {
    for keys in work.keys.chunks(KEYS_AT_A_TIME) {
        let mut tries = 0;
        loop {
            match match_piece(context, keys).await {
                // The advisories changed between reading and writing: what was computed is of no use.
                Err(Error::Store(store::Error::Conflict { .. })) if tries < TRIES_MAX => tries += 1,
                outcome => break outcome?,
            }
        }
    }
    Ok(())
}

async fn match_piece(context: &Context, keys: &[advisories::PackageKey]) -> Result<()> {
    let components = findings::components_under(&context.store, keys).await?;
    if components.is_empty() {
        return Ok(());
    }
    let matchable = feeds::for_keys(&context.store, keys).await?;
    let generation = matchable.generation;
    let index = matchable.into_index();
    let matched: Vec<Matched> = components
        .into_iter()
        .map(|StockComponent { id, key, version }| Matched {
            component_id: id,
            matches: index.matches(&key, &version),
        })
        .collect();
    findings::replace(
        &context.store,
        System::job("match"),
        &matched,
        generation,
        context.now(),
    )
    .await?;
    Ok(())
}
