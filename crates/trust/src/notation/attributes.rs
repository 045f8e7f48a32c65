//! What a signature says about itself beside its payload: the signed attributes, the same in both envelopes. Deliberately no
//! opinion on them but their form: whether a time has passed is for `verify`. signature-specification "Signed Attributes".

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::algorithm::Algorithm;
use super::store::StoreKind;
use crate::excerpt::excerpt;

/// The media type of every payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";

/// How a signature comes by its time. signing-scheme "Supported Signing Scheme".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `notary.x509`: the signer's own key; the signing time (milliseconds since 1970) is only a claim.
    X509 {
        /// When the signer says that it signed.
        signing_time: i64,
    },
    /// `notary.x509.signingAuthority`: a service that is trusted with the time too (milliseconds since 1970).
    SigningAuthority {
        /// When the service signed.
        authentic_signing_time: i64,
    },
}

impl Scheme {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X509 { .. } => X509,
            Self::SigningAuthority { .. } => SIGNING_AUTHORITY,
        }
    }

    /// The kind of store that its certificates must lead to, and no other: else whoever has a certificate of some authority could say
    /// when it signed. signing-scheme "Trust Stores".
    #[must_use]
    pub fn store(self) -> StoreKind {
        match self {
            Self::X509 { .. } => StoreKind::Ca,
            Self::SigningAuthority { .. } => StoreKind::SigningAuthority,
        }
    }

    /// The time that the signature names, believed or not, in milliseconds since 1970.
    #[must_use]
    pub fn time(self) -> i64 {
        match self {
            Self::X509 { signing_time } => signing_time,
            Self::SigningAuthority {
                authentic_signing_time,
            } => authentic_signing_time,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The signed attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The algorithm that the signature names. The certificate's key decides, and must say the same.
    pub algorithm: Algorithm,
    /// The signing scheme and its time.
    pub scheme: Scheme,
    /// Until when the artifact is to be used, in milliseconds since 1970.
    pub expiry: Option<i64>,
    /// All others, in the order of their names.
    pub extended: Vec<Extended>,
}

/// A signed attribute that the specification does not give a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// Its name.
    pub name: String,
    /// Its text; other values as JSON or CBOR's diagnostic form.
    pub value: String,
    /// Whether a reader must understand it.
    pub critical: bool,
}

/// The attributes as a format has them, before they are checked.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) algorithm: Option<Algorithm>,
    pub(super) content_type: Option<String>,
    pub(super) critical: Vec<String>,
    pub(super) scheme: Option<String>,
    pub(super) signing_time: Option<i64>,
    pub(super) authentic_signing_time: Option<i64>,
    pub(super) expiry: Option<i64>,
    pub(super) extended: Vec<(String, String)>,
}

impl Raw {
    pub(super) fn check(self) -> Result<Attributes, AttributeError> {
        let algorithm = self.algorithm.ok_or(AttributeError::Algorithm)?;
        match self.content_type.as_deref() {
            Some(PAYLOAD_TYPE) => {}
            other => {
                let found = other.map(excerpt).unwrap_or_default();
                return Err(AttributeError::ContentType { found });
            }
        }
        let scheme = self.scheme()?;
        // "Expiry": what ends before it began was never good.
        if self.expiry.is_some_and(|expiry| expiry <= scheme.time()) {
            return Err(AttributeError::ExpiryBeforeSigning);
        }
        self.check_critical(scheme)?;
        let critical: BTreeSet<String> = self.critical.into_iter().collect();
        let mut extended: Vec<Extended> = self
            .extended
            .into_iter()
            .map(|(name, value)| Extended {
                critical: critical.contains(&name),
                name,
                value,
            })
            .collect();
        extended.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(Attributes {
            algorithm,
            scheme,
            expiry: self.expiry,
            extended,
        })
    }

    fn scheme(&self) -> Result<Scheme, AttributeError> {
        let signing = (SIGNING_TIME, self.signing_time);
        let authentic = (AUTHENTIC_SIGNING_TIME, self.authentic_signing_time);
        match self.scheme.as_deref() {
            Some(X509) => Ok(Scheme::X509 {
                signing_time: own_time(X509, signing, authentic)?,
            }),
            Some(SIGNING_AUTHORITY) => Ok(Scheme::SigningAuthority {
                authentic_signing_time: own_time(SIGNING_AUTHORITY, authentic, signing)?,
            }),
            other => Err(AttributeError::Scheme {
                found: other.map(excerpt).unwrap_or_default(),
            }),
        }
    }

    fn check_critical(&self, scheme: Scheme) -> Result<(), AttributeError> {
        let mut listed = BTreeSet::new();
        for name in &self.critical {
            // RFC 7515 4.1.11 and RFC 9052 3.1: each once, present, and none of the format's own.
            if !listed.insert(name.as_str()) || !self.has(name) {
                return Err(AttributeError::CriticalList {
                    name: excerpt(name),
                });
            }
        }
        let authentic = matches!(scheme, Scheme::SigningAuthority { .. });
        let must = [
            (SIGNING_SCHEME, true),
            (AUTHENTIC_SIGNING_TIME, authentic),
            (EXPIRY, self.expiry.is_some()),
            // Not to be passed over by whoever runs no plugins.
            (VERIFICATION_PLUGIN, self.has(VERIFICATION_PLUGIN)),
            (PLUGIN_MIN_VERSION, self.has(PLUGIN_MIN_VERSION)),
        ];
        let missing = must
            .into_iter()
            .find(|(name, is_there)| *is_there && !listed.contains(name));
        match missing {
            Some((name, _)) => Err(AttributeError::NotCritical { name }),
            None => Ok(()),
        }
    }

