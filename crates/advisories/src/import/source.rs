//! The source of OSV's records. OSV publishes an archive for each ecosystem, and each import replaces its source whole: were they
//! all one source, an archive would take back what another had said.
//!
//! The archive (or folder) decides, not the record: one about several ecosystems is in the archive of each of them, and each
//! of these sources has to be whole by itself. Held twice it is still one weakness, as all that share an id are.

use crate::Advisory;
use crate::decode::OSV;

/// Names the source of records that were found together: by the ecosystem that all of them are about, as those of an archive of
/// OSV are; where there is none, each by the first that it is about.
pub(super) fn name(records: &mut [Advisory]) {
    let common = common(records);
    for record in records {
        let ecosystem = common.clone().or_else(|| ecosystems(record).next());
        if let Some(ecosystem) = ecosystem {
            record.source = format!("{OSV}-{ecosystem}");
        }
    }
}

/// The ecosystem that all records are about that are about any; of several, the one that the first record names first.
fn common(records: &[Advisory]) -> Option<String> {
    let mut about = records.iter().filter(|it| !it.affected.is_empty());
    let mut candidates: Vec<String> = ecosystems(about.next()?).collect();
    for record in about {
        candidates.retain(|candidate| ecosystems(record).any(|it| it == *candidate));
    }
    candidates.into_iter().next()
}

/// The ecosystems of a record in its order, without their releases, as a source's name has them: `debian`, `crates.io`,
/// `github-actions`.
fn ecosystems(record: &Advisory) -> impl Iterator<Item = String> {
    let names = record
        .affected
        .iter()
        .map(|affected| affected.package.ecosystem.to_string());
    names.map(|name| {
        let family = name.split(':').next().unwrap_or_default();
        let word = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || c == '.' => c,
            _ => '-',
        };
        family.chars().take(CHARACTERS_MAX).map(word).collect()
    })
}

/// Names are longer than a source's may be in no feed, but in a hostile one.
const CHARACTERS_MAX: usize = 40;
