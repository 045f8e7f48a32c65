//! Archives and layers made in tests, byte by byte, good and hostile. Not a writer of valid archives only.

use std::io::Write;

use oci::Digest;
use sbom::LayerInventory;

use crate::limits::Limits;
use crate::scan_layer;

/// An archive in the making.
#[derive(Clone, Default)]
pub(crate) struct Archive(Vec<u8>);

impl Archive {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(b'0', path.as_bytes(), b"", content.as_ref())
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        self.entry(b'5', path.as_bytes(), b"", b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(b'2', path.as_bytes(), target.as_bytes(), b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(b'1', path.as_bytes(), target.as_bytes(), b"")
    }

    /// A PAX header for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        let content: String = records
            .iter()
            .map(|(key, value)| pax_record(key, value))
            .collect();
        self.entry(b'x', b"PaxHeaders/x", b"", content.as_bytes())
    }

    /// An entry of any type; the size field is the content's length.
    pub(crate) fn entry(self, flag: u8, path: &[u8], link: &[u8], content: &[u8]) -> Self {
        self.header(header(flag, path, link, content.len() as u64))
            .content(content)
    }

    pub(crate) fn header(mut self, mut block: [u8; 512]) -> Self {
        seal(&mut block);
        self.0.extend_from_slice(&block);
        self
    }

    /// Bytes, padded to whole blocks.
    pub(crate) fn content(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn zero_block(self) -> Self {
        self.content(&[0; 512])
    }

    /// The bytes so far, without the end of the archive.
    pub(crate) fn unfinished(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.zero_block().zero_block().0
    }

    /// The archive as a layer that was read.
    pub(crate) fn scan(self) -> LayerInventory {
        scan(&self.finish())
    }
}

/// A header with a valid checksum yet to be set.
pub(crate) fn header(flag: u8, path: &[u8], link: &[u8], size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..path.len()].copy_from_slice(path);
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = flag;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    block
}

fn seal(block: &mut [u8; 512]) {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

pub(crate) fn pax_record(key: &str, value: &str) -> String {
    let body = format!(" {key}={value}\n");
    let mut length = body.len() + 1;
    while length != body.len() + length.to_string().len() {
        length = body.len() + length.to_string().len();
    }
    format!("{length}{body}")
}

/// Reads a blob as a layer with the default limits.
pub(crate) fn scan(blob: &[u8]) -> LayerInventory {
    scan_layer(
        blob,
        &Digest::sha256(blob),
        None,
        oci::media::OCI_LAYER_TAR,
        &Limits::default(),
    )
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A dpkg status file: `name version` pairs, all installed.
pub(crate) fn status(packages: &[(&str, &str)]) -> String {
    let stanza = |(name, version): &(&str, &str)| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        )
    };
    packages.iter().map(stanza).collect()
}

pub(crate) fn metadata(name: &str, version: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nThe description.\n")
}

pub(crate) const DEBIAN: &str = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
