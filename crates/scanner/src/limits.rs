//! How much of a layer is read and remembered before the answer is "limit exceeded" instead of more time or memory.
//!
//! Limits are arguments, never globals. They bound what a hostile layer can cost; they say nothing about what a
//! policy accepts.

/// The bounds of one scan. The defaults hold memory under 64 MiB a layer, whatever the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Uncompressed bytes of a layer.
    pub layer_bytes_max: u64,
    /// Headers of a layer's archive, extension headers among them.
    pub entries_max: u64,
    /// Bytes of one package database, read as a stream.
    pub file_bytes_max: u64,
    /// Bytes of one metadata file that has to be held in memory (`package.json`, os-release).
    pub metadata_bytes_max: u64,
    /// Uncompressed bytes for each compressed one, once [`ratio_free_bytes`](Self::ratio_free_bytes) are out.
    pub ratio_max: u64,
    /// Uncompressed bytes before the ratio is looked at.
    pub ratio_free_bytes: u64,
    /// Bytes of a normalised path.
    pub path_bytes_max: usize,
    /// Bytes of one extension header (PAX record block, GNU long name) of an archive.
    pub extension_bytes_max: u64,
    /// Base-2 logarithm of the largest window that a zstd frame may ask for.
    pub zstd_window_log_max: u32,
    /// Bytes of facts (packages, licences, whiteouts, owners) that one layer may yield.
    pub facts_bytes_max: usize,
    /// Bytes of symbolic links remembered while one layer is read.
    pub links_bytes_max: usize,
    /// Entries of one layer that are remembered because they may have replaced a folder of a lower one. What the others
    /// replaced stays listed; the ways to a package database are always remembered.
    pub replaced_max: usize,
    /// Problems of one kind listed for a layer; the rest is counted.
    pub problems_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_bytes_max: 8 << 30,
            entries_max: 5_000_000,
            file_bytes_max: 64 << 20,
            metadata_bytes_max: 2 << 20,
            ratio_max: 1000,
            ratio_free_bytes: 64 << 20,
            path_bytes_max: 4096,
            extension_bytes_max: 1 << 20,
            zstd_window_log_max: 25,
            facts_bytes_max: 10 << 20,
            links_bytes_max: 4 << 20,
            replaced_max: 7 << 16,
            problems_max: 16,
        }
    }
}
