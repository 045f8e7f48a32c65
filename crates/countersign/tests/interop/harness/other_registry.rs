//! A registry of others: Debian's `docker-registry` without an account, which keeps no signatures of GPG and has no referrers API.

use super::server::free_port;
use super::{listens, temporary, until};
use std::fs::File;
use std::process::{Child, Command, Stdio};

const HOST: &str = "127.0.0.1";

/// One that runs.
pub(crate) struct OtherRegistry {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl OtherRegistry {
    /// Starts one and waits until it answers.
    pub(crate) fn start() -> Self {
        let folder = temporary();
        let port = free_port(HOST);
        let settings = serde_json::json!({
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": folder.path().join("data")}},
            "http": {"addr": format!("{HOST}:{port}")},
        });
        let file = folder.path().join("config.yml");
        // JSON is YAML.
        std::fs::write(&file, settings.to_string()).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run `docker-registry`: {error}; run `.ci/install`")
            });
        let mut registry = Self {
            folder,
            port,
            child,
        };
        until(60, "docker-registry answers", || {
            let ended = registry.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "docker-registry ended with {ended:?}\n{}",
                std::fs::read_to_string(registry.folder.path().join("log")).unwrap_or_default()
            );
            listens(port)
        });
        registry
    }

    /// How images name it.
    pub(crate) fn host(&self) -> String {
        format!("{HOST}:{}", self.port)
    }
}

impl Drop for OtherRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
