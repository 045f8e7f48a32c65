//! Which repository a trust repository belongs to. Its name is the whole name of an image, with the host that the client knows this
//! server by; the registry's own names have none. Deliberately a closed list: trust for images of another registry is refused, not
//! kept under a name that nobody will look for.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use oci::RepositoryName;
use trust::tuf::Gun;

/// The names of hosts that are this server's. Names of the machine itself always are.
#[derive(Debug, Clone, Default)]
pub struct Hosts(BTreeSet<String>);

/// Why a trust repository is not one of this server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It is for images of another host.
    #[error(
        "`{host}` is not a name of this server, which keeps trust for its own images only; whoever runs it adds a name with \
         `--trust-host`"
    )]
    Foreign {
        /// The host.
        host: String,
    },
    /// What follows the host names no repository.
    #[error("`{name}` does not name a repository of this server: use the image's name without tag")]
    Name {
        /// The name.
        name: String,
    },
}

impl Hosts {
    /// Takes names or addresses, with a port or for every port. What is none ([`Self::is_name`]) is nobody's.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let spelled = names.into_iter().filter_map(|name| spelled(&name));
        Self(spelled.map(|(name, port)| whole(&name, port)).collect())
    }

    /// Whether a text is a name or an address, with a port or without.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        spelled(text).is_some()
    }

    /// The repository of a trust repository. `asked` is the host that the request was sent to: a client that calls this server so means
    /// this server.
    ///
    /// # Errors
    /// The host is another one, or what follows is no name.
    pub fn repository_of(
        &self,
        gun: &Gun,
        asked: Option<&str>,
    ) -> Result<RepositoryName, HostError> {
        let name = match split(gun.as_str()) {
            Some((host, name)) if self.is_own(host, asked) => name,
            Some((host, _)) => {
                return Err(HostError::Foreign {
                    host: host.to_owned(),
                });
            }
            None => gun.as_str(),
        };
        name.parse().map_err(|_| HostError::Name {
            name: name.to_owned(),
        })
    }

    /// The name of a repository without the host before it, where that is this server's.
    #[must_use]
    pub fn without_host<'a>(&self, name: &'a str, asked: Option<&str>) -> Option<&'a str> {
        let (host, name) = split(name)?;
        self.is_own(host, asked).then_some(name)
    }

    fn is_own(&self, host: &str, asked: Option<&str>) -> bool {
        let Some((name, port)) = parts(host) else {
            return false;
        };
        asked.is_some_and(|asked| asked.eq_ignore_ascii_case(host))
            || self.0.contains(&whole(&name, port))
            || self.0.contains(&name)
            || is_loopback(&name)
    }
}

/// The host of a whole name and the rest. As docker has it, the first part is a host if it has a dot or a colon, or is `localhost`.
fn split(name: &str) -> Option<(&str, &str)> {
    let (first, rest) = name.split_once('/')?;
    let is_host = first == "localhost" || first.contains(['.', ':']);
    is_host.then_some((first, rest))
}

/// The parts of a name as somebody wrote it into the configuration: an address with colons may stand without brackets.
fn spelled(text: &str) -> Option<(String, Option<u16>)> {
    match text.parse::<Ipv6Addr>() {
        Ok(address) => Some((format!("[{address}]"), None)),
        Err(_) => parts(text),
    }
}

/// The host in the one way in which it is compared, and its port. RFC 3986 3.2.2
fn parts(host: &str) -> Option<(String, Option<u16>)> {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = match after {
            "" => None,
            after => Some(port(after.strip_prefix(':')?)?),
        };
        return Some((format!("[{address}]"), port));
    }
    let (name, port) = match host.split_once(':') {
        Some((name, text)) => (name, Some(port(text)?)),
        None => (host, None),
    };
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_name = !name.is_empty() && name.bytes().all(known);
    is_name.then(|| (name.to_ascii_lowercase(), port))
}

/// A port as it is always written, so that nothing else makes one more name of a host.
fn port(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port.to_string() == text).then_some(port)
}

