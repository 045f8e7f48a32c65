//! The steps of verification in their order: integrity, authenticity, expiry, authentic timestamp, revocation. Pure: bytes, stores,
//! lists and the time come in. Deliberately no word on how many signatures are needed, or for what stage.
//! trust-store-trust-policy "Signature Verification".

use oci::Descriptor;

use super::attributes::{Extended, Scheme, VERIFICATION_PLUGIN};
use super::certificate::Certificate;
use super::chain::{self, ChainFault, Purpose};
use super::envelope::{Envelope, EnvelopeError, Format};
use super::identity::Name;
use super::payload::{self, PayloadError};
use super::policy::{Action, Actions, Level, Statement, VerifyTimestamp};
use super::revocation::{RevocationFault, RevocationLists};
use super::store::{StoreKind, StoreName, TrustStores};
use super::timestamp::{self, TimestampFault, TimestampRange};
use crate::excerpt::excerpt;

/// A step of verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// The envelope is whole, keeps the rules, and is about this artifact.
    Integrity,
    /// A trusted identity made it.
    Authenticity,
    /// It has not passed its expiry.
    Expiry,
    /// It was made while its certificates were valid.
    AuthenticTimestamp,
    /// None of its certificates is revoked.
    Revocation,
}

/// Whom and what to believe.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// What the trust policy has for the repository.
    pub statement: &'a Statement,
    /// The trust stores.
    pub stores: &'a TrustStores,
    /// The revocation lists.
    pub lists: &'a RevocationLists,
}

/// What verification comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The trust policy says not to look. Nothing is known.
    Skipped,
    /// The signature passes.
    Passed(Box<Passed>),
    /// The signature fails.
    Failed {
        /// The step that failed.
        check: Check,
        /// Why.
        why: Failure,
    },
}

/// A signature that passes, as far as its trust policy enforces: what it failed beside is in `logged`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The artifact that it was to be about, and is.
    pub artifact: Descriptor,
    /// Who signed, if that was verified. Under the level `audit` it may not have been: then nobody stands behind it.
    pub identity: Option<Identity>,
    /// The time that may be believed, if there is one.
    pub time: Option<TrustedTime>,
    /// The signing scheme, with the time that the signature names.
    pub scheme: Scheme,
    /// What failed and is only told, in the order of the steps.
    pub logged: Vec<(Check, Failure)>,
}

/// Whom a signature is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The subject of the signing certificate.
    pub subject: Name,
    /// The SHA-256 of the signing certificate, in lower-case hexadecimal.
    pub thumbprint: String,
    /// The trust store that its chain leads to.
    pub store: StoreName,
}

/// A time that somebody trusted says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedTime {
    /// A timestamping service.
    Timestamp(TimestampRange),
    /// The signing service itself, in milliseconds since 1970.
    SigningAuthority(i64),
}

impl TrustedTime {
    /// By when the signature was there, in milliseconds since 1970.
    #[must_use]
    pub fn latest(self) -> i64 {
        match self {
            Self::Timestamp(range) => range.upper,
            Self::SigningAuthority(time) => time,
        }
    }
}

/// Verifies an envelope's bytes about an artifact. `now` is in milliseconds since 1970.
#[must_use]
pub fn verify(
    format: Format,
    bytes: &[u8],
    artifact: &Descriptor,
    trust: Trust<'_>,
    now: i64,
) -> Outcome {
    let actions = match trust.statement.level {
        Level::Skip => return Outcome::Skipped,
        Level::Verify(actions) => actions,
    };
    let envelope = match integrity(format, bytes, artifact) {
        Ok(envelope) => envelope,
        Err(why) => {
            return Outcome::Failed {
                check: Check::Integrity,
                why,
            };
        }
    };
    match steps(&envelope, artifact, trust, actions, now) {
        Ok(passed) => Outcome::Passed(Box::new(passed)),
        Err((check, why)) => Outcome::Failed { check, why },
    }
}

/// What must hold of an envelope whoever made it: its form, the rules of certificates, its algorithm, its signature, its payload, and
/// that nothing critical in it is unknown. Always enforced, at the level `audit` too.
pub fn integrity(format: Format, bytes: &[u8], artifact: &Descriptor) -> Result<Envelope, Failure> {
    let envelope = Envelope::parse(format, bytes)?;
    let chain = envelope.chain();
    chain::check(chain, Purpose::CodeSigning)?;
    let leaf = chain.first().ok_or(ChainFault::Empty)?;
    // signature-envelope-jws, -cose: "the signature algorithm of the signing key is the source of truth".
    if leaf.algorithm() != Some(envelope.attributes().algorithm) {
        return Err(Failure::Algorithm);
    }
    let message = envelope.signed_bytes();
    let has_signed = leaf
        .key()
        .is_some_and(|key| key.has_signed(&message, envelope.signature()));
    if !has_signed {
        return Err(Failure::Signature);
    }
    let signed = payload::parse(envelope.payload())?;
    if !payload::is_about(&signed, artifact) {
        return Err(Failure::OtherArtifact {
            signed: signed.digest.to_string(),
        });
    }
    check_understood(&envelope)?;
    Ok(envelope)
}

