//! Folders, archives and single files, good and hostile.

use std::io::{Cursor, Write};

use super::*;

fn record(id: &str, modified: &str, ecosystem: &str) -> String {
    format!(
        r#"{{"id": "{id}", "modified": "{modified}", "affected": [
            {{"package": {{"ecosystem": "{ecosystem}", "name": "p"}}, "versions": ["1"]}}]}}"#
    )
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn ids(batch: &Batch) -> Vec<&str> {
    batch
        .advisories
        .iter()
        .map(|advisory| advisory.id.as_str())
        .collect()
}

fn skipped(batch: &Batch) -> Vec<&str> {
    batch
        .skipped
        .iter()
        .map(|(name, _)| name.as_str())
        .collect()
}

#[test]
fn a_folder_with_everything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write(
        "osv/GHSA-1.json",
        record("GHSA-1", "2024-01-01T00:00:00Z", "PyPI").as_bytes(),
    );
    write(
        "osv/bom.json",
        format!("\u{feff} {}", record("GHSA-2", "", "Maven")).as_bytes(),
    );
    write("pypa/PYSEC-1.yaml", b"id: PYSEC-1\n");
    write(
        "npm.zip",
        &archive(&[("GHSA-3.json", record("GHSA-3", "", "npm").as_bytes())]),
    );
    write(
        "debian.json",
        br#"{"a": {"CVE-1": {"releases": {"buster": {"status": "open"}}}}}"#,
    );
    write("kev.json", br#"{"vulnerabilities": [{"cveID": "CVE-1"}]}"#);
    write("broken.json", b"{\"id\": ");
    write("broken.zip", b"PK\x03\x04nothing");
    write("package.json", b"{\"name\": \"x\"}");
    write("README.md", b"not looked at");
    write(".git/GHSA-9.json", record("GHSA-9", "", "npm").as_bytes());
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero.json")).unwrap();

    let batch = read_path(folder.path(), &Limits::default()).unwrap();
    assert_eq!(
        ids(&batch),
        ["CVE-1", "GHSA-2", "GHSA-3", "GHSA-1", "PYSEC-1"]
    );
    assert_eq!(batch.known_exploited, BTreeSet::from(["CVE-1".to_owned()]));
    assert_eq!(
        skipped(&batch),
        ["broken.json", "broken.zip", "package.json"]
    );
    assert_eq!(batch.unmatched, BTreeMap::from([("Maven".to_owned(), 1)]));
    assert_eq!(batch.files, 8);
}

#[test]
fn a_single_file_needs_no_fitting_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("advisories.download");
    std::fs::write(
        &path,
        archive(&[("a.json", record("GHSA-1", "", "npm").as_bytes())]),
    )
    .unwrap();
    assert_eq!(
        ids(&read_path(&path, &Limits::default()).unwrap()),
        ["GHSA-1"]
    );
    std::fs::write(&path, record("GHSA-2", "", "npm")).unwrap();
    assert_eq!(
        ids(&read_path(&path, &Limits::default()).unwrap()),
        ["GHSA-2"]
    );
    std::fs::write(&path, "PK\x03\x04").unwrap();
    assert!(matches!(
        read_path(&path, &Limits::default()),
        Err(ImportError::Archive { .. })
    ));
    let absent = read_path(&folder.path().join("absent"), &Limits::default()).unwrap_err();
    assert!(matches!(absent, ImportError::Read { .. }));
}

