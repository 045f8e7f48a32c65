//! The rules that every certificate chain must keep, whomever one trusts: order, signatures, and what each certificate may be used
//! for. Deliberately without time and without trust. signature-specification "Certificate Requirements".

use super::certificate::{Certificate, ExtendedKeyUsage, KeyUsage};

/// The most certificates in one chain.
pub const CHAIN_MAX: usize = 10;

/// What a chain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To sign artifacts.
    CodeSigning,
    /// To sign timestamps.
    TimeStamping,
}

/// Checks a chain, leaf first and root last.
pub fn check(chain: &[Certificate], purpose: Purpose) -> Result<(), ChainFault> {
    let (Some((leaf, above)), Some(root)) = (chain.split_first(), chain.last()) else {
        return Err(ChainFault::Empty);
    };
    if chain.len() > CHAIN_MAX {
        return Err(ChainFault::Length { count: chain.len() });
    }
    // Before any signature is looked at: what is signed over SHA-1 is not to be verified at all.
    if let Some(sha1) = chain.iter().find(|certificate| certificate.is_sha1()) {
        return Err(ChainFault::Sha1 {
            subject: named(sha1),
        });
    }
    for pair in chain.windows(2) {
        let [child, parent] = pair else { continue };
        if !child.is_issued_by(parent) {
            return Err(ChainFault::Order {
                subject: named(child),
                parent: named(parent),
            });
        }
        if child.is_self_signed() {
            return Err(ChainFault::SelfSigned {
                subject: named(child),
            });
        }
    }
    if !root.is_self_signed() {
        return Err(ChainFault::NoRoot {
            subject: named(root),
        });
    }
    for (below, certificate) in above.iter().enumerate() {
        check_authority(certificate, below, purpose)?;
    }
    check_leaf(leaf, purpose)
}

/// Of a root or an intermediate; `below` certificates of authorities stand between it and the leaf.
fn check_authority(
    certificate: &Certificate,
    below: usize,
    purpose: Purpose,
) -> Result<(), ChainFault> {
    let subject = || named(certificate);
    let constraints = certificate
        .extensions
        .basic_constraints
        .filter(|constraints| constraints.critical && constraints.is_ca)
        .ok_or_else(|| ChainFault::AuthorityConstraints { subject: subject() })?;
    let too_deep = |max: u32| u32::try_from(below).map_or(true, |below| below > max);
    if constraints.path_length_max.is_some_and(too_deep) {
        return Err(ChainFault::PathLength { subject: subject() });
    }
    let usage = key_usage(certificate, purpose)?;
    if !usage.cert_sign {
        return Err(ChainFault::AuthorityKeyUsage { subject: subject() });
    }
    Ok(())
}

fn check_leaf(leaf: &Certificate, purpose: Purpose) -> Result<(), ChainFault> {
    let subject = || named(leaf);
    if leaf.is_ca() {
        return Err(ChainFault::LeafIsAuthority { subject: subject() });
    }
    let usage = key_usage(leaf, purpose)?;
    if !usage.digital_signature || usage.beyond_signing {
        return Err(ChainFault::LeafKeyUsage { subject: subject() });
    }
    let extended = leaf.extensions.extended_key_usage;
    let fits = match purpose {
        Purpose::CodeSigning => extended.is_none_or(|usage| !usage.forbidden_for_code),
        Purpose::TimeStamping => extended.is_some_and(is_time_stamping_only),
    };
    if !fits {
        return Err(ChainFault::LeafExtendedKeyUsage { subject: subject() });
    }
    match (leaf.key(), leaf.algorithm(), purpose) {
        (Some(_), Some(_), _) | (Some(_), None, Purpose::TimeStamping) => Ok(()),
        _ => Err(ChainFault::Key { subject: subject() }),
    }
}

/// RFC 3161 2.3.
fn is_time_stamping_only(usage: ExtendedKeyUsage) -> bool {
    usage.critical && usage.time_stamping && !usage.beyond_time_stamping
}

/// For code signing it MUST be critical, for timestamps it SHOULD.
fn key_usage(certificate: &Certificate, purpose: Purpose) -> Result<KeyUsage, ChainFault> {
    let usage = certificate.extensions.key_usage;
    usage
        .filter(|usage| usage.critical || purpose == Purpose::TimeStamping)
        .ok_or_else(|| ChainFault::NoKeyUsage {
            subject: named(certificate),
        })
}

fn named(certificate: &Certificate) -> String {
    certificate.subject().to_excerpt()
}

/// Which rule a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// There is no certificate.
    #[error("the signature carries no certificate")]
    Empty,
    /// Too many certificates.
    #[error("limit exceeded: a chain of {count} certificates, at most {max} are read", max = CHAIN_MAX)]
    Length {
        /// How many there are.
        count: usize,
    },
    /// Signed over SHA-1.
    #[error("the certificate `{subject}` is signed over sha-1")]
    Sha1 {
        /// Its subject.
        subject: String,
    },
    /// The next one did not issue it.
    #[error(
        "the certificate `{subject}` was not issued by the next in the chain, `{parent}`: the order is leaf to root, and nothing else may stand there"
    )]
    Order {
        /// Its subject.
        subject: String,
        /// The subject of the next.
        parent: String,
    },
    /// A root that is not the last.
    #[error("the certificate `{subject}` signed itself and is not the last of the chain")]
    SelfSigned {
        /// Its subject.
        subject: String,
    },
    /// The last one is not a root.
    #[error(
        "the chain ends in `{subject}`, which is not a root: the whole chain must be in the signature"
    )]
    NoRoot {
        /// Its subject.
        subject: String,
    },
    /// No critical basic constraints with `cA`.
    #[error(
        "the certificate `{subject}` may not issue others: it needs critical basic constraints with `CA:TRUE`"
    )]
    AuthorityConstraints {
        /// Its subject.
        subject: String,
    },
    /// More authorities below than its `pathLenConstraint`.
    #[error("more authorities stand below `{subject}` than its path length allows")]
    PathLength {
        /// Its subject.
        subject: String,
    },
    /// No key usage, or not a critical one.
    #[error("the certificate `{subject}` needs a critical key usage")]
    NoKeyUsage {
        /// Its subject.
        subject: String,
    },
    /// No `keyCertSign`.
    #[error("the key usage of `{subject}` lacks `keyCertSign`")]
    AuthorityKeyUsage {
        /// Its subject.
        subject: String,
    },
    /// A leaf with `cA`.
    #[error("the certificate `{subject}` belongs to an authority, which signs no artifacts")]
    LeafIsAuthority {
        /// Its subject.
        subject: String,
    },
    /// Not `digitalSignature`, or more than it.
    #[error(
        "the key usage of `{subject}` must be `digitalSignature` without encipherment, agreement, `keyCertSign` or `cRLSign`"
    )]
    LeafKeyUsage {
        /// Its subject.
        subject: String,
    },
    /// For something else than this.
    #[error(
        "the extended key usage of `{subject}` does not fit: `codeSigning` for artifacts, a critical `timeStamping` alone for timestamps"
    )]
    LeafExtendedKeyUsage {
        /// Its subject.
        subject: String,
    },
    /// A key of another kind or length.
    #[error(
        "the key of `{subject}` is of no use here: rsa with 2048, 3072 or 4096 bits, or ec p-256, p-384 or p-521"
    )]
    Key {
        /// Its subject.
        subject: String,
    },
}
