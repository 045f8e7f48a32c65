//! The file of checkpoints: signed notes one after the other with an empty line between, only ever appended to, synced
//! before a seal is done. What a cut left of a last note is not a note and is written over. C2SP `signed-note`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use trust::PublicKey;
use trust::checkpoint::{self, Checkpoint, NOTE_BYTES_MAX};

use crate::error::{Error, Result};
use crate::folder::sync_folder;

/// The name of every log in the checkpoints of former versions, and how the names of logs begin.
const ORIGIN: &str = "countersign.dev/audit";
/// Digits of the key's id in the name of a log.
const ORIGIN_DIGITS: usize = 16;

/// How a signature line begins. signed-note "Format".
const SIGNATURE_START: &str = "\u{2014} ";
/// The longest line that is read, in bytes.
const LINE_BYTES_MAX: usize = NOTE_BYTES_MAX;

/// A whole note of a file, whatever it says.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) text: String,
    /// Which one in the file, counted from 1.
    pub(super) number: u64,
}

/// Reads every whole note of a file and hands it on; answers where the last one ends. A file that is absent has none.
pub(super) fn read(path: &Path, each: &mut dyn FnMut(Note) -> Result<()>) -> Result<u64> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        outcome => outcome.map_err(Error::io(path))?,
    };
    file.lock_shared().map_err(Error::io(path))?;
    scan(&file, path, each)
}

fn scan(file: &File, path: &Path, each: &mut dyn FnMut(Note) -> Result<()>) -> Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut position, mut end, mut number) = (0_u64, 0_u64, 0_u64);
    let mut text = String::new();
    // A note that has its first signature. Those of witnesses may follow.
    let mut whole: Option<String> = None;
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = std::io::Read::take(&mut reader, limit)
            .read_until(b'\n', &mut line)
            .map_err(Error::io(path))?;
        position = position.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        let line = String::from_utf8_lossy(&line);
        let is_signature = line.starts_with(SIGNATURE_START) && line.ends_with('\n');
        if let Some(mut note) = whole.take() {
            if is_signature && note.len() <= NOTE_BYTES_MAX {
                note.push_str(&line);
                (whole, end) = (Some(note), position);
                continue;
            }
            number = number.saturating_add(1);
            each(Note { text: note, number })?;
        }
        if read == 0 {
            return Ok(end);
        }
        if text.is_empty() && line == "\n" {
            continue;
        }
        text.push_str(&line);
        if is_signature || text.len() > NOTE_BYTES_MAX {
            (whole, end) = (Some(std::mem::take(&mut text)), position);
        }
    }
}

/// Adds a checkpoint, unless the file has one of its size or larger. When this answers, it is on the disk.
pub(super) fn append(path: &Path, note: &str, size: u64, key: &PublicKey) -> Result<()> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
        .map_err(Error::io(path))?;
    // Processes that share the folder take turns.
    file.lock().map_err(Error::io(path))?;
    let mut last = None;
    let end = scan(&file, path, &mut |note| {
        last = Some(note.text);
        Ok(())
    })?;
    if last
        .and_then(|note| believed(&note, key))
        .is_some_and(|last| last.size >= size)
    {
        return Ok(());
    }
    let separator = if end == 0 { "" } else { "\n" };
    file.set_len(end)
        .and_then(|()| file.seek(SeekFrom::Start(end)))
        .and_then(|_| file.write_all(format!("{separator}{note}").as_bytes()))
        .and_then(|()| file.sync_all())
        .map_err(Error::io(path))?;
    if is_new {
        path.parent().map_or(Ok(()), sync_folder)
    } else {
        Ok(())
    }
}

/// The last checkpoint of a file; `Err` in the inner result says why it cannot be believed.
pub(super) fn last(
    path: &Path,
    key: &PublicKey,
) -> Result<Option<std::result::Result<Checkpoint, String>>> {
    let mut last = None;
    read(path, &mut |note| {
        last = Some(note.text);
        Ok(())
    })?;
    Ok(last.map(|note| parse(&note, key)))
}

/// The name of the log with this key: no other log has it, and it stays when the server gets another address.
/// tlog-checkpoint "Note text", 1
pub(super) fn origin(key: &PublicKey) -> String {
    let id = key.id().as_str();
    format!("{ORIGIN}/{}", id.get(..ORIGIN_DIGITS).unwrap_or(id))
}