/// "An implementation MUST fail signature verification if it cannot perform the equivalent verification logic" of a plugin. Plugins are
/// what could understand more; there are none here. signature-specification "Signature Portability".
fn check_understood(envelope: &Envelope) -> Result<(), Failure> {
    let extended = envelope.attributes().extended.iter();
    let critical: Vec<&Extended> = extended.filter(|one| one.critical).collect();
    let plugin = critical.iter().find(|one| one.name == VERIFICATION_PLUGIN);
    match (plugin, critical.first()) {
        (Some(plugin), _) => Err(Failure::Plugin {
            name: excerpt(&plugin.value),
        }),
        (None, Some(unknown)) => Err(Failure::UnknownCritical {
            name: excerpt(&unknown.name),
        }),
        (None, None) => Ok(()),
    }
}

/// A failure of an enforced step ends it; one that is only logged is told.
struct Steps {
    logged: Vec<(Check, Failure)>,
}

impl Steps {
    fn take<T>(
        &mut self,
        check: Check,
        action: Action,
        result: Result<T, Failure>,
    ) -> Result<Option<T>, (Check, Failure)> {
        match (result, action) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(why), Action::Enforce) => Err((check, why)),
            (Err(why), Action::Log | Action::Skip) => {
                self.logged.push((check, why));
                Ok(None)
            }
        }
    }
}

fn steps(
    envelope: &Envelope,
    artifact: &Descriptor,
    trust: Trust<'_>,
    actions: Actions,
    now: i64,
) -> Result<Passed, (Check, Failure)> {
    let mut steps = Steps { logged: Vec::new() };
    let scheme = envelope.attributes().scheme;
    let identity = steps.take(
        Check::Authenticity,
        actions.authenticity,
        identity(envelope, trust),
    )?;
    let expiry = expiry(envelope, now);
    steps.take(Check::Expiry, actions.expiry, expiry)?;
    let time = steps
        .take(
            Check::AuthenticTimestamp,
            actions.authentic_timestamp,
            authentic_time(envelope, trust, now),
        )?
        .flatten();
    // A service's time is worth what the service is: nothing, if it is not trusted.
    let time = time.filter(|time| match time {
        TrustedTime::Timestamp(_) => true,
        TrustedTime::SigningAuthority(_) => identity.is_some(),
    });
    if actions.revocation != Action::Skip {
        let signed_at = time.map(TrustedTime::latest);
        let revocation = trust.lists.check(envelope.chain(), signed_at, now);
        let revocation = revocation.map_err(Failure::from);
        steps.take(Check::Revocation, actions.revocation, revocation)?;
    }
    Ok(Passed {
        artifact: artifact.clone(),
        identity,
        time,
        scheme,
        logged: steps.logged,
    })
}

fn identity(envelope: &Envelope, trust: Trust<'_>) -> Result<Identity, Failure> {
    let kind = envelope.attributes().scheme.store();
    let chain = envelope.chain();
    let leaf = chain.first().ok_or(ChainFault::Empty)?;
    let stores = trust.statement.stores.iter();
    let trusted = |store: &&StoreName| {
        let certificates = trust.stores.certificates(store);
        chain.iter().any(|one| certificates.contains(one))
    };
    let store = stores
        .filter(|store| store.kind() == kind)
        .find(trusted)
        .ok_or_else(|| Failure::Untrusted {
            root: chain.last().unwrap_or(leaf).subject().to_excerpt(),
            kind: kind.as_str(),
        })?;
    let subject = leaf.subject();
    let identities = &trust.statement.identities;
    if !identities.iter().any(|identity| identity.matches(subject)) {
        return Err(Failure::OtherIdentity {
            subject: subject.to_excerpt(),
        });
    }
    Ok(Identity {
        subject: subject.clone(),
        thumbprint: leaf.thumbprint(),
        store: store.clone(),
    })
}

/// "The artifact is considered expired when the current time is greater than or equal to expiry time."
fn expiry(envelope: &Envelope, now: i64) -> Result<(), Failure> {
    match envelope.attributes().expiry {
        Some(expiry) if now >= expiry => Err(Failure::Expired { expiry }),
        _ => Ok(()),
    }
}

