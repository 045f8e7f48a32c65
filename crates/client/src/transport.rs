//! The HTTP connection: one place that sends, waits, limits and reads. Deliberately follows no redirect and repeats no
//! request by itself.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::ErrorBody;
use crate::limits::{CALL_TIMEOUT, CONNECT_TIMEOUT, REFUSAL_BYTES_MAX, UNACKNOWLEDGED_TIMEOUT};
use crate::options::is_loopback;
use crate::text::clean;
use crate::{ClientOptions, Error, Refused};

/// Pools of connections with our rules.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    /// For other machines: through the proxy that the environment names, if it names one.
    away: Pool,
    /// For this machine: a proxy would carry off what is allowed unencrypted only because it stays here.
    local: Pool,
}

impl Transport {
    pub(crate) fn new(options: &ClientOptions) -> Result<Self, Error> {
        let transport = Self::build(&options.authorities_pem)?;
        let url = &options.base_url;
        if url.scheme() == "https" {
            transport.pool(url).open()?;
        }
        Ok(transport)
    }

    /// Trusts the system's authorities and these. Those of the system are read where something is first asked over TLS: on a machine that has
    /// none at all, plain http still works.
    pub(crate) fn build(authorities_pem: &[Vec<u8>]) -> Result<Self, Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(Error::NoTlsProvider);
        }
        let mut authorities = Vec::new();
        for pem in authorities_pem {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|e| Error::Authority(e.into()))?;
            if certificates.is_empty() {
                return Err(Error::Authority("no certificate in it".into()));
            }
            authorities.extend(certificates);
        }
        let authorities: Arc<[reqwest::Certificate]> = authorities.into();
        Ok(Self {
            away: Pool::new(builder, authorities.clone())?,
            local: Pool::new(|| builder().no_proxy(), authorities)?,
        })
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let pool = self.pool(&url);
        let http = match url.scheme() {
            "https" => pool.secured(),
            _ => &pool.plain,
        };
        http.request(method, url)
    }

    fn pool(&self, url: &Url) -> &Pool {
        if is_loopback(url) {
            &self.local
        } else {
            &self.away
        }
    }
}

/// Connections of one kind. Reading the system's authorities takes longer than most requests, so it is done once, where it is needed.
#[derive(Debug, Clone)]
struct Pool {
    rules: fn() -> reqwest::ClientBuilder,
    /// Those that were given beside the system's.
    authorities: Arc<[reqwest::Certificate]>,
    /// For addresses without TLS.
    plain: reqwest::Client,
    /// For those with, once there was one. Clones share it.
    secured: Arc<OnceLock<reqwest::Client>>,
}

impl Pool {
    fn new(
        rules: fn() -> reqwest::ClientBuilder,
        authorities: Arc<[reqwest::Certificate]>,
    ) -> Result<Self, Error> {
        // Only the authorities that were given: what is wrong with them is found here.
        let plain = rules().tls_certs_only(authorities.to_vec()).build();
        Ok(Self {
            rules,
            authorities,
            plain: plain.map_err(|e| Error::Authority(e.into()))?,
            secured: Arc::default(),
        })
    }

    /// Reads the system's authorities now; fails where there are none.
    fn open(&self) -> Result<(), Error> {
        let http = self.with_system()?;
        self.secured.get_or_init(|| http);
        Ok(())
    }

    /// On a machine without authorities, the ones that were given are all.
    fn secured(&self) -> &reqwest::Client {
        self.secured
            .get_or_init(|| self.with_system().unwrap_or_else(|_| self.plain.clone()))
    }

    fn with_system(&self) -> Result<reqwest::Client, Error> {
        let http = (self.rules)().tls_certs_merge(self.authorities.to_vec());
        http.build().map_err(|e| Error::Authority(e.into()))
    }
}

fn builder() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(UNACKNOWLEDGED_TIMEOUT);
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
    builder
}

