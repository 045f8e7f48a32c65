//! What a witness is asked and whether it may sign: a log's checkpoint, with the proof that it grew from the last one that the
//! witness signed. Deliberately neither state nor key: the caller keeps what was seen, in one step with what is signed.
//! C2SP `tlog-witness`, "add-checkpoint".

use crate::checkpoint::{
    self, Checkpoint, CheckpointError, NOTE_BYTES_MAX, VerifierKey, VerifierKind,
};
use crate::encoding::to_base64;
use crate::excerpt::excerpt;
use crate::log_proof::read_hashes;
use crate::merkle::{Hash, MerkleError, root, verify_consistency};
use crate::verified::Verified;

/// The most lines of proof in a request. tlog-witness "add-checkpoint"
pub const WITNESS_PROOF_MAX: usize = 63;
/// The longest request that is read, in bytes: a note, and lines before it.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = NOTE_BYTES_MAX + 4 * 1_024;

/// A request to sign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is thought to have seen last; 0 for none.
    pub old_size: u64,
    /// That the log grew from there.
    pub proof: Vec<Hash>,
    /// The checkpoint, as a signed note.
    pub note: String,
}

/// The last checkpoint of a log that a witness signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl AddCheckpoint {
    /// The request's body.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("old {}\n", self.old_size);
        for hash in &self.proof {
            text.push_str(&to_base64(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Reads a request's body.
    ///
    /// # Errors
    /// [`WitnessError::TooLarge`] or [`WitnessError::Form`].
    pub fn parse(body: &[u8]) -> Result<Self, WitnessError> {
        if body.len() > ADD_CHECKPOINT_BYTES_MAX {
            return Err(WitnessError::TooLarge);
        }
        let form = WitnessError::Form;
        let text = std::str::from_utf8(body).map_err(|_| form("text"))?;
        let (head, note) = text.split_once("\n\n").ok_or(form("checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size = old
            .and_then(checkpoint::parse_size)
            .ok_or(form("old size"))?;
        let proof = read_hashes(lines).filter(|proof| proof.len() <= WITNESS_PROOF_MAX);
        Ok(Self {
            old_size,
            proof: proof.ok_or(form("proof"))?,
            note: note.to_owned(),
        })
    }

    /// The checkpoint that is to be signed, if one of these logs signed it and the request does not contradict itself.
    ///
    /// # Errors
    /// [`WitnessError::UnknownLog`], [`WitnessError::Checkpoint`] or [`WitnessError::OldSize`].
    pub fn verify(&self, logs: &[VerifierKey]) -> Result<Verified<Checkpoint>, WitnessError> {
        let origin = checkpoint::claimed_origin(&self.note).unwrap_or_default();
        let keys = logs
            .iter()
            .filter(|log| log.kind() == VerifierKind::Log && log.name() == origin);
        let (mut verified, mut failed) = (None, None);
        for log in keys {
            match checkpoint::verify(&self.note, log.name(), log.key()) {
                Ok(found) => verified = Some(found),
                // A false signature of a known key spoils the note, whatever others signed.
                Err(error @ CheckpointError::Signature { .. }) => return Err(error.into()),
                Err(error) => failed = Some(error),
            }
        }
        let verified = match (verified, failed) {
            (Some(verified), _) => verified,
            (None, Some(error)) => return Err(error.into()),
            (None, None) => {
                return Err(WitnessError::UnknownLog {
                    origin: excerpt(origin),
                });
            }
        };
        let size = verified.value().size;
        if self.old_size > size {
            return Err(WitnessError::OldSize {
                old: self.old_size,
                size,
            });
        }
        Ok(verified)
    }

    /// Whether a witness that saw `seen` of this log may sign: the log must be that one, grown or as it was.
    ///
    /// # Errors
    /// [`WitnessError::Conflict`] or [`WitnessError::Proof`], which are the sender's; or what the log itself signed and cannot both be
    /// true: [`WitnessError::is_alarming`].
    pub fn check_growth(
        &self,
        checkpoint: &Checkpoint,
        seen: Option<&Seen>,
    ) -> Result<(), WitnessError> {
        let empty = Seen {
            size: 0,
            root: root(&[]),
        };
        let seen = seen.unwrap_or(&empty);
        if self.old_size != seen.size {
            return Err(WitnessError::Conflict { size: seen.size });
        }
        if checkpoint.size == 0 && checkpoint.root != empty.root {
            return Err(WitnessError::EmptyRoot);
        }
        if checkpoint.size == seen.size && checkpoint.root != seen.root {
            return Err(WitnessError::Fork { size: seen.size });
        }
        let (old, new) = ((seen.size, &seen.root), (checkpoint.size, &checkpoint.root));
        let (old_size, new_size) = (seen.size, checkpoint.size);
        verify_consistency(old, new, &self.proof).map_err(|why| match why {
            MerkleError::Rewritten => WitnessError::Inconsistent {
                old: old_size,
                new: new_size,
            },
            why => WitnessError::Proof {
                old: old_size,
                new: new_size,
                why,
            },
        })
    }
}

/// Why a witness does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// Longer than [`ADD_CHECKPOINT_BYTES_MAX`].
    #[error("limit exceeded: the request is longer than {max} bytes", max = ADD_CHECKPOINT_BYTES_MAX)]
    TooLarge,
    /// A part of it is not what the protocol says.
    #[error("not a request for a cosignature: its {0} cannot be read")]
    Form(&'static str),
    /// No key of such a log is known.
    #[error("the log `{origin}` is not one that this witness watches")]
    UnknownLog {
        /// Its name, shortened.
        origin: String,
    },
    /// The log did not sign it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The request wants to go back.
    #[error("a log of {size} entries cannot have grown from one of {old}: it shrank")]
    OldSize {
        /// The size that is said to have been seen.
        old: u64,
        /// The size of the checkpoint.
        size: u64,
    },
    /// The witness has signed another size last.
    #[error("the last checkpoint signed here has {size} entries")]
    Conflict {
        /// Which size it has.
        size: u64,
    },
    /// An empty log with a root that is none.
    #[error("an empty log has another root")]
    EmptyRoot,
    /// Two checkpoints of one size.
    #[error("the log was forked: at {size} entries another root was signed before")]
    Fork {
        /// The size of both.
        size: u64,
    },
    /// What was seen is not the beginning of what is shown, and the proof shows it.
    #[error(
        "the log was forked: its {new} entries begin with others than the {old} that were signed before"
    )]
    Inconsistent {
        /// The size that was seen.
        old: u64,
        /// The size that is shown.
        new: u64,
    },
    /// The proof does not hold. Anybody can send such a one with what the log signed: it says nothing about the log.
    #[error("the log of {new} entries is not shown to have grown from that of {old}: {why}")]
    Proof {
        /// The size that was seen.
        old: u64,
        /// The size that is shown.
        new: u64,
        /// What the proof fails at.
        why: MerkleError,
    },
}

impl WitnessError {
    /// Whether it is evidence that the log shows different histories to different people: what its key signed contradicts itself,
    /// whoever sent it.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        matches!(
            self,
            Self::EmptyRoot | Self::Fork { .. } | Self::Inconsistent { .. }
        )
    }
}

#[cfg(test)]
mod tests;
