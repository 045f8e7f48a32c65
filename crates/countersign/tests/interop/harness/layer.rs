//! Layers, written as tar by hand: small honest ones, and the raw material of hostile ones.

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use oci::{Digest, Hasher, media};
use std::io::{Read, Write};

/// A layer of an image.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// Its bytes, compressed.
    pub(crate) bytes: Bytes,
    /// How they are compressed.
    pub(crate) media_type: &'static str,
    /// The digest of what is inside, as the image's configuration claims it.
    pub(crate) diff_id: Digest,
    /// The instruction that made it, as the image's history claims it.
    pub(crate) instruction: String,
}

impl Layer {
    /// A layer of these bytes of tar.
    pub(crate) fn of_tar(tar: &[u8], instruction: &str) -> Self {
        Self {
            bytes: gzip(tar),
            media_type: media::OCI_LAYER_GZIP,
            diff_id: Digest::sha256(tar),
            instruction: instruction.to_owned(),
        }
    }

    /// A layer of these files.
    pub(crate) fn of_files(files: &[(&str, &[u8])], instruction: &str) -> Self {
        Self::of_tar(&tar(files), instruction)
    }
}

/// Compresses.
pub(crate) fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

/// Decompresses, one stream behind the other, and leaves what follows that is none.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // What follows a piece of a layer may be cut.
    let _ = MultiGzDecoder::new(bytes).read_to_end(&mut plain);
    plain
}

/// A tar archive; names are written as they are, whatever they say.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        archive.extend_from_slice(&tar_header(name, content.len() as u64));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// The header of a plain file. POSIX ustar; sizes over 8 GiB in base 256, as GNU tar writes them.
pub(crate) fn tar_header(name: &str, size: u64) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    // Not `set_path`, which refuses what hostile archives hold.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    *header.as_bytes()
}

/// The packages that Debian's database would list.
pub(crate) fn package_status(packages: &[(&str, &str)]) -> String {
    let stanza = |(name, version): &(&str, &str)| {
        format!(
            "Package: {name}\nStatus: install ok installed\nPriority: required\nSection: admin\nMaintainer: Nobody\n\
             Architecture: amd64\nVersion: {version}\nDescription: a package\n\n"
        )
    };
    packages.iter().map(stanza).collect()
}

/// A layer with a small Debian inside, and a file that makes it unlike any other.
pub(crate) fn small_layer(unlike: &str) -> Layer {
    Layer::of_tar(&small_root(unlike.as_bytes()), "COPY rootfs /")
}

/// A small Debian as a tar archive, with these bytes in `srv/unlike`.
pub(crate) fn small_root(unlike: &[u8]) -> Vec<u8> {
    let release = b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
    let status = package_status(&[("base-files", "12.4+deb12u5"), ("hostname", "3.23+nmu1")]);
    let files: [(&str, &[u8]); 3] = [
        ("etc/os-release", release),
        ("var/lib/dpkg/status", status.as_bytes()),
        ("srv/unlike", unlike),
    ];
    tar(&files)
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 64);
    let mut block = 0_u64;
    while bytes.len() < length {
        let mut hasher = Hasher::new(oci::Algorithm::Sha256);
        hasher.update(seed.as_bytes());
        hasher.update(&block.to_le_bytes());
        bytes.extend_from_slice(&hex::decode(hasher.finish().hex()).unwrap());
        block += 1;
    }
    bytes.truncate(length);
    bytes
}