/// That the chain was valid when it signed: at the time that a service vouches for, else now.
fn authentic_time(
    envelope: &Envelope,
    trust: Trust<'_>,
    now: i64,
) -> Result<Option<TrustedTime>, Failure> {
    let chain = envelope.chain();
    let time = match envelope.attributes().scheme {
        Scheme::SigningAuthority {
            authentic_signing_time,
        } => Some(TrustedTime::SigningAuthority(authentic_signing_time)),
        Scheme::X509 { .. } if is_stamp_needed(chain, trust.statement, now) => {
            let range = stamped(envelope, trust, now)?;
            Some(TrustedTime::Timestamp(range))
        }
        Scheme::X509 { .. } => None,
    };
    let (from, to) = match time {
        Some(TrustedTime::Timestamp(range)) => (range.lower, range.upper),
        Some(TrustedTime::SigningAuthority(time)) => (time, time),
        None => (now, now),
    };
    let out = chain
        .iter()
        .find(|one| !one.is_valid_at(from) || !one.is_valid_at(to));
    match out {
        Some(out) => Err(Failure::CertificateExpired {
            subject: out.subject().to_excerpt(),
            not_before: out.not_before(),
            not_after: out.not_after(),
            is_stamped: time.is_some(),
        }),
        None => Ok(time),
    }
}

/// "Sufficient and necessary conditions to trigger timestamp countersignature verification".
fn is_stamp_needed(chain: &[Certificate], statement: &Statement, now: i64) -> bool {
    let has_store = statement
        .stores
        .iter()
        .any(|store| store.kind() == StoreKind::Tsa);
    let has_ended = || chain.iter().any(|one| now > one.not_after());
    has_store
        && match statement.verify_timestamp {
            VerifyTimestamp::Always => true,
            VerifyTimestamp::AfterCertExpiry => has_ended(),
        }
}

/// The service's own certificates must not be revoked; that is always enforced.
fn stamped(envelope: &Envelope, trust: Trust<'_>, now: i64) -> Result<TimestampRange, Failure> {
    let token = envelope.timestamp().ok_or(TimestampFault::Missing)?;
    let stores = trust.statement.stores.iter();
    let roots: Vec<&Certificate> = stores
        .filter(|store| store.kind() == StoreKind::Tsa)
        .flat_map(|store| trust.stores.certificates(store))
        .collect();
    let stamped = timestamp::verify(token, envelope.signature(), &roots)?;
    let revocation = trust.lists.check(&stamped.chain, None, now);
    revocation.map_err(Failure::TimestampRevocation)?;
    Ok(stamped.range)
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The envelope cannot be read.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Its certificates break a rule.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// It names another algorithm than its key dictates.
    #[error("it names another algorithm than the key of its certificate has")]
    Algorithm,
    /// The certificate's key did not sign these bytes.
    #[error(
        "its certificate's key did not sign these bytes: the signature or what it signs was changed"
    )]
    Signature,
    /// The payload cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It is about another artifact.
    #[error("it is about another artifact, `{signed}`, or one of another type or size")]
    OtherArtifact {
        /// The digest that is signed.
        signed: String,
    },
    /// It has something critical that is not understood.
    #[error("its attribute `{name}` is critical and not known: no plugins are run")]
    UnknownCritical {
        /// The attribute, shortened.
        name: String,
    },
    /// It leaves part of its verification to a plugin.
    #[error("it is to be verified by the plugin `{name}`: no plugins are run")]
    Plugin {
        /// The plugin, shortened.
        name: String,
    },
    /// Its chain leads to no trust store of the policy.
    #[error(
        "its certificates lead to `{root}`, which is in no trust store of the kind `{kind}` that the trust policy names"
    )]
    Untrusted {
        /// The subject of its root.
        root: String,
        /// The kind of store that its scheme needs.
        kind: &'static str,
    },
    /// Its subject is not trusted.
    #[error("it was signed by `{subject}`, who is not among the trusted identities")]
    OtherIdentity {
        /// The subject of its leaf.
        subject: String,
    },
    /// It has passed its expiry.
    #[error("the signature has expired: its signer set an end")]
    Expired {
        /// The end, in milliseconds since 1970.
        expiry: i64,
    },
    /// A certificate was not valid when it mattered.
    #[error(
        "the certificate `{subject}` {}",
        if *is_stamped { "was not valid when the signature was made" } else { "is not valid now, and no timestamp says that it was" }
    )]
    CertificateExpired {
        /// Its subject.
        subject: String,
        /// The first instant of its validity, in milliseconds since 1970.
        not_before: i64,
        /// The last instant of its validity, in milliseconds since 1970.
        not_after: i64,
        /// Whether a trusted time was compared, or now.
        is_stamped: bool,
    },
    /// Its timestamp does not count.
    #[error(transparent)]
    Timestamp(#[from] TimestampFault),
    /// The timestamping service's certificates are revoked, or that cannot be known.
    #[error("its timestamp: {0}")]
    TimestampRevocation(#[source] RevocationFault),
    /// Its certificates are revoked, or that cannot be known.
    #[error(transparent)]
    Revocation(#[from] RevocationFault),
}
