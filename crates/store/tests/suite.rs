//! The store's suite on the embedded database. What is tested is in `cases`, which the suite on PostgreSQL shares.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::cloned_ref_to_slice_refs,
    reason = "a test says by a panic that it fails; helpers outside of test functions are tests as well"
)]

#[path = "database/sqlite.rs"]
mod database;

mod cases;
mod fixture;
