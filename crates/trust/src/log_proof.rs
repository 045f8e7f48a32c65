//! The file that proves that an entry is in a log, with nothing else at hand: the entry, its place, the hashes, and the log's
//! checkpoint with what witnesses added. Deliberately no trust in itself: whoever verifies brings the log's key.
//! C2SP `tlog-proof`.

use crate::checkpoint::{self, Checkpoint, CheckpointError, NOTE_BYTES_MAX, VerifierKey};
use crate::encoding::{from_base64, to_base64};
use crate::merkle::{Hash, MerkleError, PROOF_HASHES_MAX, leaf_hash, verify_inclusion};
use crate::verified::Verified;

/// The longest entry that a log has, in bytes. tlog-tiles "Log entries": lengths have 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// The longest file that is read, in bytes.
pub const LOG_PROOF_BYTES_MAX: usize = 4 * ENTRY_BYTES_MAX + NOTE_BYTES_MAX;

/// A proof that an entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The entry's bytes, in the line for extra data.
    pub entry: Vec<u8>,
    /// Its place in the log, counted from 0.
    pub index: u64,
    /// From the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The checkpoint, as a signed note.
    pub note: String,
}

impl LogProof {
    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{FIRST_LINE}\nextra {}\nindex {}\n",
            to_base64(&self.entry),
            self.index
        );
        for hash in &self.hashes {
            text.push_str(&to_base64(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, LogProofError> {
        if text.len() > LOG_PROOF_BYTES_MAX {
            return Err(LogProofError::TooLarge { bytes: text.len() });
        }
        let form = LogProofError::Form;
        let (head, note) = text.split_once("\n\n").ok_or(form("checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(form("first line"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let entry = extra
            .and_then(from_base64)
            .filter(|entry| entry.len() <= ENTRY_BYTES_MAX);
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(checkpoint::parse_size).ok_or(form("index"));
        let entry = entry.ok_or(form("entry"))?;
        let hashes = read_hashes(lines).ok_or(form("proof"))?;
        Ok(Self {
            entry,
            index: index?,
            hashes,
            note: note.to_owned(),
        })
    }

    /// The checkpoint under which the entry is in the log with this key. What witnesses added to the note is not looked at:
    /// see [`checkpoint::verify_cosignature`].
    pub fn verify(&self, log: &VerifierKey) -> Result<Verified<Checkpoint>, LogProofError> {
        let verified = checkpoint::verify(&self.note, log.name(), log.key())?;
        let Checkpoint { size, root, .. } = verified.value();
        verify_inclusion(
            &leaf_hash(&self.entry),
            self.index,
            *size,
            &self.hashes,
            root,
        )?;
        Ok(verified)
    }
}

/// One hash a line, at most as many as a proof has.
pub(crate) fn read_hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<Hash>> {
    let mut hashes = Vec::new();
    for line in lines {
        if hashes.len() >= PROOF_HASHES_MAX {
            return None;
        }
        hashes.push(Hash::try_from(from_base64(line)?).ok()?);
    }
    Some(hashes)
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// Longer than [`LOG_PROOF_BYTES_MAX`].
    #[error("limit exceeded: {bytes} bytes of proof, at most {max} are read", max = LOG_PROOF_BYTES_MAX)]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A part of it is not what the format says.
    #[error("not a proof of an entry: its {0} cannot be read")]
    Form(&'static str),
    /// Its checkpoint is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not in that log.
    #[error(transparent)]
    Merkle(#[from] MerkleError),
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer as _;
    use crate::checkpoint::{VerifierKind, sign};
    use crate::key::Algorithm;
    use crate::merkle::{inclusion_proof, root};
    use crate::testing::key_of;

    const ORIGIN: &str = "registry.example/audit";

    fn proof(index: u64) -> (LogProof, VerifierKey) {
        let key = key_of(Algorithm::Ed25519);
        let leaves: Vec<Hash> = (0..5_u8).map(|number| leaf_hash(&[number])).collect();
        let checkpoint = Checkpoint {
            origin: ORIGIN.into(),
            size: 5,
            root: root(&leaves),
        };
        let proof = LogProof {
            entry: vec![u8::try_from(index).unwrap()],
            index,
            hashes: inclusion_proof(&leaves, index).unwrap(),
            note: sign(&checkpoint, &key).unwrap(),
        };
        let log = VerifierKey::new(ORIGIN, VerifierKind::Log, key.public_key()).unwrap();
        (proof, log)
    }

    #[test]
    fn what_was_written_is_read_and_proves() {
        for index in 0..5 {
            let (proof, log) = proof(index);
            let read = LogProof::parse(&proof.to_text()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(read.verify(&log).unwrap().value().size, 5);
        }
    }

    #[test]
    fn another_entry_place_or_log_proves_nothing() {
        let (proof, log) = proof(3);
        let other = LogProof {
            entry: vec![9],
            ..proof.clone()
        };
        assert_eq!(other.verify(&log), Err(MerkleError::Root.into()));
        let moved = LogProof {
            index: 2,
            ..proof.clone()
        };
        assert_eq!(moved.verify(&log), Err(MerkleError::Root.into()));
        let beyond = LogProof {
            index: 5,
            ..proof.clone()
        };
        assert_eq!(
            beyond.verify(&log),
            Err(MerkleError::Index { index: 5, size: 5 }.into())
        );
        let (_, stranger) = self::proof(3);
        assert!(matches!(
            proof.verify(&stranger),
            Err(LogProofError::Checkpoint(CheckpointError::NotSigned { .. }))
        ));
        let smaller = LogProof {
            note: proof.note.replace("\n5\n", "\n4\n"),
            ..proof
        };
        assert!(matches!(
            smaller.verify(&log),
            Err(LogProofError::Checkpoint(CheckpointError::Signature { .. }))
        ));
    }

    #[test]
    fn broken_files_are_refused() {
        let text = proof(3).0.to_text();
        for (from, to, part) in [
            ("@v1", "@v2", "first line"),
            ("extra ", "", "entry"),
            ("extra Aw==", "extra Aw", "entry"),
            ("index 3", "index 03", "index"),
            ("index 3", "index -3", "index"),
            ("index 3\n", "index 3\nAAAA\n", "proof"),
        ] {
            let broken = text.replacen(from, to, 1);
            assert_eq!(
                LogProof::parse(&broken),
                Err(LogProofError::Form(part)),
                "{from} {to}"
            );
        }
        let hash = format!("{}\n", to_base64(&[1; 32]));
        let many = text.replacen("index 3\n", &format!("index 3\n{}", hash.repeat(65)), 1);
        assert_eq!(LogProof::parse(&many), Err(LogProofError::Form("proof")));
        assert_eq!(LogProof::parse(""), Err(LogProofError::Form("checkpoint")));
        assert!(matches!(
            LogProof::parse(&"x".repeat(LOG_PROOF_BYTES_MAX + 1)),
            Err(LogProofError::TooLarge { .. })
        ));
    }
}
