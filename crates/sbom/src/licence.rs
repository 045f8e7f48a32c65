//! What a package declares as its licence, told apart: one SPDX identifier, an SPDX expression, or just a name. Only
//! common identifiers are known; text made of others stays a name, which is always true. Nothing is guessed from
//! near matches such as `Apache 2.0`. SPDX 2.3, annex D.

mod common;
mod expression;

/// A declared licence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Licence {
    /// One identifier of the SPDX list, in the list's spelling.
    Id(&'static str),
    /// An SPDX expression made of common identifiers, spelled as SPDX does.
    Expression(String),
    /// Anything else, as declared.
    Name(String),
}

impl Licence {
    /// Reads what a package declares; `None` when that is blank.
    #[must_use]
    pub fn read(declared: &str) -> Option<Self> {
        let declared = declared.trim();
        if declared.is_empty() {
            return None;
        }
        Some(expression::parse(declared).unwrap_or_else(|| Self::Name(declared.to_owned())))
    }

    /// The text: identifier, expression or name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Expression(text) | Self::Name(text) => text,
        }
    }
}

/// The SPDX identifiers that are recognised, in the spelling of the list.
#[must_use]
pub fn known_ids() -> &'static [&'static str] {
    common::IDS
}

#[cfg(test)]
mod tests;
