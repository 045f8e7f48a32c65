//! Where an image comes from: an archive, a layout, a folder, docker's engine or a registry. One file a source; all end in an inventory.
//! Without a scheme, an existing path is recognised by its content, and anything else is a registry reference.

mod archive;
mod folder;
mod layout;
mod remote;

use crate::context::ServerFlags;
use anyhow::{Context, Result, bail};
use oci::{Digest, ImageReference};
use sbom::ImageInventory;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A place to read an image from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `docker save`'s archive.
    DockerArchive(PathBuf),
    /// An OCI layout in a folder.
    OciDir(PathBuf),
    /// An OCI layout in a tar archive.
    OciArchive(PathBuf),
    /// A folder that is a root file system, or a part of one.
    Dir(PathBuf),
    /// An image of docker's engine on this machine.
    Docker(String),
    /// An image in a registry.
    Registry(ImageReference),
}

/// What was found in a source.
pub(crate) struct Scanned {
    /// What it was called.
    pub(crate) name: String,
    /// The image's digest, where it has one.
    pub(crate) digest: Option<Digest>,
    /// What is inside.
    pub(crate) inventory: ImageInventory,
}

impl Source {
    /// Understands `SCHEME:WHAT`, an existing path, or a registry reference.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if let Some((scheme, rest)) = text.split_once(':') {
            match scheme {
                "docker-archive" => return Ok(Self::DockerArchive(rest.into())),
                "oci-dir" => return Ok(Self::OciDir(rest.into())),
                "oci-archive" => return Ok(Self::OciArchive(rest.into())),
                "dir" => return Ok(Self::Dir(rest.into())),
                "docker" => return Ok(Self::Docker(rest.into())),
                "registry" => return Ok(Self::Registry(reference(rest)?)),
                _ => {}
            }
        }
        let path = Path::new(text);
        if path.exists() {
            recognise(path)
        } else {
            Ok(Self::Registry(reference(text)?))
        }
    }

    /// Reads it.
    pub(crate) async fn scan(&self, server: &ServerFlags) -> Result<Scanned> {
        match self {
            Self::DockerArchive(path) => {
                blocking(path, |path| {
                    archive::docker(&layout::Files::archive(path)?, path)
                })
                .await
            }
            Self::OciArchive(path) => {
                blocking(path, |path| {
                    archive::oci(&layout::Files::archive(path)?, path)
                })
                .await
            }
            Self::OciDir(path) => {
                blocking(path, |path| {
                    archive::oci(&layout::Files::folder(path), path)
                })
                .await
            }
            Self::Dir(path) => blocking(path, folder::scan).await,
            Self::Docker(name) => {
                let saved = save(name)?;
                let mut scanned = blocking(saved.path(), |path| {
                    archive::docker(&layout::Files::archive(path)?, path)
                })
                .await?;
                scanned.name.clone_from(name);
                Ok(scanned)
            }
            Self::Registry(image) => remote::scan(image, server).await,
        }
    }
}

fn reference(text: &str) -> Result<ImageReference> {
    text.parse().with_context(|| {
        format!("`{text}` is neither a path that exists nor an image reference; name the kind, as in `docker-archive:PATH` or `registry:HOST/NAME:TAG`")
    })
}

fn recognise(path: &Path) -> Result<Source> {
    if path.is_dir() {
        return Ok(if path.join("oci-layout").exists() {
            Source::OciDir(path.into())
        } else {
            Source::Dir(path.into())
        });
    }
    let files = layout::Files::archive(path)?;
    if files.has("manifest.json") {
        Ok(Source::DockerArchive(path.into()))
    } else if files.has("oci-layout") {
        Ok(Source::OciArchive(path.into()))
    } else {
        bail!(
            "`{}` is neither an archive of `docker save` nor an OCI layout; name the kind, as in `docker-archive:PATH`",
            path.display()
        )
    }
}

async fn blocking(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<Scanned> + Send + 'static,
) -> Result<Scanned> {
    let path = path.to_path_buf();
    tokio::task::spawn_blocking(move || work(&path)).await?
}

fn save(name: &str) -> Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new()?;
    let output = Command::new("docker")
        .args(["image", "save", "--output"])
        .arg(file.path())
        .arg("--")
        .arg(name)
        .output()
        .context("cannot run `docker`; is it installed?")?;
    if !output.status.success() {
        bail!(
            "docker cannot save `{name}`: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_references() {
        assert_eq!(
            Source::parse("docker-archive:/a.tar").unwrap(),
            Source::DockerArchive("/a.tar".into())
        );
        assert_eq!(
            Source::parse("docker:web:1").unwrap(),
            Source::Docker("web:1".into())
        );
        assert!(matches!(
            Source::parse("127.0.0.1:5000/shop/web:1").unwrap(),
            Source::Registry(_)
        ));
        assert!(
            Source::parse("No Such Thing")
                .unwrap_err()
                .to_string()
                .contains("docker-archive:PATH")
        );
    }

    #[test]
    fn a_path_is_recognised_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(matches!(Source::parse(path).unwrap(), Source::Dir(_)));
        std::fs::write(folder.path().join("oci-layout"), "{}").unwrap();
        assert!(matches!(Source::parse(path).unwrap(), Source::OciDir(_)));
    }
}
