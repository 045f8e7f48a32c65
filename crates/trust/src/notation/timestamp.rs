//! RFC 3161 timestamps: that a signature was there at a time, said by an authority of a `tsa` store. Deliberately no request to
//! anybody: [`request`] writes what to ask and [`token_of`] takes the answer apart. trust-store-trust-policy "Timestamp
//! Countersignature Verification"; RFC 3161, RFC 5816.

mod exchange;
mod token;

use super::certificate::Certificate;
use super::chain::{self, CHAIN_MAX, ChainFault, Purpose};
pub use exchange::{ExchangeError, request, token_of};
use token::Token;

#[cfg(test)]
pub(super) mod testing;

/// The longest timestamp token that is read, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256 * 1024;

/// The time that an authority vouches for: the signature was there before the end of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampRange {
    /// The earliest that the authority may have meant, in milliseconds since 1970.
    pub lower: i64,
    /// The latest, in milliseconds since 1970.
    pub upper: i64,
}

/// A timestamp that an authority of ours made, and that authority's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// When.
    pub range: TimestampRange,
    /// Its certificates, leaf first, root last. Whether one is revoked is for the caller to ask.
    pub chain: Vec<Certificate>,
}

/// Verifies a token (DER) over a signature. `roots` are the certificates of the trust stores for timestamps.
pub fn verify(
    token: &[u8],
    signature: &[u8],
    roots: &[&Certificate],
) -> Result<Stamped, TimestampFault> {
    let token = Token::parse(token)?;
    let signer = token.signer()?;
    let chain =
        path(signer, &token.certificates, roots).ok_or_else(|| TimestampFault::Untrusted {
            subject: signer.subject().to_excerpt(),
        })?;
    chain::check(&chain, Purpose::TimeStamping)?;
    let range = token.range;
    // The chain was valid when it stamped; that it ended since does not matter (RFC 3161, 4).
    let covers = |one: &Certificate| one.is_valid_at(range.lower) && one.is_valid_at(range.upper);
    if let Some(out) = chain.iter().find(|one| !covers(one)) {
        return Err(TimestampFault::Expired {
            subject: out.subject().to_excerpt(),
        });
    }
    if token.imprint_hash.of(signature) != token.imprint {
        return Err(TimestampFault::Imprint);
    }
    Ok(Stamped { range, chain })
}

/// From the signer to one of the roots, over the certificates that the token carries. A root is taken as soon as it fits.
fn path(
    signer: &Certificate,
    carried: &[Certificate],
    roots: &[&Certificate],
) -> Option<Vec<Certificate>> {
    let mut checks = CHECKS_MAX;
    let mut path = vec![signer.clone()];
    extend(&mut path, carried, roots, &mut checks).then_some(path)
}

fn extend(
    path: &mut Vec<Certificate>,
    carried: &[Certificate],
    roots: &[&Certificate],
    checks: &mut usize,
) -> bool {
    let Some(last) = path.last().cloned() else {
        return false;
    };
    let root = roots.iter().find(|root| issued(&last, root, checks));
    if let Some(root) = root {
        path.push((*root).clone());
        return true;
    }
    if path.len() + 1 >= CHAIN_MAX {
        return false;
    }
    for next in carried {
        if path.contains(next) || !issued(&last, next, checks) {
            continue;
        }
        path.push(next.clone());
        if extend(path, carried, roots, checks) {
            return true;
        }
        path.pop();
    }
    false
}

/// At most so many signatures are verified for one token.
fn issued(child: &Certificate, issuer: &Certificate, checks: &mut usize) -> bool {
    if child.issuer_raw() != issuer.subject_raw() || *checks == 0 {
        return false;
    }
    *checks -= 1;
    child.is_issued_by(issuer)
}

/// Why a timestamp does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampFault {
    /// There is none.
    #[error("the signature has no timestamp, and the trust policy asks for one")]
    Missing,
    /// Too long.
    #[error("limit exceeded: a timestamp of {bytes} bytes, at most {max} are read", max = TOKEN_BYTES_MAX)]
    Size {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Not an RFC 3161 token in DER.
    #[error("the timestamp is not an rfc 3161 token: {0}")]
    Form(&'static str),
    /// Its own signature is wrong, or over something else than it says.
    #[error("the timestamp's own signature is wrong: {0}")]
    Signature(&'static str),
    /// It is over another signature.
    #[error("the timestamp is over another signature")]
    Imprint,
    /// Its authority leads to no root of the trust stores.
    #[error(
        "the timestamp is of `{subject}`, who leads to no root in the trust stores for timestamps"
    )]
    Untrusted {
        /// The subject of the signer.
        subject: String,
    },
    /// Its chain breaks a rule.
    #[error("the timestamp's certificates: {0}")]
    Chain(#[from] ChainFault),
    /// Its chain was not valid then.
    #[error("the timestamp's certificate `{subject}` was not valid when it was made")]
    Expired {
        /// The subject.
        subject: String,
    },
}

const CHECKS_MAX: usize = 64;
