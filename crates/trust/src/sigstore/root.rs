//! The trusted root: whose certificates, logs and timestamps are believed, and when. Read from a file that the operator
//! chose. Deliberately no download, no update and no root built in: whom to trust is the operator's word.
//! protobuf-specs `sigstore_trustroot.proto`, JSON form, version 0.1 and 0.2.

use jiff::Timestamp;
use serde::Deserialize;

use crate::bundle::CERTIFICATES_MAX;
use crate::encoding::from_either_base64;
use crate::ends::End;
use crate::excerpt::excerpt;
use crate::key::PublicKey;
use crate::notation::Certificate;
use crate::strict::{self, JsonError, Object};

/// The longest trusted root that is read, in bytes.
pub const ROOT_BYTES_MAX: usize = 1024 * 1024;
/// The most logs or authorities of one kind.
pub const AUTHORITIES_MAX: usize = 64;

/// Whom to believe. An empty one believes nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedRoot {
    pub(super) logs: Vec<Log>,
    pub(super) certificate_authorities: Vec<Authority>,
    pub(super) certificate_logs: Vec<Log>,
    pub(super) timestamp_authorities: Vec<Authority>,
    unsupported: Vec<String>,
}

/// A log that signs: of signatures, or of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) id: Vec<u8>,
    pub(super) key: PublicKey,
    pub(super) window: Window,
}

/// Certificates in DER, the end of the chain last: its root or whatever else is believed as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) window: Window,
}

/// When something is believed, in milliseconds since 1970; both ends belong to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
}

impl Window {
    pub(super) fn contains(self, at: i64) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end)
    }
}

impl TrustedRoot {
    /// Reads a root. Unknown fields are ignored, as newer roots have more of them; a key that stands twice is refused.
    /// Logs whose kind of key is not supported are left out: see [`TrustedRoot::unsupported`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RootError> {
        let wire: Wire = strict::parse(bytes, ROOT_BYTES_MAX)?;
        if !MEDIA_TYPES.contains(&wire.media_type.as_str()) {
            return Err(RootError::MediaType(excerpt(&wire.media_type)));
        }
        let mut unsupported = Vec::new();
        Ok(Self {
            logs: logs(wire.tlogs, &mut unsupported)?,
            certificate_authorities: authorities(wire.certificate_authorities)?,
            certificate_logs: logs(wire.ctlogs, &mut unsupported)?,
            timestamp_authorities: authorities(wire.timestamp_authorities)?,
            unsupported,
        })
    }

    /// The addresses of logs that are left out, because their kind of key is not supported.
    #[must_use]
    pub fn unsupported(&self) -> &[String] {
        &self.unsupported
    }

    /// Whether it names any transparency log.
    #[must_use]
    pub fn has_logs(&self) -> bool {
        !self.logs.is_empty()
    }

    /// When each log and each authority stops being believed for what is new, where the root or a certificate says so; in the order of
    /// time. A part that was replaced has its end as well.
    #[must_use]
    pub fn ends(&self) -> Vec<End> {
        let of_logs = |logs: &[Log], what: &str| {
            let ends = logs.iter().filter_map(|log| {
                let part = format!("the {what} {}", log.key.id());
                log.window.end.map(|at| End { at, part })
            });
            ends.collect::<Vec<_>>()
        };
        let of_authorities = |authorities: &[Authority], what: &str| {
            let ends = authorities.iter().filter_map(|one| one.end(what));
            ends.collect::<Vec<_>>()
        };
        let mut ends = [
            of_logs(&self.logs, "transparency log"),
            of_logs(&self.certificate_logs, "certificate log"),
            of_authorities(&self.certificate_authorities, "certificate authority"),
            of_authorities(&self.timestamp_authorities, "timestamping authority"),
        ]
        .concat();
        ends.sort();
        ends
    }
}

