//! Opens a bundle: reads the archive once from end to end and names the first file in which a byte is not what it has to be.
//! Nothing is unpacked; what is asked for later is read in place.

use super::{
    BLOBS_MAX, CHECKSUM, CONTENTS, CONTENTS_BYTES_MAX, Contents, DOCUMENT_BYTES_MAX, Fault, INDEX,
    LAYOUT, LAYOUT_CONTENT, VERSION, archive, blob_name, index,
};
use oci::{Digest, Hasher, IndexManifest};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};

/// Said of what comes first in the archive: another kind of file fails there.
const OR_NO_BUNDLE: &str = ", or this is no file that `countersign bundle` wrote";
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Hexadecimal digits of the checksum.
const CHECKSUM_BYTES: u64 = 64;
/// How often each byte of the blobs may be read as part of a document, on average.
const READ_TIMES: u64 = 4;
/// Bytes of documents that may be read besides, for small files.
const READ_BYTES_MIN: u64 = 16 << 20;
/// What reading a document costs besides its bytes.
const READ_COST: u64 = 512;

/// A bundle in which every byte is what its list of contents says.
pub(crate) struct Opened<R> {
    reader: R,
    pub(crate) contents: Contents,
    pub(super) index: IndexManifest,
    /// Where each blob begins, and its size.
    places: BTreeMap<Digest, (u64, u64)>,
    /// Bytes of documents that may still be read: whoever made the file could name the same ones over and over.
    left: u64,
}

impl<R: Read + Seek> Opened<R> {
    /// Reads all of it.
    ///
    /// # Errors
    /// The file of the archive that was changed, is missing, or should not be there.
    pub(crate) fn new(reader: R) -> Result<Self, Fault> {
        let mut walk = Walk { reader, at: 0 };
        let checksum = walk
            .document(CHECKSUM, Some(CHECKSUM_BYTES))
            .map_err(|fault| Fault::new(fault.file, format!("{}{OR_NO_BUNDLE}", fault.why)))?;
        let text = walk.document(CONTENTS, None)?;
        if Digest::sha256(&text).hex().as_bytes() != checksum {
            return Err(Fault::new(
                CONTENTS,
                format!("it was changed: its checksum is not the one in `{CHECKSUM}`"),
            ));
        }
        let contents = parse(&text)?;
        let layout = walk.document(LAYOUT, Some(LAYOUT_CONTENT.len() as u64))?;
        if layout != LAYOUT_CONTENT {
            return Err(Fault::new(LAYOUT, "it was changed"));
        }
        let index = walk.document(INDEX, Some(contents.index_size))?;
        let found = hash(&contents.index, &index);
        if found != contents.index {
            return Err(changed(INDEX, &found, &contents.index));
        }
        let index = index::parse(&index)?;
        let mut places = BTreeMap::new();
        let mut total = 0_u64;
        for (digest, size) in &contents.blobs {
            let at = walk.hashed(&blob_name(digest), *size, digest)?;
            places.insert(digest.clone(), (at, *size));
            total = total.saturating_add(*size);
        }
        walk.end()?;
        Ok(Self {
            reader: walk.reader,
            contents,
            index,
            places,
            left: total
                .saturating_mul(READ_TIMES)
                .saturating_add(READ_BYTES_MIN),
        })
    }

    /// Whether it holds a blob.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.places.contains_key(digest)
    }

    /// The size of a blob that it holds.
    pub(crate) fn size(&self, digest: &Digest) -> Option<u64> {
        self.places.get(digest).map(|(_, size)| *size)
    }

    /// A small blob, whole.
    ///
    /// # Errors
    /// It is not there, or too large for what it is, or too much was read already.
    pub(crate) fn document(&mut self, digest: &Digest) -> Result<Vec<u8>, Fault> {
        let name = blob_name(digest);
        let Some((at, size)) = self.places.get(digest).copied() else {
            return Err(Fault::new(name, "it is missing in the file"));
        };
        if size > DOCUMENT_BYTES_MAX {
            let why = format!(
                "limit exceeded: it has {size} bytes, at most {DOCUMENT_BYTES_MAX} are read"
            );
            return Err(Fault::new(name, why));
        }
        let Some(left) = self.left.checked_sub(size.saturating_add(READ_COST)) else {
            let why = "limit exceeded: the file names the same documents over and over";
            return Err(Fault::new(name, why));
        };
        self.left = left;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.reader
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.reader.read_exact(&mut bytes))
            .map_err(|error| Fault::new(name.clone(), error.to_string()))?;
        // The file may have been written to since.
        if hash(digest, &bytes) != *digest {
            return Err(Fault::new(name, "it was changed while it was read"));
        }
        Ok(bytes)
    }
}

fn hash(like: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(like.algorithm());
    hasher.update(bytes);
    hasher.finish()
}

fn changed(name: &str, found: &Digest, digest: &Digest) -> Fault {
    Fault::new(
        name,
        format!("it was changed: its digest is {found}, not {digest}"),
    )
}

