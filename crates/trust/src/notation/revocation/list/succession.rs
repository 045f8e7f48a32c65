//! Whether a list may take the place of the one that is known: an older one, which may still be current, would take back what was
//! revoked since. RFC 5280 section 5.2.3: numbers of lists of one scope grow. Whether its issuer signed a list is not asked here, as
//! no certificate of it is at hand; a list that nobody signed is of no use later, and keeps no newer one out, since what is of the
//! future is refused.

use super::Crl;

impl Crl {
    /// Checks whether this list may take the place of `known` at `now` (milliseconds since 1970).
    ///
    /// # Errors
    /// It is of another issuer or of another kind, not valid yet, or older than `known`.
    pub fn succeeds(&self, known: &Self, now: i64) -> Result<(), SuccessionFault> {
        if self.issuer_raw != known.issuer_raw || self.is_delta() != known.is_delta() {
            return Err(SuccessionFault::Another);
        }
        if self.this_update > now {
            return Err(SuccessionFault::Early {
                from: self.this_update,
            });
        }
        // Numbers of different scopes are not compared: each may be counted by itself. Nor does a known list of the future, with which
        // a server was started, keep others out.
        let is_older = self.this_update < known.this_update
            || (self.this_update == known.this_update
                && self.scope == known.scope
                && self.number < known.number);
        if is_older && known.this_update <= now {
            return Err(SuccessionFault::Older);
        }
        Ok(())
    }
}

/// Why a list does not take the place of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionFault {
    /// Of another issuer, or a delta in the place of a base or the other way round: what is known would be lost.
    #[error(
        "the revocation list is of another issuer, or of another kind, than the one whose place it takes: start the server again if that \
         is meant"
    )]
    Another,
    /// Its `thisUpdate` has not come.
    #[error("the revocation list is not valid yet: look at the clocks, or wait")]
    Early {
        /// From when it is, in milliseconds since 1970.
        from: i64,
    },
    /// An older one, as its `thisUpdate` or, where that is the same, its number says.
    #[error("the revocation list is older than the one that is known")]
    Older,
}
