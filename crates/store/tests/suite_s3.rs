//! The store's suite with blobs in S3: the same `cases` but those about files, and what only a service does. It fails, and does
//! not skip, where no server is named; `.ci/with-s3` starts one. Beside it is the embedded database, or PostgreSQL where
//! `.ci/with-postgres` started that too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::cloned_ref_to_slice_refs,
    dead_code,
    reason = "a test says by a panic that it fails; helpers outside of test functions are tests as well; some serve files"
)]

#[path = "database/s3.rs"]
mod database;

#[path = "cases"]
mod cases {
    mod accounts;
    mod audit;
    mod catalogue;
    mod decisions;
    mod evidence;
    mod feeds;
    mod findings;
    mod inventories;
    mod jobs;
    mod outbox;
    mod policies;
    mod readiness;
    mod signing_keys;
    mod succession;
    mod tokens;
    mod world;
}
mod fixture;
mod service;
