//! The line grammar that Debian's control files and Python's metadata share: `Name: value` lines, continuation lines
//! that start with a blank, empty lines in between. One bounded line at a time. What fields mean, and where a stanza
//! ends, is the caller's. Debian Policy 5.1; RFC 822 3.1.

use std::io::{self, BufRead, BufReader, Read};

/// One line; the bytes have no line end and no blanks around them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Empty,
    Field { name: &'a [u8], value: &'a [u8] },
    Continuation(&'a [u8]),
    Junk,
}

/// Lines of a stream, numbered from 1.
pub(super) struct Lines<'a> {
    reader: BufReader<&'a mut dyn Read>,
    line: Vec<u8>,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(content: &'a mut dyn Read) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER_BYTES, content),
            line: Vec::new(),
            number: 0,
        }
    }

    /// The number of the line that came last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; of one that is too long, its beginning.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let count = self
            .reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut self.line)?;
        if count == 0 {
            return Ok(None);
        }
        if self.line.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n')?;
        }
        self.number += 1;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(Line::of(if self.number == 1 {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        } else {
            line
        })))
    }
}

impl<'a> Line<'a> {
    fn of(line: &'a [u8]) -> Self {
        match line.first() {
            None => Self::Empty,
            Some(b' ' | b'\t') => Self::Continuation(line.trim_ascii()),
            Some(_) => Self::field(line).unwrap_or(Self::Junk),
        }
    }

    fn field(line: &'a [u8]) -> Option<Self> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then(|| Self::Field {
            name,
            value: value.trim_ascii(),
        })
    }
}

const BUFFER_BYTES: usize = 8 << 10;
const LINE_BYTES_MAX: u64 = 16 << 10;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let mut text: &[u8] = b"\xef\xbb\xbfA: b \r\n c\n\n: x\nno colon\nA B: c\nLast:";
        let mut lines = Lines::new(&mut text);
        let mut next = |expect: Line<'_>| assert_eq!(lines.next().unwrap(), Some(expect));
        next(Line::Field {
            name: b"A",
            value: b"b",
        });
        next(Line::Continuation(b"c"));
        next(Line::Empty);
        next(Line::Junk);
        next(Line::Junk);
        next(Line::Junk);
        next(Line::Field {
            name: b"Last",
            value: b"",
        });
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!(lines.number(), 7);
    }

    #[test]
    fn endless_lines_are_cut_and_the_next_is_found() {
        let text = [b"A: ".as_slice(), &b"x".repeat(100_000), b"\nB: y\n"].concat();
        let mut text = text.as_slice();
        let mut lines = Lines::new(&mut text);
        let Some(Line::Field { value, .. }) = lines.next().unwrap() else {
            panic!("no field")
        };
        assert_eq!(value.len() as u64, LINE_BYTES_MAX - 3);
        assert_eq!(
            lines.next().unwrap(),
            Some(Line::Field {
                name: b"B",
                value: b"y"
            })
        );
    }
}