impl Authority {
    /// The end of its window, or of the certificate of its chain that ends first. One that cannot be read vouches for nothing and ends
    /// nothing.
    fn end(&self, what: &str) -> Option<End> {
        let chain: Vec<Certificate> = self
            .chain
            .iter()
            .filter_map(|der| Certificate::parse(der).ok())
            .collect();
        let of_chain = chain.iter().map(Certificate::not_after).min();
        let at = of_chain.into_iter().chain(self.window.end).min()?;
        let name = chain.first().map(|first| first.subject().to_excerpt());
        let part = format!("the {what} {}", name.unwrap_or_default());
        Some(End { at, part })
    }
}

fn logs(wires: Vec<Object<WireLog>>, unsupported: &mut Vec<String>) -> Result<Vec<Log>, RootError> {
    check_count(wires.len())?;
    let mut logs = Vec::new();
    for Object(wire) in wires {
        let Object(key) = wire.public_key.ok_or(RootError::Missing("public key"))?;
        let Object(id) = wire.log_id.ok_or(RootError::Missing("log id"))?;
        let der = from_either_base64(&key.raw_bytes).ok_or(RootError::Base64("public key"))?;
        let Ok(public) = PublicKey::from_der(&der) else {
            unsupported.push(excerpt(&wire.base_url));
            continue;
        };
        logs.push(Log {
            id: from_either_base64(&id.key_id).ok_or(RootError::Base64("log id"))?,
            key: public,
            window: window(key.valid_for)?,
        });
    }
    Ok(logs)
}

fn authorities(wires: Vec<Object<WireAuthority>>) -> Result<Vec<Authority>, RootError> {
    check_count(wires.len())?;
    let authority = |Object(wire): Object<WireAuthority>| {
        let certificates = wire
            .cert_chain
            .map(|Object(chain)| chain.certificates)
            .unwrap_or_default();
        if certificates.is_empty() || certificates.len() > CERTIFICATES_MAX {
            return Err(RootError::Chain {
                count: certificates.len(),
            });
        }
        let der = |Object(certificate): Object<WireCertificate>| {
            from_either_base64(&certificate.raw_bytes).ok_or(RootError::Base64("certificate"))
        };
        Ok(Authority {
            chain: certificates
                .into_iter()
                .map(der)
                .collect::<Result<_, _>>()?,
            window: window(wire.valid_for)?,
        })
    };
    wires.into_iter().map(authority).collect()
}

fn window(wire: Option<Object<WireWindow>>) -> Result<Window, RootError> {
    let Some(Object(wire)) = wire else {
        return Ok(Window::default());
    };
    let instant = |text: Option<String>| match text {
        None => Ok(None),
        Some(text) => match text.parse::<Timestamp>() {
            Ok(instant) => Ok(Some(instant.as_millisecond())),
            Err(_) => Err(RootError::Time(excerpt(&text))),
        },
    };
    Ok(Window {
        start: instant(wire.start)?,
        end: instant(wire.end)?,
    })
}

