//! CISA's catalogue of known exploited vulnerabilities.
//!
//! Only the ids are taken: due dates and actions are for United States agencies.
//! <https://www.cisa.gov/known-exploited-vulnerabilities-catalog>

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{DecodeError, normalize_id, shorten};

/// What the catalogue holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownExploited {
    /// The CVE ids.
    pub ids: BTreeSet<String>,
    /// Entries that could not be read: which, and why.
    pub skipped: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Catalogue<'a> {
    #[serde(borrow)]
    vulnerabilities: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "cveID")]
    cve_id: String,
}

/// Reads the catalogue. An entry without a usable id is skipped, with the reason.
pub fn kev(bytes: &[u8]) -> Result<KnownExploited, DecodeError> {
    let catalogue: Catalogue<'_> =
        serde_json::from_slice(bytes).map_err(|error| DecodeError::syntax(FORMAT, &error))?;
    let mut found = KnownExploited::default();
    for (index, raw) in catalogue.vulnerabilities.into_iter().enumerate() {
        match cve_id(raw) {
            Ok(id) => drop(found.ids.insert(id)),
            Err(why) if found.skipped.len() < SKIPPED_MAX => {
                found
                    .skipped
                    .push((format!("vulnerabilities[{index}]"), why));
            }
            Err(_) => {}
        }
    }
    Ok(found)
}

fn cve_id(raw: &RawValue) -> Result<String, String> {
    let entry: Entry = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    let id = normalize_id(&entry.cve_id).filter(|id| id.starts_with("CVE-"));
    id.ok_or_else(|| format!("`{}` is not a CVE id", shorten(&entry.cve_id, 40)))
}

const FORMAT: &str = "known exploited vulnerabilities";
const SKIPPED_MAX: usize = 1_000;
