//! The authority of a server where docker, podman, skopeo and buildah look for it, taken away again at the end.

use super::Place;
use std::path::{Path, PathBuf};

/// An authority that is trusted for a host, on this machine and in Debian 13.
pub(crate) struct Trusted(Vec<PathBuf>);

impl Trusted {
    /// Puts it where programs look for it: `/etc/docker/certs.d` is docker's folder, and the others' too.
    pub(crate) fn everywhere(host: &str, authority: &Path) -> Self {
        let places = [Place::Here, Place::Debian13];
        let folders = places.map(|place| place.file("/etc/docker/certs.d").join(host));
        for folder in &folders {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::copy(authority, folder.join("ca.crt")).unwrap();
        }
        Self(folders.into())
    }

    /// What was put there by a command.
    pub(crate) fn here(host: &str) -> Self {
        Self(vec![Path::new("/etc/docker/certs.d").join(host)])
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
