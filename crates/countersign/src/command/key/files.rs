//! Key files: a private key sealed with a password in the form that cosign reads and writes, and its public half beside it. Those that
//! docker, notary and openssl wrote are read as well. The password comes from the environment or is asked for; it is never an argument, which
//! other users of the machine could see.

use crate::command::login::ask_secret;
use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use trust::keyfile::Form;
use trust::notation::EnvelopeKey;
use trust::tuf::keyfile::{self as docker, KeyFile};
use trust::tuf::{Gun, RoleName};
use trust::{
    Algorithm, KeyId, OpenPgpKey, PrivateKey, PublicKey, RegisteredKey, Signer as _, keyfile,
};

/// Variables that hold a key file's password: ours, and cosign's.
const PASSWORD_VARIABLES: [&str; 2] = ["COUNTERSIGN_KEY_PASSWORD", "COSIGN_PASSWORD"];
/// A variable that holds the password of a file that a key is written to again.
const NEXT_PASSWORD_VARIABLE: &str = "COUNTERSIGN_NEW_KEY_PASSWORD";
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
    let [private, public] = new_pair(name)?;
    let password = new_password("the new key")?;
    let key = PrivateKey::generate(algorithm)?;
    write(&private, &key, &password)?;
    write_public(&public, &key)?;
    Ok(Made {
        private,
        public,
        id: key.public_key().id().clone(),
    })
}

/// Writes a key that is there already as a new pair of files; neither may be there.
pub(crate) fn write_pair(name: &Path, key: &PrivateKey, form: Form) -> Result<Made> {
    let [private, public] = new_pair(name)?;
    let password = next_password(&format!("the new file {}", private.display()))?;
    write_new(&private, &keyfile::seal_as(key, &password, form)?)?;
    write_public(&public, key)?;
    Ok(Made {
        private,
        public,
        id: key.public_key().id().clone(),
    })
}

fn new_pair(name: &Path) -> Result<[PathBuf; 2]> {
    let paths = [with_ending(name, "key"), with_ending(name, "pub")];
    match paths.iter().find(|path| path.exists()) {
        Some(path) => bail!(
            "`{}` is there already; a key is never overwritten",
            path.display()
        ),
        None => Ok(paths),
    }
}

fn write_public(path: &Path, key: &PrivateKey) -> Result<()> {
    fs::write(path, key.public_key().to_pem())
        .with_context(|| format!("cannot write `{}`", path.display()))
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
    write_new(path, &keyfile::seal(key, password)?)
}

/// The same in the form that docker and notary open. Root keys are for no repository in particular.
pub(crate) fn write_dockers(
    path: &Path,
    key: &PrivateKey,
    role: &RoleName,
    gun: &Gun,
    passphrase: &SecretString,
) -> Result<()> {
    let gun = Some(gun).filter(|_| *role != RoleName::Root);
    write_new(path, &docker::seal(key, role, gun, passphrase)?)
}

/// The same in the form that is asked for.
pub(crate) fn write_as(
    path: &Path,
    key: &PrivateKey,
    password: &SecretString,
    form: Form,
) -> Result<()> {
    write_new(path, &keyfile::seal_as(key, password, form)?)
}

fn write_new(path: &Path, sealed: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let failed = || format!("cannot write `{}`", path.display());
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
    open_with(path, what, &[])
}

/// The same for a key that takes the place of one that is opened too: its password may be another.
pub(super) fn open_next(path: &Path) -> Result<PrivateKey> {
    open_with(path, &path.display().to_string(), &[NEXT_PASSWORD_VARIABLE])
}

/// With the password of these variables, before those that belong to such a file.
fn open_with(path: &Path, what: &str, first: &[&'static str]) -> Result<PrivateKey> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the key `{}`", path.display()))?;
    let file = path.display();
    let shown = format!("the key `{file}`");
    if is_public(&text) {
        bail!("`{file}` holds a public key: give the private one that belongs to it");
    }
    if keyfile::is_open(&text) && !KeyFile::is_one(&text) {
        return keyfile::read_open(&text).with_context(|| format!("cannot open {shown}"));
    }
    if !KeyFile::is_one(&text) {
        let password = Password::of(&[first, &PASSWORD_VARIABLES].concat(), what)?;
        let opened = keyfile::open(&text, &password.secret);
        return opened.with_context(|| password.cannot_open(&shown));
    }
    let key = KeyFile::parse(&text).with_context(|| format!("cannot open {shown}"))?;
    let password = match key.is_sealed() {
        true => Password::of(&[first, &variables_of(key.role())].concat(), what)?,
        false => Password::none(),
    };
    let opened = key.open(&password.secret);
    opened.with_context(|| password.cannot_open(&shown))
}

/// Whether a file is the public half, which stands beside the private one under almost the same name.
fn is_public(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN PUBLIC KEY-----")
}

/// Reads a private key that nothing seals and that only signs envelopes of notation, such as one of RSA; `None` for any other file.
pub(crate) fn open_for_envelopes(path: &Path) -> Option<EnvelopeKey> {
    let text = fs::read_to_string(path).ok()?;
    EnvelopeKey::from_pem(&text).ok()
}

/// Reads a public key's file, also one with the signer's name as a header, as docker writes it.
pub(crate) fn public(path: &Path) -> Result<PublicKey> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the public key `{}`", path.display()))?;
    docker::public_key(&text)
        .with_context(|| format!("cannot read the public key `{}`", path.display()))
}

