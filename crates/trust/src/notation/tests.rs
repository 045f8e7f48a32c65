//! What signatures of the Notary Project are believed and which are not.

mod attacks;
mod attacks_headers;
mod certificates;
mod envelopes;
mod revocation;
mod timestamps;
mod wycheproof;
