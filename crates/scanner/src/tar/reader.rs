//! The walk over an archive: headers with their extension headers applied, and the content in between.

use std::io::{self, Read};

use super::header::{self, BLOCK, BadBlock, Block};
use super::pax::Records;
use super::{Entry, Kind};
use crate::limits::Limits;

/// Reads entries from a stream; after an error, the rest of the stream means nothing.
pub(crate) struct Reader<R> {
    source: Buffered<R>,
    /// Content and padding of the current entry that nobody has read yet.
    content: u64,
    padding: u64,
    headers: u64,
    headers_max: u64,
    extension_max: u64,
    lone_zero_blocks: u64,
}

/// Why an archive cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    #[error("not a tar archive, or damaged: no valid header at byte {offset}")]
    Header { offset: u64 },
    #[error("the tar header at byte {offset} has no valid size")]
    Size { offset: u64 },
    #[error("the extended header at byte {offset} does not keep to the grammar")]
    Records { offset: u64 },
    #[error("the archive ends in the middle of an entry, at byte {offset}")]
    Truncated { offset: u64 },
    #[error("an extension header of {bytes} bytes, over the limit of {max}")]
    ExtensionTooLarge { bytes: u64, max: u64 },
    #[error("more than {max} headers")]
    TooManyHeaders { max: u64 },
    #[error(transparent)]
    Source(io::Error),
}

/// What precedes an entry and changes it.
#[derive(Default)]
struct Extensions {
    records: Records,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R, limits: &Limits) -> Self {
        Self {
            source: Buffered::new(source),
            content: 0,
            padding: 0,
            headers: 0,
            headers_max: limits.entries_max,
            extension_max: limits.extension_bytes_max,
            lone_zero_blocks: 0,
        }
    }

    /// Goes to the next entry, past what is left of this one's content; `false` at the end of the archive.
    pub(crate) fn next(&mut self, entry: &mut Entry) -> Result<bool, TarError> {
        let mut extensions = Extensions::default();
        loop {
            self.skip_content()?;
            let Some(bytes) = self.header_block()? else {
                return Ok(false);
            };
            let offset = self.source.offset - BLOCK as u64;
            let block = Block::parse(&bytes).map_err(|bad| TarError::from_block(&bad, offset))?;
            let size = block
                .size()
                .map_err(|bad| TarError::from_block(&bad, offset))?;
            match block.type_flag() {
                b'x' => extensions.records = self.records(size)?,
                // A global header has to be valid, and changes nothing.
                b'g' => drop(self.records(size)?),
                b'L' => extensions.long_name = Some(header::text(&self.extension(size)?).to_vec()),
                b'K' => extensions.long_link = Some(header::text(&self.extension(size)?).to_vec()),
                _ => {
                    self.begin(entry, &block, size, &extensions)?;
                    return Ok(true);
                }
            }
        }
    }

    /// Zero blocks that did not end the archive; Go's reader refuses such an archive, others go on.
    pub(crate) fn lone_zero_blocks(&self) -> u64 {
        self.lone_zero_blocks
    }

    /// Reads the stream to its end, past the archive's.
    pub(crate) fn drain(&mut self) -> Result<(), TarError> {
        while !self.source.fill()?.is_empty() {
            self.source.consume_all();
        }
        Ok(())
    }

    /// The stream that was read.
    pub(crate) fn into_source(self) -> R {
        self.source.source
    }

    fn begin(
        &mut self,
        entry: &mut Entry,
        block: &Block<'_>,
        size: u64,
        extensions: &Extensions,
    ) -> Result<(), TarError> {
        block.read_path(&mut entry.path);
        block.read_link(&mut entry.link);
        replace(&mut entry.path, extensions.records.path.as_deref());
        replace(&mut entry.link, extensions.records.link.as_deref());
        replace(&mut entry.path, extensions.long_name.as_deref());
        replace(&mut entry.link, extensions.long_link.as_deref());
        entry.kind = block.kind(&entry.path).unwrap_or(Kind::Other);
        if extensions.records.is_sparse() && entry.kind == Kind::File {
            entry.kind = Kind::SparseFile;
            replace(&mut entry.path, extensions.records.sparse_name());
        }
        let size = extensions.records.size.unwrap_or(size);
        entry.size = if block.is_header_only() { 0 } else { size };
        self.skip_sparse_map(block)?;
        self.set_content(entry.size);
        Ok(())
    }

    // Old GNU sparse maps that do not fit the header go on in blocks before the content.
    fn skip_sparse_map(&mut self, block: &Block<'_>) -> Result<(), TarError> {
        let mut continues = block.sparse_map_continues();
        while continues {
            self.count_header()?;
            let Some(map) = self.source.block()? else {
                return Err(self.truncated());
            };
            continues = header::sparse_extension_continues(&map);
        }
        Ok(())
    }

    // Two zero blocks, or the end of the stream between two entries, end the archive.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut after_zero = false;
        loop {
            let Some(block) = self.source.block()? else {
                return Ok(None);
            };
            if block.iter().any(|byte| *byte != 0) {
                self.count_header()?;
                self.lone_zero_blocks += u64::from(after_zero);
                return Ok(Some(block));
            }
            if after_zero {
                return Ok(None);
            }
            after_zero = true;
        }
    }

    fn count_header(&mut self) -> Result<(), TarError> {
        self.headers += 1;
        if self.headers > self.headers_max {
            return Err(TarError::TooManyHeaders {
                max: self.headers_max,
            });
        }
        Ok(())
    }

    fn records(&mut self, size: u64) -> Result<Records, TarError> {
        let offset = self.source.offset;
        Records::parse(&self.extension(size)?).map_err(|_| TarError::Records { offset })
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > self.extension_max {
            return Err(TarError::ExtensionTooLarge {
                bytes: size,
                max: self.extension_max,
            });
        }
        self.set_content(size);
        let mut content = Vec::new();
        self.read_to_end(&mut content).map_err(TarError::from_io)?;
        Ok(content)
    }

    fn set_content(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_content(&mut self) -> Result<(), TarError> {
        let mut left = self.content.saturating_add(self.padding);
        (self.content, self.padding) = (0, 0);
        while left > 0 {
            let available = self.source.fill()?.len();
            if available == 0 {
                return Err(self.truncated());
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(available);
            self.source.consume(step);
            left -= step as u64;
        }
        Ok(())
    }

    fn truncated(&self) -> TarError {
        TarError::Truncated {
            offset: self.source.offset,
        }
    }
}

/// Reads the content of the current entry.
impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.content)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let available = self.source.fill().map_err(TarError::into_io)?;
        let count = wanted.min(available.len());
        if count == 0 {
            return Err(self.truncated().into_io());
        }
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), available.get(..count)) {
            to.copy_from_slice(from);
        }
        self.source.consume(count);
        self.content -= count as u64;
        Ok(count)
    }
}