fn check_count(count: usize) -> Result<(), RootError> {
    if count > AUTHORITIES_MAX {
        return Err(RootError::TooMany { count });
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<Object<WireLog>>,
    #[serde(default)]
    certificate_authorities: Vec<Object<WireAuthority>>,
    #[serde(default)]
    ctlogs: Vec<Object<WireLog>>,
    #[serde(default)]
    timestamp_authorities: Vec<Object<WireAuthority>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLog {
    #[serde(default)]
    base_url: String,
    public_key: Option<Object<WireKey>>,
    log_id: Option<Object<WireLogId>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    raw_bytes: String,
    valid_for: Option<Object<WireWindow>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAuthority {
    cert_chain: Option<Object<WireChain>>,
    valid_for: Option<Object<WireWindow>>,
}

#[derive(Deserialize)]
struct WireChain {
    #[serde(default)]
    certificates: Vec<Object<WireCertificate>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCertificate {
    raw_bytes: String,
}

#[derive(Deserialize)]
struct WireWindow {
    start: Option<String>,
    end: Option<String>,
}

/// Why a trusted root is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Not the JSON of a root, or over a limit.
    #[error("the trusted root cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Another version, or not a trusted root.
    #[error("`{0}` is not a trusted root of version 0.1 or 0.2")]
    MediaType(String),
    /// A log without a part that it needs.
    #[error("a log of the trusted root has no {0}")]
    Missing(&'static str),
    /// Not canonical base64.
    #[error("a {0} of the trusted root is not canonical base64")]
    Base64(&'static str),
    /// An authority without certificates, or with too many.
    #[error("an authority of the trusted root has {count} certificates: it needs 1 to {max}", max = CERTIFICATES_MAX)]
    Chain {
        /// How many there are.
        count: usize,
    },
    /// Not a time.
    #[error("`{0}` in the trusted root is not a time of rfc 3339")]
    Time(String),
    /// More than [`AUTHORITIES_MAX`].
    #[error("limit exceeded: {count} authorities of one kind, at most {max} are read", max = AUTHORITIES_MAX)]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::encoding::to_base64;
    use crate::private::Signer;
    use crate::testing::key;

    fn root() -> Value {
        json!({
            "mediaType": MEDIA_TYPES[0],
            "tlogs": [{
                "baseUrl": "https://log.example",
                "publicKey": {
                    "rawBytes": to_base64(key().public_key().as_der()),
                    "validFor": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00.5Z"},
                },
                "logId": {"keyId": "AAAA"},
            }],
            "certificateAuthorities": [{"certChain": {"certificates": [{"rawBytes": "AAAA"}]}}],
            "something-newer": {},
        })
    }

    fn parse(value: &Value) -> Result<TrustedRoot, RootError> {
        TrustedRoot::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_window_has_both_its_ends() {
        let root = parse(&root()).unwrap();
        assert!(root.has_logs());
        let window = root.logs[0].window;
        let (start, end) = (1_767_225_600_000, 1_769_904_000_500);
        assert!(window.contains(start) && window.contains(end));
        assert!(!window.contains(start - 1) && !window.contains(end + 1));
        assert!(Window::default().contains(i64::MIN));
    }

    #[test]
    fn a_part_ends_with_its_window_or_its_first_certificate() {
        let ends = |value: &Value| parse(value).unwrap().ends();
        let mut value = root();
        let log = ends(&value);
        assert_eq!(log.len(), 1, "the authority says nothing that can be read");
        assert_eq!(log[0].at, 1_769_904_000_500);
        assert!(log[0].part.starts_with("the transparency log "), "{log:?}");

        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 15);
        let pair = rcgen::KeyPair::generate().unwrap();
        let der = to_base64(params.self_signed(&pair).unwrap().der());
        value["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = der.into();
        let both = ends(&value);
        assert_eq!(both.len(), 2);
        assert_eq!(both[0].at, 1_768_435_200_000);
        assert!(both[0].part.starts_with("the certificate authority"));
        value["certificateAuthorities"][0]["validFor"] = json!({"end": "2026-01-10T00:00:00Z"});
        assert_eq!(ends(&value)[0].at, 1_768_003_200_000);
    }

    #[test]
    fn what_cannot_be_read_is_refused_or_told() {
        let mut odd = root();
        odd["tlogs"][0]["publicKey"]["rawBytes"] = "MAA=".into();
        let odd = parse(&odd).unwrap();
        assert_eq!(
            (odd.has_logs(), odd.unsupported()),
            (false, &["https://log.example".to_owned()][..])
        );

        let mut other = root();
        other["mediaType"] = "application/json".into();
        assert_eq!(
            parse(&other),
            Err(RootError::MediaType("application/json".into()))
        );
        let mut late = root();
        late["tlogs"][0]["publicKey"]["validFor"]["end"] = "soon".into();
        assert_eq!(parse(&late), Err(RootError::Time("soon".into())));
        let mut bare = root();
        bare["certificateAuthorities"][0]["certChain"]["certificates"] = json!([]);
        assert_eq!(parse(&bare), Err(RootError::Chain { count: 0 }));
        let twice = root()
            .to_string()
            .replacen("\"tlogs\":", "\"tlogs\":[],\"tlogs\":", 1);
        assert_eq!(
            TrustedRoot::parse(twice.as_bytes()),
            Err(RootError::Json(JsonError::DuplicateKey("tlogs".into())))
        );
    }
}
