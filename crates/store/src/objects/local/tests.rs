//! Keys and files: what is adopted can be opened, listed in order and removed.

use std::fs;

use super::*;
use crate::error::Error;

fn objects(folder: &tempfile::TempDir) -> Local {
    Local::create(folder.path().join("blobs")).unwrap()
}

fn put(objects: &Local, folder: &tempfile::TempDir, key: &str, content: &str) {
    let path = folder.path().join("upload");
    fs::write(&path, content).unwrap();
    objects
        .adopt(&File::open(&path).unwrap(), &path, key)
        .unwrap();
    assert!(!path.exists());
}

#[test]
fn an_object_is_there_from_its_adoption_to_its_removal() {
    let folder = tempfile::tempdir().unwrap();
    let objects = objects(&folder);
    put(&objects, &folder, "sha256/ab/abcd.1", "content");
    let content = objects.open("sha256/ab/abcd.1").unwrap();
    assert_eq!(content.size, 7);
    assert!(objects.remove("sha256/ab/abcd.1").unwrap());
    assert!(!objects.remove("sha256/ab/abcd.1").unwrap(), "once");
    assert!(matches!(
        objects.open("sha256/ab/abcd.1"),
        Err(Error::NotFound { .. })
    ));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut content.into_reader(), &mut text).unwrap();
    assert_eq!(text, "content", "who has it open reads it to its end");
}

#[test]
fn a_listing_goes_through_every_key_in_order_however_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let objects = objects(&folder);
    let keys = [
        "sha256/00/00",
        "sha256/00/00.1",
        "sha256/ab/abcd.2",
        "sha256/ab/abce.1",
        "sha256/ff/ffff.1",
        "sha512/00/00.1",
        "sha512/ab/ab.1",
    ];
    for key in keys.iter().rev() {
        put(&objects, &folder, key, key);
    }
    for limit in 1..=keys.len() + 1 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = objects.list(after.as_deref(), limit).unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            assert!(last.size > 0 && last.modified_at > 1_700_000_000_000);
            after = Some(last.key.clone());
            seen.extend(page.into_iter().map(|listed| listed.key));
        }
        assert_eq!(seen, keys, "{limit}");
    }
    let behind = objects.list(Some("sha256/b"), 1).unwrap();
    assert_eq!(behind[0].key, "sha256/ff/ffff.1", "a key that is none");
}
