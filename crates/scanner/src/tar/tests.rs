//! The tar reader against archives made byte by byte.

use std::io::Read;

use proptest::prelude::*;

use super::{Entry, Kind, Reader};
use crate::limits::Limits;
use crate::testing::{Archive, header, pax_record};

type Listed = (String, Kind, String, Vec<u8>);

fn limits() -> Limits {
    Limits {
        entries_max: 100,
        extension_bytes_max: 4096,
        ..Limits::default()
    }
}

fn list(archive: &[u8]) -> Result<Vec<Listed>, String> {
    let mut reader = Reader::new(
        Stutter {
            rest: archive,
            step: 0,
        },
        &limits(),
    );
    let mut entry = Entry::default();
    let mut listed = Vec::new();
    while reader.next(&mut entry).map_err(|error| error.to_string())? {
        let mut content = Vec::new();
        reader
            .read_to_end(&mut content)
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        listed.push((text(&entry.path), entry.kind, text(&entry.link), content));
    }
    reader.drain().map_err(|error| error.to_string())?;
    Ok(listed)
}

/// Gives its bytes in pieces of changing size, as a network does.
struct Stutter<'a> {
    rest: &'a [u8],
    step: usize,
}

impl Read for Stutter<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.step = (self.step * 7 + 3) % 1021;
        let count = self.rest.len().min(buffer.len()).min(self.step + 1);
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        Ok(count)
    }
}

fn file(path: &str, content: &[u8]) -> Listed {
    (path.into(), Kind::File, String::new(), content.to_vec())
}

#[test]
fn entries_come_in_order_with_their_content() {
    let archive = Archive::new()
        .directory("etc/")
        .file("etc/hosts", b"127.0.0.1 localhost\n")
        .file("empty", b"")
        .file("block", [7; 512])
        .symlink("link", "etc/hosts")
        .hard_link("hard", "block")
        .entry(b'3', b"null", b"", b"")
        .finish();
    let expect = [
        ("etc/".into(), Kind::Directory, String::new(), vec![]),
        file("etc/hosts", b"127.0.0.1 localhost\n"),
        file("empty", b""),
        file("block", &[7; 512]),
        ("link".into(), Kind::Symlink, "etc/hosts".into(), vec![]),
        ("hard".into(), Kind::HardLink, "block".into(), vec![]),
        ("null".into(), Kind::Other, String::new(), vec![]),
    ];
    assert_eq!(list(&archive), Ok(expect.to_vec()));
}

#[test]
fn content_that_nobody_reads_is_passed_over() {
    let archive = Archive::new()
        .file("a", [1; 3000])
        .file("b", b"two")
        .finish();
    let mut reader = Reader::new(archive.as_slice(), &limits());
    let mut entry = Entry::default();
    assert!(reader.next(&mut entry).unwrap());
    let mut some = [0; 10];
    reader.read_exact(&mut some).unwrap();
    assert!(reader.next(&mut entry).unwrap());
    assert_eq!(entry.path, b"b");
    assert!(!reader.next(&mut entry).unwrap());
}

#[test]
fn long_names_of_every_dialect() {
    let long = "d/".repeat(100) + "f";
    let check = |archive: Archive| {
        let listed = list(&archive.file("after", b"x").finish()).unwrap();
        assert_eq!(listed, [file(&long, b"content"), file("after", b"x")]);
    };
    check(
        Archive::new()
            .pax(&[("path", &long)])
            .file("short", b"content"),
    );
    check(
        Archive::new()
            .entry(b'L', b"././@LongLink", b"", format!("{long}\0").as_bytes())
            .file("short", b"content"),
    );
    let mut block = header(b'0', &long.as_bytes()[150..], b"", 7);
    block[345..494].copy_from_slice(&long.as_bytes()[..149]);
    check(Archive::new().header(block).content(b"content"));
    let twice = Archive::new().pax(&[("path", "pax")]).entry(
        b'L',
        b"L",
        b"",
        format!("{long}\0").as_bytes(),
    );
    check(twice.file("short", b"content"));
}

