//! What several crates' tests need and the product must not hold: it is named under `dev-dependencies` only. It simulates the
//! world around the product (a service that is slow, busy, cut off or down), never a part of the product itself.

mod proxy;

pub use proxy::{Fault, Proxy, Seen, Times};