fn about(id: &str, ecosystems: &[&str]) -> String {
    let entry = |ecosystem: &&str| {
        format!(r#"{{"package": {{"ecosystem": "{ecosystem}", "name": "p"}}, "versions": ["1"]}}"#)
    };
    let affected: Vec<String> = ecosystems.iter().map(entry).collect();
    format!(r#"{{"id": "{id}", "affected": [{}]}}"#, affected.join(", "))
}

fn sources(batch: &Batch) -> Vec<(&str, &str)> {
    let advisories = batch.advisories.iter();
    advisories
        .map(|advisory| (advisory.source.as_str(), advisory.id.as_str()))
        .collect()
}

fn zip_of(records: &[(&str, &[&str])]) -> Vec<u8> {
    let records: Vec<(String, String)> = records
        .iter()
        .map(|(id, ecosystems)| (format!("{id}.json"), about(id, ecosystems)))
        .collect();
    let members: Vec<(&str, &[u8])> = records
        .iter()
        .map(|(name, record)| (name.as_str(), record.as_bytes()))
        .collect();
    archive(&members)
}

#[test]
fn an_archive_of_one_ecosystem_is_a_source_of_its_own() {
    let read = |records: &[(&str, &[&str])]| {
        read_zip("all.zip", Cursor::new(zip_of(records)), &Limits::default()).unwrap()
    };
    let both: (&str, &[&str]) = ("GHSA-2", &["npm", "PyPI"]);
    let python = read(&[
        ("GHSA-1", &["PyPI"]),
        both,
        ("GHSA-3", &[]),
        ("PYSEC-1", &["PyPI"]),
    ]);
    assert_eq!(
        sources(&python),
        [
            ("osv-pypi", "GHSA-1"),
            ("osv-pypi", "GHSA-2"),
            ("osv-pypi", "GHSA-3"),
            ("pypa", "PYSEC-1")
        ]
    );
    // What is about both is in both: each source is whole without the other.
    let npm = read(&[both, ("GHSA-4", &["npm"])]);
    assert_eq!(
        sources(&npm),
        [("osv-npm", "GHSA-2"), ("osv-npm", "GHSA-4")]
    );
    let debian = read(&[
        ("DSA-1", &["Debian:12", "Debian:11"]),
        ("DSA-2", &["Debian"]),
    ]);
    assert_eq!(
        sources(&debian),
        [("osv-debian", "DSA-1"), ("osv-debian", "DSA-2")]
    );
    let actions = read(&[("GHSA-5", &["GitHub Actions"])]);
    assert_eq!(sources(&actions), [("osv-github-actions", "GHSA-5")]);
    assert_eq!(sources(&read(&[("GHSA-6", &[])])), [("osv", "GHSA-6")]);
}

#[test]
fn records_with_nothing_in_common_are_of_the_first_ecosystem_that_each_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("mixed/a.json", about("GHSA-1", &["npm", "PyPI"]).as_bytes());
    write("mixed/b.json", about("GHSA-2", &["PyPI", "npm"]).as_bytes());
    write("mixed/c.json", about("GHSA-3", &["Go"]).as_bytes());
    write("npm/d.json", about("GHSA-4", &["PyPI", "npm"]).as_bytes());
    write("npm/e.json", about("GHSA-5", &["npm"]).as_bytes());
    write("npm/all.zip", &zip_of(&[("GHSA-6", &["crates.io"])]));
    let batch = read_path(folder.path(), &Limits::default()).unwrap();
    assert_eq!(
        sources(&batch),
        [
            ("osv-crates.io", "GHSA-6"),
            ("osv-go", "GHSA-3"),
            ("osv-npm", "GHSA-1"),
            ("osv-npm", "GHSA-4"),
            ("osv-npm", "GHSA-5"),
            ("osv-pypi", "GHSA-2"),
        ]
    );
}

#[test]
fn of_two_revisions_the_newer_one_counts() {
    let (old, new) = ("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z");
    let members = [
        ("1/GHSA-1.json", record("GHSA-1", new, "npm")),
        ("2/GHSA-1.json", record("GHSA-1", old, "PyPI")),
    ];
    for order in [[0, 1], [1, 0]] {
        let members = order.map(|index: usize| (members[index].0, members[index].1.as_bytes()));
        let batch = read_zip("x", Cursor::new(archive(&members)), &Limits::default()).unwrap();
        assert_eq!(batch.advisories.len(), 1);
        assert_eq!(
            batch.advisories[0].affected[0].package.ecosystem,
            Ecosystem::Npm
        );
    }
}

#[test]
fn excerpts_of_the_tracker_add_up() {
    let tracker = |package: &str, urgency: &str| {
        format!(
            r#"{{"{package}": {{"CVE-1": {{"releases":
                {{"bookworm": {{"status": "open", "urgency": "{urgency}"}}}}}}}}}}"#
        )
    };
    let members = [
        ("1.json", tracker("a", "high")),
        ("2.json", tracker("b", "low")),
    ];
    let members = members
        .each_ref()
        .map(|(name, text)| (*name, text.as_bytes()));
    let batch = read_zip("x", Cursor::new(archive(&members)), &Limits::default()).unwrap();
    assert_eq!(ids(&batch), ["CVE-1"]);
    assert_eq!(batch.advisories[0].affected.len(), 2);
    assert_eq!(batch.advisories[0].severity, crate::Severity::High);
}

