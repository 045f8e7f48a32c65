//! Requests by curl, for what no client would ask.

use super::{Actor, Program, temporary};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A request about to be made.
pub(crate) struct Curl {
    program: Program,
    url: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The headers, their names in lower case; of several the last.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body as it came.
    pub(crate) bytes: Vec<u8>,
    /// The body as text.
    pub(crate) body: String,
}

/// A GET, unless said otherwise.
pub(crate) fn curl(url: &str) -> Curl {
    Curl {
        program: Program::new("curl").args(["--silent", "--show-error", "--max-time", "60"]),
        url: url.to_owned(),
    }
}

impl Curl {
    /// As somebody.
    pub(crate) fn user(self, actor: &Actor) -> Self {
        let request = self.flags(["--user", &actor.credentials()]);
        match actor.authority() {
            Some(authority) => request.flags(["--cacert", &authority.display().to_string()]),
            None => request,
        }
    }

    /// With flags of curl's own.
    pub(crate) fn flags<const N: usize>(mut self, flags: [&str; N]) -> Self {
        self.program = self.program.args(flags);
        self
    }

    /// With a method.
    pub(crate) fn method(self, method: &str) -> Self {
        if method == "HEAD" {
            self.flags(["--head"])
        } else {
            self.flags(["--request", method])
        }
    }

    /// With a body from a file.
    pub(crate) fn body(self, file: &Path, media_type: &str) -> Self {
        let data = format!("@{}", file.display());
        let header = format!("Content-Type: {media_type}");
        self.flags(["--data-binary", &data, "--header", &header])
    }

    /// Asks.
    pub(crate) fn ask(self) -> Answer {
        let folder = temporary();
        let (head, body) = (folder.path().join("head"), folder.path().join("body"));
        let program = self
            .program
            .arg("--dump-header")
            .arg(&head)
            .arg("--output")
            .arg(&body);
        let status = program
            .args(["--write-out", "%{http_code}"])
            .arg(&self.url)
            .ok();
        let head = std::fs::read_to_string(&head).unwrap_or_default();
        let headers = head.lines().filter_map(|line| line.split_once(':'));
        let bytes = std::fs::read(&body).unwrap_or_default();
        Answer {
            status: status.trim().parse().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }

    /// Asserts that a gate refused: 403, `DENIED`, a sentence, and the decision with these codes among its reasons.
    pub(crate) fn is_refused(&self, what: &str, codes: &[&str]) {
        assert_eq!(self.status, 403, "{what}: {}", self.body);
        let error = &self.json()["errors"][0];
        assert_eq!(error["code"], "DENIED", "{what}: {error}");
        assert!(
            !error["message"].as_str().unwrap().is_empty(),
            "{what}: {error}"
        );
        let detail = error["detail"].to_string();
        for code in codes {
            assert!(
                detail.contains(&format!("\"code\":\"{code}\"")),
                "{what}: no `{code}` in {detail}"
            );
        }
    }
}
