//! notary-server over HTTP/1.0: no more than these tests need.

use std::env;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use trust::tuf::publish::Current;
use trust::tuf::{Gun, Key, KeyType, RoleName};

use super::publisher::Parts;

/// A running server.
pub(crate) struct Server {
    address: String,
}

/// What a server makes of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Taken,
    /// `name` is left out where no reason is given.
    Refused {
        code: String,
        name: Option<String>,
    },
}

impl Answer {
    /// True if another server's answer is the same, or says less.
    pub(crate) fn is_as(&self, theirs: &Self) -> bool {
        match (self, theirs) {
            (Self::Taken, Self::Taken) => true,
            (
                Self::Refused { code, name },
                Self::Refused {
                    code: their_code,
                    name: their_name,
                },
            ) => code == their_code && (their_name.is_none() || name == their_name),
            _ => false,
        }
    }
}

impl Server {
    pub(crate) fn from_environment() -> Self {
        let address = env::var("COUNTERSIGN_NOTARY_SERVER");
        Self {
            address: address.expect("set COUNTERSIGN_NOTARY_SERVER to a notary-server's address"),
        }
    }

    /// The server's key for a role, made when it is first asked for.
    pub(crate) fn key(&self, gun: &Gun, role: &RoleName) -> Key {
        let key = self.get(gun, &format!("{role}.key")).expect("a key");
        let key: Value = serde_json::from_slice(&key).unwrap();
        let text = |pointer: &str| key.pointer(pointer).and_then(Value::as_str).unwrap();
        let public = STANDARD.decode(text("/keyval/public")).unwrap();
        Key::new(KeyType::from(text("/keytype")), public)
    }

    /// What the server serves of a repository.
    pub(crate) fn current(&self, gun: &Gun) -> Current {
        let mut current = Current::new();
        for role in [RoleName::Timestamp, RoleName::Snapshot] {
            let Some(bytes) = self.get(gun, &format!("{role}.json")) else {
                return current;
            };
            current.insert(role, bytes);
        }
        let snapshot = current.file(&RoleName::Snapshot).unwrap();
        let snapshot: Value = serde_json::from_slice(snapshot).unwrap();
        for role in snapshot["signed"]["meta"].as_object().unwrap().keys() {
            if let Some(bytes) = self.get(gun, &format!("{role}.json")) {
                current.insert(RoleName::parse(role).unwrap(), bytes);
            }
        }
        current
    }

    /// Sends an update.
    pub(crate) fn post(&self, gun: &Gun, parts: &Parts) -> Answer {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let head = format!(
                "--part\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--part--\r\n");
        let (status, answer) = self.ask("POST", gun, "", &body);
        if status == 200 {
            return Answer::Taken;
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let text = |pointer: &str| {
            let value = answer.pointer(pointer).and_then(Value::as_str);
            value.map(str::to_owned)
        };
        Answer::Refused {
            code: text("/errors/0/code").expect("a code"),
            name: text("/errors/0/detail/Name"),
        }
    }

    fn get(&self, gun: &Gun, file: &str) -> Option<Vec<u8>> {
        let (status, body) = self.ask("GET", gun, file, &[]);
        (status == 200).then_some(body)
    }

    fn ask(&self, method: &str, gun: &Gun, file: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("notary-server answers");
        let head = format!(
            "{method} /v2/{gun}/_trust/tuf/{file} HTTP/1.0\r\nContent-Length: {}\r\n\
             Content-Type: multipart/form-data; boundary=part\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let mut ends = answer.windows(4);
        let end = ends.position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]);
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("a status"), answer[end + 4..].to_vec())
    }
}
