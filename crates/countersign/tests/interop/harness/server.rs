//! The server under test: the binary itself, on a free port, with its data in a temporary folder; stopped, killed and started
//! again as a scenario wants.

use super::{Program, until};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The password of `admin`.
pub(crate) const ADMIN_PASSWORD: &str = "correct horse battery staple";
/// The last bytes of the log that a failure shows.
const LOG_BYTES_SHOWN: usize = 4_000;

/// What a server is started with.
#[derive(Clone, Debug)]
pub(crate) struct ServerOptions {
    /// Its data folder.
    pub(crate) data: PathBuf,
    /// The address that clients use; the port is chosen.
    pub(crate) host: String,
    /// Flags of `countersign serve`.
    pub(crate) flags: Vec<String>,
}

impl ServerOptions {
    /// A plain server on loopback.
    pub(crate) fn loopback(data: &Path) -> Self {
        Self {
            data: data.to_path_buf(),
            host: "127.0.0.1".to_owned(),
            flags: Vec::new(),
        }
    }

    /// A server with TLS and an authority of its own, at an address that no client takes for loopback, where some of them would
    /// not look at certificates.
    pub(crate) fn tls(data: &Path) -> Self {
        let options = Self {
            host: outward_address(),
            ..Self::loopback(data)
        };
        options.flag("--tls").flag("self")
    }

    /// With one more flag.
    pub(crate) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }
}

/// A running server.
pub(crate) struct Server {
    options: ServerOptions,
    port: u16,
    child: Option<Child>,
    log: PathBuf,
}

/// An address of this machine besides loopback.
fn outward_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the kernel only says from which address it would be.
    socket
        .connect("192.0.2.1:9")
        .expect("the machine has an address besides loopback");
    socket.local_addr().unwrap().ip().to_string()
}

/// The binary under test.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_countersign")
}

/// A port of an address that nobody listens on.
pub(crate) fn free_port(host: &str) -> u16 {
    TcpListener::bind((host, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) fn start(options: ServerOptions) -> Self {
        let port = free_port(&options.host);
        let log = options.data.with_extension("log");
        let mut server = Self {
            options,
            port,
            child: None,
            log,
        };
        server.restart();
        server
    }

    /// Starts it again on the same data and port.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("COUNTERSIGN_"))
        {
            command.env_remove(name);
        }
        command
            .env("COUNTERSIGN_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .arg("serve")
            .arg("--data")
            .arg(&self.options.data)
            .args(["--listen", &self.host()])
            .args(&self.options.flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
        until(60, "the server answers", || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none(),
                "the server ended with {ended:?}\n{}",
                self.log_tail()
            );
            self.is_ready()
        });
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((self.options.host.as_str(), self.port)) else {
            return false;
        };
        if self.is_tls() {
            return true;
        }
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut answer = String::new();
        let asked = stream
            .write_all(b"GET /readyz HTTP/1.0\r\n\r\n")
            .and_then(|()| stream.read_to_string(&mut answer));
        asked.is_ok() && answer.contains(" 200 ")
    }

    fn is_tls(&self) -> bool {
        self.options.flags.iter().any(|flag| flag == "--tls")
    }

    /// The certificate of the authority that the server made for itself, if it has TLS.
    pub(crate) fn authority(&self) -> Option<PathBuf> {
        self.is_tls().then(|| {
            let file = self.options.data.join("tls/ca.crt");
            until(10, "the authority's certificate is written", || {
                file.is_file()
            });
            file
        })
    }

    /// Host and port, as image references have it.
    pub(crate) fn host(&self) -> String {
        format!("{}:{}", self.options.host, self.port)
    }

    /// The address as people type it.
    pub(crate) fn url(&self) -> String {
        format!(
            "{}://{}",
            if self.is_tls() { "https" } else { "http" },
            self.host()
        )
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.options.data
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// All that it printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let start = log.len().saturating_sub(LOG_BYTES_SHOWN);
        let start = (start..log.len())
            .find(|at| log.is_char_boundary(*at))
            .unwrap_or(0);
        log[start..].to_owned()
    }

    /// The most memory that the process ever had in use, in MiB.
    pub(crate) fn memory_peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("the kernel tells VmHWM");
        line.trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .unwrap()
            .div_ceil(1024)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end, as an operator does, and waits.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        Program::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .ok();
        until(60, "the server stops", || {
            child.try_wait().unwrap().is_some()
        });
    }

    /// Stops it, and starts it again with one more flag.
    pub(crate) fn restart_with(&mut self, flag: &str) {
        self.stop();
        self.options.flags.push(flag.to_owned());
        self.restart();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log ends:\n{}", self.log_tail());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
