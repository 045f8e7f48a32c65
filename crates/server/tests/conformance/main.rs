//! The distribution API as its specification has it, section by section, asked without a network. The suite that its authors
//! keep is run by `.ci/conformance`; what stands here also holds where there is no such suite, and goes on to who may do what. Trust
//! repositories are asked as docker and notary ask notary-server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod break_glass;
mod errors;
mod hostile;
mod kinds;
mod listing;
mod manifests;
mod mounts;
mod openpgp;
mod pull;
mod sessions;
mod tlog;
mod trust;
mod uploads;
mod world;