/// Sends a request and waits for the head of the answer; the body may take longer.
pub(crate) async fn send(
    request: RequestBuilder,
    url: &Url,
    timeout: Duration,
) -> Result<Answer, Error> {
    let response = tokio::time::timeout(timeout, request.send())
        .await
        .map_err(|_| timed_out(url, timeout))?;
    Ok(Answer {
        response: response.map_err(|e| failed(url, e))?,
        url: url.clone(),
    })
}

/// An answer whose body has not been read.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Response,
    url: Url,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A header as text; nothing when it is missing or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// The announced length; the header's own word, so that it is there for HEAD too.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header("content-length")
            .and_then(|text| text.parse().ok())
    }

    /// The next bytes of the body; nothing at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let read = tokio::time::timeout(CALL_TIMEOUT, self.response.chunk()).await;
        read.map_err(|_| timed_out(&self.url, CALL_TIMEOUT))?
            .map_err(|e| failed(&self.url, e))
    }

    /// The whole body, if it is not longer than `bytes_max`.
    pub(crate) async fn bytes(mut self, bytes_max: u64) -> Result<Bytes, Error> {
        let too_large = || Error::TooLarge {
            url: shown(&self.url),
            bytes_max,
        };
        if self
            .content_length()
            .is_some_and(|length| length > bytes_max)
        {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            let length = u64::try_from(body.len().saturating_add(chunk.len())).unwrap_or(u64::MAX);
            if length > bytes_max {
                return Err(Error::TooLarge {
                    url: shown(&self.url),
                    bytes_max,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The body as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(self, bytes_max: u64) -> Result<T, Error> {
        let url = self.url.clone();
        let body = self.bytes(bytes_max).await?;
        serde_json::from_slice(&body).map_err(|e| malformed(&url, e))
    }

    /// The answer, if it is a success; else the refusal in it.
    pub(crate) async fn accepted(self) -> Result<Self, Error> {
        if self.status().is_success() {
            Ok(self)
        } else {
            Err(self.refusal().await)
        }
    }

    /// Reads the body of a refusal. What cannot be read is left out: the status alone is still an answer.
    pub(crate) async fn refusal(self) -> Error {
        let status = self.status();
        if status.is_redirection() {
            return Error::Redirect {
                url: shown(&self.url),
                why: "redirects are followed for blobs only",
            };
        }
        let retry_after_seconds = self
            .header(RETRY_AFTER.as_str())
            .and_then(|text| text.trim().parse().ok());
        let body = self.bytes(REFUSAL_BYTES_MAX).await.unwrap_or_default();
        let mut refused = read_refusal(status, &body);
        refused.retry_after_seconds = retry_after_seconds;
        Error::Refused(Box::new(refused))
    }
}

/// Reads either form of refusal: ours, or the registry's `{"errors": […]}`.
fn read_refusal(status: StatusCode, body: &[u8]) -> Refused {
    let reason = status
        .canonical_reason()
        .unwrap_or("refused")
        .to_lowercase();
    let mut refused = Refused {
        status: status.as_u16(),
        code: reason.replace(' ', "-"),
        message: reason,
        next: None,
        detail: None,
        request_id: None,
        retry_after_seconds: None,
    };
    if let Ok(ErrorBody { error }) = serde_json::from_slice(body) {
        refused.code = clean(&error.code);
        refused.message = clean(&error.message);
        refused.next = error.next.as_deref().map(clean);
        refused.detail = error.detail;
        refused.request_id = error.request_id.as_deref().map(clean);
    } else if let Ok(RegistryErrors { errors }) = serde_json::from_slice(body)
        && let Some(first) = errors.into_iter().next()
    {
        refused.code = clean(&first.code);
        if !first.message.is_empty() {
            refused.message = clean(&first.message);
        }
        refused.detail = first.detail.filter(|detail| !detail.is_null());
        if let Some(reason) = refused.detail.as_ref().and_then(trust_reason) {
            refused.message = clean(reason);
        }
    }
    refused
}

/// Where trust servers say why they refuse an update, for clients that show nothing else.
fn trust_reason(detail: &Value) -> Option<&str> {
    detail.get("Error")?.get("Msg")?.as_str()
}

/// distribution-spec "Error Codes".
#[derive(serde::Deserialize)]
struct RegistryErrors {
    errors: Vec<RegistryError>,
}

#[derive(serde::Deserialize)]
struct RegistryError {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: Option<Value>,
}

/// The address as it may stand in a message: without query, where tokens of presigned addresses stand.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

pub(crate) fn malformed(url: &Url, why: impl ToString) -> Error {
    Error::Malformed {
        url: shown(url),
        why: clean(&why.to_string()),
    }
}

fn timed_out(url: &Url, limit: Duration) -> Error {
    Error::Timeout {
        url: shown(url),
        seconds: limit.as_secs(),
    }
}

fn failed(url: &Url, error: reqwest::Error) -> Error {
    if error.is_timeout() && error.is_connect() {
        return timed_out(url, CONNECT_TIMEOUT);
    }
    Error::Unreachable {
        url: shown(url),
        source: error.without_url().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, code: &str, message: &str) -> Refused {
        let refused = read_refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(
            (refused.code.as_str(), refused.message.as_str()),
            (code, message),
            "{body}"
        );
        refused
    }

    #[test]
    fn both_forms_of_refusal_and_neither() {
        let ours = check(
            403,
            r#"{"error":{"code":"denied","message":"not yours","next":"ask\u001b an admin","requestId":"r1"}}"#,
            "denied",
            "not yours",
        );
        assert_eq!(ours.next.as_deref(), Some("ask  an admin"));
        assert_eq!(ours.request_id.as_deref(), Some("r1"));
        let registry = check(
            403,
            r#"{"errors":[{"code":"DENIED","message":"stage qa is missing","detail":{"gate":"production"}}]}"#,
            "DENIED",
            "stage qa is missing",
        );
        assert_eq!(registry.registry_code(), oci::ErrorCode::Denied);
        assert_eq!(registry.detail.unwrap()["gate"], "production");
        check(
            404,
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#,
            "MANIFEST_UNKNOWN",
            "not found",
        );
        check(
            502,
            "<html>bad gateway</html>",
            "bad-gateway",
            "bad gateway",
        );
        check(
            500,
            r#"{"errors":[]}"#,
            "internal-server-error",
            "internal server error",
        );
    }

    /// Whether the system's authorities were read: for this machine, for others.
    fn have_read(transport: &Transport) -> (bool, bool) {
        let has = |pool: &Pool| pool.secured.get().is_some();
        (has(&transport.local), has(&transport.away))
    }

    #[test]
    fn authorities_are_read_for_tls_only_and_once() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let at = |url: &str| Transport::new(&ClientOptions::new(url).unwrap()).unwrap();
        let plain = at("http://127.0.0.1:5000");
        let clone = plain.clone();
        let ask = |transport: &Transport, url: &str| {
            drop(transport.request(Method::GET, Url::parse(url).unwrap()));
        };
        ask(&plain, "http://127.0.0.1:5000/v2/");
        ask(&plain, "http://registry.example/v2/");
        assert_eq!(have_read(&plain), (false, false));
        // Where a blob is in a bucket, a server without TLS sends its client to one with.
        ask(&plain, "https://storage.example/b");
        assert_eq!(have_read(&plain), (false, true));
        assert_eq!(have_read(&clone), (false, true));
        ask(&clone, "https://localhost/b");
        assert_eq!(have_read(&plain), (true, true));
        // A machine without authorities is told so before anything is asked.
        assert_eq!(have_read(&at("https://registry.example")), (false, true));
        assert_eq!(have_read(&at("https://127.0.0.1:5000")), (true, false));
    }

    #[test]
    fn queries_are_not_shown() {
        let url = Url::parse("https://storage.example/b?X-Signature=secret#f").unwrap();
        assert_eq!(shown(&url), "https://storage.example/b");
    }
}
