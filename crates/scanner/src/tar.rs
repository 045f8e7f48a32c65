//! A tar archive as a stream of headers, with the content of each entry readable in between.
//!
//! It reads what container runtimes read, and as they do: POSIX ustar and PAX (`path`, `linkpath`, `size`), GNU long
//! names and base-256 numbers, old V7 and star. Where the formats leave room, it follows Go's `archive/tar`, because
//! that is what unpacks images: global PAX headers change nothing, links and folders have no content whatever their
//! size field says, two zero blocks end the archive and what follows them is not part of it. It never touches a file
//! system, never resolves a name, and holds one buffer and one extension header in memory. POSIX.1-2017 `pax`,
//! "ustar Interchange Format" and "pax Extended Header".

mod header;
mod pax;
mod reader;

pub(crate) use reader::{Reader, TarError};

/// One entry of an archive; its buffers are used again for the next.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name as written: any bytes, not normalised.
    pub(crate) path: Vec<u8>,
    /// The target of a link as written.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    /// Bytes of content in the archive; 0 for what has none.
    pub(crate) size: u64,
}

/// What an entry is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    File,
    /// A file of which only the non-empty parts are stored.
    SparseFile,
    HardLink,
    Symlink,
    Directory,
    /// A device, a pipe or a type that nobody knows.
    Other,
}

#[cfg(test)]
mod tests;
