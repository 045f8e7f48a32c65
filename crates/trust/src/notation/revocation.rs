//! Revocation lists from files: base lists and deltas, of the authority that issued. Deliberately no fetching and no OCSP: what no file
//! says and a certificate points to is unavailable, never fine. trust-store-trust-policy "Certificate Revocation Evaluation"; RFC
//! 5280 sections 5 and 6.3.

mod list;

use std::sync::Arc;

use super::certificate::{Certificate, Freshest};
pub use list::{CRL_BYTES_MAX, Crl, CrlError, SuccessionFault};
use list::{Entry, Reach};

/// All lists that there are.
#[derive(Debug, Clone, Default)]
pub struct RevocationLists {
    lists: Vec<Arc<Crl>>,
    is_unchecked: bool,
}

impl RevocationLists {
    /// Takes every certificate for one that is not revoked, whatever it points to: for whoever keeps no lists and says so.
    #[must_use]
    pub fn danger_unchecked() -> Self {
        Self {
            lists: Vec::new(),
            is_unchecked: true,
        }
    }

    /// Adds a list. One that is shared is not copied.
    pub fn add(&mut self, list: impl Into<Arc<Crl>>) {
        self.lists.push(list.into());
    }

    /// Checks a chain, which must keep its rules, from the root down. `signed_at`: when it signed, as a trusted time says
    /// (milliseconds since 1970). `now` likewise.
    pub fn check(
        &self,
        chain: &[Certificate],
        signed_at: Option<i64>,
        now: i64,
    ) -> Result<(), RevocationFault> {
        if self.is_unchecked {
            return Ok(());
        }
        // A root is not on a list of its own: it is removed from the trust store.
        for pair in chain.windows(2).rev() {
            let [certificate, issuer] = pair else {
                continue;
            };
            self.check_one(certificate, issuer, signed_at, now)?;
        }
        Ok(())
    }

    fn check_one(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        signed_at: Option<i64>,
        now: i64,
    ) -> Result<(), RevocationFault> {
        let subject = || certificate.subject().to_excerpt();
        let unavailable = |why| RevocationFault::Unavailable {
            subject: subject(),
            why,
        };
        let of_issuer = |list: &&Crl| list.is_named_after(issuer);
        let lists = self.lists.iter().map(Arc::as_ref);
        let named: Vec<&Crl> = lists.filter(of_issuer).collect();
        if named.is_empty() {
            // "No revocation check is performed and the certificate is considered valid."
            return if certificate.extensions.names_revocation {
                Err(unavailable(Unavailable::NoList))
            } else {
                Ok(())
            };
        }
        let usable: Vec<&Crl> = named
            .into_iter()
            .filter(|list| list.reach(certificate) == Reach::All && list.is_signed_by(issuer))
            .collect();
        let base = newest(
            usable
                .iter()
                .copied()
                .filter(|list| list.delta_of.is_none()),
        )
        .ok_or_else(|| unavailable(Unavailable::NoUsableList))?;
        let delta = newest(usable.into_iter().filter(|list| list.continues(base)));
        let entry = entry(certificate, base, delta);
        let is_stale = !base.is_current(now) || delta.is_some_and(|delta| !delta.is_current(now));
        match entry {
            // Also what a list says that has ended, but for a hold, which may have been lifted since.
            Some(entry) if entry.counts(signed_at) && !(is_stale && entry.is_hold()) => {
                return Err(RevocationFault::Revoked {
                    subject: subject(),
                    revoked_at: entry.revoked_at,
                });
            }
            _ if is_stale => return Err(unavailable(Unavailable::Stale)),
            _ => {}
        }
        let points_to_delta = base.freshest.is_some() || certificate_wants_delta(certificate);
        if points_to_delta && delta.is_none() {
            return Err(unavailable(Unavailable::NoDelta));
        }
        Ok(())
    }
}

fn certificate_wants_delta(certificate: &Certificate) -> bool {
    match &certificate.extensions.freshest {
        Some(Freshest::Uris(uris)) => !uris.is_empty(),
        Some(Freshest::Unreadable) => true,
        None => false,
    }
}

fn newest<'a>(lists: impl Iterator<Item = &'a Crl>) -> Option<&'a Crl> {
    lists.max_by_key(|list| (list.this_update, list.number.clone()))
}

/// What a delta says counts before what its base says.
fn entry<'a>(
    certificate: &Certificate,
    base: &'a Crl,
    delta: Option<&'a Crl>,
) -> Option<&'a Entry> {
    match delta.and_then(|delta| delta.entry(certificate)) {
        Some(entry) if entry.is_removed() => None,
        Some(entry) => Some(entry),
        None => base.entry(certificate),
    }
}

/// Why a chain is not free of revocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationFault {
    /// A certificate is on a list.
    #[error("the certificate `{subject}` is revoked")]
    Revoked {
        /// Its subject.
        subject: String,
        /// Since when, in milliseconds since 1970.
        revoked_at: i64,
    },
    /// It cannot be known.
    #[error("whether the certificate `{subject}` is revoked cannot be known: {why}")]
    Unavailable {
        /// Its subject.
        subject: String,
        /// Why not.
        why: Unavailable,
    },
}

/// Why it cannot be known whether a certificate is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It points to lists or an OCSP responder, and no list of its issuer is there.
    #[error("add the revocation list of its issuer")]
    NoList,
    /// Lists are there, and none is signed by its issuer and speaks of it.
    #[error(
        "no list of its issuer can be used: they are signed by others, or speak of other certificates"
    )]
    NoUsableList,
    /// The list has ended, or is of tomorrow.
    #[error("the revocation list of its issuer has ended: add a new one")]
    Stale,
    /// A delta list belongs to it and is not there.
    #[error("the delta list of its issuer is missing")]
    NoDelta,
}
