//! Stories of people and robots who log in, and of those who should not get in, against a real store.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod accounts;
mod issue;
mod login;
mod refresh;
mod upload;
mod world;
