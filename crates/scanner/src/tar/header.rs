//! One 512-byte header block: checksum, dialect, numbers, names. Not what a sequence of headers means: that is the
//! reader's. POSIX.1-2017 `pax`, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".

use std::iter::Sum;
use std::ops::{Add, Sub};

use super::Kind;

/// Bytes of a block, the unit of the format.
pub(super) const BLOCK: usize = 512;

/// A header block with a valid checksum.
pub(super) struct Block<'a>(&'a [u8; BLOCK]);

/// Why a block is not a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadBlock {
    Checksum,
    Size,
}

/// The dialects that place names differently.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Old,
    Posix,
    Star,
    Gnu,
}

impl<'a> Block<'a> {
    pub(super) fn parse(bytes: &'a [u8; BLOCK]) -> Result<Self, BadBlock> {
        let block = Self(bytes);
        let stored = octal(block.field(148, 8)).ok_or(BadBlock::Checksum)?;
        if stored == block.sum(u64::from) || i64::try_from(stored) == Ok(block.sum(signed)) {
            Ok(block)
        } else {
            Err(BadBlock::Checksum)
        }
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or_default()
    }

    /// Bytes of content as the size field has it.
    pub(super) fn size(&self) -> Result<u64, BadBlock> {
        number(self.field(124, 12)).ok_or(BadBlock::Size)
    }

    /// Appends the name, prefix and all, to an empty buffer.
    pub(super) fn read_path(&self, path: &mut Vec<u8>) {
        path.clear();
        let prefix = text(match self.dialect() {
            Dialect::Posix => self.field(345, 155),
            Dialect::Star => self.field(345, 131),
            Dialect::Gnu if self.has_misplaced_prefix() => self.field(345, 155),
            Dialect::Gnu | Dialect::Old => &[],
        });
        if !prefix.is_empty() {
            path.extend_from_slice(prefix);
            path.push(b'/');
        }
        path.extend_from_slice(text(self.field(0, 100)));
    }

    pub(super) fn read_link(&self, link: &mut Vec<u8>) {
        link.clear();
        link.extend_from_slice(text(self.field(157, 100)));
    }

    /// What the type flag and name make of the entry; `None` for extension headers, which are no entries.
    pub(super) fn kind(&self, path: &[u8]) -> Option<Kind> {
        Some(match self.type_flag() {
            b'x' | b'g' | b'L' | b'K' => return None,
            0 if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' => Kind::File,
            b'S' => Kind::SparseFile,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'5' => Kind::Directory,
            _ => Kind::Other,
        })
    }

    /// Whether the type has no content, whatever the size field says.
    pub(super) fn is_header_only(&self) -> bool {
        matches!(self.type_flag(), b'1'..=b'6')
    }

    /// Whether blocks with more of an old GNU sparse map follow this one.
    pub(super) fn sparse_map_continues(&self) -> bool {
        self.type_flag() == b'S' && self.field(482, 1).first().is_some_and(|flag| *flag != 0)
    }

    // The sum of all bytes, with the checksum's own field as if it held blanks.
    fn sum<N: Sum + Add<Output = N> + Sub<Output = N>>(&self, widen: impl Fn(u8) -> N) -> N {
        let own: N = self.field(148, 8).iter().map(|byte| widen(*byte)).sum();
        let blanks: N = [b' '; 8].into_iter().map(&widen).sum();
        let all: N = self.0.iter().map(|byte| widen(*byte)).sum();
        all - own + blanks
    }

    fn dialect(&self) -> Dialect {
        if self.field(257, 6) == b"ustar\0" {
            if self.field(508, 4) == b"tar\0" {
                Dialect::Star
            } else {
                Dialect::Posix
            }
        } else if self.field(257, 8) == b"ustar  \0" {
            Dialect::Gnu
        } else {
            Dialect::Old
        }
    }

    // Go before 1.8 wrote GNU headers with a ustar prefix where GNU has its times, and Go still reads them so.
    fn has_misplaced_prefix(&self) -> bool {
        let is_time = |field: &[u8]| field.first() == Some(&0) || number(field).is_some();
        let times_are_valid = is_time(self.field(345, 12)) && is_time(self.field(357, 12));
        !times_are_valid && text(self.field(345, 155)).is_ascii()
    }

    fn field(&self, offset: usize, length: usize) -> &'a [u8] {
        self.0.get(offset..offset + length).unwrap_or_default()
    }
}

// Some old writers summed the bytes as signed numbers.
fn signed(byte: u8) -> i64 {
    i64::from(i8::from_ne_bytes([byte]))
}

/// Whether an extension block of an old GNU sparse map says that another one follows.
pub(super) fn sparse_extension_continues(block: &[u8; BLOCK]) -> bool {
    block.get(504).is_some_and(|flag| *flag != 0)
}

/// The text up to the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, or a base-256 number when the first bit is set; at most 2^63 - 1, never negative.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            if first & 0x40 != 0 {
                return None;
            }
            let value = rest
                .iter()
                .try_fold(u64::from(first & 0x3f), |value, byte| {
                    (value < 1 << 55).then(|| (value << 8) | u64::from(*byte))
                })?;
            Some(value)
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let is_filler = |byte: &u8| matches!(*byte, b' ' | 0);
    let start = field
        .iter()
        .position(|byte| !is_filler(byte))
        .unwrap_or(field.len());
    let end = field
        .iter()
        .rposition(|byte| !is_filler(byte))
        .map_or(start, |last| last + 1);
    text(field.get(start..end)?)
        .iter()
        .try_fold(0_u64, |value, byte| match byte {
            b'0'..=b'7' => Some(value << 3 | u64::from(byte - b'0')).filter(|_| value < 1 << 60),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let check =
            |field: &[u8], expect: Option<u64>| assert_eq!(number(field), expect, "{field:?}");
        check(b"00000000017\0", Some(15));
        check(b"  17 \0\0", Some(15));
        check(b"\0\0\0", Some(0));
        check(b"777777777777", Some(0o777_777_777_777));
        check(b"18", None);
        check(b"1 1", None);
        check(b"-1", None);
        check(b"\x80\0\0\0\0\0\0\0\0\0\x02\x01", Some(513));
        check(
            b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
            Some(i64::MAX as u64),
        );
        check(b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None);
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None);
        check(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None);
    }
}
