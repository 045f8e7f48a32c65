//! An authority that certifies people as Fulcio does, and one that timestamps over HTTP, both by openssl. It asserts nothing about
//! the product.

use crate::harness::{KEY_PASSWORD, Program, temporary};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use trust::{Algorithm, PrivateKey, Signer};

/// What the certificates of the authorities say that they are for, and how timestamps are made.
const SETTINGS: &str = "[ca]
default_ca = own
[own]
new_certs_dir = .
database = index.txt
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
[any]
commonName = optional
[root]
keyUsage = critical, keyCertSign, cRLSign
basicConstraints = critical, CA:TRUE
[people]
keyUsage = critical, keyCertSign, cRLSign
extendedKeyUsage = codeSigning
basicConstraints = critical, CA:TRUE, pathlen:0
[stamps]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
basicConstraints = critical, CA:FALSE
[tsa]
serial = tsa.serial
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
";

/// A root, an authority for people below it, and one for timestamps, which answers on loopback.
pub(super) struct Authority {
    folder: tempfile::TempDir,
    stamps: SocketAddr,
}

/// Whom a certificate names, and who says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    /// As openssl writes it: `email:…` or `URI:…`.
    pub(super) name: &'a str,
    pub(super) issuer: &'a str,
}

/// A key with its certificate.
pub(super) struct Certified {
    /// The file of the key, sealed as cosign reads it.
    pub(super) key: PathBuf,
    pub(super) certificate: PathBuf,
    /// The file of the certificates above it.
    pub(super) chain: PathBuf,
    /// When the certificate has ended.
    pub(super) end: Timestamp,
}

impl Authority {
    pub(super) fn new() -> Self {
        let folder = temporary();
        std::fs::write(folder.path().join("settings.cnf"), SETTINGS).unwrap();
        std::fs::write(folder.path().join("index.txt"), "").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = Self {
            stamps: listener.local_addr().unwrap(),
            folder,
        };
        authority.request("root");
        authority.certificate("root", "-selfsign -keyfile root.key -extensions root", DAY);
        for name in ["people", "stamps"] {
            authority.request(name);
            let by = format!("-cert root.pem -keyfile root.key -extensions {name}");
            authority.certificate(name, &by, DAY);
        }
        let chain = authority.read("people.pem") + &authority.read("root.pem");
        std::fs::write(authority.path("chain.pem"), chain).unwrap();
        let stamps = authority.read("stamps.pem") + &authority.read("root.pem");
        std::fs::write(authority.path("stamps-chain.pem"), stamps).unwrap();
        let folder = authority.folder.path().to_path_buf();
        // It waits for the next request until the tests end.
        std::thread::spawn(move || serve(&listener, &folder));
        authority
    }

    /// A key and its certificate, from two hours ago until in so many seconds. `label` is only for files.
    pub(super) fn certify(&self, label: &str, named: Named<'_>, seconds: i64) -> Certified {
        let Named { name, issuer } = named;
        let bare = issuer.bytes().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        // The issuer stands there twice, as Fulcio writes it: bare, and as DER.
        let extensions = format!(
            "[leaf]\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = codeSigning\n\
             subjectAltName = critical, {name}\n1.3.6.1.4.1.57264.1.1 = DER:{bare}\n\
             1.3.6.1.4.1.57264.1.8 = ASN1:UTF8:{issuer}\n"
        );
        std::fs::write(self.path(&format!("{label}.ext")), extensions).unwrap();
        self.request(label);
        let by = format!(
            "-cert people.pem -keyfile people.key -subj / -extfile {label}.ext -extensions leaf"
        );
        let end = self.certificate(label, &by, SignedDuration::from_secs(seconds));
        let sealed = format!("{label}-sealed");
        Program::new(env!("CARGO_BIN_EXE_countersign"))
            .env("COUNTERSIGN_NEW_KEY_PASSWORD", KEY_PASSWORD)
            .args(["key", "import", &format!("{label}.key"), &sealed])
            .dir(self.folder.path())
            .ok();
        Certified {
            key: self.path(&sealed).with_extension("key"),
            certificate: self.path(&format!("{label}.pem")),
            chain: self.path("chain.pem"),
            end,
        }
    }

