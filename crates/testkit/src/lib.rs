//! What several crates' tests need and the product must not hold: it is named under `dev-dependencies` only. It simulates the
//! world around the product (a service that is slow, busy, cut off or down) and finds the services that tests are given, and is
//! never a part of the product itself. The trust repository is the exception in half: its honest steps are the product's, so that each
//! story begins from what it would really have published.

mod proxy;
pub mod s3;
pub mod standard_repository;
pub mod trust_repository;

pub use proxy::{Fault, Proxy, Seen, Times};
