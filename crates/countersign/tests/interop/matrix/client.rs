//! What every client is asked to do, in the words of this matrix, and the answers that it may give. It asserts nothing about what
//! comes of it.

use crate::harness::{Actor, Done, Place, Program};
use crate::matrix::sample::Sample;
use std::path::{Path, PathBuf};

/// A program that people push and pull with. References are written in full, with host and tag.
pub(crate) trait Client {
    /// What it is called in the table.
    fn name(&self) -> &str;

    /// Logs in; from then on it acts as this account.
    fn log_in(&self, who: &Actor);

    /// Pushes an image of one platform.
    fn push(&self, sample: &Sample, image: &str);

    /// Pulls an image, of which it keeps nothing from before.
    fn pull(&self, image: &str) -> Pulled;

    /// Pulls an image, which must fail.
    fn refused(&self, image: &str) -> Done;

    /// How much of a refusal it prints.
    fn prints(&self) -> Prints {
        Prints::Sentence
    }

    /// Pushes an index of two platforms.
    fn push_index(&self, platforms: &[Sample; 2], image: &str) -> Result<(), Cannot>;

    /// Pulls from an index the image of one platform, which is not this machine's.
    fn pull_platform(&self, image: &str, architecture: &str) -> Result<Pulled, Cannot>;

    /// Deletes an image from the registry.
    fn delete(&self, _image: &str) -> Result<(), Cannot> {
        Err(Cannot("has no command for it"))
    }
}

/// An image as a client has it.
#[derive(Debug)]
pub(crate) struct Pulled {
    /// The digest that the client names.
    pub(crate) digest: String,
    /// The file that tells one sample from another.
    pub(crate) file: Vec<u8>,
}

/// A client has no command for something; why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cannot(pub(crate) &'static str);

/// What a client lets its user see of a refusal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Prints {
    /// The sentence of the server.
    Sentence,
    /// Nothing that the server wrote, but this.
    Only(&'static str),
}

/// A folder for a client, and how it reaches the registry.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    /// Where it runs.
    pub(crate) place: Place,
    /// Everything that it keeps.
    pub(crate) folder: PathBuf,
    /// The registry, as in references.
    pub(crate) host: String,
    /// The authority to trust; none over plain HTTP.
    pub(crate) authority: Option<PathBuf>,
}

impl Home {
    /// A program that keeps nothing outside the folder.
    pub(crate) fn program(&self, name: impl AsRef<std::ffi::OsStr>) -> Program {
        std::fs::create_dir_all(&self.folder).unwrap();
        self.place
            .program(name)
            .env("HOME", &self.folder)
            .env("XDG_RUNTIME_DIR", &self.folder)
            .env("REGISTRY_AUTH_FILE", self.at("auth.json"))
            .env("DOCKER_CONFIG", self.at("docker"))
    }

    /// A path below the folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A path below the folder where nothing is.
    pub(crate) fn empty(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
        path
    }

    /// Flags over plain HTTP; over TLS, others with the authority's file.
    pub(crate) fn transport<const P: usize, const T: usize>(
        &self,
        plain: [&str; P],
        tls: impl FnOnce(&str) -> [String; T],
    ) -> Vec<String> {
        match &self.authority {
            None => plain.map(str::to_owned).to_vec(),
            Some(authority) => tls(&authority.display().to_string()).to_vec(),
        }
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
