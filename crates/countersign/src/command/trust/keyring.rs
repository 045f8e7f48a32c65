//! Where an owner's private keys are: in places that are named, in a folder of ours beside the log-ins, and in docker's own. Files are
//! found by the id that metadata has for their key. A key that is made here is sealed with a password and is on the disk before anything
//! is published that names it. Who keeps keys in docker's folder gets new ones there as well, in the form that docker opens.

use crate::command::key::files;
use crate::context;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use trust::tuf::keyfile::KeyFile;
use trust::tuf::{Gun, Key, KeyId, RoleName};
use trust::{Algorithm, PrivateKey, Signer as _};

/// Where to look for private keys.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct KeyFlags {
    /// A folder with private keys, or the file of one, to look in first (a stick with the root key, `~/.notary/private`); may be repeated.
    #[arg(long = "keys", value_name = "PATH")]
    keys: Vec<PathBuf>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Root,
    Targets,
}

impl Purpose {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
        }
    }

    /// The role that the key signs.
    pub(super) fn role(self) -> RoleName {
        match self {
            Self::Root => RoleName::Root,
            Self::Targets => RoleName::Targets,
        }
    }
}

/// Where a new key is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Ours,
    Docker,
}

impl Place {
    /// Where a key would be that stands beside another, or takes its place.
    pub(super) fn beside(holder: Option<Holder>) -> Self {
        match holder {
            Some(Holder::Docker) => Self::Docker,
            _ => Self::Ours,
        }
    }
}

/// Whose place a key was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Named,
    Ours,
    Docker,
}

impl Holder {
    /// For people and programs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Ours => "countersign",
            Self::Docker => "docker",
        }
    }
}

/// The places.
#[derive(Debug, Clone)]
pub(super) struct Keyring {
    named: Vec<PathBuf>,
    ours: PathBuf,
    docker: Option<PathBuf>,
}

/// Where keys and memories of trust repositories are kept.
pub(super) fn folder() -> Result<PathBuf> {
    Ok(context::folder()?.join("trust"))
}

impl Keyring {
    pub(super) fn new(flags: &KeyFlags) -> Result<Self> {
        if let Some(missing) = flags.keys.iter().find(|path| !path.exists()) {
            bail!("`{}` is not there", missing.display());
        }
        Ok(Self {
            named: flags.keys.clone(),
            ours: folder()?,
            docker: context::docker_folder().map(|folder| folder.join("trust/private")),
        })
    }

    /// Files that were named one by one: whose key each holds shows when it is opened.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let files = self.named.iter().filter(|path| path.is_file());
        files.map(PathBuf::as_path)
    }

    /// The file of a key.
    pub(super) fn find(&self, id: &KeyId) -> Option<(Holder, PathBuf)> {
        let name = format!("{id}.key");
        let named = self.named.iter().map(|folder| (Holder::Named, folder));
        let ours = [Purpose::Root, Purpose::Targets].map(|purpose| self.of(purpose));
        let ours = ours.iter().map(|folder| (Holder::Ours, folder));
        let docker = self.docker.iter().map(|folder| (Holder::Docker, folder));
        let mut places = named.chain(ours).chain(docker);
        places.find_map(|(holder, folder)| {
            let path = folder.join(&name);
            path.is_file().then_some((holder, path))
        })
    }

    /// Where a key is that metadata lists, whatever stands around it.
    pub(super) fn holder(&self, key: &Key) -> Option<Holder> {
        self.find(&key.canonical_id()?).map(|(holder, _)| holder)
    }

    /// The root keys that were made on this machine in a place.
    pub(super) fn roots(&self, place: Place) -> Result<Vec<PathBuf>> {
        match place {
            Place::Ours => key_files(&self.of(Purpose::Root)),
            Place::Docker => {
                let folder = self.docker.as_deref();
                let files = folder.map_or(Ok(Vec::new()), key_files)?;
                Ok(files.into_iter().filter(|path| is_root(path)).collect())
            }
        }
    }

    /// Makes a key for a repository, and answers where it lies.
    pub(super) fn make(
        &self,
        purpose: Purpose,
        place: Place,
        gun: &Gun,
    ) -> Result<(PrivateKey, PathBuf)> {
        let what = format!("the new {} key", purpose.as_str());
        // docker and notary take no other kind for a root.
        let key = PrivateKey::generate(Algorithm::EcdsaP256)?;
        let folder = match place {
            Place::Ours => self.of(purpose),
            Place::Docker => self.docker.clone().context(
                "there is no folder of docker's: set DOCKER_CONFIG, or HOME to your own",
            )?,
        };
        private_folder(&folder)?;
        let path = folder.join(format!("{}.key", Key::from(key.public_key()).id()));
        match place {
            Place::Ours => files::write(&path, &key, &files::new_password(&what)?)?,
            Place::Docker => {
                let role = purpose.role();
                let passphrase = files::new_passphrase(&role, &what)?;
                files::write_dockers(&path, &key, &role, gun, &passphrase)?;
            }
        }
        sync(&folder)?;
        Ok((key, path))
    }

    /// The places in words.
    pub(super) fn places(&self) -> String {
        let folders = self.named.iter().chain([&self.ours]).chain(&self.docker);
        let shown: Vec<String> = folders
            .map(|folder| format!("`{}`", folder.display()))
            .collect();
        shown.join(", ")
    }

    fn of(&self, purpose: Purpose) -> PathBuf {
        self.ours.join(purpose.as_str())
    }
}

