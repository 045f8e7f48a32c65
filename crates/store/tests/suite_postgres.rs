//! The store's suite on PostgreSQL: the same `cases`, each test with a database of its own. It fails, and does not skip,
//! where COUNTERSIGN_TEST_POSTGRES does not name a server.

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

#[path = "database/postgres.rs"]
mod database;

mod cases;
mod fixture;
mod processes;
