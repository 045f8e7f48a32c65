//! What a layer can cost: hostile and merely huge layers, made as streams, one after another in one process, whose
//! peak memory then has to be under the promised bound. A binary of its own, so that no other test counts in.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failing test may panic anywhere"
)]
#![cfg(target_os = "linux")]

use std::io::{self, Read};

use oci::{Digest, media};
use sbom::{LayerInventory, ProblemKind};
use scanner::{Limits, scan_layer};

const PEAK_KIB_MAX: u64 = 64 << 10;

#[test]
fn memory_has_a_bound_whatever_the_layer() {
    let before = peak_kib();
    assert!(before < 12 << 10, "the test itself takes {before} KiB");

    // All at once: a large window, more files, links, whiteouts, packages and faults than are remembered.
    let files = Entries::new(FILES, |index| {
        let path = format!(
            "srv/data/{:03}/{:03}/a-file-with-a-fairly-long-name-{index:09}.dat",
            index % 97,
            index / 10_000
        );
        (b'0', path, String::new())
    });
    let links = Entries::new(LINKS, |index| {
        (
            b'2',
            format!("links/{index}/x"),
            format!("../{}/x", index + 1),
        )
    });
    let through = Entries::new(1, |_| {
        (b'0', format!("links/{}/x/y", LINKS - 1), String::new())
    });
    let escapes = Entries::new(20_000, |index| (b'0', format!("../{index}"), String::new()));
    let whiteouts = Entries::new(90_000, |index| {
        (
            b'0',
            format!("a/folder/with/a/long/name/.wh.{index}"),
            String::new(),
        )
    });
    let line = file("node_modules/a/package.json", 20 << 20).chain(io::repeat(b'{').take(20 << 20));
    let archive = files
        .chain(links)
        .chain(through)
        .chain(escapes)
        .chain(whiteouts)
        .chain(line)
        .chain(status_flood(60_000))
        .chain(end());
    let layer = scan(Stored::new(archive));

    let count = |kind| {
        layer
            .problems
            .iter()
            .filter(|problem| problem.kind == kind)
            .count()
    };
    assert_eq!(
        count(ProblemKind::BrokenLayer),
        Limits::default().problems_max + 1
    );
    assert!(count(ProblemKind::LimitExceeded) >= 1);
    assert!((1..6).contains(&(layer.replaced.len() + 1 - Limits::default().replaced_max)));
    assert!(layer.whiteouts.len() > 50_000);
    let problem = layer.databases[0].problem.as_deref().unwrap();
    assert!(problem.contains("over the limit of"), "{problem}");
    drop(layer);

    let peak = peak_kib();
    assert!(
        peak < PEAK_KIB_MAX,
        "{peak} KiB at the peak, {before} KiB before"
    );
}

const FILES: usize = 460_000;
const LINKS: usize = 45_000;

fn scan(read: impl Read) -> LayerInventory {
    scan_layer(
        read,
        &Digest::sha256(b"a layer"),
        None,
        media::OCI_LAYER_TAR,
        &Limits::default(),
    )
}

/// The most memory that this process ever had resident.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// An archive of entries without content, made while it is read.
struct Entries<F> {
    count: usize,
    made: usize,
    entry: F,
    block: Vec<u8>,
    given: usize,
}

impl<F: Fn(usize) -> (u8, String, String)> Entries<F> {
    fn new(count: usize, entry: F) -> Self {
        Self {
            count,
            made: 0,
            entry,
            block: Vec::new(),
            given: 0,
        }
    }
}

impl<F: Fn(usize) -> (u8, String, String)> Read for Entries<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() && self.made < self.count {
            let (flag, path, link) = (self.entry)(self.made);
            self.block = header(flag, &path, &link, 0).to_vec();
            (self.made, self.given) = (self.made + 1, 0);
        }
        let count = buffer.len().min(self.block.len() - self.given);
        buffer[..count].copy_from_slice(&self.block[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

fn header(flag: u8, path: &str, link: &str, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..path.len()].copy_from_slice(path.as_bytes());
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = flag;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    let texts = [
        path.as_bytes(),
        link.as_bytes(),
        &block[124..136],
        &[flag],
        &[b' '; 8],
    ];
    let sum: u32 = texts
        .into_iter()
        .flatten()
        .map(|byte| u32::from(*byte))
        .sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn file(path: &str, size: u64) -> impl Read {
    io::Cursor::new(header(b'0', path, "", size))
}

fn end() -> impl Read {
    io::repeat(0).take(1024)
}

/// A dpkg status file of so many packages, made while it is read.
fn status_flood(packages: u64) -> impl Read {
    let stanza =
        |index: u64| format!("Package: p{index:08}\nStatus: install ok installed\nVersion: 1\n\n");
    let size = packages * stanza(0).len() as u64;
    let text = Pieces {
        rest: (0..packages).map(stanza),
        piece: String::new(),
        given: 0,
    };
    let padding = size.next_multiple_of(512) - size;
    file("var/lib/dpkg/status", size)
        .chain(text)
        .chain(io::repeat(0).take(padding))
}

struct Pieces<I> {
    rest: I,
    piece: String,
    given: usize,
}

impl<I: Iterator<Item = String>> Read for Pieces<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            self.piece = self.rest.next().unwrap_or_default();
            self.given = 0;
        }
        let count = buffer.len().min(self.piece.len() - self.given);
        buffer[..count].copy_from_slice(&self.piece.as_bytes()[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// A zstd frame with the largest window that is accepted, in blocks that are stored as they are. RFC 8878, 3.1.1.
struct Stored<R> {
    inner: R,
    block: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Stored<R> {
    fn new(inner: R) -> Self {
        let window = u8::try_from(Limits::default().zstd_window_log_max - 10).unwrap() << 3;
        Self {
            inner,
            block: vec![0x28, 0xb5, 0x2f, 0xfd, 0, window],
            given: 0,
            ended: false,
        }
    }
}

impl<R: Read> Read for Stored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() && !self.ended {
            self.block = vec![0; 3];
            let size = self
                .inner
                .by_ref()
                .take(128 << 10)
                .read_to_end(&mut self.block)?;
            self.ended = size == 0;
            let header = (u32::try_from(size).unwrap() << 3 | u32::from(self.ended)).to_le_bytes();
            self.block[..3].copy_from_slice(&header[..3]);
            self.given = 0;
        }
        let count = buffer.len().min(self.block.len() - self.given);
        buffer[..count].copy_from_slice(&self.block[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
