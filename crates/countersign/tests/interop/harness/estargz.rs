//! A layer in the form estargz: gzip that can be read piece by piece.
//! github.com/containerd/stargz-snapshotter, `docs/estargz.md`.

use super::layer::{Layer, gzip, tar, tar_header};
use oci::{Digest, media};
use serde_json::{Value, json};

/// Writes a tar archive of plain files again, each file's bytes in a gzip stream of its own, with a table of contents and its footer.
pub(crate) fn estargz(archive: &[u8], instruction: &str) -> Layer {
    let (mut plain, mut bytes, mut entries) = (Vec::new(), Vec::new(), Vec::<Value>::new());
    let mut piece = |bytes: &mut Vec<u8>, part: &[u8]| {
        plain.extend_from_slice(part);
        bytes.extend_from_slice(&gzip(part));
    };
    for (name, content) in files(archive) {
        piece(&mut bytes, &tar_header(&name, content.len() as u64));
        entries.push(json!({
            "name": name, "type": "reg", "size": content.len(), "mode": 0o644, "offset": bytes.len(),
            "modtime": "1970-01-01T00:00:00Z", "digest": Digest::sha256(&content), "chunkDigest": Digest::sha256(&content),
        }));
        let mut padded = content;
        padded.resize(padded.len().next_multiple_of(512), 0);
        piece(&mut bytes, &padded);
    }
    let start = bytes.len();
    let contents = json!({"version": 1, "entries": entries}).to_string();
    piece(
        &mut bytes,
        &tar(&[("stargz.index.json", contents.as_bytes())]),
    );
    bytes.extend_from_slice(&footer(start));
    Layer {
        diff_id: Digest::sha256(&plain),
        bytes: bytes.into(),
        media_type: media::OCI_LAYER_GZIP,
        instruction: instruction.to_owned(),
    }
}

fn files(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        (name, content)
    });
    entries.collect()
}

/// An empty gzip stream of 51 bytes, whose extra field says where the table of contents begins.
fn footer(start: usize) -> Vec<u8> {
    let mut footer = vec![
        0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, b'S', b'G', 22, 0,
    ];
    footer.extend_from_slice(format!("{start:016x}STARGZ").as_bytes());
    // A last stored block of no bytes, their checksum and their number.
    footer.extend_from_slice(&[1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    footer
}
