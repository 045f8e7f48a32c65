//! Random bytes from the operating system's generator, through the one provider of cryptography.

use aws_lc_rs::rand;

use crate::error::{Error, Result};

/// Fills an array with random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::Crypto {
        what: "making random bytes",
        why: "the system gave none".to_owned(),
    })?;
    Ok(bytes)
}

/// `N` random bytes as lower-case hex, for ids.
pub(crate) fn hex<const N: usize>() -> Result<String> {
    Ok(hex::encode(bytes::<N>()?))
}