    /// A trusted root with these authorities and no log, or with logs that nobody has ever asked.
    pub(super) fn trusted_root(&self, has_logs: bool) -> PathBuf {
        let valid = json!({"start": "2020-01-01T00:00:00Z"});
        let authority = |names: [&str; 2]| {
            let chain = names.map(|name| json!({"rawBytes": STANDARD.encode(self.der(name))}));
            json!({"certChain": {"certificates": chain}, "validFor": valid})
        };
        let logs = || -> Vec<Value> {
            let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
            let der = key.public_key().as_der();
            let log = json!({
                "baseUrl": "https://log.example",
                "publicKey": {"rawBytes": STANDARD.encode(der), "validFor": valid},
                "logId": {"keyId": STANDARD.encode(Sha256::digest(der))},
            });
            if has_logs { vec![log] } else { Vec::new() }
        };
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": logs(),
            "ctlogs": logs(),
            "certificateAuthorities": [authority(["people", "root"])],
            "timestampAuthorities": [authority(["stamps", "root"])],
        });
        let path = self.path("trusted_root.json");
        std::fs::write(&path, root.to_string()).unwrap();
        path
    }

    /// Where timestamps are to be had.
    pub(super) fn stamps_url(&self) -> String {
        format!("http://{}", self.stamps)
    }

    /// A file of the authority's.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn der(&self, name: &str) -> Vec<u8> {
        let file = format!("{name}.der");
        let convert = ["x509", "-in", &format!("{name}.pem"), "-outform", "DER"];
        self.openssl(&[&convert[..], &["-out", &file]].concat());
        std::fs::read(self.path(&file)).unwrap()
    }

    /// A key, and the request for a certificate.
    fn request(&self, name: &str) {
        let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
        let make = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256";
        let make: Vec<&str> = make.split(' ').collect();
        let subject = format!("/CN={name}");
        let rest = ["-keyout", &key, "-out", &request, "-subj", &subject];
        self.openssl(&[&make[..], &rest].concat());
    }

    /// The certificate that was asked for, from before every leaf's beginning until so long from now; answers when it ends.
    fn certificate(&self, name: &str, by: &str, lasts: SignedDuration) -> Timestamp {
        let now = Timestamp::now();
        // Those of the authorities begin first: cosign looks at them as of the leaf's beginning.
        let age = if lasts == DAY {
            DAY
        } else {
            SignedDuration::from_hours(2)
        };
        let end = now + lasts;
        let text = |at: Timestamp| at.strftime("%Y%m%d%H%M%SZ").to_string();
        let (start, stop) = (text(now - age), text(end));
        let (request, file) = (format!("{name}.csr"), format!("{name}.pem"));
        let sign = ["ca", "-batch", "-notext", "-config", "settings.cnf"];
        let by: Vec<&str> = by.split(' ').collect();
        let rest = [
            "-in",
            &request,
            "-out",
            &file,
            "-startdate",
            &start,
            "-enddate",
            &stop,
        ];
        self.openssl(&[&sign[..], &by, &rest].concat());
        // RFC 5280 section 4.1.2.5: the last second belongs to it.
        end + SignedDuration::from_secs(1)
    }

    fn openssl(&self, arguments: &[&str]) {
        Program::new("openssl")
            .args(arguments)
            .dir(self.folder.path())
            .ok();
    }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Answers requests for timestamps (RFC 3161 section 3.4), one after the other.
fn serve(listener: &TcpListener, folder: &Path) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        std::fs::write(folder.join("stamp.tsq"), body(&stream)).unwrap();
        let reply = "ts -reply -config settings.cnf -section tsa -queryfile stamp.tsq";
        let with = "-signer stamps.pem -inkey stamps.key -chain root.pem -out stamp.tsr";
        Program::new("openssl")
            .args(reply.split(' ').chain(with.split(' ')))
            .dir(folder)
            .ok();
        let answer = std::fs::read(folder.join("stamp.tsr")).unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&answer).unwrap();
    }
}

fn body(stream: &TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    body
}
