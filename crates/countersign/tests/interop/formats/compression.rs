//! Layers compressed by zstd, by zstd in chunks, and by gzip in chunks (estargz): other clients read them, and so does the scanner.

use super::{podman, skopeo};
use crate::harness::{ImageParts, Place, curl, estargz, gunzip, small_root};
use crate::matrix::client::{Client, text};
use crate::matrix::ground::Ground;
use crate::matrix::podman::Which;
use crate::matrix::sample::{FILE, Sample};
use oci::media;
use serde_json::Value;

/// RFC 8878 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Three programs compress, podman of Debian 12 reads.
pub(super) fn zstd_comes_back(ground: &Ground) {
    let sample = Sample::new(&ground.shop.folder().join("samples"), "zstd", "amd64");
    let at = |tag: &str| ground.free("zstd", &format!("image:{tag}"));

    let from = format!("oci:{}:1", text(&sample.layout.0));
    skopeo(ground, Place::Here)
        .copy(&[], &from, &format!("docker://{}", at("skopeo")))
        .args(["--dest-compress-format", "zstd"])
        .ok();

    let buildah = podman(ground, Which::Buildah, Place::Here);
    buildah.make(&sample, &at("buildah"));
    let push = ["push", "--compression-format", "zstd", "--format", "oci"];
    buildah.remote(&push).arg(at("buildah")).ok();

    let podman_13 = podman(ground, Which::Podman, Place::Debian13);
    podman_13.make(&sample, &at("chunked"));
    let push = [
        "push",
        "--compression-format",
        "zstd:chunked",
        "--format",
        "oci",
    ];
    podman_13.remote(&push).arg(at("chunked")).ok();

    let reader = podman(ground, Which::Podman, Place::Here);
    for tag in ["skopeo", "buildah", "chunked"] {
        let image = at(tag);
        let manifest = ground.manifest(&image, tag);
        let layer = &manifest["layers"][0];
        assert_eq!(layer["mediaType"], media::OCI_LAYER_ZSTD, "{tag}");
        let blob = ground.blob(&image, layer["digest"].as_str().unwrap());
        assert!(blob.starts_with(&ZSTD_MAGIC), "{tag}");
        let pulled = reader.pull(&image);
        assert_eq!(pulled.file, sample.file, "{tag}");
        assert_eq!(Some(pulled.digest), ground.digest(&image), "{tag}");
        is_taken_apart(ground, &format!("clients/zstd/image:{tag}"));
        println!("zstd: {tag}: {layer}");
    }
}

/// Both packages of the small Debian are found.
fn is_taken_apart(ground: &Ground, image: &str) {
    let state = ground.shop.wait_for_inventory(image);
    assert_eq!(
        state["inventory"]["state"], "complete",
        "{image}: {state:#}"
    );
    assert_eq!(state["inventory"]["components"], 2, "{image}: {state:#}");
}

/// No Debian program makes estargz; the layer is written here, by its specification. A snapshotter would read the footer, the table
/// of contents and the pieces it wants, each by a range; so does this. Others read it as the gzip that it is too.
pub(super) fn a_lazy_reader_finds_its_file(ground: &Ground) {
    let content = crate::harness::noise("estargz", 50_000);
    let layer = estargz(&small_root(&content), "COPY rootfs /");
    let image = ground.free("estargz", "image:1");
    ground.push(&ImageParts::of([layer]).build(), &image);
    let pulled = podman(ground, Which::Podman, Place::Here).pull(&image);
    assert_eq!(pulled.file, content);
    is_taken_apart(ground, "clients/estargz/image:1");

    let manifest = ground.manifest(&image, "1");
    let digest = manifest["layers"][0]["digest"].as_str().unwrap();
    let range = |range: &str| {
        let url = format!(
            "{}/v2/clients/estargz/image/blobs/{digest}",
            ground.shop.server.url()
        );
        let answer = curl(&url)
            .user(ground.shop.actor("dora"))
            .flags(["--range", range])
            .ask();
        assert_eq!(answer.status, 206, "{range}: {}", answer.body);
        answer.bytes
    };
    // 10 bytes of header, 2 of length, 4 of the field's head; then 16 hexadecimal digits and `STARGZ`.
    let footer = range("-51");
    let field = std::str::from_utf8(&footer[16..38]).unwrap();
    let start = u64::from_str_radix(field.strip_suffix("STARGZ").unwrap(), 16).unwrap();
    let contents = gunzip(&range(&format!("{start}-")));
    // Behind the header of the entry `stargz.index.json`.
    let end = contents.iter().rposition(|byte| *byte == b'}').unwrap();
    let contents: Value = serde_json::from_slice(&contents[512..=end]).unwrap();
    let entries = contents["entries"].as_array().unwrap();
    let at = entries
        .iter()
        .position(|entry| entry["name"] == FILE)
        .unwrap();
    let offset = |entry: &Value| entry["offset"].as_u64().unwrap();
    let end = entries.get(at + 1).map_or(start, offset);
    let piece = gunzip(&range(&format!("{}-{}", offset(&entries[at]), end - 1)));
    assert_eq!(piece[..content.len()], content[..]);
    println!(
        "estargz: {} of {} bytes were read for the file",
        end - offset(&entries[at]),
        manifest["layers"][0]["size"]
    );
}
