//! One layer blob as a stream to its inventory: decompression, archive and catalogers in a row, with everything that
//! stops them turned into a problem.

use std::io::Read;

use oci::{Algorithm, Digest, media};
use sbom::{LayerInventory, ProblemKind};

use crate::collector::{Collector, EntryKind};
use crate::limits::Limits;
use crate::stream::{LayerStream, StreamError};
use crate::tar::{Entry, Kind, Reader, TarError};

/// Raised when the scanner sees more or other facts in the same layer: kept inventories of earlier versions are then
/// made again.
pub const SCANNER_VERSION: u32 = 1;

/// Reads a layer blob to its end and says what it holds.
///
/// The compression is recognised by the bytes; `media_type` only tells a layer that is kept elsewhere. Never fails: a
/// damaged layer, a limit, an archive that does not have the `expected_diff_id` are problems of the inventory, which
/// holds what was found up to there. An error of `read` itself is a broken layer too: who reads from a disk or a
/// network should look at its own errors before keeping the result.
pub fn scan_layer(
    read: impl Read,
    digest: &Digest,
    expected_diff_id: Option<&Digest>,
    media_type: &str,
    limits: &Limits,
) -> LayerInventory {
    let algorithm = expected_diff_id.map_or(Algorithm::Sha256, Digest::algorithm);
    read_layer(read, algorithm, limits).named(digest, expected_diff_id, media_type)
}

/// Reads a layer blob whose digest is not known yet, as [`scan_layer`] reads one whose digest is: an upload, say.
/// `algorithm` is that of its diffID.
pub fn read_layer(read: impl Read, algorithm: Algorithm, limits: &Limits) -> ReadLayer {
    let mut collector = Collector::layer(limits);
    let stream = match LayerStream::open(read, algorithm, limits) {
        Ok(stream) => stream,
        Err(error) => {
            return ReadLayer {
                collector,
                bytes: 0,
                diff_id: Digest::sha256(&[]),
                outcome: Err(TarError::Source(error)),
            };
        }
    };
    let mut archive = Reader::new(stream, limits);
    let outcome = walk(&mut archive, &mut collector).and_then(|()| archive.drain());
    if archive.lone_zero_blocks() > 0 {
        collector.add_problem(
            ProblemKind::BrokenLayer,
            "a lone zero block inside the archive, where some readers stop",
        );
    }
    let stream = archive.into_source();
    ReadLayer {
        collector,
        bytes: stream.uncompressed(),
        diff_id: stream.finish(),
        outcome,
    }
}

/// A layer that was read, and lacks only its name to be an inventory.
pub struct ReadLayer {
    collector: Collector,
    bytes: u64,
    diff_id: Digest,
    outcome: Result<(), TarError>,
}

impl ReadLayer {
    /// Whether it is an archive that was read to the end of its blob. What the blob is called then changes nothing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.outcome.is_ok() && self.bytes > 0
    }

    /// The inventory of the blob with this digest, which the caller has checked.
    #[must_use]
    pub fn named(
        self,
        digest: &Digest,
        expected_diff_id: Option<&Digest>,
        media_type: &str,
    ) -> LayerInventory {
        let Self {
            mut collector,
            bytes,
            diff_id,
            outcome,
        } = self;
        match outcome {
            Err(error) => note(&error, media_type, &mut collector),
            Ok(()) if bytes == 0 && media::is_foreign_layer(media_type) => {
                collector.add_problem(
                    ProblemKind::ForeignLayer,
                    "the layer is kept elsewhere and was not read",
                );
            }
            Ok(()) => {
                if let Some(expected) = expected_diff_id.filter(|expected| **expected != diff_id) {
                    let detail = format!("the uncompressed layer is {diff_id}, not {expected}");
                    collector.add_problem(ProblemKind::DiffIdMismatch, detail);
                }
            }
        }
        LayerInventory {
            bytes,
            ..collector.finish(digest.clone(), diff_id)
        }
    }
}

fn walk(archive: &mut Reader<LayerStream<'_>>, collector: &mut Collector) -> Result<(), TarError> {
    let mut entry = Entry::default();
    while archive.next(&mut entry)? {
        let kind = match entry.kind {
            Kind::File => EntryKind::File,
            Kind::SparseFile => EntryKind::SparseFile,
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink => EntryKind::Symlink(&entry.link),
            Kind::HardLink => EntryKind::HardLink(&entry.link),
            Kind::Other => EntryKind::Other,
        };
        collector
            .offer(&entry.path, kind, entry.size, archive)
            .map_err(TarError::from_io)?;
    }
    Ok(())
}

fn note(error: &TarError, media_type: &str, collector: &mut Collector) {
    let (kind, detail) = match error {
        TarError::ExtensionTooLarge { .. } | TarError::TooManyHeaders { .. } => {
            (ProblemKind::LimitExceeded, error.to_string())
        }
        TarError::Header { .. } if media_type.ends_with("+encrypted") => (
            ProblemKind::BrokenLayer,
            "the layer is encrypted".to_owned(),
        ),
        TarError::Source(cause) => match cause
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<StreamError>())
        {
            Some(cause) if cause.is_limit() => (ProblemKind::LimitExceeded, cause.to_string()),
            Some(cause) => (ProblemKind::BrokenLayer, cause.to_string()),
            None => (
                ProblemKind::BrokenLayer,
                format!("the layer cannot be read: {cause}"),
            ),
        },
        _ => (ProblemKind::BrokenLayer, error.to_string()),
    };
    collector.add_problem(kind, detail);
}

#[cfg(test)]
mod tests;
