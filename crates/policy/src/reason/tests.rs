//! The closed list of reasons, and its pages.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

fn pages() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reasons")
}

#[test]
fn codes_are_unique_and_in_kebab_case() {
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        let name = code.as_str();
        assert!(
            name.chars()
                .all(|character| character.is_ascii_lowercase() || character == '-'),
            "{name}"
        );
        assert_eq!(
            serde_json::to_value(code).expect("JSON"),
            serde_json::Value::from(name)
        );
    }
}

#[test]
fn every_code_is_described_in_a_sentence_of_its_own_and_has_a_next_step() {
    let sentences: BTreeSet<&str> = Code::ALL.iter().map(|code| code.describe()).collect();
    assert_eq!(sentences.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(code.describe().ends_with('.'), "{code}");
        assert!(!code.next_step().is_empty(), "{code}");
    }
}

#[test]
fn every_code_has_a_page_that_the_index_lists() {
    let index = std::fs::read_to_string(pages().join("README.md")).expect("the index of the pages");
    for code in Code::ALL {
        let name = code.as_str();
        let page = std::fs::read_to_string(pages().join(format!("{name}.md")))
            .unwrap_or_else(|error| panic!("no page for {name}: {error}"));
        assert!(page.starts_with(&format!("# `{name}`\n")), "{name}");
        for heading in ["## What it means", "## What to do", "## Example"] {
            assert!(page.contains(heading), "{name} has no {heading}");
        }
        assert!(
            index.contains(&format!("]({name}.md)")),
            "{name} is not in the index"
        );
    }
}

#[test]
fn every_page_belongs_to_a_code() {
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    for entry in std::fs::read_dir(pages()).expect("the folder of the pages") {
        let file = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8");
        let name = file
            .strip_suffix(".md")
            .unwrap_or_else(|| panic!("{file} is not a page"));
        assert!(
            name == "README" || names.contains(name),
            "{file} belongs to no code"
        );
    }
}