/// The key files of a folder; none where there is no folder.
fn key_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read `{}`", folder.display()));
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "key") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether a file of docker's says that it holds a root key.
fn is_root(path: &Path) -> bool {
    let text = fs::read_to_string(path).ok();
    let file = text.and_then(|text| KeyFile::parse(&text).ok());
    file.is_some_and(|file| file.role() == Some("root"))
}

/// Makes a folder that only its owner can look into.
fn private_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> Result<()> {
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("cannot write `{}`", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_where_it_was_named_first() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let keyring = Keyring {
            named: vec![at("stick")],
            ours: at("ours"),
            docker: Some(at("docker")),
        };
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let key = Key::from(key.public_key());
        assert_eq!(keyring.holder(&key), None);
        for (place, holder) in [
            ("docker", Holder::Docker),
            ("ours/targets", Holder::Ours),
            ("stick", Holder::Named),
        ] {
            private_folder(&at(place)).unwrap();
            fs::write(at(place).join(format!("{}.key", key.id())), "").unwrap();
            assert_eq!(keyring.holder(&key), Some(holder), "{place}");
        }
        for place in [Place::Ours, Place::Docker] {
            assert_eq!(keyring.roots(place).unwrap(), Vec::<PathBuf>::new());
        }
        assert!(keyring.places().contains("stick"));
    }

    #[test]
    fn root_keys_of_docker_are_told_from_its_others() {
        let folder = tempfile::tempdir().unwrap();
        let docker = folder.path().join("docker");
        let keyring = Keyring {
            named: Vec::new(),
            ours: folder.path().join("ours"),
            docker: Some(docker.clone()),
        };
        assert_eq!(keyring.roots(Place::Docker).unwrap(), Vec::<PathBuf>::new());
        private_folder(&docker).unwrap();
        let text = |role: &str| {
            format!(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: {role}\n\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
            )
        };
        for (name, text) in [
            ("a.key", text("root")),
            ("b.key", text("targets")),
            ("c.key", "no key".to_owned()),
            ("d.json", text("root")),
        ] {
            fs::write(docker.join(name), text).unwrap();
        }
        let roots = keyring.roots(Place::Docker).unwrap();
        assert_eq!(roots, [docker.join("a.key")]);
        assert_eq!(keyring.roots(Place::Ours).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(Place::beside(Some(Holder::Docker)), Place::Docker);
        for other in [None, Some(Holder::Named), Some(Holder::Ours)] {
            assert_eq!(Place::beside(other), Place::Ours);
        }
    }

    #[test]
    fn a_folder_for_keys_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("trust/root");
        private_folder(&keys).unwrap();
        sync(&keys).unwrap();
        for made in [&keys, &keys.parent().unwrap().to_path_buf()] {
            let mode = fs::metadata(made).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
    }
}
