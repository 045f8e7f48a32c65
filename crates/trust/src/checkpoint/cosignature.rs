//! What a witness adds to a checkpoint: that at a time this was the largest tree of the log that it had seen, and grew from all it
//! had seen before. Deliberately without the checks that make that true, which are in `witness`. C2SP `tlog-cosignature`, Ed25519.

use super::{CheckpointError, NOTE_BYTES_MAX, SIGNATURE_START, VerifierKey, VerifierKind, split};
use crate::encoding::to_base64;
use crate::private::Signer;

/// A signature line of a witness, and when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The line with its end, as it stands in a note.
    pub line: String,
    /// When, in seconds since the epoch.
    pub time: u64,
}

/// Signs a note's text as a witness of this name, at a time in seconds since the epoch. Whoever calls it has checked the log.
///
/// # Errors
/// What is no note, a name that a note cannot carry, a key that is not Ed25519, or a signer that fails.
pub fn cosign(
    note: &str,
    name: &str,
    signer: &dyn Signer,
    time: u64,
) -> Result<Cosignature, CheckpointError> {
    let verifier = VerifierKey::new(name, VerifierKind::Witness, signer.public_key())?;
    // tlog-cosignature "Format": at most 2^63 - 1; tlog-witness "add-checkpoint": not zero.
    let time = time.clamp(1, i64::MAX.unsigned_abs());
    let (text, _) = split(note)?;
    let signature = signer.sign(message(text, time).as_bytes())?;
    let signed = [verifier.hash().as_slice(), &time.to_be_bytes(), &signature].concat();
    Ok(Cosignature {
        line: format!("{SIGNATURE_START}{name} {}\n", to_base64(&signed)),
        time,
    })
}

/// The signature of a witness on a note; of several, the last one. One that claims to be of this witness and is not makes the note
/// worthless.
///
/// # Errors
/// What is no note, has no signature of the witness, or a false one.
pub fn verify_cosignature(
    note: &str,
    witness: &VerifierKey,
) -> Result<Cosignature, CheckpointError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(CheckpointError::TooLarge { bytes: note.len() });
    }
    let not_signed = || CheckpointError::NotSigned {
        key: witness.key().id().clone(),
    };
    if witness.kind() != VerifierKind::Witness {
        return Err(not_signed());
    }
    let (text, lines) = split(note)?;
    let hash = witness.hash();
    let mut found = None;
    for line in lines.iter().filter(|line| line.name == witness.name()) {
        let Some(signed) = line.bytes.strip_prefix(hash.as_slice()) else {
            continue;
        };
        let bad = || CheckpointError::Signature {
            key: witness.key().id().clone(),
        };
        let (time, signature) = signed.split_first_chunk::<8>().ok_or_else(bad)?;
        let time = u64::from_be_bytes(*time);
        if time == 0 || i64::try_from(time).is_err() {
            return Err(bad());
        }
        let message = message(text, time);
        witness
            .key()
            .verify(message.as_bytes(), signature)
            .map_err(|_| bad())?;
        found = Some(Cosignature {
            line: format!(
                "{SIGNATURE_START}{} {}\n",
                line.name,
                to_base64(&line.bytes)
            ),
            time,
        });
    }
    found.ok_or_else(not_signed)
}

/// A note with further signature lines, each with its end.
#[must_use]
pub fn with_signatures<'a>(note: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    let mut note = note.to_owned();
    note.extend(lines);
    note
}

/// tlog-cosignature "Ed25519 signed message".
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests;