#[test]
fn a_prefix_is_a_prefix_only_where_the_dialect_has_one() {
    let path_of = |edit: fn(&mut [u8; 512])| {
        let mut block = header(b'0', b"name", b"", 0);
        block[345..348].copy_from_slice(b"pre");
        edit(&mut block);
        list(&Archive::new().header(block).finish()).unwrap()[0]
            .0
            .clone()
    };
    assert_eq!(path_of(|_| ()), "pre/name");
    assert_eq!(path_of(|block| block[257..265].fill(0)), "name");
    assert_eq!(
        path_of(|block| block[508..512].copy_from_slice(b"tar\0")),
        "pre/name"
    );
    // GNU has times there; text that is no time was once written by Go.
    assert_eq!(
        path_of(|block| block[257..265].copy_from_slice(b"ustar  \0")),
        "pre/name"
    );
    let gnu_times = |block: &mut [u8; 512]| {
        block[257..265].copy_from_slice(b"ustar  \0");
        block[345..357].copy_from_slice(b"14371573000\0");
    };
    assert_eq!(path_of(gnu_times), "name");
}

#[test]
fn sizes_beyond_octal() {
    let mut block = header(b'0', b"big", b"", 0);
    block[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(
        list(&Archive::new().header(block).content(b"12345").finish()),
        Ok(vec![file("big", b"12345")])
    );
    let archive = Archive::new()
        .pax(&[("size", "5")])
        .header(header(b'0', b"pax", b"", 0))
        .content(b"12345");
    assert_eq!(list(&archive.finish()), Ok(vec![file("pax", b"12345")]));
}

#[test]
fn links_and_folders_have_no_content_whatever_their_size_says() {
    for flag in *b"123456" {
        let mut archive = Archive::new().header(header(flag, b"a", b"", 512));
        archive = archive.file("hidden?", b"no");
        let listed = list(&archive.finish()).unwrap();
        assert_eq!(listed.len(), 2, "type {}", char::from(flag));
        assert_eq!(listed[1].0, "hidden?");
    }
}

#[test]
fn old_files_that_end_in_a_slash_are_folders() {
    let kind = |flag| list(&Archive::new().entry(flag, b"a/", b"", b"").finish()).unwrap()[0].1;
    assert_eq!(kind(0), Kind::Directory);
    assert_eq!(kind(b'0'), Kind::File);
}

#[test]
fn global_headers_change_nothing() {
    let archive = Archive::new()
        .entry(b'g', b"g", b"", pax_record("path", "evil").as_bytes())
        .file("good", b"");
    assert_eq!(list(&archive.finish()), Ok(vec![file("good", b"")]));
}

#[test]
fn sparse_files_are_known_as_such() {
    let versioned = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "real"),
    ];
    let archive = Archive::new()
        .pax(&versioned)
        .file("GNUSparseFile.1/real", b"map and data")
        .file("b", b"");
    let listed = list(&archive.finish()).unwrap();
    assert_eq!(
        (listed[0].0.as_str(), listed[0].1),
        ("real", Kind::SparseFile)
    );
    assert_eq!(listed[1], file("b", b""));
    // An old sparse map that goes on in two more blocks before the content.
    let mut block = header(b'S', b"old", b"", 3);
    block[482] = 1;
    let mut extension = [0; 512];
    extension[504] = 1;
    let archive = Archive::new()
        .header(block)
        .content(&extension)
        .content(&[0; 512])
        .content(b"abc")
        .file("b", b"");
    let listed = list(&archive.finish()).unwrap();
    assert_eq!(
        listed[0],
        (
            "old".into(),
            Kind::SparseFile,
            String::new(),
            b"abc".to_vec()
        )
    );
    assert_eq!(listed[1], file("b", b""));
}

#[test]
fn the_end_of_an_archive() {
    let check = |archive: Vec<u8>, names: &[&str]| {
        let listed = list(&archive).unwrap();
        assert_eq!(
            listed
                .iter()
                .map(|entry| entry.0.as_str())
                .collect::<Vec<_>>(),
            names
        );
    };
    check(vec![], &[]);
    check(vec![0; 512], &[]);
    check(vec![0; 10240], &[]);
    check(Archive::new().file("a", b"x").unfinished(), &["a"]);
    check(
        [
            Archive::new().file("a", b"").finish(),
            b"trailing garbage".to_vec(),
        ]
        .concat(),
        &["a"],
    );
    let second = Archive::new().file("b", b"").finish();
    check(
        [Archive::new().file("a", b"").finish(), second].concat(),
        &["a"],
    );
    let lone = Archive::new()
        .file("a", b"")
        .zero_block()
        .file("b", b"")
        .finish();
    check(lone.clone(), &["a", "b"]);
    let mut reader = Reader::new(lone.as_slice(), &limits());
    while reader.next(&mut Entry::default()).unwrap() {}
    assert_eq!(reader.lone_zero_blocks(), 1);
}

