//! `usr/share/doc/PACKAGE/copyright` in its machine-readable form: the short names of the licences it declares.
//! Free-form copyright files are prose, and nothing is guessed from them. Debian copyright-format 1.0, 7.

use std::io;

use sbom::ProblemKind;

use super::control::{Line, Lines};
use super::{Cataloger, File, Finding, declare_licence, identifier};

pub(super) struct DpkgCopyright;

impl Cataloger for DpkgCopyright {
    fn claims(&self, path: &str) -> bool {
        os_package(path).is_some()
    }

    fn read(&self, file: &mut File<'_>) -> io::Result<Finding> {
        let Some(os_package) = os_package(file.path) else {
            return Ok(Finding::Nothing);
        };
        let mut names = Vec::new();
        let mut lines = Lines::new(file.content);
        let mut has_format = false;
        while let Some(line) = lines.next()? {
            match line {
                Line::Field { name, value } if name.eq_ignore_ascii_case(b"Format") => {
                    has_format |= contains(value, b"copyright-format") || contains(value, b"/dep5");
                }
                Line::Field { name, value }
                    if has_format && name.eq_ignore_ascii_case(b"License") =>
                {
                    declare_licence(&String::from_utf8_lossy(value), &mut names);
                }
                // The format is declared first, or not at all.
                Line::Empty if !has_format => break,
                Line::Junk if !has_format => break,
                _ => {}
            }
        }
        if names.is_empty() {
            return Ok(Finding::Nothing);
        }
        Ok(Finding::Licences {
            os_package: os_package.to_owned(),
            names,
        })
    }

    fn unread(&self, _path: &str, _kind: ProblemKind, _why: String) -> Finding {
        Finding::Nothing
    }
}

/// The package whose documentation the file is.
fn os_package(path: &str) -> Option<&str> {
    let name = path
        .strip_prefix(DOCUMENTATION)?
        .strip_suffix("/copyright")?;
    identifier(name.as_bytes()).filter(|name| !name.contains('/'))
}

/// Where packages keep their documentation.
pub(crate) const DOCUMENTATION: &str = "usr/share/doc/";

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