/// The checkpoint in a note of this log, if the key signed it. Under the name of former versions too: the key has no other log.
pub(super) fn parse(note: &str, key: &PublicKey) -> std::result::Result<Checkpoint, String> {
    let of_former = checkpoint::claimed_origin(note) == Some(ORIGIN);
    let origin = if of_former {
        ORIGIN.to_owned()
    } else {
        origin(key)
    };
    checkpoint::verify(note, &origin, key)
        .map(|verified| verified.value().clone())
        .map_err(|error| error.to_string())
}

fn believed(note: &str, key: &PublicKey) -> Option<Checkpoint> {
    parse(note, key).ok()
}

/// Writes the public key beside the checkpoints where it is absent; another one there is an error.
pub(super) fn keep_key(path: &Path, key: &PublicKey) -> Result<()> {
    match std::fs::read_to_string(path) {
        Ok(pem) => match PublicKey::from_pem(&pem) {
            Ok(kept) if kept.id() == key.id() => Ok(()),
            _ => Err(Error::AuditBroken(format!(
                "`{}` is not the key of this server",
                path.display()
            ))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o644)
                .open(path)
                .map_err(Error::io(path))?;
            file.write_all(key.to_pem().as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(Error::io(path))?;
            path.parent().map_or(Ok(()), sync_folder)
        }
        Err(error) => Err(Error::io(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use trust::{Algorithm, PrivateKey, Signer};

    use super::*;

    fn note(size: u64, key: &PrivateKey) -> String {
        let former = size.is_multiple_of(2);
        checkpoint::sign(
            &Checkpoint {
                origin: match former {
                    true => ORIGIN.to_owned(),
                    false => origin(key.public_key()),
                },
                size,
                root: [7; 32],
            },
            key,
        )
        .unwrap()
    }

    fn sizes(path: &Path, key: &PublicKey) -> Vec<Option<u64>> {
        let mut sizes = Vec::new();
        read(path, &mut |note| {
            sizes.push(believed(&note.text, key).map(|checkpoint| checkpoint.size));
            Ok(())
        })
        .unwrap();
        sizes
    }

    #[test]
    fn a_torn_last_note_is_no_note_and_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let (public, third) = (key.public_key(), note(3, &key));
        for cut in 0..third.len() {
            let _ = std::fs::remove_file(&path);
            append(&path, &note(1, &key), 1, public).unwrap();
            append(&path, &note(2, &key), 2, public).unwrap();
            let whole = std::fs::read(&path).unwrap();
            let torn = [whole.as_slice(), b"\n", &third.as_bytes()[..cut]].concat();
            std::fs::write(&path, torn).unwrap();
            assert_eq!(sizes(&path, public), [Some(1), Some(2)], "cut at {cut}");
            append(&path, &third, 3, public).unwrap();
            assert_eq!(
                sizes(&path, public),
                [Some(1), Some(2), Some(3)],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn the_file_only_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        for size in [4, 4, 3, 9] {
            append(&path, &note(size, &key), size, key.public_key()).unwrap();
        }
        assert_eq!(sizes(&path, key.public_key()), [Some(4), Some(9)]);
        let other = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        assert_eq!(sizes(&path, other.public_key()), [None, None]);
    }

    #[test]
    fn signatures_of_witnesses_belong_to_the_note_before_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let witness = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let cosigned = |size| {
            let note = note(size, &key);
            let line = checkpoint::cosign(&note, "witness.example", &witness, 7)
                .unwrap()
                .line;
            checkpoint::with_signatures(&note, [line.as_str(), line.as_str()])
        };
        let both = format!("{}\n{}\n{}", cosigned(3), note(4, &key), cosigned(5));
        std::fs::write(&path, &both).unwrap();
        assert_eq!(sizes(&path, key.public_key()), [Some(3), Some(4), Some(5)]);
        assert_eq!(read(&path, &mut |_| Ok(())).unwrap(), both.len() as u64);
        // After an empty line it is of no note.
        std::fs::write(
            &path,
            cosigned(3).replacen("\n\u{2014} witness", "\n\n\u{2014} witness", 1),
        )
        .unwrap();
        assert!(sizes(&path, key.public_key()).contains(&None));
    }

    #[test]
    fn bytes_that_are_no_notes_end_somewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        std::fs::write(&path, vec![b'x'; 3 * NOTE_BYTES_MAX]).unwrap();
        assert!(sizes(&path, key.public_key()).iter().all(Option::is_none));
    }
}
