//! What several crates' tests need and the product must not hold: it is named under `dev-dependencies` only. It simulates the
//! world around the product (a service that is slow, busy, cut off or down) and finds the services that tests are given, and is
//! never a part of the product itself.

mod proxy;
pub mod s3;

pub use proxy::{Fault, Proxy, Seen, Times};