/// The same, or an OpenPGP key in armour: whatever can be registered.
pub(crate) fn registered(path: &Path) -> Result<RegisteredKey> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the public key `{}`", path.display()))?;
    match OpenPgpKey::is_armoured(text.as_bytes()) {
        true => RegisteredKey::parse(&text)
            .with_context(|| format!("cannot read the public key `{}`", path.display())),
        false => Ok(public(path)?.into()),
    }
}

/// Where a passphrase may stand for a key that docker or notary keeps, by what the file says that it is for.
fn variables_of(role: Option<&str>) -> Vec<&'static str> {
    let variables = match role {
        Some("root") => ROOT_VARIABLES,
        Some("targets") => TARGETS_VARIABLES,
        _ => SIGNER_VARIABLES,
    };
    [variables, PASSWORD_VARIABLES].concat()
}

/// A password, and where it comes from.
struct Password {
    secret: SecretString,
    variable: Option<&'static str>,
}

impl Password {
    fn none() -> Self {
        Self {
            secret: SecretString::from(String::new()),
            variable: None,
        }
    }

    /// From the first of these variables that is set, or else from whoever is asked.
    fn of(variables: &[&'static str], what: &str) -> Result<Self> {
        if let Some((variable, secret)) = from_environment(variables) {
            let variable = Some(variable);
            return Ok(Self { secret, variable });
        }
        let instead = format!("set {}", variables.first().unwrap_or(&""));
        Ok(Self {
            secret: ask_secret(&format!("Password of {what}"), &instead)?,
            variable: None,
        })
    }

    fn cannot_open(&self, what: &str) -> String {
        match self.variable {
            Some(variable) => format!("cannot open {what} with the password of {variable}"),
            None => format!("cannot open {what}"),
        }
    }
}

fn from_environment(variables: &[&'static str]) -> Option<(&'static str, SecretString)> {
    let mut set = variables
        .iter()
        .filter_map(|name| Some((*name, SecretString::from(std::env::var(name).ok()?))));
    set.next()
}

/// The password for a key that is about to be made.
pub(crate) fn new_password(of: &str) -> Result<SecretString> {
    choose(&PASSWORD_VARIABLES, of)
}

/// The password for a key that is written again: one of its own, or else the one that opened it.
pub(crate) fn next_password(of: &str) -> Result<SecretString> {
    let variables: Vec<&'static str> = std::iter::once(NEXT_PASSWORD_VARIABLE)
        .chain(PASSWORD_VARIABLES)
        .collect();
    choose(&variables, of)
}

/// The same for a key that docker is to open, which asks for its own variables first.
pub(crate) fn new_passphrase(role: &RoleName, of: &str) -> Result<SecretString> {
    choose(&variables_of(Some(role.as_str())), of)
}

fn choose(variables: &[&'static str], of: &str) -> Result<SecretString> {
    if let Some((_, password)) = from_environment(variables) {
        return Ok(password);
    }
    let variable = variables.first().unwrap_or(&"");
    let first = rpassword::prompt_password(format!("Password for {of}: "))
        .with_context(|| format!("there is no terminal to ask on; set {variable}"))?;
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
    fn the_public_half_in_place_of_the_private_one_is_named_before_any_password_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maria.pub");
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        write_public(&path, &key).unwrap();
        let error = open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("holds a public key"), "{error}");
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
    fn each_of_dockers_keys_has_its_variables_and_ours_after_them() {
        let first = |role| variables_of(role)[0];
        assert_eq!(first(Some("root")), ROOT_VARIABLES[0]);
        for role in [Some("targets"), Some("alice"), None] {
            assert_eq!(first(role), TARGETS_VARIABLES[0]);
        }
        assert_ne!(variables_of(Some("targets")), variables_of(Some("alice")));
        assert_eq!(variables_of(None)[2..], PASSWORD_VARIABLES);
        let set = Password {
            secret: SecretString::from("p"),
            variable: Some("VARIABLE"),
        };
        assert!(set.cannot_open("it").ends_with("of VARIABLE"));
        assert_eq!(Password::none().cannot_open("it"), "cannot open it");
    }

    #[test]
    fn a_key_of_docker_names_its_repository_unless_it_is_a_root_key() {
        let folder = tempfile::tempdir().unwrap();
        let gun = Gun::parse("registry.example/shop/web").unwrap();
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let passphrase = SecretString::from("a passphrase");
        for (role, named) in [
            (RoleName::Root, None),
            (RoleName::Targets, Some(gun.as_str())),
        ] {
            let path = folder.path().join(role.as_str());
            write_dockers(&path, &key, &role, &gun, &passphrase).unwrap();
            let file = KeyFile::parse(&fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!((file.role(), file.gun()), (Some(role.as_str()), named));
            let opened = file.open(&passphrase).unwrap();
            assert_eq!(opened.public_key(), key.public_key());
            assert!(write_dockers(&path, &key, &role, &gun, &passphrase).is_err());
        }
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
