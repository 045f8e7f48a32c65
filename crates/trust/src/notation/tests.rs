//! What signatures of the Notary Project are believed and which are not.

mod attacks;
mod certificates;
mod envelopes;
mod revocation;
mod timestamps;
mod wycheproof;
