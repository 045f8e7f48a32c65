//! Whole layers, good, damaged and hostile.

use std::io::{self, Read};

use oci::{Algorithm, Digest, Hasher, media};
use proptest::prelude::*;
use sbom::{LayerInventory, Problem, ProblemKind};

use crate::testing::{Archive, gzip, metadata, scan, status};
use crate::{Limits, SCANNER_VERSION, read_layer, scan_layer};

fn layer() -> Vec<u8> {
    Archive::new()
        .file("var/lib/dpkg/status", status(&[("bash", "5.2")]))
        .file(
            "filler",
            (0..20_000_u32)
                .flat_map(u32::to_le_bytes)
                .collect::<Vec<_>>(),
        )
        .file("opt/a-1.egg-info", metadata("a", "1"))
        .finish()
}

fn kinds(layer: &LayerInventory) -> Vec<ProblemKind> {
    layer.problems.iter().map(|problem| problem.kind).collect()
}

fn only_problem(layer: &LayerInventory) -> &Problem {
    let [problem] = layer.problems.as_slice() else {
        panic!("{:?}", layer.problems)
    };
    problem
}

#[test]
fn every_compression_gives_the_same_facts() {
    let archive = layer();
    let plain = scan(&archive);
    assert_eq!((plain.packages.len(), plain.databases.len()), (1, 1));
    assert_eq!(plain.problems, []);
    assert_eq!(plain.diff_id, Digest::sha256(&archive));
    assert_eq!((plain.bytes, plain.entries), (archive.len() as u64, 3));
    assert_eq!(plain.scanner_version, SCANNER_VERSION);
    let (first, second) = archive.split_at(30_000);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    for blob in [
        gzip(&archive),
        [gzip(first), gzip(second)].concat(),
        zstd(&archive),
        [zstd(first), zstd(second)].concat(),
    ] {
        assert_eq!(
            scan(&blob),
            LayerInventory {
                digest: Digest::sha256(&blob),
                ..plain.clone()
            }
        );
    }
}

#[test]
fn the_diff_id_is_checked_in_its_own_algorithm() {
    let archive = layer();
    let blob = gzip(&archive);
    let digest = Digest::sha256(&blob);
    let scan = |expected: &Digest| {
        scan_layer(
            blob.as_slice(),
            &digest,
            Some(expected),
            media::OCI_LAYER_GZIP,
            &Limits::default(),
        )
    };
    assert_eq!(scan(&Digest::sha256(&archive)).problems, []);
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(&archive);
    let sha512 = hasher.finish();
    assert_eq!(
        (scan(&sha512).problems, scan(&sha512).diff_id),
        (vec![], sha512)
    );
    let wrong = scan(&Digest::sha256(b"another"));
    assert_eq!(only_problem(&wrong).kind, ProblemKind::DiffIdMismatch);
    assert_eq!(wrong.packages.len(), 1);
}

#[test]
fn only_an_archive_that_was_read_to_its_end_is_whole() {
    let whole = |blob: &[u8]| read_layer(blob, Algorithm::Sha256, &Limits::default()).is_whole();
    let blob = gzip(&layer());
    assert!(whole(&layer()) && whole(&blob));
    assert!(!whole(&blob[..blob.len() - 1]));
    assert!(!whole(&gzip(&b"text".repeat(200))));
    assert!(
        !whole(&gzip(&[])),
        "the media type tells whether this is a layer that is kept elsewhere"
    );
}

#[test]
fn empty_layers_are_complete() {
    for blob in [
        vec![],
        vec![0; 512],
        vec![0; 1024],
        vec![0; 10240],
        gzip(&[]),
        gzip(&[0; 1024]),
        zstd::encode_all([0; 1024].as_slice(), 1).unwrap(),
    ] {
        let layer = scan(&blob);
        assert_eq!((layer.problems, layer.entries), (vec![], 0));
    }
}

