//! Notary: Debian's `notary-server`, which is what trust repositories are compared with, and its client.

use super::server::free_port;
use super::{Program, listens, temporary, until};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const HOST: &str = "127.0.0.1";
/// The passphrase of every key.
const PASSPHRASE: &str = "a passphrase for keys";

/// A `notary-server` of our own with TLS, which keeps everything in memory.
pub(crate) struct NotaryServer {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl NotaryServer {
    /// Starts one and waits until it answers.
    pub(crate) fn start() -> Self {
        let folder = temporary();
        let at = |name: &str| folder.path().join(name);
        let (key, certificate) = (at("tls.key"), at("tls.crt"));
        self_signed(HOST, &key, &certificate);
        let port = free_port(HOST);
        let settings = serde_json::json!({
            "server": {
                "http_addr": format!("{HOST}:{port}"), "tls_key_file": key, "tls_cert_file": certificate,
            },
            "trust_service": {"type": "local"}, "storage": {"backend": "memory"}, "logging": {"level": "info"},
        });
        fs::write(at("server.json"), settings.to_string()).unwrap();
        let log = File::create(at("log")).unwrap();
        let child = Command::new("notary-server")
            .arg("-config")
            .arg(at("server.json"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run `notary-server`: {error}; run `.ci/install`")
            });
        let mut server = Self {
            folder,
            port,
            child,
        };
        until(60, "notary-server answers", || {
            let ended = server.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "notary-server ended with {ended:?}\n{}",
                server.log()
            );
            listens(port)
        });
        server
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    /// The certificate to trust.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    /// Ends it; what it kept is gone.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for NotaryServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Somebody at notary's client, with keys and a cache of their own.
#[derive(Clone)]
pub(crate) struct Notary {
    url: String,
    authority: Option<PathBuf>,
    /// `name:password`, where the server asks.
    credentials: Option<String>,
    home: PathBuf,
}

impl Notary {
    /// The passphrase of every key.
    pub(crate) const PASSPHRASE: &str = PASSPHRASE;

    /// A client without any keys.
    pub(crate) fn new(
        url: &str,
        authority: Option<&Path>,
        credentials: Option<String>,
        home: PathBuf,
    ) -> Self {
        fs::create_dir_all(&home).unwrap();
        Self {
            url: url.to_owned(),
            authority: authority.map(Path::to_path_buf),
            credentials,
            home,
        }
    }

    /// The same person with all they have, somewhere else: from now on the two do not know of each other.
    pub(crate) fn twin(&self, home: PathBuf) -> Self {
        Program::new("cp")
            .arg("--recursive")
            .arg(&self.home)
            .arg(&home)
            .ok();
        Self {
            home,
            ..self.clone()
        }
    }

    /// Their folder.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// A command. Whatever it asks is answered with yes.
    pub(crate) fn notary<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Program {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let program = Program::new("notary")
            .args(["--server", &self.url, "--trustDir"])
            .arg(self.home.join("trust"));
        let program = match &self.authority {
            Some(authority) => program.arg("--tlscacert").arg(authority),
            None => program,
        };
        let program = program
            .args(arguments)
            .env("HOME", &self.home)
            .env("NOTARY_ROOT_PASSPHRASE", PASSPHRASE)
            .env("NOTARY_TARGETS_PASSPHRASE", PASSPHRASE)
            .env("NOTARY_SNAPSHOT_PASSPHRASE", PASSPHRASE)
            .env("NOTARY_DELEGATION_PASSPHRASE", PASSPHRASE)
            .dir(&self.home)
            .stdin("yes\n");
        match &self.credentials {
            Some(credentials) => program.env("NOTARY_AUTH", STANDARD.encode(credentials)),
            None => program,
        }
    }
}

/// A key and a certificate for itself, by openssl.
pub(crate) fn self_signed(host: &str, key: &Path, certificate: &Path) {
    Program::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-days", "30", "-subj", &format!("/CN={host}")])
        .args(["-addext", &format!("subjectAltName=IP:{host}")])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .ok();
}
