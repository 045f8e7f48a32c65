//! What is asked of an update besides [`publish`](super::publish) where gates decide what is released: the form that it leaves the
//! repository in, what it vouches for, and the server's own file `targets/releases`. Nobody but the server writes that file, so that no
//! signer alone, nor the owner, releases a tag. Deliberately no policy and no accounts: the caller says whose a key is and which names
//! are stages, and which tags the gates allow.
//!
//! The form of a managed repository:
//!
//! - `root` names no snapshot key but the server's;
//! - `targets` lists nothing, and delegates `targets/releases` to the server's key alone;
//! - every other delegation is one signer's, `targets/<name>`, with registered keys of one principal; where a stage has the name, it
//!   may delegate further to signers of that stage, `targets/<stage>/<name>`.

mod entries;
mod fault;
mod form;
mod release;
mod vouch;

pub use entries::Entries;
pub use fault::{Fault, Next};
pub use form::{Delegated, Form, Rules, check_parts, delegated, form_of};
pub(in crate::tuf) use release::is_signed;
pub use release::{RELEASED_MAX, release};
pub use vouch::{FORMAT, StoredFile, VOUCHES_MAX, Vouch, stage_of};

use super::gun::Gun;
use super::publish::{Accepted, Current, Held, Refusal};

/// Judges an update that was accepted, as one of a managed repository, with everything that is current. What is answered is to be
/// sealed and stored instead.
///
/// # Errors
/// It does not leave the repository in the form above, or vouches for too much at once.
pub fn admit(
    gun: &Gun,
    accepted: Accepted,
    current: &Current,
    held: &Held,
    rules: &Rules<'_>,
    now: i64,
) -> Result<Accepted, Refusal> {
    let refused = |fault| Refusal::NotManaged {
        fault,
        next: Next::after(&form_of(current, held), gun),
    };
    let after = form::After::of(&accepted, current)?;
    form::check(&after, current, held, rules).map_err(refused)?;
    let vouches = vouch::vouches(&accepted, &after, current, rules, &refused)?;
    let accepted = accepted.with_vouches(vouches);
    match release::taken_over(&after, current, held, now)? {
        Some(releases) => Ok(accepted.with_releases(releases)),
        None => Ok(accepted),
    }
}
