//! How the server is run: what it counts and logs, whom it lets in, how it ends. Everything here goes over a real connection.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails where it stands; helpers outside of test functions are tests as well"
)]

mod http2;
mod limits;
mod logs;
mod metrics;
mod readiness;
mod stopping;
mod world;
