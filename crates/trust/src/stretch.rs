//! Keys stretched from passwords with scrypt, as key files ask for it (RFC 7914). Deliberately bounded before any work is
//! done: the numbers come from the file, and a file may come from anybody.

use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// The most memory that opening a key file may take for its key derivation, in bytes.
pub const SCRYPT_MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The most times that this memory is filled.
const P_MAX: u32 = 8;

/// What scrypt is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scrypt {
    pub(crate) n: u64,
    pub(crate) r: u32,
    pub(crate) p: u32,
}

/// It would cost more than is allowed, or its numbers make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooCostly;

impl Scrypt {
    /// A key of so many bytes.
    pub(crate) fn derive(
        self,
        password: &SecretString,
        salt: &[u8],
        key_bytes: usize,
    ) -> Result<SecretSlice<u8>, TooCostly> {
        let log_n = self.log_n().ok_or(TooCostly)?;
        let params = scrypt::Params::new(log_n, self.r, self.p).map_err(|_| TooCostly)?;
        let mut derived = vec![0; key_bytes];
        let password = password.expose_secret().as_bytes();
        scrypt::scrypt(password, salt, &params, &mut derived).map_err(|_| TooCostly)?;
        Ok(derived.into())
    }

    /// The logarithm of N, if all is within bounds.
    fn log_n(self) -> Option<u8> {
        // RFC 7914 section 2: N is a power of two over 1; memory is 128 * N * r bytes, time is that times p.
        let memory = u64::from(self.r).checked_mul(128)?.checked_mul(self.n)?;
        let allowed = self.n.is_power_of_two()
            && self.n > 1
            && (1..=P_MAX).contains(&self.p)
            && self.r > 0
            && memory <= SCRYPT_MEMORY_BYTES_MAX;
        let log = self.n.checked_ilog2().filter(|_| allowed)?;
        u8::try_from(log).ok()
    }
}
