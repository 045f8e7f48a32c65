//! What a reviewer should never have to say: file heads, file lengths, dead links in the documentation.
//! It does not judge style; rustfmt and clippy do.

use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// A Rust file longer than this fails; over `LINES_SMELL` it is only a smell, and nothing is said here.
const LINES_MAX: usize = 1_000;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

const SKIPPED_FOLDERS: &[&str] = &["target", ".git", "node_modules"];

/// Fails with every file that breaks a rule.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut complaints = Vec::new();
    for path in files(root) {
        let shown = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => complaints.extend(rust_file(&shown, &fs::read_to_string(&path)?)),
            Some("md") => {
                complaints.extend(markdown_file(&path, &shown, &fs::read_to_string(&path)?))
            }
            _ => {}
        }
    }
    complaints.extend(missing_pages(root));
    if complaints.is_empty() {
        return Ok(());
    }
    bail!(
        "{} complaint(s):\n  {}",
        complaints.len(),
        complaints.join("\n  ")
    )
}

fn files(root: &Path) -> impl Iterator<Item = PathBuf> {
    WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            !SKIPPED_FOLDERS
                .iter()
                .any(|skipped| entry.file_name() == *skipped)
        })
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
}

fn rust_file(shown: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints.push(format!(
            "{shown}: does not open with `//!`; say what the file is and is not"
        ));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX && !LONG_FILES.iter().any(|(long, _)| *long == shown) {
        complaints.push(format!(
            "{shown}: {lines} lines; split it, or list it in xtask/src/tidy.rs with a reason"
        ));
    }
    if shown.ends_with("/mod.rs") && !shown.contains("/tests/") {
        complaints.push(format!(
            "{shown}: modules are `foo.rs` and `foo/`, not `mod.rs`"
        ));
    }
    complaints
}

fn markdown_file(path: &Path, shown: &str, text: &str) -> Vec<String> {
    let folder = path.parent().unwrap_or(path);
    links(text)
        .filter(|link| {
            !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:")
        })
        .filter(|link| {
            let target = link.split('#').next().unwrap_or_default();
            !folder.join(target).exists()
        })
        .map(|link| format!("{shown}: the link `{link}` leads nowhere"))
        .collect()
}

/// The targets of `[text](target)` outside code blocks.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines()
        .filter(move |line| {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
                return false;
            }
            !in_code
        })
        .flat_map(|line| {
            line.split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
        })
}

fn missing_pages(root: &Path) -> Vec<String> {
    [
        "README.md",
        "README.zh-CN.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE",
    ]
    .iter()
    .filter(|page| !root.join(page).exists())
    .map(|page| format!("{page} is missing"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_head_is_named() {
        assert_eq!(rust_file("a.rs", "fn main() {}\n").len(), 1);
        assert!(rust_file("a.rs", "//! What it is.\n").is_empty());
    }

    #[test]
    fn a_file_that_is_too_long_is_named() {
        let long = format!("//! Long.\n{}", "// line\n".repeat(LINES_MAX));
        assert_eq!(rust_file("a.rs", &long).len(), 1);
    }

    #[test]
    fn links_are_found_outside_code_only() {
        let text = "see [a](a.md) and [b](b.md#part)\n```\n[c](c.md)\n```\n";
        assert_eq!(links(text).collect::<Vec<_>>(), ["a.md", "b.md#part"]);
    }

    #[test]
    fn a_dead_link_is_named() {
        let folder = std::env::temp_dir();
        let page = folder.join("page.md");
        assert_eq!(
            markdown_file(&page, "page.md", "[x](no-such-file-here.md)").len(),
            1
        );
        assert!(markdown_file(&page, "page.md", "[x](https://example.org/)").is_empty());
    }
}
