//! Real images: a Debian made by debootstrap, and on top of it what a Dockerfile says. The base is kept in the cache.

use super::docker::DockerUser;
use super::{Program, cache};
use std::path::{Path, PathBuf};

/// A Debian 12 with Python, as a tar archive.
pub(crate) struct Base {
    archive: PathBuf,
}

/// The Debian release that images are made of.
const RELEASE: &str = "bookworm";
/// The image's name at the engine.
const BASE_IMAGE: &str = "countersign-base:bookworm";
/// Host settings that a build needs where the package index is not the public one.
const PIP_SETTINGS: [&str; 5] = [
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];
/// Where the host's authorities are in the image, if it needs them.
const AUTHORITIES: &str = "/usr/local/share/host-authorities.pem";

impl Base {
    /// Makes the archive, or takes the one that was made before.
    pub(crate) fn get() -> Self {
        let archive = cache().join("base.tar");
        if !archive.exists() {
            let folder = tempfile::tempdir_in(cache()).unwrap();
            let root = folder.path().join("root");
            let bootstrap = Program::new("debootstrap").args([
                "--variant=minbase",
                "--include=python3-pip",
                RELEASE,
            ]);
            bootstrap.arg(&root).ok();
            let draft = folder.path().join("base.tar");
            Program::new("tar")
                .args(["--create", "--numeric-owner", "--one-file-system", "--file"])
                .arg(&draft)
                .arg("--directory")
                .arg(&root)
                .arg(".")
                .ok();
            std::fs::rename(&draft, &archive).unwrap();
        }
        Self { archive }
    }

    /// `docker import`.
    pub(crate) fn import(&self, user: &DockerUser<'_>) {
        user.does([
            "import".as_ref(),
            self.archive.as_os_str(),
            BASE_IMAGE.as_ref(),
        ]);
    }
}

/// Builds the image with Django 3.2.0 and Jinja2 2.10 in a later layer, and a layer above it, as `docker build` does.
pub(crate) fn build_django(user: &DockerUser<'_>, folder: &Path, name: &str) {
    let context = folder.join("context");
    std::fs::create_dir_all(&context).unwrap();
    let mut lines = vec![format!("FROM {BASE_IMAGE}")];
    if let Some(authorities) = std::env::var_os("PIP_CERT") {
        std::fs::copy(authorities, context.join("authorities.pem")).unwrap();
        lines.push(format!("COPY authorities.pem {AUTHORITIES}"));
        lines.push(format!("ENV PIP_CERT={AUTHORITIES}"));
    }
    let settings: Vec<String> = PIP_SETTINGS
        .iter()
        .filter(|setting| std::env::var_os(setting).is_some())
        .map(|setting| (*setting).to_owned())
        .collect();
    lines.extend(settings.iter().map(|setting| format!("ARG {setting}")));
    lines.push("RUN pip install --break-system-packages --no-cache-dir --root-user-action=ignore django==3.2.0 jinja2==2.10".to_owned());
    lines.push("LABEL org.opencontainers.image.title=web".to_owned());
    lines.push("RUN echo ready >/srv/ready".to_owned());
    lines.push("CMD [\"python3\", \"-m\", \"django\", \"version\"]".to_owned());
    std::fs::write(context.join("Dockerfile"), lines.join("\n") + "\n").unwrap();
    let build = user.docker(["build", "--network", "host", "--tag", name]);
    // A build argument without a value takes it from the client's environment.
    let build = settings
        .iter()
        .fold(build, |build, setting| build.args(["--build-arg", setting]));
    build.arg(&context).ok();
}