fn parse(text: &[u8]) -> Result<Contents, Fault> {
    let bad = |why: String| Fault::new(CONTENTS, why);
    let contents: Contents = serde_json::from_slice(text)
        .map_err(|error| bad(format!("it is not a list of contents: {error}")))?;
    if contents.version != VERSION {
        return Err(bad(format!(
            "it has version {}, this program reads {VERSION}",
            contents.version
        )));
    }
    if contents.blobs.len() > BLOBS_MAX
        || contents.attached.len() > super::ATTACHED_MAX
        || contents.proofs.len() > super::ATTACHED_MAX
    {
        return Err(bad("limit exceeded: it lists too much".to_owned()));
    }
    let mut seen = BTreeSet::new();
    for attached in &contents.attached {
        if !seen.insert((&attached.manifest, &attached.to)) {
            return Err(bad(format!("it lists {} twice", attached.manifest)));
        }
    }
    // One spelling, so that no key stands twice and nothing stands beside what was read.
    if serde_json::to_vec(&contents).ok().as_deref() != Some(text) {
        return Err(bad("it is not written as this program writes it".to_owned()));
    }
    Ok(contents)
}

/// The archive from its beginning on.
struct Walk<R> {
    reader: R,
    at: u64,
}

impl<R: Read> Walk<R> {
    /// A small file, of this size if it has to be.
    fn document(&mut self, name: &str, size: Option<u64>) -> Result<Vec<u8>, Fault> {
        let size = self.header(name, size)?;
        if size > CONTENTS_BYTES_MAX {
            return Err(Fault::new(
                name,
                format!(
                    "limit exceeded: it has {size} bytes, at most {CONTENTS_BYTES_MAX} are read"
                ),
            ));
        }
        let mut bytes = Vec::new();
        self.take(name, size, |piece| bytes.extend_from_slice(piece))?;
        self.padding(name, size)?;
        Ok(bytes)
    }

    /// Passes a file that has to have this size and digest; answers where it begins.
    fn hashed(&mut self, name: &str, size: u64, digest: &Digest) -> Result<u64, Fault> {
        self.header(name, Some(size))?;
        let begins = self.at;
        let mut hasher = Hasher::new(digest.algorithm());
        self.take(name, size, |piece| hasher.update(piece))?;
        let found = hasher.finish();
        if found != *digest {
            return Err(changed(name, &found, digest));
        }
        self.padding(name, size)?;
        Ok(begins)
    }

    fn header(&mut self, name: &str, size: Option<u64>) -> Result<u64, Fault> {
        let mut found = [0_u8; archive::BLOCK_BYTES];
        self.fill(name, &mut found)?;
        let size = size.or_else(|| archive::size_of(&found));
        let expected = size.and_then(|size| archive::header(name, size));
        match size {
            Some(size) if expected == Some(found) => Ok(size),
            _ => Err(Fault::new(
                name,
                "its header in the archive was changed, or another file stands in its place",
            )),
        }
    }

    fn take(&mut self, name: &str, size: u64, mut each: impl FnMut(&[u8])) -> Result<(), Fault> {
        let mut left = size;
        let mut buffer = vec![0_u8; READ_BYTES.min(usize::try_from(size).unwrap_or(READ_BYTES))];
        while left > 0 {
            let length = usize::try_from(left)
                .unwrap_or(READ_BYTES)
                .min(buffer.len());
            let piece = buffer.get_mut(..length).unwrap_or_default();
            self.fill(name, piece)?;
            each(piece);
            left = left.saturating_sub(length as u64);
        }
        Ok(())
    }

    fn padding(&mut self, name: &str, size: u64) -> Result<(), Fault> {
        let mut zeros = [0_u8; archive::BLOCK_BYTES];
        let zeros = zeros.get_mut(..archive::padding(size)).unwrap_or_default();
        self.fill(name, zeros)?;
        match zeros.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(Fault::new(
                name,
                "what fills the archive up behind it was changed",
            )),
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        const END: &str = "the end of the archive";
        let mut last = [0_u8; archive::END_BYTES];
        self.fill(END, &mut last)?;
        let mut more = [0_u8; 1];
        let behind = self
            .reader
            .read(&mut more)
            .map_err(|error| Fault::new(END, error.to_string()))?;
        if last.iter().any(|byte| *byte != 0) || behind > 0 {
            return Err(Fault::new(
                END,
                "it was changed, or something stands behind it",
            ));
        }
        Ok(())
    }

    fn fill(&mut self, name: &str, bytes: &mut [u8]) -> Result<(), Fault> {
        self.reader.read_exact(bytes).map_err(|error| {
            let why = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "the archive ends within it".to_owned(),
                _ => error.to_string(),
            };
            Fault::new(name, why)
        })?;
        self.at = self.at.saturating_add(bytes.len() as u64);
        Ok(())
    }
}