#[test]
fn a_member_that_unpacks_to_too_much_is_skipped() {
    let zeros = vec![b' '; 4 << 20];
    let packed = archive(&[
        ("bomb.json", &zeros),
        ("good.json", record("GHSA-1", "", "npm").as_bytes()),
    ]);
    assert!(packed.len() < 64 << 10);
    let limits = Limits {
        file_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let batch = read_zip("x.zip", Cursor::new(&packed), &limits).unwrap();
    assert_eq!(ids(&batch), ["GHSA-1"]);
    assert_eq!(skipped(&batch), ["x.zip: bomb.json"]);
    assert_eq!(
        batch.skipped[0].1,
        "limit exceeded: larger than 1048576 bytes"
    );

    let limits = Limits {
        total_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let error = read_zip("x.zip", Cursor::new(&packed), &limits).unwrap_err();
    let expect = "limit exceeded: `x.zip` holds more than 1048576 bytes; import it in parts";
    assert_eq!(error.to_string(), expect);
}

#[test]
fn too_many_files_are_an_error() {
    let members: Vec<String> = (0..10).map(|number| format!("{number}.txt")).collect();
    let members: Vec<(&str, &[u8])> = members
        .iter()
        .map(|name| (name.as_str(), &b""[..]))
        .collect();
    let limits = Limits {
        files_max: 9,
        ..Limits::default()
    };
    let error = read_zip("x.zip", Cursor::new(archive(&members)), &limits).unwrap_err();
    assert!(matches!(
        error,
        ImportError::LimitExceeded {
            what: "files",
            max: 9,
            ..
        }
    ));
    let limits = Limits {
        files_max: 10,
        ..Limits::default()
    };
    assert!(read_zip("x.zip", Cursor::new(archive(&members)), &limits).is_ok());
}

#[test]
fn damaged_members_are_skipped() {
    let text = record("GHSA-1", "", "npm");
    let good = archive(&[("a.json", text.as_bytes())]);
    // Every cut and every flipped byte: never a panic, never a record that was not written.
    for end in 0..good.len() {
        drop(read_zip("x", Cursor::new(&good[..end]), &Limits::default()));
    }
    for position in 0..good.len() {
        let mut damaged = good.clone();
        damaged[position] ^= 0x55;
        if let Ok(batch) = read_zip("x", Cursor::new(damaged), &Limits::default()) {
            assert!(
                ids(&batch).is_empty() || ids(&batch) == ["GHSA-1"],
                "byte {position}"
            );
        }
    }
}

#[test]
fn skipped_entries_are_counted_when_there_are_too_many_to_list() {
    let mut import = Import::new("source", &Limits::default());
    (0..SKIPPED_MAX + 3).for_each(|number| import.skip(number.to_string(), String::new()));
    let batch = import.finish();
    assert_eq!(batch.skipped.len(), SKIPPED_MAX + 1);
    assert_eq!(batch.skipped.last().unwrap().1, "3 more were skipped");
}

#[test]
fn bytes_in_memory() {
    assert_eq!(
        ids(&read_bytes("x", record("GHSA-1", "", "npm").as_bytes())),
        ["GHSA-1"]
    );
    let batch = read_bytes("x", b"");
    assert_eq!((batch.advisories.len(), skipped(&batch)), (0, vec!["x"]));
}
