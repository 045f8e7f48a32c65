//! What a server accepts from publishers, in the order and with the errors of notary-server, so that docker and notary
//! show the reason. [`validate`] judges a whole update at once and answers what to store; [`Accepted::seal`] signs what
//! the server has to sign; [`resign`] renews those signatures before they end. Deliberately pure: the caller brings what
//! is current, and stores what comes out in one transaction.

mod accepted;
mod current;
mod listing;
mod load;
mod refusal;
mod resign;
mod validate;

pub(in crate::tuf) use accepted::ReleasesPart;
pub use accepted::{Accepted, File, Uploaded};
pub use current::{Current, Held};
pub(in crate::tuf) use load::{stored, stored_root};
pub use refusal::{REFUSAL_BYTES_MAX, Refusal};
pub(in crate::tuf) use resign::made;
pub use resign::{due, resign};
pub use validate::{part_role, validate};