#[test]
fn what_was_found_before_the_damage_is_kept() {
    let archive = layer();
    let check = |blob: &[u8], expect: &str| {
        let layer = scan(blob);
        let problem = only_problem(&layer);
        assert_eq!(problem.kind, ProblemKind::BrokenLayer, "{problem}");
        assert!(problem.detail.contains(expect), "{problem}");
        assert_eq!(layer.databases.len(), 1, "{expect}");
    };
    check(
        &archive[..50_000],
        "the archive ends in the middle of an entry, at byte 50000",
    );
    let blob = gzip(&archive);
    check(
        &blob[..blob.len() / 2],
        "the gzip stream is damaged or cut off",
    );
    check(
        &blob[..blob.len() - 4],
        "the gzip stream is damaged or cut off",
    );
    check(
        &[blob.as_slice(), b"garbage"].concat(),
        "the gzip stream is damaged or cut off",
    );
    let mut wrong_sum = blob.clone();
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 0xff;
    check(&wrong_sum, "the gzip stream is damaged or cut off");
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let (first, second) = archive.split_at(30_000);
    let blob = [zstd(first), zstd(second)].concat();
    check(
        &blob[..blob.len() - 3],
        "the zstd stream is damaged or cut off",
    );
}

#[test]
fn a_file_cut_off_is_not_believed() {
    let archive = Archive::new()
        .file("opt/a-1.egg-info", metadata("a", "1"))
        .file("var/lib/dpkg/status", status(&[("a", "1"), ("b", "2")]));
    let archive = archive.unfinished();
    let layer = scan(&archive[..1024 + 512 + 80]);
    assert_eq!(kinds(&layer), [ProblemKind::BrokenLayer]);
    assert_eq!(layer.packages.len(), 1);
    assert!(layer.databases[0].packages.is_empty());
    assert!(
        layer.databases[0]
            .problem
            .as_ref()
            .unwrap()
            .starts_with("it cannot be read: the archive ends")
    );
}

#[test]
fn what_is_no_layer_is_told() {
    let check = |blob: &[u8], media_type: &str, expect: &str| {
        let layer = scan_layer(
            blob,
            &Digest::sha256(blob),
            None,
            media_type,
            &Limits::default(),
        );
        let problem = only_problem(&layer);
        assert_eq!(
            (problem.kind, problem.layer.as_ref()),
            (ProblemKind::BrokenLayer, Some(&layer.digest))
        );
        assert!(problem.detail.contains(expect), "{problem}");
    };
    check(
        &b"{\"json\": true}".repeat(100),
        media::OCI_LAYER_TAR,
        "not a tar archive",
    );
    check(
        &gzip(&b"text".repeat(200)),
        media::OCI_LAYER_GZIP,
        "not a tar archive",
    );
    check(
        &[0xab; 2000],
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "the layer is encrypted",
    );
    check(
        b"\xfd7zXZ\0\0\0\0\0",
        media::OCI_LAYER_TAR,
        "compressed with xz",
    );
    let lone = Archive::new()
        .file("a", "")
        .zero_block()
        .file("b", "")
        .finish();
    check(&lone, media::OCI_LAYER_TAR, "a lone zero block");
}

#[test]
fn a_foreign_layer_is_read_when_it_is_there() {
    let foreign = media::OCI_NONDISTRIBUTABLE_GZIP;
    let digest = Digest::sha256(b"kept elsewhere");
    let absent = scan_layer(
        io::empty(),
        &digest,
        Some(&digest),
        foreign,
        &Limits::default(),
    );
    assert_eq!(kinds(&absent), [ProblemKind::ForeignLayer]);
    let blob = gzip(&layer());
    let present = scan_layer(blob.as_slice(), &digest, None, foreign, &Limits::default());
    assert_eq!((present.problems.len(), present.packages.len()), (0, 1));
}

