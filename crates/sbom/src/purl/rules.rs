//! What single purl types ask for: which parts are compared without regard to case, and which parts they must or must
//! not have. Types that are not listed keep their parts as given. package-url `types/*-definition.json`.

use super::{Purl, PurlError};
use crate::pep503;

/// Normalises, then checks what the type requires.
pub(super) fn apply(purl: &mut Purl) -> Result<(), PurlError> {
    normalise(purl);
    let rule = match purl.kind.as_str() {
        "pypi" | "oci" | "cargo" | "gem" | "nuget" if purl.namespace.is_some() => {
            "has no namespace"
        }
        _ => return Ok(()),
    };
    Err(PurlError::Rule {
        kind: purl.kind.clone(),
        rule,
    })
}

/// Brings the parts into the form that the type compares.
pub(super) fn normalise(purl: &mut Purl) {
    match purl.kind.as_str() {
        "deb" | "apk" | "github" | "bitbucket" | "composer" => {
            lower(&mut purl.namespace);
            purl.name = purl.name.to_lowercase();
        }
        "rpm" | "alpm" => lower(&mut purl.namespace),
        "oci" => purl.name = purl.name.to_lowercase(),
        // PEP 503 goes further than the purl specification (which leaves dots and runs alone): it is how the index
        // itself decides whether two names are one project.
        "pypi" => {
            purl.name = pep503(&purl.name);
            lower(&mut purl.version);
        }
        _ => {}
    }
}

fn lower(part: &mut Option<String>) {
    if let Some(text) = part {
        *text = text.to_lowercase();
    }
}
