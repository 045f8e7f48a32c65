//! What `.ci/with-s3 COMMAND` tells the tests in it: a bucket, the service that has it, and keys. Nothing is started here, and where
//! nothing was told a test fails.

#![expect(
    clippy::panic,
    reason = "a test that needs a service fails without one, and does not skip"
)]

use std::net::SocketAddr;

/// The value of a variable that `.ci/with-s3` sets.
///
/// # Panics
/// It is not set.
pub fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is missing: run this with `.ci/with-s3 COMMAND`"))
}

/// The service itself, as a client without a proxy reaches it.
///
/// # Panics
/// No service was named, or not as `http://ADDRESS:PORT`.
pub fn server() -> SocketAddr {
    let endpoint = variable("COUNTERSIGN_TEST_S3_ENDPOINT");
    let address: Option<SocketAddr> = endpoint
        .strip_prefix("http://")
        .and_then(|address| address.parse().ok());
    address.unwrap_or_else(|| panic!("`{endpoint}` is not `http://ADDRESS:PORT`"))
}
