//! On whose behalf a function acts: a principal with a permit that is still valid, or the server itself in a named job.
//! Whether the principal may do it was decided in `policy::access`; here only the end of the permit is checked.

use policy::{Actor, Permit, Verb};

use crate::error::{Error, Result};

/// The server itself, in one of its jobs. Functions that no principal may call ask for it by name, so that a call on a
/// principal's behalf cannot pass as the server's by leaving something out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System(&'static str);

impl System {
    /// The server in the job of this name, as the audit log will show it.
    #[must_use]
    pub const fn job(name: &'static str) -> System {
        System(name)
    }

    /// The same, for the audit log.
    #[must_use]
    pub fn actor(self) -> Actor {
        Actor::System(self.0)
    }
}

/// Who acts by this permit, as long as it is valid at `now`.
pub(crate) fn actor<V: Verb>(permit: &Permit<V>, now: i64) -> Result<Actor> {
    if permit.is_valid(now) {
        return Ok(permit.actor());
    }
    Err(Error::Refused {
        what: V::NAME,
        why: "the permit has ended: ask again".to_owned(),
    })
}