#[test]
fn a_failing_source_is_a_problem() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let archive = layer();
    let digest = Digest::sha256(b"");
    for read in [
        (&archive[..0]).chain(Fails),
        (&archive[..20_000]).chain(Fails),
    ] {
        let layer = scan_layer(read, &digest, Some(&digest), "", &Limits::default());
        assert_eq!(
            only_problem(&layer).detail,
            "the layer cannot be read: the disk is gone"
        );
    }
}

/// A stream that counts what is taken of it, so that a test can tell that the rest was left alone.
struct Counting<R> {
    inner: R,
    taken: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.taken += count as u64;
        Ok(count)
    }
}

#[test]
fn a_gzip_bomb_ends_early() {
    // One member of 16 MiB of zeros, 640 times: 10 GiB in 10 MB.
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::copy(&mut io::repeat(0).take(16 << 20), &mut member).unwrap();
    let bomb = member.finish().unwrap().repeat(640);
    let mut source = Counting {
        inner: bomb.as_slice(),
        taken: 0,
    };
    let limits = Limits::default();
    let layer = scan_layer(
        &mut source,
        &Digest::sha256(b"bomb"),
        None,
        media::OCI_LAYER_GZIP,
        &limits,
    );
    // The archive ends with the first two zero blocks, but the stream is read on for the diffID.
    assert_eq!(only_problem(&layer).kind, ProblemKind::LimitExceeded);
    assert!(
        layer.bytes <= limits.ratio_free_bytes + (1 << 20),
        "{}",
        layer.bytes
    );
    assert!(
        source.taken < bomb.len() as u64 / 30,
        "{} of {}",
        source.taken,
        bomb.len()
    );
}

#[test]
fn a_bomb_inside_an_entry_ends_early() {
    let header = Archive::new()
        .header(crate::testing::header(b'0', b"zeros", b"", 7 << 30))
        .unfinished();
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    io::Write::write_all(&mut encoder, &header).unwrap();
    io::copy(&mut io::repeat(0).take(256 << 20), &mut encoder).unwrap();
    let bomb = encoder.finish().unwrap();
    let layer = scan(&bomb);
    let problem = only_problem(&layer);
    assert_eq!(problem.kind, ProblemKind::LimitExceeded);
    assert!(problem.detail.contains("decompression bomb"), "{problem}");
    assert!(layer.bytes < 70 << 20);
}

#[test]
fn a_layer_has_a_largest_size() {
    let archive = layer();
    let limits = Limits {
        layer_bytes_max: 50_000,
        ..Limits::default()
    };
    let scan =
        |limits: &Limits| scan_layer(archive.as_slice(), &Digest::sha256(b""), None, "", limits);
    assert_eq!(
        only_problem(&scan(&limits)).detail,
        "more than 50000 uncompressed bytes"
    );
    assert_eq!(
        scan(&Limits {
            layer_bytes_max: archive.len() as u64,
            ..limits
        })
        .problems,
        []
    );
    let limits = Limits {
        entries_max: 2,
        ..Limits::default()
    };
    let layer = scan(&limits);
    assert_eq!(
        (only_problem(&layer).kind, layer.entries),
        (ProblemKind::LimitExceeded, 2)
    );
}

proptest! {
    #[test]
    fn any_blob_gives_an_inventory(blob in proptest::collection::vec(any::<u8>(), 0..2000), kind in 0..3) {
        let blob = match kind {
            0 => blob,
            1 => gzip(&blob),
            _ => zstd::encode_all(blob.as_slice(), 1).unwrap(),
        };
        let _ = scan(&blob);
    }

    #[test]
    fn a_damaged_blob_is_never_complete_and_different(offset in 0..20_000_usize, bit in 0..8_u32) {
        let archive = layer();
        let mut blob = gzip(&archive);
        let good = scan(&blob);
        let offset = offset % blob.len();
        blob[offset] ^= 1 << bit;
        let expected = Digest::sha256(&archive);
        let layer = scan_layer(blob.as_slice(), &good.digest, Some(&expected), "", &Limits::default());
        prop_assert!(!layer.problems.is_empty() || layer == good);
    }
}
