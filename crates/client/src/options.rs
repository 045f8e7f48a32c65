//! Where the server is, who asks, and whom to trust. Checks the one rule that must never be forgotten: credentials go
//! over TLS, or stay on this machine.

use std::net::IpAddr;

use reqwest::Url;
use secrecy::SecretString;

use crate::Error;

/// Who asks.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A name with its password, or with a token in its place (as docker does it).
    Basic {
        /// The principal's name.
        user: String,
        /// Its password or token.
        password: SecretString,
    },
    /// A personal or robot token, which says by itself whose it is.
    Token(SecretString),
}

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub(crate) base_url: Url,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) authorities_pem: Vec<Vec<u8>>,
    pub(crate) loopback_http: bool,
}

impl ClientOptions {
    /// The server at `https://host[:port]` or `http://host[:port]`, without credentials.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        let address = |why| Error::Address {
            value: crate::text::clean(base_url),
            why,
        };
        let url = Url::parse(base_url).map_err(|_| address("not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(address("neither http nor https"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(address("no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Address {
                value: redacted(&url),
                why: "it holds credentials, which belong in a log-in",
            });
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(address("more than a host and a port"));
        }
        Ok(Self {
            base_url: url,
            credentials: None,
            authorities_pem: Vec::new(),
            loopback_http: true,
        })
    }

    /// The server of an image reference's host: https, but plain http on loopback, as docker does it. `docker.io` is
    /// where Docker Hub really answers.
    pub fn for_host(host: &str) -> Result<Self, Error> {
        let host = if host == "docker.io" {
            "registry-1.docker.io"
        } else {
            host
        };
        let options = Self::new(&format!("https://{host}"))?;
        if is_loopback(&options.base_url) {
            Self::new(&format!("http://{host}"))
        } else {
            Ok(options)
        }
    }

    /// Asks as someone.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Trusts certificates of this authority (PEM, one or more) beside those of the system.
    #[must_use]
    pub fn with_authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities_pem.push(pem.into());
        self
    }

    /// Whether credentials may go unencrypted to an address of this machine; they may unless said otherwise.
    #[must_use]
    pub fn with_loopback_http(mut self, allowed: bool) -> Self {
        self.loopback_http = allowed;
        self
    }

    /// The server's address.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base_url.as_str()
    }

    /// The server's host, and its port when it is not the usual one: how image references name it.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.base_url.host_str().unwrap_or_default();
        self.base_url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether the server is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base_url)
    }

    /// Whether credentials may be sent to this address.
    pub(crate) fn may_carry_credentials(&self, url: &Url) -> bool {
        url.scheme() == "https" || (self.loopback_http && is_loopback(url))
    }
}

/// Whether an address can only be one of this machine: a loopback address, or `localhost`.
#[must_use]
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn redacted(url: &Url) -> String {
    format!(
        "{}://…@{}",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base_url: &str, expected_why: Option<&str>) {
        match (ClientOptions::new(base_url), expected_why) {
            (Ok(_), None) => {}
            (Err(Error::Address { why, .. }), Some(expected)) => {
                assert_eq!(why, expected, "{base_url}")
            }
            (other, expected) => panic!("{base_url}: {other:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn addresses() {
        check("https://registry.example", None);
        check("http://127.0.0.1:5000", None);
        check("http://[::1]:5000/", None);
        check("registry.example:5000", Some("neither http nor https"));
        check("registry example", Some("not a URL"));
        check("ftp://registry.example", Some("neither http nor https"));
        check(
            "https://registry.example/v2",
            Some("more than a host and a port"),
        );
        check(
            "https://registry.example?x",
            Some("more than a host and a port"),
        );
        check(
            "https://maria:secret@registry.example",
            Some("it holds credentials, which belong in a log-in"),
        );
    }

    #[test]
    fn credentials_in_an_address_are_not_repeated() {
        let error = ClientOptions::new("https://maria:secret@registry.example").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn hosts_of_references() {
        for (host, expected) in [
            ("registry.example:5000", "https://registry.example:5000/"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/"),
            ("localhost:5000", "http://localhost:5000/"),
            ("[::1]:5000", "http://[::1]:5000/"),
            ("docker.io", "https://registry-1.docker.io/"),
        ] {
            assert_eq!(ClientOptions::for_host(host).unwrap().base_url(), expected);
        }
    }

    #[test]
    fn loopback_is_an_address_and_not_a_look() {
        for (url, expected) in [
            ("http://127.0.0.1", true),
            ("http://127.8.9.10:80", true),
            ("http://[::1]", true),
            ("http://localhost:5000", true),
            ("http://127.0.0.1.example", false),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("http://0.0.0.0", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
