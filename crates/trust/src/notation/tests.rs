//! What signatures of the Notary Project are believed and which are not.

mod attacks;
mod attacks_headers;
mod certificates;
mod envelopes;
mod identities;
mod plugins;
mod reference;
mod revocation;
mod signing_authority;
mod timestamps;
mod wycheproof;
