//! A containerd of our own, of this machine or of Debian 13, with its data and socket in a temporary folder.

use super::{Place, temporary, until};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running containerd.
pub(crate) struct Containerd {
    child: Child,
    folder: tempfile::TempDir,
}

impl Containerd {
    /// Starts one, and waits until it serves.
    pub(crate) fn start(place: Place) -> Self {
        let folder = temporary();
        let at = |name: &str| folder.path().join(name);
        let settings = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            at("root"),
            at("state"),
            at("containerd.sock"),
        );
        std::fs::write(at("config.toml"), settings).unwrap();
        let log = File::create(at("log")).unwrap();
        let child = place
            .daemon("containerd")
            .arg("--config")
            .arg(at("config.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run `containerd`: {error}; run `.ci/install`"));
        let mut daemon = Self { child, folder };
        until(60, "containerd answers", || {
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "containerd ended\n{}", daemon.log());
            daemon.socket().exists() && daemon.log().contains("successfully booted")
        });
        daemon
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("containerd.sock")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        until(60, "containerd ends", || {
            self.child.try_wait().unwrap().is_some()
        });
    }
}
