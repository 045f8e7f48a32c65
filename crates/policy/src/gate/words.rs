//! The words of decisions: instants, images, values from outside, and templates of next steps.
//!
//! What comes from a signature may have been written by anybody, and ends on a terminal: it is cut and stripped here.

use oci::{Digest, RepositoryName};

/// How many characters of a value from outside are shown.
const SHOWN_CHARACTERS_MAX: usize = 64;
/// How many characters of a description are shown.
const PLAIN_CHARACTERS_MAX: usize = 200;

/// An instant in milliseconds since the epoch, as RFC 3339 in UTC.
pub(crate) fn instant(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => format!("{milliseconds} ms"),
    }
}

/// A duration in milliseconds, as a policy file has it: in the largest unit of which it is a whole number.
pub(super) fn duration(milliseconds: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m")];
    let whole = units
        .iter()
        .find(|(unit, _)| milliseconds % unit == 0 && milliseconds != 0);
    match whole {
        Some((unit, name)) => format!("{}{name}", milliseconds / unit),
        None => format!("{}s", milliseconds / 1_000),
    }
}

/// An image as commands take it.
pub(super) fn image(repository: &RepositoryName, digest: &Digest) -> String {
    format!("{repository}@{digest}")
}

/// A value from outside in backticks, cut, and without characters that steer a terminal.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", clean(text, SHOWN_CHARACTERS_MAX))
}

/// The same without backticks around it, and longer: for package names, versions and descriptions of problems. What these
/// quote themselves stands in apostrophes.
pub(super) fn plain(text: &str) -> String {
    clean(&text.replace('`', "'"), PLAIN_CHARACTERS_MAX)
}

fn clean(text: &str, characters_max: usize) -> String {
    let replaced = |character: char| {
        let steers = character.is_control() || is_invisible(character) || character == '`';
        if steers { '\u{fffd}' } else { character }
    };
    let start: String = text.chars().take(characters_max).map(replaced).collect();
    let rest = if text.chars().nth(characters_max).is_some() {
        "…"
    } else {
        ""
    };
    format!("{start}{rest}")
}

/// Marks that reorder or hide text on a screen.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Enough of a key's id to recognise it.
pub(super) fn short_key(key: &str) -> String {
    let start: String = key.chars().take(12).collect();
    quoted(&start)
}

/// A template with its placeholders filled in.
pub(super) fn fill(template: &str, places: &[(&str, &str)]) -> String {
    places
        .iter()
        .fold(template.to_owned(), |text, (place, value)| {
            text.replace(place, value)
        })
}

/// `1 finding`, `2 findings`.
pub(super) fn count(number: usize, singular: &str, plural: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { plural })
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.pop() {
        None => String::new(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}
