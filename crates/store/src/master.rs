//! The master key: 32 random bytes in a file beside the database, never in it and never in a backup. It seals the server's
//! own private keys and the secrets of webhooks, and authenticates what the server gives to clients to bring back. DESIGN §5.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};

use crate::error::{Error, Result};
use crate::folder::sync_folder;
use crate::random;

/// The length of the key in bytes.
const KEY_BYTES: usize = 32;
/// The length of what authenticates a message, in bytes.
pub(crate) const TAG_BYTES: usize = 32;
/// What the key that authenticates is derived for.
const AUTHENTICATION: &[u8] = b"countersign authentication";
/// The first byte of what is sealed: AES-256-GCM, then the nonce, then the ciphertext with its tag.
const SEALED_VERSION: u8 = 1;

/// Seals and opens secrets, and authenticates messages with a key that follows from it.
pub(crate) struct MasterKey {
    aead: RandomizedNonceKey,
    mac: hmac::Key,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// Reads the key file, or makes it where it is absent and `may_create`: a database with sealed secrets in it and no key
    /// file is a mistake that a new key would hide.
    pub(crate) fn load(path: &Path, may_create: bool) -> Result<MasterKey> {
        match fs::read(path) {
            Ok(bytes) => MasterKey::from_bytes(path, &bytes),
            Err(error) if error.kind() == ErrorKind::NotFound && may_create => {
                create(path)?;
                MasterKey::from_bytes(path, &fs::read(path).map_err(Error::io(path))?)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::Crypto {
                what: "opening the server's keys",
                why: format!(
                    "`{}` is missing, and the database holds secrets sealed with it: put it back",
                    path.display()
                ),
            }),
            Err(error) => Err(Error::io(path)(error)),
        }
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<MasterKey> {
        let invalid = || Error::Crypto {
            what: "reading the master key",
            why: format!("`{}` must hold exactly {KEY_BYTES} bytes", path.display()),
        };
        if bytes.len() != KEY_BYTES {
            return Err(invalid());
        }
        // RFC 5869: a key of its own for each use of the master key.
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(bytes);
        let mac = derived
            .expand(&[AUTHENTICATION], hmac::HMAC_SHA256)
            .map_err(|_| invalid())?;
        Ok(MasterKey {
            aead: RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| invalid())?,
            mac: mac.into(),
        })
    }

    /// The tag of a message (HMAC-SHA256), `TAG_BYTES` long. The message says what it is for.
    pub(crate) fn authenticate(&self, message: &[u8]) -> Vec<u8> {
        hmac::sign(&self.mac, message).as_ref().to_vec()
    }

    /// Whether the tag is that of the message, in a time that does not depend on either.
    pub(crate) fn is_authentic(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.mac, message, tag).is_ok()
    }

    /// Seals a secret to its use: it opens only with the same `aad`.
    pub(crate) fn seal(&self, aad: &[u8], secret: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .aead
            .seal_in_place_append_tag(Aad::from(aad), &mut sealed)
            .map_err(|_| Error::Crypto {
                what: "sealing a secret",
                why: "the cipher refused it".to_owned(),
            })?;
        let mut bytes = vec![SEALED_VERSION];
        bytes.extend_from_slice(nonce.as_ref());
        bytes.append(&mut sealed);
        Ok(bytes)
    }

    /// Opens what was sealed with this key for this use.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let fails = || Error::Crypto {
            what: "opening a sealed secret",
            why: "it was sealed with another `master.key`, for another use, or was changed"
                .to_owned(),
        };
        let (version, rest) = sealed.split_first().ok_or_else(fails)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN).ok_or_else(fails)?;
        if *version != SEALED_VERSION {
            return Err(fails());
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| fails())?;
        let mut bytes = ciphertext.to_vec();
        let length = self
            .aead
            .open_in_place(nonce, Aad::from(aad), &mut bytes)
            .map_err(|_| fails())?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// Makes the file whole and durable, or leaves the one that another process made at the same moment.
fn create(path: &Path) -> Result<()> {
    let temporary = path.with_extension(format!("new-{}", random::hex::<8>()?));
    let written = write_new(&temporary).and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map_err(Error::io(path)),
    });
    // It only holds a second name; the first error matters more than this one.
    let _ = fs::remove_file(&temporary);
    written?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn write_new(path: &Path) -> Result<()> {
    let key = random::bytes::<KEY_BYTES>()?;
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io(path))?;
    file.write_all(&key)
        .and_then(|()| file.sync_all())
        .map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_sealed_opens_only_whole_and_for_its_use() {
        let folder = tempfile::tempdir().unwrap();
        let key = MasterKey::load(&folder.path().join("master.key"), true).unwrap();
        let sealed = key.seal(b"use", b"secret").unwrap();
        assert_eq!(key.open(b"use", &sealed).unwrap(), b"secret");
        assert!(key.open(b"another use", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(key.open(b"use", &changed).is_err(), "byte {position}");
            assert!(
                key.open(b"use", &sealed[..position]).is_err(),
                "cut at {position}"
            );
        }
        assert_ne!(
            key.seal(b"use", b"secret").unwrap(),
            sealed,
            "each sealing has its own nonce"
        );
    }

    #[test]
    fn a_message_is_authentic_only_whole_and_under_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = MasterKey::load(&folder.path().join("master.key"), true).unwrap();
        let tag = key.authenticate(b"message");
        assert_eq!(tag.len(), TAG_BYTES);
        assert!(key.is_authentic(b"message", &tag));
        assert!(!key.is_authentic(b"messag", &tag));
        assert!(!key.is_authentic(b"message", &tag[..31]));
        assert!(!key.is_authentic(b"message", b""));
        let other = MasterKey::load(&folder.path().join("other.key"), true).unwrap();
        assert!(!other.is_authentic(b"message", &tag));
        let same = MasterKey::load(&folder.path().join("master.key"), false).unwrap();
        assert!(same.is_authentic(b"message", &tag), "it survives a restart");
    }

    #[test]
    fn the_file_is_made_once_and_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let sealed = MasterKey::load(&path, true)
            .unwrap()
            .seal(b"", b"x")
            .unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            MasterKey::load(&path, false)
                .unwrap()
                .open(b"", &sealed)
                .unwrap(),
            b"x"
        );
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        fs::remove_file(&path).unwrap();
        assert!(
            MasterKey::load(&path, false).is_err(),
            "a missing key is not replaced where secrets depend on it"
        );
        fs::write(&path, b"short").unwrap();
        assert!(MasterKey::load(&path, true).is_err());
    }
}
