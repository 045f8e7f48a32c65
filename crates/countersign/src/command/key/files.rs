//! Key files: a private key sealed with a password in the form that cosign reads and writes, and its public half beside it. The
//! password comes from the environment or is asked for; it is never an argument, which other users of the machine could see.

use crate::command::login::ask_password;
use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use trust::{Algorithm, KeyId, PrivateKey, Signer as _, keyfile};

/// Variables that hold a key file's password: ours, and cosign's.
const PASSWORD_VARIABLES: [&str; 2] = ["COUNTERSIGN_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// A new pair of files.
pub(crate) struct Made {
    /// The sealed private key.
    pub(crate) private: PathBuf,
    /// The public key.
    pub(crate) public: PathBuf,
    /// What names the key.
    pub(crate) id: KeyId,
}

/// Makes a key and writes both files; neither may be there already.
pub(crate) fn generate(name: &Path, algorithm: Algorithm) -> Result<Made> {
    let [private, public] = [with_ending(name, "key"), with_ending(name, "pub")];
    for path in [&private, &public] {
        if path.exists() {
            bail!(
                "`{}` is there already; a key is never overwritten",
                path.display()
            );
        }
    }
    let password = new_password()?;
    let key = PrivateKey::generate(algorithm)?;
    write(&private, &key, &password)?;
    fs::write(&public, key.public_key().to_pem())
        .with_context(|| format!("cannot write `{}`", public.display()))?;
    Ok(Made {
        private,
        public,
        id: key.public_key().id().clone(),
    })
}

/// `maria.key` for `maria`, and `release-1.2.key` for `release-1.2`: a dot in the name is no ending.
fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut text = name.as_os_str().to_owned();
    text.push(".");
    text.push(ending);
    PathBuf::from(text)
}

/// Writes a private key, sealed, to a new file that only its owner can read.
pub(crate) fn write(path: &Path, key: &PrivateKey, password: &SecretString) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let failed = || format!("cannot write `{}`", path.display());
    let sealed = keyfile::seal(key, password)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(failed)?;
    file.write_all(sealed.as_bytes()).with_context(failed)
}

/// Opens a private key's file with the password of the environment, or asks for it.
pub(crate) fn open(path: &Path) -> Result<PrivateKey> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the key `{}`", path.display()))?;
    let password = match password_from_environment() {
        Some(password) => password,
        None => ask_password(&path.display().to_string())?,
    };
    keyfile::open(&text, &password)
        .with_context(|| format!("cannot open the key `{}`", path.display()))
}

fn password_from_environment() -> Option<SecretString> {
    PASSWORD_VARIABLES
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .map(SecretString::from)
}

fn new_password() -> Result<SecretString> {
    if let Some(password) = password_from_environment() {
        return Ok(password);
    }
    let [variable, _] = PASSWORD_VARIABLES;
    let first = rpassword::prompt_password("Password for the new key: ")
        .with_context(|| format!("cannot ask for a password; set {variable}"))?;
    let second = rpassword::prompt_password("Once more: ")?;
    if first != second {
        bail!("the two passwords differ; nothing was written");
    }
    Ok(SecretString::from(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_a_name_is_no_ending() {
        assert_eq!(
            with_ending(Path::new("keys/maria"), "key"),
            Path::new("keys/maria.key")
        );
        assert_eq!(
            with_ending(Path::new("release-1.2"), "pub"),
            Path::new("release-1.2.pub")
        );
    }

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maria.key");
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let password = SecretString::from("a password".to_owned());
        write(&path, &key, &password).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(write(&path, &key, &password).is_err());
        let opened = keyfile::open(&fs::read_to_string(&path).unwrap(), &password).unwrap();
        assert_eq!(opened.public_key().id(), key.public_key().id());
    }
}
