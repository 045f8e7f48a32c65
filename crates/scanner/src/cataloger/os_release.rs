//! `etc/os-release` and `usr/lib/os-release`: which distribution the image is made from. Which of the two holds is for
//! `merge`. os-release(5).

use std::io::{self, Read};

use sbom::{Distro, ProblemKind};

use super::{Cataloger, File, Finding, TEXT_BYTES_MAX};

pub(super) struct OsRelease;

impl Cataloger for OsRelease {
    fn claims(&self, path: &str) -> bool {
        PATHS.contains(&path)
    }

    fn read(&self, file: &mut File<'_>) -> io::Result<Finding> {
        let mut bytes = Vec::new();
        file.content
            .take(file.limits.metadata_bytes_max)
            .read_to_end(&mut bytes)?;
        Ok(match parse(&String::from_utf8_lossy(&bytes)) {
            Some(distro) => Finding::Distro(distro),
            None => self.unread(
                file.path,
                ProblemKind::UnreadableMetadata,
                "it names no distribution".to_owned(),
            ),
        })
    }
}

/// The files, the one that wins first.
pub(crate) const PATHS: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

fn parse(text: &str) -> Option<Distro> {
    let value = |key: &str| {
        let assigned = |line: &str| {
            line.trim()
                .strip_prefix(key)?
                .strip_prefix('=')
                .map(unquote)
        };
        text.lines()
            .rev()
            .find_map(assigned)
            .filter(|value| value.len() <= TEXT_BYTES_MAX)
    };
    let id = value("ID")
        .map(|id| id.to_ascii_lowercase())
        .filter(|id| !id.is_empty() && !id.contains(char::is_whitespace));
    let pretty_name = value("PRETTY_NAME")
        .or_else(|| value("NAME"))
        .unwrap_or_default();
    Some(Distro {
        id: id?,
        version_id: value("VERSION_ID").unwrap_or_default(),
        codename: value("VERSION_CODENAME").filter(|codename| !codename.is_empty()),
        pretty_name,
    })
}

// Values are those of a shell assignment: bare, in single or in double quotes.
fn unquote(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            let inner = inner.strip_suffix(quote).unwrap_or(inner);
            return if quote == '"' {
                unescape(inner)
            } else {
                inner.to_owned()
            };
        }
    }
    unescape(value)
}

fn unescape(value: &str) -> String {
    let mut chars = value.chars();
    let mut text = String::with_capacity(value.len());
    while let Some(char) = chars.next() {
        text.extend(if char == '\\' {
            chars.next()
        } else {
            Some(char)
        });
    }
    text
}