fn whole(name: &str, port: Option<u16>) -> String {
    match port {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

fn is_loopback(name: &str) -> bool {
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name == "localhost"
        || name
            .parse()
            .is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || address.is_some_and(|text| text.parse().is_ok_and(|it: Ipv6Addr| it.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_what_is_none() {
        for text in [
            "registry.example",
            "Registry.example:5000",
            "registry",
            "192.0.2.1",
            "::1",
            "[2001:db8::7]:443",
        ] {
            assert!(Hosts::is_name(text), "{text}");
        }
        for text in [
            "",
            "https://registry.example",
            "registry.example/",
            " registry.example",
            "registry.example:",
            "registry.example:http",
            "[registry.example]",
            "*.example",
        ] {
            assert!(!Hosts::is_name(text), "{text}");
        }
    }

    fn repository(gun: &str, asked: &str) -> Result<String, HostError> {
        let hosts = Hosts::new([
            "Registry.example".to_owned(),
            "other.example:8443".to_owned(),
            "2001:DB8::7".to_owned(),
            "[2001:db8::8]:443".to_owned(),
        ]);
        let gun = Gun::parse(gun).unwrap();
        let asked = (!asked.is_empty()).then_some(asked);
        hosts
            .repository_of(&gun, asked)
            .map(|name| name.to_string())
    }

    #[test]
    fn the_servers_own_host_goes() {
        for (gun, asked, expected) in [
            ("registry.example/shop/web", "", "shop/web"),
            ("registry.example:5000/shop/web", "", "shop/web"),
            ("REGISTRY.example/web", "", "web"),
            ("other.example:8443/web", "", "web"),
            ("127.0.0.1:5500/x", "", "x"),
            ("127.1.2.3/x", "", "x"),
            ("localhost/x", "", "x"),
            ("localhost:5000/x/y", "", "x/y"),
            ("[::1]:5000/x", "", "x"),
            ("[2001:db8::7]:5000/x", "", "x"),
            ("[2001:db8:0:0::7]/x", "", "x"),
            ("[2001:db8::8]:443/x", "", "x"),
            ("new.example:5000/x", "new.example:5000", "x"),
            ("new.example/x", "NEW.example", "x"),
            ("shop/web", "", "shop/web"),
            ("web", "", "web"),
            (
                "registry.example/registry.example/web",
                "",
                "registry.example/web",
            ),
        ] {
            assert_eq!(repository(gun, asked).as_deref(), Ok(expected), "{gun}");
        }
    }

    #[test]
    fn another_host_is_named() {
        for (gun, asked, host) in [
            ("docker.io/library/alpine", "", "docker.io"),
            ("other.example/web", "", "other.example"),
            ("other.example:1/web", "", "other.example:1"),
            ("new.example:5000/x", "new.example", "new.example:5000"),
            (
                "registry.example.evil.test/x",
                "",
                "registry.example.evil.test",
            ),
            ("[2001:db8::1]:5000/x", "", "[2001:db8::1]:5000"),
            ("128.0.0.1/x", "", "128.0.0.1"),
            ("[2001:db8::8]:5000/x", "", "[2001:db8::8]:5000"),
            ("localhost:/x", "", "localhost:"),
            ("localhost:a/x", "", "localhost:a"),
            ("localhost:+1/x", "", "localhost:+1"),
            ("localhost:05000/x", "", "localhost:05000"),
            ("localhost:\"/x", "localhost:\"", "localhost:\""),
            ("127.0.0.1:99999/x", "", "127.0.0.1:99999"),
            ("[::1]5000/x", "", "[::1]5000"),
            (
                "registry.example:5000:5000/x",
                "",
                "registry.example:5000:5000",
            ),
        ] {
            let host = host.to_owned();
            assert_eq!(
                repository(gun, asked),
                Err(HostError::Foreign { host }),
                "{gun}"
            );
        }
    }

    #[test]
    fn what_follows_must_be_a_name() {
        for gun in [
            "registry.example/Shop",
            "Shop/web",
            "localhost/a%2fb",
            "localhost/_trust",
        ] {
            assert!(
                matches!(repository(gun, ""), Err(HostError::Name { .. })),
                "{gun}"
            );
        }
    }
}
