//! The client against small real servers on loopback: each test says what the server answers, and looks at what it was
//! asked. Deliberately no mocks of the HTTP library.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod api;
mod login;
mod pull;
mod push;
mod referrers;
mod server;
mod signatures;
mod tls;
mod trust;
mod webhooks;
