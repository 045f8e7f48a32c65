//! The host that a request is sent to: one, in the `Host` header, where all that follows looks for it, whichever version of HTTP
//! it came over. A request that names none or several is refused: whoever stands in front may have read another one.

use crate::caller::is_host;
use axum::extract::Request;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, Version, header};

/// Leaves the one host in the header, or says what is wrong.
pub(super) fn settle<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    let (version, authority) = (request.version(), request.uri().authority());
    // RFC 9112 3.2
    if more.is_some() {
        return Err("the request names its host twice; send one `Host`");
    }
    let named = match (authority, host) {
        // RFC 9113 8.3.1
        (Some(authority), Some(host))
            if version == Version::HTTP_2 && !is_same(authority, host, request.uri().scheme()) =>
        {
            return Err("`Host` and `:authority` name two hosts; send one of them");
        }
        // RFC 9112 3.2.2: an absolute target says it, whatever the header says.
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(host)) => Some(host.to_str().unwrap_or("?")),
        // RFC 9112 3.2, RFC 9113 8.3.1
        (None, None) if version >= Version::HTTP_11 => {
            return Err("the request names no host; send a `Host`");
        }
        (None, None) => None,
    };
    // RFC 9110 7.2: it is empty where a target has no authority.
    if named.is_some_and(|named| !named.is_empty() && !is_host(named)) {
        return Err("`Host` is no host: send a name or an address, with a port or without");
    }
    if let Some(authority) = authority
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// Whether both are the same host and port (RFC 3986 6.2.2.1 and 6.2.3).
fn is_same(authority: &Authority, host: &HeaderValue, scheme: Option<&Scheme>) -> bool {
    let usual = if scheme == Some(&Scheme::HTTP) {
        80
    } else {
        443
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    Authority::try_from(host.as_bytes()).is_ok_and(|host| {
        host.host().eq_ignore_ascii_case(authority.host()) && port(&host) == port(authority)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host that is left, for a request with this target and these headers.
    fn settled(version: Version, target: &str, hosts: &[&str]) -> Option<String> {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let mut request = request.body(()).unwrap();
        settle(&mut request).ok()?;
        let host = request.headers().get(header::HOST);
        Some(host.map_or(String::new(), |host| host.to_str().unwrap().to_owned()))
    }

    #[test]
    fn there_is_one_host() {
        let (http1, http2) = (Version::HTTP_11, Version::HTTP_2);
        let absolute = "https://registry.example/v2/";
        for (version, target, hosts, expected) in [
            (
                http1,
                "/v2/",
                &["a.example:5000"][..],
                Some("a.example:5000"),
            ),
            (http1, "/v2/", &[""], Some("")),
            (Version::HTTP_10, "/v2/", &[], Some("")),
            (http1, "/v2/", &[], None),
            (http1, "/v2/", &["a.example", "b.example"], None),
            (http1, "/v2/", &["a.example", "a.example"], None),
            (Version::HTTP_10, "/v2/", &["a.example", "a.example"], None),
            (http1, "/v2/", &["a.example/b"], None),
            (
                http1,
                absolute,
                &["other.example"],
                Some("registry.example"),
            ),
            (http1, "http://user@a.example/", &["a.example"], None),
            (http2, absolute, &[], Some("registry.example")),
            (
                http2,
                absolute,
                &["Registry.example:443"],
                Some("registry.example"),
            ),
            (http2, absolute, &["registry.example:444"], None),
            (http2, absolute, &["other.example"], None),
            (
                http2,
                absolute,
                &["registry.example", "registry.example"],
                None,
            ),
            (http2, "/v2/", &["a.example"], Some("a.example")),
            (http2, "/v2/", &[], None),
        ] {
            let found = settled(version, target, hosts);
            assert_eq!(found.as_deref(), expected, "{version:?} {target} {hosts:?}");
        }
    }
}
