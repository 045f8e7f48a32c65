//! `countersign trust` at a real server: the life of plain and of managed repositories, and how one of docker's becomes a managed one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic that it fails"
)]

#[path = "trust/docker.rs"]
mod docker;
#[path = "trust/managed.rs"]
mod managed;
#[path = "trust/person.rs"]
mod person;
#[path = "trust/plain.rs"]
mod plain;
#[path = "world/program.rs"]
mod world;