    fn has(&self, name: &str) -> bool {
        match name {
            SIGNING_SCHEME => self.scheme.is_some(),
            SIGNING_TIME => self.signing_time.is_some(),
            AUTHENTIC_SIGNING_TIME => self.authentic_signing_time.is_some(),
            EXPIRY => self.expiry.is_some(),
            other => self.extended.iter().any(|(name, _)| name == other),
        }
    }
}

impl Attributes {
    /// What must be understood, in the order that the reference implementation writes in JWS: the scheme, attributes of its own,
    /// the times.
    pub(super) fn critical(&self) -> Vec<&str> {
        let own = self.extended.iter().filter(|extended| extended.critical);
        let mut names = vec![SIGNING_SCHEME];
        names.extend(own.map(|extended| extended.name.as_str()));
        names.extend(self.critical_times());
        names
    }

    /// The times among them.
    pub(super) fn critical_times(&self) -> Vec<&'static str> {
        let authentic = matches!(self.scheme, Scheme::SigningAuthority { .. });
        let names = [
            authentic.then_some(AUTHENTIC_SIGNING_TIME),
            self.expiry.is_some().then_some(EXPIRY),
        ];
        names.into_iter().flatten().collect()
    }

    /// The times by their names, in milliseconds since 1970.
    pub(super) fn times(&self) -> Vec<(&'static str, i64)> {
        let own = match self.scheme {
            Scheme::X509 { signing_time } => (SIGNING_TIME, signing_time),
            Scheme::SigningAuthority {
                authentic_signing_time,
            } => (AUTHENTIC_SIGNING_TIME, authentic_signing_time),
        };
        let expiry = self.expiry.map(|expiry| (EXPIRY, expiry));
        [Some(own), expiry].into_iter().flatten().collect()
    }
}

/// The time of a scheme. Both are "only valid" under their own.
fn own_time(
    scheme: &'static str,
    own: (&'static str, Option<i64>),
    other: (&'static str, Option<i64>),
) -> Result<i64, AttributeError> {
    match (own, other) {
        (_, (name, Some(_))) => Err(AttributeError::OtherTime { name, scheme }),
        ((name, None), _) => Err(AttributeError::NoTime { name, scheme }),
        ((_, Some(time)), _) => Ok(time),
    }
}

/// RFC 3339, in whole seconds: fractions SHOULD NOT be used.
pub(super) fn to_rfc3339(milliseconds: i64) -> Option<String> {
    let instant = Timestamp::from_second(milliseconds.div_euclid(1000)).ok()?;
    Some(instant.to_string())
}

/// Why the attributes are not those of a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// No algorithm, or not one of the six.
    #[error("`alg` is not one of ps256, ps384, ps512, es256, es384 and es512")]
    Algorithm,
    /// Another payload.
    #[error("its content type is `{found}`, not `{PAYLOAD_TYPE}`")]
    ContentType {
        /// What it is, shortened.
        found: String,
    },
    /// No scheme, or not one that is known.
    #[error(
        "its signing scheme is `{found}`: `notary.x509` and `notary.x509.signingAuthority` are known"
    )]
    Scheme {
        /// What it is, shortened.
        found: String,
    },
    /// The time of its scheme is not there.
    #[error("it has no `{name}`, which the signing scheme `{scheme}` must have")]
    NoTime {
        /// The attribute.
        name: &'static str,
        /// The scheme.
        scheme: &'static str,
    },
    /// The time of the other scheme is there.
    #[error("it has a `{name}`, which the signing scheme `{scheme}` must not have")]
    OtherTime {
        /// The attribute.
        name: &'static str,
        /// The scheme.
        scheme: &'static str,
    },
    /// A time in a form that is not known.
    #[error("its `{name}` is not a time")]
    Time {
        /// The attribute.
        name: &'static str,
    },
    /// It ends before it was made.
    #[error("its expiry is not after its signing time")]
    ExpiryBeforeSigning,
    /// What must be understood is not marked so.
    #[error("its attribute `{name}` must be marked critical")]
    NotCritical {
        /// The attribute.
        name: &'static str,
    },
    /// The list of critical attributes names one twice, one that is not there, or one of the format's own.
    #[error(
        "its list of critical attributes has `{name}` twice, or names what is not there or is always critical"
    )]
    CriticalList {
        /// The name, shortened.
        name: String,
    },
    /// An attribute of another type than it must have.
    #[error("its attribute `{name}` has not the form that it must have")]
    Form {
        /// The name, shortened.
        name: String,
    },
}

const X509: &str = "notary.x509";
const SIGNING_AUTHORITY: &str = "notary.x509.signingAuthority";

pub(super) const SIGNING_SCHEME: &str = "io.cncf.notary.signingScheme";
pub(super) const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
pub(super) const AUTHENTIC_SIGNING_TIME: &str = "io.cncf.notary.authenticSigningTime";
pub(super) const EXPIRY: &str = "io.cncf.notary.expiry";
/// The name of the plugin that is to verify.
pub(super) const VERIFICATION_PLUGIN: &str = "io.cncf.notary.verificationPlugin";
/// The least version of it.
pub(super) const PLUGIN_MIN_VERSION: &str = "io.cncf.notary.verificationPluginMinVersion";
/// Unsigned.
pub(super) const TIMESTAMP: &str = "io.cncf.notary.timestampSignature";
/// Unsigned.
pub(super) const SIGNING_AGENT: &str = "io.cncf.notary.signingAgent";
