//! From the bytes of a layer blob to the bytes of its archive: compression recognised by its first bytes, every
//! uncompressed byte hashed and counted, and an end with "limit exceeded" when they grow beyond all measure.
//!
//! What the media type claims about the compression is not used: runtimes go by the bytes too. The compressed bytes
//! are not hashed here; whoever stored the blob did that. image-spec `layer.md`, "Layer Media Types"; RFC 1952
//! (several members), RFC 8878 (several frames, skippable frames).

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use oci::{Algorithm, Digest, Hasher};

use crate::limits::Limits;

/// The uncompressed bytes of a layer.
pub(crate) struct LayerStream<'a> {
    decoder: Box<dyn Read + 'a>,
    compressed: Rc<Cell<u64>>,
    uncompressed: u64,
    hasher: Hasher,
    limits: Limits,
}

/// What ends a layer early, apart from its source and its compression. Travels inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("more than {max} uncompressed bytes")]
    TooLarge { max: u64 },
    #[error(
        "over {ratio} uncompressed bytes for each compressed one, as only a decompression bomb has"
    )]
    Ratio { ratio: u64 },
    #[error("the zstd frame asks for a window over {} MiB", (1_u64 << log) >> 20)]
    Window { log: u32 },
    #[error("compressed with {0}, which no runtime has to read: compress layers with gzip or zstd")]
    Compression(&'static str),
    #[error("the {format} stream is damaged or cut off: {cause}")]
    Damaged {
        format: &'static str,
        cause: io::Error,
    },
}

impl StreamError {
    /// Whether a limit was hit, and not the data found broken.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. } | Self::Ratio { .. } | Self::Window { .. }
        )
    }

    fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

impl<'a> LayerStream<'a> {
    pub(crate) fn open(
        mut read: impl Read + 'a,
        algorithm: Algorithm,
        limits: &Limits,
    ) -> io::Result<Self> {
        let mut magic = [0; MAGIC_BYTES];
        let length = read_prefix(&mut read, &mut magic)?;
        let magic = magic.get(..length).unwrap_or_default().to_vec();
        let format = Format::of(&magic)?;
        let compressed = Rc::new(Cell::new(0));
        let input = BufReader::with_capacity(INPUT_BYTES, io::Cursor::new(magic).chain(read));
        let input = Counted {
            input,
            count: Rc::clone(&compressed),
        };
        Ok(Self {
            decoder: format.decoder(input, limits)?,
            compressed,
            uncompressed: 0,
            hasher: Hasher::new(algorithm),
            limits: limits.clone(),
        })
    }

    /// Uncompressed bytes so far.
    pub(crate) fn uncompressed(&self) -> u64 {
        self.uncompressed
    }

    /// The digest of all uncompressed bytes so far: the diffID, at the stream's end.
    pub(crate) fn finish(self) -> Digest {
        self.hasher.finish()
    }

    fn check_limits(&self) -> Result<(), StreamError> {
        if self.uncompressed > self.limits.layer_bytes_max {
            return Err(StreamError::TooLarge {
                max: self.limits.layer_bytes_max,
            });
        }
        let ratio = self.limits.ratio_max;
        if self.uncompressed > self.limits.ratio_free_bytes
            && self.uncompressed / ratio.max(1) > self.compressed.get()
        {
            return Err(StreamError::Ratio { ratio });
        }
        Ok(())
    }
}

impl Read for LayerStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.uncompressed += count as u64;
        self.check_limits().map_err(StreamError::into_io)?;
        Ok(count)
    }
}

const INPUT_BYTES: usize = 128 << 10;
const MAGIC_BYTES: usize = 6;

/// How a blob is compressed, by its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Zstd,
}

impl Format {
    fn of(magic: &[u8]) -> io::Result<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(StreamError::Compression("xz").into_io()),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => {
                Err(StreamError::Compression("bzip2").into_io())
            }
            _ => Ok(Self::Plain),
        }
    }

    fn decoder<'a>(
        self,
        input: impl BufRead + 'a,
        limits: &Limits,
    ) -> io::Result<Box<dyn Read + 'a>> {
        let window_log = limits.zstd_window_log_max;
        Ok(match self {
            Self::Plain => Box::new(input),
            Self::Gzip => Box::new(Decoded {
                decoder: MultiGzDecoder::new(input),
                format: "gzip",
                window_log,
            }),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(input)?;
                decoder.window_log_max(window_log)?;
                Box::new(Decoded {
                    decoder,
                    format: "zstd",
                    window_log,
                })
            }
        })
    }
}

/// A decoder whose errors say what was being decoded.
struct Decoded<D> {
    decoder: D,
    format: &'static str,
    window_log: u32,
}

