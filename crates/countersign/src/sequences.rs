//! The highest number of the receipts that a host has seen, so that nobody shows it an older one again. Deliberately only numbers: what
//! a receipt allows is read from the receipt. DESIGN §7: "a sequence number that a host never lets go back".

use anyhow::{Context, Result, bail};
use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use trust::{KeyId, Receipt};

/// The version of the file.
const VERSION: u32 = 1;
/// The longest file that is read, in bytes.
const STATE_BYTES_MAX: u64 = 64 << 20;
/// No receipt is valid for longer than a policy may ask for, so that an older one than what is forgotten has ended.
const FORGOTTEN_AFTER_MILLISECONDS: i64 = 90 * 24 * 60 * 60 * 1_000;

/// What was seen, of every line of receipts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequences(BTreeMap<Line, Highest>);

/// Receipts that follow each other: a server signs one after the other for an image at a gate of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Line {
    /// The id of the key that signs.
    verifier: String,
    repository: RepositoryName,
    image: Digest,
    gate: String,
    policy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Highest {
    sequence: i64,
    /// When it was signed, in milliseconds since the epoch.
    decided_at: i64,
}

impl Sequences {
    /// The highest number of the receipts that came before this one, or itself.
    pub(crate) fn highest(&self, key: &KeyId, receipt: &Receipt) -> Option<i64> {
        self.0
            .get(&Line::of(key, receipt))
            .map(|highest| highest.sequence)
    }

    /// A receipt that the key signed was seen, whether it is worth something now or not.
    pub(crate) fn see(&mut self, key: &KeyId, receipt: &Receipt) {
        let found = Highest {
            sequence: receipt.sequence,
            decided_at: receipt.decided_at,
        };
        let highest = self.0.entry(Line::of(key, receipt)).or_insert(found);
        if highest.sequence < found.sequence {
            *highest = found;
        }
    }

    fn forget(&mut self, now: i64) {
        self.0.retain(|_, highest| {
            highest
                .decided_at
                .saturating_add(FORGOTTEN_AFTER_MILLISECONDS)
                > now
        });
    }
}

impl Line {
    fn of(key: &KeyId, receipt: &Receipt) -> Self {
        Self {
            verifier: key.to_string(),
            repository: receipt.repository.clone(),
            image: receipt.image.clone(),
            gate: receipt.gate.clone(),
            policy: receipt.policy.clone(),
        }
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    receipts: Vec<(Line, Highest)>,
}

/// Judges with what is remembered in the file, and remembers there what was seen, before anybody is told; without a file, with nothing. One
/// process at a time has the file. `now` is the machine's own time, in milliseconds since the epoch.
pub(crate) fn remembering<T>(
    path: Option<&Path>,
    now: i64,
    judge: impl FnOnce(Option<&mut Sequences>) -> T,
) -> Result<T> {
    let Some(path) = path else {
        return Ok(judge(None));
    };
    let _taken = lock(path)?;
    let before = load(path)?;
    let mut sequences = before.clone();
    let judged = judge(Some(&mut sequences));
    if sequences != before {
        sequences.forget(now);
        save(path, &sequences)?;
    }
    Ok(judged)
}

/// Beside the file, which another one takes the place of.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let taken = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .and_then(|file| file.lock().map(|()| file));
    taken.with_context(|| format!("cannot lock `{}`", name.display()))
}

fn load(path: &Path) -> Result<Sequences> {
    let unreadable = || format!("cannot read what is remembered in `{}`", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sequences::default()),
        outcome => outcome.with_context(unreadable)?,
    };
    let mut bytes = Vec::new();
    file.take(STATE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(unreadable)?;
    if bytes.len() as u64 > STATE_BYTES_MAX {
        bail!("limit exceeded: `{}` is too long", path.display());
    }
    let kept: Kept = serde_json::from_slice(&bytes).with_context(unreadable)?;
    if kept.version != VERSION {
        bail!(
            "`{}` has version {}, this program reads {VERSION}",
            path.display(),
            kept.version
        );
    }
    Ok(Sequences(kept.receipts.into_iter().collect()))
}