#[test]
fn damage_is_told_with_its_place() {
    let check = |archive: &[u8], expect: &str| {
        let error = list(archive).unwrap_err();
        assert!(error.contains(expect), "{error:?} lacks {expect:?}");
    };
    let good = Archive::new().file("a", [1; 700]).finish();
    check(
        b"{\"not\": \"a tar archive\"}",
        "ends in the middle of an entry, at byte 24",
    );
    check(&[b'x'; 512], "no valid header at byte 0");
    check(&good[..100], "ends in the middle");
    check(&good[..600], "ends in the middle of an entry, at byte 600");
    check(&good[..1300], "ends in the middle");
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    check(&flipped, "no valid header at byte 0");
    let mut bad_size = header(b'0', b"a", b"", 0);
    bad_size[124..136].copy_from_slice(b"99999999999\0");
    check(
        &Archive::new().header(bad_size).finish(),
        "at byte 0 has no valid size",
    );
    let mut negative = header(b'0', b"a", b"", 0);
    negative[124..136].fill(0xff);
    check(
        &Archive::new().header(negative).finish(),
        "has no valid size",
    );
    let bad_records = Archive::new()
        .entry(b'x', b"x", b"", b"12 path=evil")
        .file("a", b"");
    check(&bad_records.finish(), "the extended header at byte 512");
}

#[test]
fn endless_headers_have_a_limit() {
    let many = (0..101).fold(Archive::new(), |archive, _| archive.file("a", b""));
    assert_eq!(list(&many.finish()).unwrap_err(), "more than 100 headers");
    let fits = (0..100).fold(Archive::new(), |archive, _| archive.file("a", b""));
    assert_eq!(list(&fits.finish()).unwrap().len(), 100);
    let extensions = (0..200).fold(Archive::new(), |archive, _| archive.pax(&[("path", "a")]));
    assert_eq!(
        list(&extensions.finish()).unwrap_err(),
        "more than 100 headers"
    );
    let mut sparse = header(b'S', b"a", b"", 0);
    sparse[482] = 1;
    let endless = Archive::new().header(sparse).content(&[1; 512 * 200]);
    assert_eq!(
        list(&endless.finish()).unwrap_err(),
        "more than 100 headers"
    );
    let huge = Archive::new().header(header(b'x', b"x", b"", 1 << 32));
    assert!(
        list(&huge.finish())
            .unwrap_err()
            .contains("over the limit of 4096")
    );
    let huge = Archive::new()
        .header(header(b'L', b"x", b"", 4097))
        .content(&[b'a'; 4097]);
    assert!(
        list(&huge.finish())
            .unwrap_err()
            .contains("over the limit of 4096")
    );
}

proptest! {
    #[test]
    fn any_bytes_are_an_archive_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = list(&bytes);
    }

    #[test]
    fn a_damaged_archive_is_an_archive_or_an_error(
        edits in proptest::collection::vec((0..6000_usize, any::<u8>()), 1..12),
        cut in 0..6000_usize,
    ) {
        let mut sparse = header(b'S', b"s", b"", 600);
        sparse[482] = 1;
        let mut archive = Archive::new()
            .pax(&[("path", "a/b"), ("size", "3")])
            .file("x", b"abc")
            .entry(b'L', b"L", b"", b"long\0")
            .symlink("y", "z")
            .header(sparse)
            .content(&[0; 512])
            .content(&[1; 600])
            .file("last", [2; 900])
            .finish();
        for (offset, value) in edits {
            if let Some(byte) = archive.get_mut(offset) {
                *byte = value;
            }
        }
        archive.truncate(cut);
        // Checksums are made valid again, so that the fields behind them are reached.
        for block in archive.as_chunks_mut::<512>().0 {
            if block[257..262] == *b"ustar" {
                block[148..156].copy_from_slice(b"        ");
                let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        let _ = list(&archive);
    }

    #[test]
    fn what_is_written_is_read(files in proptest::collection::vec(("[a-z]{1,90}", proptest::collection::vec(any::<u8>(), 0..1500)), 0..8)) {
        let archive = files.iter().fold(Archive::new(), |archive, (path, content)| archive.file(path, content));
        let expect: Vec<_> = files.iter().map(|(path, content)| file(path, content)).collect();
        prop_assert_eq!(list(&archive.finish()), Ok(expect));
    }
}