impl TarError {
    fn from_block(bad: &BadBlock, offset: u64) -> Self {
        match bad {
            BadBlock::Checksum => Self::Header { offset },
            BadBlock::Size => Self::Size { offset },
        }
    }

    fn into_io(self) -> io::Error {
        match self {
            Self::Source(error) => error,
            other => io::Error::other(other),
        }
    }

    /// The error as it was before it went through [`Read`].
    pub(crate) fn from_io(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Source)
    }
}

fn replace(buffer: &mut Vec<u8>, value: Option<&[u8]>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        buffer.clear();
        buffer.extend_from_slice(value);
    }
}

/// One large buffer over the source, and where in the stream it is.
struct Buffered<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
}

const BUFFER_BYTES: usize = 256 << 10;

impl<R: Read> Buffered<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// What is buffered, read anew when nothing is; empty at the end of the stream.
    fn fill(&mut self) -> Result<&[u8], TarError> {
        while self.start == self.end {
            match self.source.read(&mut self.buffer) {
                Ok(0) => return Ok(&[]),
                Ok(count) => (self.start, self.end) = (0, count.min(self.buffer.len())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TarError::Source(error)),
            }
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        self.offset += count as u64;
    }

    fn consume_all(&mut self) {
        self.consume(self.end - self.start);
    }

    /// The next block; `None` at the end of the stream.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let available = self.fill()?;
            let count = rest.len().min(available.len());
            if count == 0 {
                let offset = self.offset;
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(TarError::Truncated { offset })
                };
            }
            if let (Some(to), Some(from)) = (rest.get_mut(..count), available.get(..count)) {
                to.copy_from_slice(from);
            }
            self.consume(count);
            filled += count;
        }
        Ok(Some(block))
    }
}