/// Whole or not at all, and on the disk when this answers.
fn save(path: &Path, sequences: &Sequences) -> Result<()> {
    let kept = Kept {
        version: VERSION,
        receipts: sequences
            .0
            .iter()
            .map(|(line, highest)| (line.clone(), *highest))
            .collect(),
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    write(path, folder, &serde_json::to_vec(&kept)?)
        .with_context(|| format!("cannot write `{}`", path.display()))
}

fn write(path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::{Algorithm, PrivateKey, Signer};

    const NOW: i64 = 1_800_000_000_000;

    fn receipt(gate: &str, sequence: i64) -> Receipt {
        Receipt {
            image: Digest::sha256(b"a manifest"),
            repository: "shop/web".parse().unwrap(),
            gate: gate.into(),
            policy: "shop".into(),
            policy_digest: "ab".repeat(32),
            policies: vec!["shop".into()],
            decided_at: NOW,
            valid_until: NOW + 1_000,
            sequence,
            warnings: Vec::new(),
            inputs: Vec::new(),
        }
    }

    fn key() -> KeyId {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        key.public_key().id().clone()
    }

    /// What is remembered after a receipt was seen.
    fn see(path: &Path, key: &KeyId, receipt: &Receipt, now: i64) -> Option<i64> {
        remembering(Some(path), now, |sequences| {
            let sequences = sequences.unwrap();
            sequences.see(key, receipt);
            sequences.highest(key, receipt)
        })
        .unwrap()
    }

    #[test]
    fn the_highest_of_each_line_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (one, other) = (key(), key());
        assert_eq!(see(&path, &one, &receipt("production", 7), NOW), Some(7));
        assert_eq!(see(&path, &one, &receipt("production", 5), NOW), Some(7));
        assert_eq!(see(&path, &one, &receipt("production", 9), NOW), Some(9));
        // Another gate, policy, image, repository and server have numbers of their own.
        let of = |change: fn(&mut Receipt)| {
            let mut receipt = receipt("production", 1);
            change(&mut receipt);
            receipt
        };
        for other in [
            of(|receipt| receipt.gate = "staging".into()),
            of(|receipt| receipt.policy = "base".into()),
            of(|receipt| receipt.image = Digest::sha256(b"another")),
            of(|receipt| receipt.repository = "shop/api".parse().unwrap()),
        ] {
            assert_eq!(see(&path, &one, &other, NOW), Some(1), "{other}");
        }
        assert_eq!(see(&path, &other, &receipt("production", 1), NOW), Some(1));
        assert_eq!(see(&path, &one, &receipt("production", 1), NOW), Some(9));
    }

    #[test]
    fn what_no_receipt_can_undercut_any_more_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let key = key();
        see(&path, &key, &receipt("production", 7), NOW);
        let later = NOW + FORGOTTEN_AFTER_MILLISECONDS;
        let newer = Receipt {
            decided_at: later,
            ..receipt("staging", 1)
        };
        see(&path, &key, &newer, later - 1);
        assert_eq!(load(&path).unwrap().0.len(), 2);
        let newest = Receipt {
            sequence: 2,
            ..newer
        };
        see(&path, &key, &newest, later);
        assert_eq!(load(&path).unwrap().0.len(), 1);
    }

    #[test]
    fn attack_a_file_that_is_broken_is_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        see(&path, &key(), &receipt("production", 7), NOW);
        let whole = fs::read_to_string(&path).unwrap();
        for broken in [
            String::new(),
            whole[..whole.len() / 2].to_owned(),
            whole.replace("\"version\":1", "\"version\":2"),
        ] {
            fs::write(&path, &broken).unwrap();
            assert!(remembering(Some(&path), NOW, |_| ()).is_err(), "{broken}");
            assert_eq!(fs::read_to_string(&path).unwrap(), broken);
        }
    }

    #[test]
    fn where_it_cannot_be_written_nothing_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/state");
        assert!(remembering(Some(&path), NOW, |_| ()).is_err());
        // A folder stands where the file should.
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(remembering(Some(&path), NOW, |_| ()).is_err());
    }
}