impl<D: Read> Read for Decoded<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder
            .read(buffer)
            .map_err(|cause| match cause.kind() {
                io::ErrorKind::Interrupted => cause,
                _ if cause.to_string().contains("too much memory") => StreamError::Window {
                    log: self.window_log,
                }
                .into_io(),
                _ => StreamError::Damaged {
                    format: self.format,
                    cause,
                }
                .into_io(),
            })
    }
}

/// Counts what the decoder takes, not what is buffered for it: a bomb is over the ratio by a few per cent only.
struct Counted<R> {
    input: R,
    count: Rc<Cell<u64>>,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count.set(self.count.get() + amount as u64);
        self.input.consume(amount);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

fn read_prefix(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(blob: &[u8], limits: &Limits) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let mut stream = LayerStream::open(blob, Algorithm::Sha256, limits)
            .map_err(|error| error.to_string())?;
        stream
            .read_to_end(&mut out)
            .map_err(|error| error.to_string())?;
        assert_eq!(stream.uncompressed(), out.len() as u64);
        assert_eq!(stream.finish(), Digest::sha256(&out));
        Ok(out)
    }

    fn limits() -> Limits {
        Limits {
            layer_bytes_max: 1 << 20,
            ratio_free_bytes: 64 << 10,
            ratio_max: 100,
            ..Limits::default()
        }
    }

    #[test]
    fn every_compression_gives_the_same_bytes() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(u32::to_le_bytes).collect();
        let (first, second) = text.split_at(70_001);
        let check = |blob: Vec<u8>| assert_eq!(read(&blob, &limits()).as_ref(), Ok(&text));
        check(text.clone());
        check(gzip(&text));
        check([gzip(first), gzip(second)].concat());
        check([gzip(&[]), gzip(first), gzip(&[]), gzip(second)].concat());
        check(zstd::encode_all(text.as_slice(), 3).unwrap());
        check(
            [
                zstd::encode_all(first, 1).unwrap(),
                zstd::encode_all(second, 9).unwrap(),
            ]
            .concat(),
        );
        let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        check(
            [
                skippable.clone(),
                zstd::encode_all(text.as_slice(), 3).unwrap(),
                skippable,
            ]
            .concat(),
        );
    }

    #[test]
    fn short_blobs_are_plain() {
        for length in 0..8 {
            let blob = vec![b'a'; length];
            assert_eq!(read(&blob, &limits()), Ok(blob));
        }
    }

    #[test]
    fn damage_is_told() {
        let blob = gzip(
            &(0..50_000_u32)
                .flat_map(u32::to_le_bytes)
                .collect::<Vec<_>>(),
        );
        let check = |blob: &[u8], expect: &str| {
            let error = read(blob, &limits()).unwrap_err();
            assert!(error.contains(expect), "{error}");
        };
        check(
            &blob[..blob.len() - 1],
            "the gzip stream is damaged or cut off",
        );
        check(&blob[..3], "the gzip stream is damaged or cut off");
        check(
            &[blob.as_slice(), b"garbage"].concat(),
            "the gzip stream is damaged or cut off",
        );
        let frame = zstd::encode_all(blob.as_slice(), 3).unwrap();
        check(
            &frame[..frame.len() - 4],
            "the zstd stream is damaged or cut off",
        );
        check(b"\xfd7zXZ\0\0\0", "compressed with xz");
        check(b"BZh91AY&SY", "compressed with bzip2");
    }

    #[test]
    fn bombs_end_early() {
        let zeros = vec![0; 900 << 10];
        assert_eq!(
            read(&zeros, &limits()),
            Ok(zeros.clone()),
            "plain zeros have a ratio of one"
        );
        let error = read(&gzip(&zeros), &limits()).unwrap_err();
        assert!(error.contains("over 100 uncompressed bytes"), "{error}");
        let error = read(&zstd::encode_all(zeros.as_slice(), 3).unwrap(), &limits()).unwrap_err();
        assert!(error.contains("over 100 uncompressed bytes"), "{error}");
        let large = vec![7; (1 << 20) + 1];
        assert_eq!(
            read(&large, &limits()),
            Err("more than 1048576 uncompressed bytes".to_owned())
        );
        assert!(read(&large[1..], &limits()).is_ok());
    }

    #[test]
    fn a_zstd_window_has_a_limit() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&[1; 1000]).unwrap();
        let blob = encoder.finish().unwrap();
        let strict = Limits {
            zstd_window_log_max: 20,
            ..limits()
        };
        assert_eq!(
            read(&blob, &strict),
            Err("the zstd frame asks for a window over 1 MiB".to_owned())
        );
    }
}
