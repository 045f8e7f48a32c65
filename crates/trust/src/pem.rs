//! PEM with exactly one block and nothing beside it. Deliberately not a reader of PEM collections: explanatory text,
//! headers and a second block are refused, because a key file that says two things is read in two ways.
//! RFC 7468 section 3, strict.

use crate::encoding::{from_base64, to_base64};
use crate::excerpt::excerpt;

/// The longest PEM text that is read, in bytes.
pub const PEM_BYTES_MAX: usize = 64 * 1024;

/// The label of certificates.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

const LINE_CHARS: usize = 64;

/// Writes one block.
pub(crate) fn encode(label: &str, contents: &[u8]) -> String {
    let body = to_base64(contents);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, c) in body.chars().enumerate() {
        if at > 0 && at % LINE_CHARS == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

/// The contents of the one block, which must carry one of these labels.
pub(crate) fn decode(text: &str, labels: &[&str]) -> Result<Vec<u8>, PemError> {
    if text.len() > PEM_BYTES_MAX {
        return Err(PemError::TooLarge { bytes: text.len() });
    }
    let rest = text
        .trim()
        .strip_prefix("-----BEGIN ")
        .ok_or(PemError::NoBlock)?;
    let (label, rest) = rest.split_once("-----").ok_or(PemError::NoBlock)?;
    if !labels.contains(&label) {
        return Err(PemError::Label {
            found: excerpt(label),
            wanted: labels.join("` or `"),
        });
    }
    let end = format!("-----END {label}-----");
    let (body, after) = rest.split_once(end.as_str()).ok_or(PemError::NoEnd)?;
    if !after.is_empty() {
        return Err(PemError::Trailing);
    }
    let joined: String = body.split_ascii_whitespace().collect();
    from_base64(&joined).ok_or(PemError::Body)
}

/// The contents of all blocks, at most `blocks_max`, each with this label and nothing between them.
pub(crate) fn decode_all(text: &str, label: &str, blocks_max: usize) -> Option<Vec<Vec<u8>>> {
    let end = format!("-----END {label}-----");
    let blocks: Vec<&str> = text
        .split_inclusive(end.as_str())
        .filter(|block| !block.trim().is_empty())
        .collect();
    if blocks.len() > blocks_max {
        return None;
    }
    blocks
        .iter()
        .map(|block| decode(block, &[label]).ok())
        .collect()
}

/// Why a text is not the PEM block that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Longer than [`PEM_BYTES_MAX`].
    #[error("limit exceeded: {bytes} bytes of pem text, at most {max} are read", max = PEM_BYTES_MAX)]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Does not start with a BEGIN line.
    #[error("not a pem file: it must start with a `-----BEGIN …-----` line")]
    NoBlock,
    /// A block of another kind.
    #[error("the pem block is `{found}`: `{wanted}` is needed here")]
    Label {
        /// The label that stands there, shortened.
        found: String,
        /// The labels that would do.
        wanted: String,
    },
    /// The block does not end.
    #[error("the pem block has no matching `-----END …-----` line: the file is cut off")]
    NoEnd,
    /// Something stands after the block.
    #[error("the pem file holds more than one block: give a file with the key alone")]
    Trailing,
    /// The lines between are not plain base64.
    #[error("the pem block is not plain base64: headers and comments are not read")]
    Body,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "PUBLIC KEY";

    #[test]
    fn reads_what_it_writes() {
        for length in [0, 1, 47, 48, 49, 96, 500] {
            let contents = vec![7; length];
            let text = encode(LABEL, &contents);
            assert!(text.lines().all(|line| line.len() <= LINE_CHARS), "{text}");
            assert_eq!(decode(&text, &[LABEL]), Ok(contents));
        }
    }

    #[test]
    fn takes_windows_line_ends_and_blank_edges() {
        let text = format!("\r\n{}\n\n", encode(LABEL, &[7; 60]).replace('\n', "\r\n"));
        assert_eq!(decode(&text, &[LABEL]), Ok(vec![7; 60]));
    }

    #[test]
    fn refuses_what_could_be_read_twice() {
        let block = encode(LABEL, &[7; 60]);
        assert_eq!(
            decode(&format!("{block}{block}"), &[LABEL]),
            Err(PemError::Trailing)
        );
        assert_eq!(
            decode(&format!("{block}x"), &[LABEL]),
            Err(PemError::Trailing)
        );
        assert_eq!(
            decode(&format!("x\n{block}"), &[LABEL]),
            Err(PemError::NoBlock)
        );
        let header = block.replacen('\n', "\nrole: ci\n\n", 1);
        assert_eq!(decode(&header, &[LABEL]), Err(PemError::Body));
    }

    #[test]
    fn refuses_broken_blocks() {
        let block = encode(LABEL, &[7; 60]);
        assert_eq!(decode("", &[LABEL]), Err(PemError::NoBlock));
        assert_eq!(
            decode("-----BEGIN PUBLIC KEY", &[LABEL]),
            Err(PemError::NoBlock)
        );
        assert_eq!(
            decode(&block.replace("END PUBLIC", "END PRIVATE"), &[LABEL]),
            Err(PemError::NoEnd)
        );
        assert_eq!(
            decode(&block.replacen('B', "*", 6), &[LABEL]),
            Err(PemError::NoBlock)
        );
        assert!(matches!(
            decode(&block, &["A", "B"]),
            Err(PemError::Label { .. })
        ));
        let long = " ".repeat(PEM_BYTES_MAX + 1);
        assert!(matches!(
            decode(&long, &[LABEL]),
            Err(PemError::TooLarge { .. })
        ));
    }
}
