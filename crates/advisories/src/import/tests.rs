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
        ["CVE-1", "GHSA-1", "GHSA-2", "GHSA-3", "PYSEC-1"]
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
