//! The tar archive around a bundle, byte by byte: regular files with one form of header (POSIX.1-1988 "ustar", sizes above 8 GiB
//! as GNU tar writes them), so that a reader can compare a header with what it has to be. Deliberately no general reader.

use std::io::{self, Write};

/// Bytes of a header, and what files are padded to.
pub(super) const BLOCK_BYTES: usize = 512;
/// What ends an archive.
pub(super) const END_BYTES: usize = 2 * BLOCK_BYTES;
/// The longest name of a file.
const NAME_BYTES_MAX: usize = 100;
/// Where the size stands.
const SIZE_AT: usize = 124;
const SIZE_BYTES: usize = 12;
const CHECKSUM_AT: usize = 148;
/// The largest size in eleven octal digits.
const OCTAL_MAX: u64 = (1 << 33) - 1;

/// The header of a file; `None` where the name is too long.
pub(super) fn header(name: &str, size: u64) -> Option<[u8; BLOCK_BYTES]> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut header = [0_u8; BLOCK_BYTES];
    put(&mut header, 0, name.as_bytes());
    put(&mut header, 100, b"0000644\0");
    put(&mut header, 108, b"0000000\0");
    put(&mut header, 116, b"0000000\0");
    put(&mut header, SIZE_AT, &size_field(size));
    put(&mut header, 136, b"00000000000\0");
    // The checksum is over a header with spaces in its place.
    put(&mut header, CHECKSUM_AT, b"        ");
    put(&mut header, 156, b"0");
    put(&mut header, 257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut header, CHECKSUM_AT, format!("{sum:06o}\0 ").as_bytes());
    Some(header)
}

/// The size that a header gives, if it is one of ours.
pub(super) fn size_of(header: &[u8; BLOCK_BYTES]) -> Option<u64> {
    let field = header.get(SIZE_AT..SIZE_AT + SIZE_BYTES)?;
    if let Some((0x80, rest)) = field.split_first() {
        let low: [u8; 8] = rest.get(3..)?.try_into().ok()?;
        return Some(u64::from_be_bytes(low));
    }
    let digits = std::str::from_utf8(field.strip_suffix(b"\0")?).ok()?;
    u64::from_str_radix(digits, 8).ok()
}

/// The zeros behind a file of this size.
pub(super) fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK_BYTES as u64).unwrap_or(0);
    (BLOCK_BYTES - over) % BLOCK_BYTES
}

/// Writes a file that is in memory.
pub(super) fn write(out: &mut impl Write, name: &str, content: &[u8]) -> io::Result<()> {
    let size = content.len() as u64;
    begin(out, name, size)?;
    out.write_all(content)?;
    end_of_file(out, size)
}

/// Writes the header of a file whose content follows.
pub(super) fn begin(out: &mut impl Write, name: &str, size: u64) -> io::Result<()> {
    let header = header(name, size)
        .ok_or_else(|| io::Error::other(format!("`{name}` is too long a name for the archive")))?;
    out.write_all(&header)
}

/// Writes what comes behind a file's content.
pub(super) fn end_of_file(out: &mut impl Write, size: u64) -> io::Result<()> {
    let zeros = [0_u8; BLOCK_BYTES];
    out.write_all(zeros.get(..padding(size)).unwrap_or_default())
}

/// Writes the end of the archive.
pub(super) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0_u8; END_BYTES])
}

fn size_field(size: u64) -> [u8; SIZE_BYTES] {
    let mut field = [0_u8; SIZE_BYTES];
    if size <= OCTAL_MAX {
        put(&mut field, 0, format!("{size:011o}").as_bytes());
    } else {
        put(&mut field, 0, &[0x80]);
        put(&mut field, 4, &size.to_be_bytes());
    }
    field
}

fn put(target: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = target.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_programs_read_what_is_written() {
        let mut bytes = Vec::new();
        for (name, content) in [("a", &b""[..]), ("b/c", b"x"), ("d", &[7; 1024])] {
            write(&mut bytes, name, content).unwrap();
        }
        end(&mut bytes).unwrap();
        assert_eq!(bytes.len() % BLOCK_BYTES, 0);
        let mut archive = tar::Archive::new(&bytes[..]);
        let found: Vec<(String, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.path().unwrap().to_string_lossy().into_owned();
                (name, entry.size())
            })
            .collect();
        let expected = [("a", 0), ("b/c", 1), ("d", 1024)];
        assert_eq!(found, expected.map(|(name, size)| (name.to_owned(), size)));
    }

    #[test]
    fn sizes_are_read_back() {
        for size in [0, 1, 511, 512, OCTAL_MAX, OCTAL_MAX + 1, u64::MAX] {
            assert_eq!(size_of(&header("a", size).unwrap()), Some(size));
            let tar = tar::Header::from_byte_slice(&header("a", size).unwrap()).clone();
            assert_eq!(tar.entry_size().unwrap(), size);
        }
        assert_eq!(header(&"x".repeat(101), 1), None);
    }

    #[test]
    fn files_are_padded_to_blocks() {
        for (size, expected) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size), expected);
        }
    }
}
