//! A docker engine of our own, with its data and socket in a temporary folder, and the clients of two ages that talk to it.
//! The engine of the machine, if there is one, is left alone.

use super::bridge::Bridge;
use super::{Actor, Done, Place, Program, temporary, until};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A running engine.
pub(crate) struct Dockerd {
    place: Place,
    child: Child,
    folder: tempfile::TempDir,
    _bridge: Option<Bridge>,
}

/// Docker's client, version 20.10.
pub(crate) fn docker_20() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| docker_client("20.10."))
}

/// Docker's client, version 28.
pub(crate) fn docker_28() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| docker_client("28."))
}

fn docker_client(version: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/bin".into(), "/usr/local/bin".into()]);
    let mut clients = folders
        .map(|folder| folder.join("docker"))
        .filter(|file| file.is_file());
    let is_it = |client: &PathBuf| {
        let said = Program::new(client).args(["--version"]).ok();
        said.trim_start_matches("Docker version ")
            .starts_with(version)
    };
    clients.find(is_it).unwrap_or_else(|| panic!("no docker client of version {version}* is on the PATH, in /usr/bin or in /usr/local/bin"))
}

impl Dockerd {
    /// Starts an engine.
    pub(crate) fn start() -> Self {
        let with =
            |driver: &str| Self::start_with(Place::Here, None, None, &["--storage-driver", driver]);
        with("overlay2")
            .or_else(|_| with("vfs"))
            .unwrap_or_else(|log| panic!("dockerd does not start\n{log}"))
    }

    /// Starts Debian 13's engine, with the images in its containerd. With these, it asks for tokens as a program that knows the
    /// system's authorities alone, not docker's own folder; so that an authority of the server's own must be among those.
    pub(crate) fn start_containerd(authority: Option<&Path>) -> Self {
        Self::start_with(Place::Debian13, None, authority, &[])
            .unwrap_or_else(|log| panic!("debian 13's dockerd does not start\n{log}"))
    }

    /// The same with a network of its own, without which BuildKit generates no SBOM.
    pub(crate) fn start_buildkit() -> Self {
        Self::start_with(Place::Debian13, Some(Bridge::new()), None, &[])
            .unwrap_or_else(|log| panic!("debian 13's dockerd does not start\n{log}"))
    }

    fn start_with(
        place: Place,
        bridge: Option<Bridge>,
        authority: Option<&Path>,
        flags: &[&str],
    ) -> Result<Self, String> {
        let settings = match place {
            Place::Here => "{}",
            Place::Debian13 => r#"{"features": {"containerd-snapshotter": true}}"#,
        };
        let bridge_flag = format!("--bridge={}", bridge.as_ref().map_or("none", Bridge::name));
        let folder = temporary();
        let at = |name: &str| folder.path().join(name);
        let log = File::create(at("log")).unwrap();
        std::fs::write(at("daemon.json"), settings).unwrap();
        let child = place
            .daemon("dockerd")
            .arg("--config-file")
            .arg(at("daemon.json"))
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(format!("unix://{}", at("docker.sock").display()))
            .arg(bridge_flag)
            .args([
                "--iptables=false",
                "--ip6tables=false",
                "--ip-forward=false",
            ])
            .args(flags)
            .env("DOCKER_RAMDISK", "1")
            .envs(authority.map(|authority| ("SSL_CERT_FILE", authority)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run `dockerd`: {error}; run `.ci/install`"));
        let mut engine = Self {
            place,
            child,
            folder,
            _bridge: bridge,
        };
        let mut ended = false;
        until(60, "dockerd answers", || {
            ended = engine.child.try_wait().unwrap().is_some();
            ended
                || engine
                    .client(engine.own_client(), engine.folder.path())
                    .args(["version"])
                    .run()
                    .code
                    == Some(0)
        });
        match ended {
            false => Ok(engine),
            true => {
                Err(std::fs::read_to_string(engine.folder.path().join("log")).unwrap_or_default())
            }
        }
    }

    /// Whether it keeps images in containerd.
    pub(crate) fn is_containerd(&self) -> bool {
        self.place == Place::Debian13
    }

    /// The client of the same Debian release.
    pub(crate) fn own_client(&self) -> &'static Path {
        match self.place {
            Place::Here => docker_20(),
            Place::Debian13 => Path::new("docker"),
        }
    }

    /// A client, with its log-ins in a folder.
    pub(crate) fn client(&self, docker: &Path, log_ins: &Path) -> Program {
        self.place
            .program(docker)
            .env(
                "DOCKER_HOST",
                format!(
                    "unix://{}",
                    self.folder.path().join("docker.sock").display()
                ),
            )
            .env("DOCKER_CONFIG", log_ins)
            .env("DOCKER_BUILDKIT", "0")
            .without_env("DOCKER_CONTENT_TRUST")
    }

    /// The client of version 20.10 as somebody who has logged in to the host.
    pub(crate) fn logged_in(&self, actor: &Actor, host: &str) -> DockerUser<'_> {
        let user = DockerUser {
            engine: self,
            docker: docker_20(),
            log_ins: actor.home().join("docker"),
        };
        user.log_in(actor, host);
        user
    }

    /// A client of some version with log-ins of its own.
    pub(crate) fn user(&self, docker: &'static Path, log_ins: PathBuf) -> DockerUser<'_> {
        DockerUser {
            engine: self,
            docker,
            log_ins,
        }
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // By its own id, and gently, so that it ends its containerd and unmounts what it mounted.
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        until(60, "dockerd ends", || {
            self.child.try_wait().unwrap().is_some()
        });
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let below = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .filter(|path| Path::new(path).starts_with(self.folder.path()));
        for mount in below.collect::<Vec<_>>().into_iter().rev() {
            let _ = Command::new("umount").args(["--lazy", mount]).status();
        }
    }
}

/// Somebody at a docker client.
pub(crate) struct DockerUser<'a> {
    engine: &'a Dockerd,
    docker: &'static Path,
    log_ins: PathBuf,
}

impl DockerUser<'_> {
    /// A docker command.
    pub(crate) fn docker<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Program {
        std::fs::create_dir_all(&self.log_ins).unwrap();
        self.engine
            .client(self.docker, &self.log_ins)
            .args(arguments)
    }

    /// Runs a docker command that must succeed.
    pub(crate) fn does<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> String {
        self.docker(arguments).ok()
    }

    /// Runs a docker command that must fail.
    pub(crate) fn fails<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Done {
        self.docker(arguments).fails()
    }

    /// `docker login`.
    pub(crate) fn log_in(&self, actor: &Actor, host: &str) {
        let login = self.docker(["login", "--username", &actor.name, "--password-stdin", host]);
        let said = login.stdin(actor.secret.as_str()).ok();
        assert!(said.contains("Login Succeeded"), "{said}");
    }

    /// `docker logout`.
    pub(crate) fn log_out(&self, host: &str) {
        self.does(["logout", host]);
    }
}
