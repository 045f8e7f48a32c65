//! Key files: a private key sealed with a password in the form that cosign reads and writes, and its public half beside it. Those that
//! docker and notary wrote are read as well. The password comes from the environment or is asked for; it is never an argument, which
//! other users of the machine could see.

use crate::command::login::ask_password;
use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use trust::tuf::keyfile::{self as docker, KeyFile};
use trust::{Algorithm, KeyId, PrivateKey, PublicKey, Signer as _, keyfile};

/// Variables that hold a key file's password: ours, and cosign's.
const PASSWORD_VARIABLES: [&str; 2] = ["COUNTERSIGN_KEY_PASSWORD", "COSIGN_PASSWORD"];
/// The same for files that docker and notary wrote.
const ROOT_VARIABLES: [&str; 2] = [
    "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
    "NOTARY_ROOT_PASSPHRASE",
];
const TARGETS_VARIABLES: [&str; 2] = [
    "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
    "NOTARY_TARGETS_PASSPHRASE",
];
const SIGNER_VARIABLES: [&str; 2] = [
    "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
    "NOTARY_DELEGATION_PASSPHRASE",
];

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
    let password = new_password("the new key")?;
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
    file.write_all(sealed.as_bytes()).with_context(failed)?;
    // Whatever names this key from now on must not outlive it.
    file.sync_all().with_context(failed)
}

/// Opens a private key's file with the password of the environment, or asks for it.
pub(crate) fn open(path: &Path) -> Result<PrivateKey> {
    open_as(path, &path.display().to_string())
}

/// The same, and says what the key is for where it asks.
pub(crate) fn open_as(path: &Path, what: &str) -> Result<PrivateKey> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the key `{}`", path.display()))?;
    let opened = match KeyFile::is_one(&text) {
        true => open_dockers(&text, what),
        false => {
            let password = password(&PASSWORD_VARIABLES, what)?;
            keyfile::open(&text, &password).map_err(anyhow::Error::from)
        }
    };
    opened.with_context(|| format!("cannot open the key `{}`", path.display()))
}

/// Reads a public key's file, also one with the signer's name as a header, as docker writes it.
pub(crate) fn public(path: &Path) -> Result<PublicKey> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the public key `{}`", path.display()))?;
    docker::public_key(&text)
        .with_context(|| format!("cannot read the public key `{}`", path.display()))
}

fn open_dockers(text: &str, what: &str) -> Result<PrivateKey> {
    let file = KeyFile::parse(text)?;
    if !file.is_sealed() {
        return Ok(file.open(&SecretString::from(String::new()))?);
    }
    let variables = match file.role() {
        Some("root") => ROOT_VARIABLES,
        Some("targets") => TARGETS_VARIABLES,
        _ => SIGNER_VARIABLES,
    };
    let variables = [variables, PASSWORD_VARIABLES].concat();
    Ok(file.open(&password(&variables, what)?)?)
}

fn password(variables: &[&str], what: &str) -> Result<SecretString> {
    match from_environment(variables) {
        Some(password) => Ok(password),
        None => ask_password(what),
    }
}

fn from_environment(variables: &[&str]) -> Option<SecretString> {
    let set = variables.iter().find_map(|name| std::env::var(name).ok());
    set.map(SecretString::from)
}

/// The password for a key that is about to be made.
pub(crate) fn new_password(of: &str) -> Result<SecretString> {
    if let Some(password) = from_environment(&PASSWORD_VARIABLES) {
        return Ok(password);
    }
    let [variable, _] = PASSWORD_VARIABLES;
    let first = rpassword::prompt_password(format!("Password for {of}: "))
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
    fn files_of_docker_are_opened_as_well() {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        use secrecy::ExposeSecret;
        let folder = tempfile::tempdir().unwrap();
        let [private, public_file] =
            ["alice.key", "alice.pub"].map(|name| folder.path().join(name));
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let body = STANDARD.encode(der.expose_secret());
        let text = format!(
            "-----BEGIN PRIVATE KEY-----\nrole: alice\n\n{body}\n-----END PRIVATE KEY-----\n"
        );
        fs::write(&private, text).unwrap();
        let pem = key.public_key().to_pem();
        fs::write(&public_file, pem.replacen('\n', "\nrole: alice\n\n", 1)).unwrap();
        let opened = open(&private).unwrap();
        assert_eq!(opened.public_key(), key.public_key());
        assert_eq!(&public(&public_file).unwrap(), key.public_key());
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
