//! Images that want to hurt whoever looks inside: what cannot be read is said to be missing, with the reason, the server's memory
//! stays small, and it goes on.

use crate::harness::{
    ImageParts, Layer, Shop, curl, noise, package_status, push_tagged, small_layer, tar_header,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use oci::{Algorithm, Digest, Hasher, media};
use serde_json::Value;
use std::io::{self, Write};
use std::time::Instant;

/// The most memory that the server may have in use, in MiB.
const MEMORY_MIB_MAX: u64 = 200;
const GIB: u64 = 1 << 30;
const ENTRIES: u32 = 1_000_000;

#[test]
fn hostile_images_are_incomplete_and_hurt_nobody() {
    let shop = Shop::open(&[]);
    let before = shop.server.memory_peak_mib();
    let state = pushed(&shop, "bomb", ImageParts::of([small_layer("bomb"), bomb()]));
    is_incomplete(&state, &["limit"]);

    let state = pushed(
        &shop,
        "paths",
        ImageParts::of([small_layer("paths"), paths()]),
    );
    is_incomplete(&state, &[".."]);

    let state = pushed(
        &shop,
        "entries",
        ImageParts::of([small_layer("entries"), entries()]),
    );
    // Many files are no crime: all are looked at, and what is among the last of them is found.
    assert_eq!(state["inventory"]["state"], "complete", "{state:#}");
    assert_eq!(state["inventory"]["components"], 3, "{state:#}");

    let status =
        b"Package: base-files\nStatus: install ok installed\n\xff\xfe\x00 no field\nVersion\n"
            .as_slice();
    let broken = Layer::of_files(
        &[(
            "var/lib/dpkg/status",
            &[status, &noise("status", 4_096)].concat(),
        )],
        "COPY status /",
    );
    let state = pushed(
        &shop,
        "status",
        ImageParts::of([small_layer("status"), broken]),
    );
    is_incomplete(&state, &["var/lib/dpkg/status"]);

    no_json(&shop);
    let peak = shop.server.memory_peak_mib();
    println!("hostile: the server had at most {peak} MiB in use ({before} before)");
    assert!(peak < MEMORY_MIB_MAX, "{peak} MiB");
    let state = pushed(&shop, "honest", ImageParts::of([small_layer("honest")]));
    assert_eq!(
        state["inventory"]["state"], "complete",
        "the server does not go on: {state:#}"
    );
}

/// Pushes, waits until it was looked at, and answers what is said of it.
fn pushed(shop: &Shop, what: &str, parts: ImageParts) -> Value {
    let image = format!("shop/hostile:{what}");
    push_tagged(shop.actor("dora"), &shop.server, &image, &parts.build());
    let begun = Instant::now();
    let state = shop.wait_for_inventory(&image);
    println!(
        "hostile: {what}: looked at in {} ms: {}",
        begun.elapsed().as_millis(),
        state["inventory"]
    );
    state
}

/// Not called clean: the reason is told, and no gate calls the limits met.
fn is_incomplete(state: &Value, texts: &[&str]) {
    assert_eq!(state["inventory"]["state"], "incomplete", "{state:#}");
    let problems = state["inventory"]["problems"].to_string().to_lowercase();
    for text in texts {
        assert!(problems.contains(text), "no `{text}` in {problems}");
    }
}

/// 10 GiB of zeros in about 10 MiB.
fn bomb() -> Layer {
    const MEMBER: u64 = GIB / 4;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    io::copy(&mut io::Read::take(io::repeat(0), MEMBER), &mut encoder).unwrap();
    let zeros = encoder.finish().unwrap();
    let mut bytes = crate::harness::gzip(&tar_header("srv/zeros", 10 * GIB)).to_vec();
    for _ in 0..10 * GIB / MEMBER {
        bytes.extend_from_slice(&zeros);
    }
    bytes.extend_from_slice(&crate::harness::gzip(&[0; 1024]));
    // Its true digest is of no interest to anybody: nobody reads to the end.
    let diff_id = Digest::sha256(b"10 GiB of zeros");
    Layer {
        bytes: bytes.into(),
        media_type: media::OCI_LAYER_GZIP,
        diff_id,
        instruction: "COPY bomb /".to_owned(),
    }
}

/// Names that lead out of the image.
fn paths() -> Layer {
    let evil = b"* * * * * root touch /tmp/countersign-was-here\n".as_slice();
    let files = [
        ("../../../../etc/cron.d/evil", evil),
        ("/etc/cron.d/evil", evil),
        ("srv/../../../etc/cron.d/evil", evil),
        ("srv/good", evil),
    ];
    Layer::of_files(&files, "COPY paths /")
}

/// A million files, and among the last of them one that says that a package is installed.
fn entries() -> Layer {
    let mut archive = Hashing {
        hasher: Hasher::new(Algorithm::Sha256),
        encoder: GzEncoder::new(Vec::new(), Compression::fast()),
    };
    let mut header = tar_header("srv/many/0000000", 0);
    let digits = "srv/many/".len().."srv/many/0000000".len();
    let rest: u32 = header.iter().map(|byte| u32::from(*byte)).sum::<u32>()
        - header[148..156]
            .iter()
            .map(|byte| u32::from(*byte))
            .sum::<u32>()
        - header[digits.clone()]
            .iter()
            .map(|byte| u32::from(*byte))
            .sum::<u32>()
        + 8 * u32::from(b' ');
    for number in 0..ENTRIES {
        let name = format!("{number:07}");
        header[digits.clone()].copy_from_slice(name.as_bytes());
        let sum = rest + name.bytes().map(u32::from).sum::<u32>();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.write_all(&header).unwrap();
    }
    let status = package_status(&[
        ("base-files", "12.4+deb12u5"),
        ("hostname", "3.23+nmu1"),
        ("last", "1.0-1"),
    ]);
    archive
        .write_all(&crate::harness::tar(&[(
            "var/lib/dpkg/status",
            status.as_bytes(),
        )]))
        .unwrap();
    let bytes = archive.encoder.finish().unwrap().into();
    Layer {
        bytes,
        media_type: media::OCI_LAYER_GZIP,
        diff_id: archive.hasher.finish(),
        instruction: "COPY many /".to_owned(),
    }
}

/// Compresses what is written, and hashes it before.
struct Hashing {
    hasher: Hasher,
    encoder: GzEncoder<Vec<u8>>,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.encoder.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

/// Manifests that are none get a clear answer.
fn no_json(shop: &Shop) {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (what, text) in [
        ("text", "this is no JSON"),
        ("cut", "{\"schemaVersion\": 2,"),
        ("nothing", ""),
        ("deep", &deep),
    ] {
        let file = shop.file("manifest", text);
        let url = format!("{}/v2/shop/hostile/manifests/{what}", shop.server.url());
        let answer = curl(&url)
            .user(shop.actor("dora"))
            .method("PUT")
            .body(&file, media::OCI_MANIFEST)
            .ask();
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        let error = &answer.json()["errors"][0];
        assert_eq!(error["code"], "MANIFEST_INVALID", "{what}: {error}");
        println!("hostile: a manifest that is {what}: {}", error["message"]);
    }
}
