//! PAX extended header records, `<length> <key>=<value>\n`: only the keys that change where an entry is or how long
//! it is. POSIX.1-2017 `pax`, "pax Extended Header".

/// The records that matter; what an archive does not set stays `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    sparse: Sparse,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sparse {
    major: Vec<u8>,
    minor: Vec<u8>,
    has_map: bool,
    name: Vec<u8>,
}

/// A record block that does not keep to the grammar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRecords;

impl Records {
    pub(super) fn parse(mut block: &[u8]) -> Result<Self, BadRecords> {
        let mut records = Self::default();
        while !block.is_empty() {
            let (key, value, rest) = split_record(block).ok_or(BadRecords)?;
            records.set(key, value)?;
            block = rest;
        }
        Ok(records)
    }

    /// Whether the entry is stored in one of the sparse formats 0.0, 0.1 and 1.0 of GNU tar.
    pub(super) fn is_sparse(&self) -> bool {
        match (self.sparse.major.as_slice(), self.sparse.minor.as_slice()) {
            (b"1", b"0") | (b"0", b"0" | b"1") => true,
            (b"", b"") => self.sparse.has_map,
            _ => false,
        }
    }

    /// The real name of a sparse file, which its header does not have.
    pub(super) fn sparse_name(&self) -> Option<&[u8]> {
        (self.is_sparse() && !self.sparse.name.is_empty()).then_some(&self.sparse.name)
    }

    // An empty value takes a record back.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), BadRecords> {
        let present = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" | b"linkpath" if value.contains(&0) => return Err(BadRecords),
            b"path" => self.path = present(),
            b"linkpath" => self.link = present(),
            b"size" => {
                self.size = if value.is_empty() {
                    None
                } else {
                    Some(decimal(value).ok_or(BadRecords)?)
                }
            }
            b"GNU.sparse.major" => self.sparse.major = value.to_vec(),
            b"GNU.sparse.minor" => self.sparse.minor = value.to_vec(),
            b"GNU.sparse.map" | b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                self.sparse.has_map |= !value.is_empty()
            }
            b"GNU.sparse.name" => self.sparse.name = value.to_vec(),
            _ => {}
        }
        Ok(())
    }
}

fn split_record(block: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = block.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(block.get(..space)?)?).ok()?;
    let record = block.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
    if key.is_empty() || key.contains(&0) {
        return None;
    }
    Some((key, value, block.get(length..)?))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })?;
    (value <= i64::MAX.unsigned_abs()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_or_refused() {
        let path = |block: &[u8]| Records::parse(block).map(|records| records.path);
        assert_eq!(path(b""), Ok(None));
        assert_eq!(
            path(b"10 path=ab\n"),
            Err(BadRecords),
            "the length counts itself and the newline"
        );
        assert_eq!(path(b"11 path=ab\n"), Ok(Some(b"ab".to_vec())));
        assert_eq!(path(b"11 path=ab\n11 path=cd\n"), Ok(Some(b"cd".to_vec())));
        assert_eq!(
            path(b"11 path=ab\n8 path=\n"),
            Ok(None),
            "an empty value takes the record back"
        );
        assert_eq!(path(b"12 path=a=b\n"), Ok(Some(b"a=b".to_vec())));
        assert_eq!(path(b"11 path=a\0\n"), Err(BadRecords));
        assert_eq!(path(b"99 path=ab\n"), Err(BadRecords));
        assert_eq!(path(b"99999999999999999999999 path=ab\n"), Err(BadRecords));
        assert_eq!(path(b"-1 path=ab\n"), Err(BadRecords));
        assert_eq!(path(b"0 \n"), Err(BadRecords));
        assert_eq!(path(b"6 =ab\n"), Err(BadRecords));
        assert_eq!(path(b"7 path\n"), Err(BadRecords));
    }

    #[test]
    fn sizes_are_decimal_and_bounded() {
        let size = |block: &[u8]| Records::parse(block).map(|records| records.size);
        assert_eq!(size(b"11 size=12\n"), Ok(Some(12)));
        assert_eq!(size(b"11 size=-1\n"), Err(BadRecords));
        assert_eq!(
            size(b"28 size=9223372036854775807\n"),
            Ok(Some(i64::MAX as u64))
        );
        assert_eq!(size(b"28 size=9223372036854775808\n"), Err(BadRecords));
    }

    #[test]
    fn sparse_names_count_only_with_a_known_sparse_version() {
        let name = |block: &[u8]| {
            Records::parse(block)
                .unwrap()
                .sparse_name()
                .map(<[u8]>::to_vec)
        };
        assert_eq!(name(b"21 GNU.sparse.name=a\n").as_deref(), None);
        let versioned = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=a\n";
        assert_eq!(name(versioned).as_deref(), Some(b"a".as_slice()));
    }
}
