//! Passwords: what may be one, how they are hashed, and checking one against its hash. argon2id with the parameters of
//! OWASP's "Password Storage Cheat Sheet"; two at a time, and no endless queue for them.

use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::broken;
use crate::{AuthError, Error, secret};

/// The shortest password, in characters.
const CHARACTERS_MIN: usize = 8;
/// The longest, in bytes; what is longer is only work for the hash.
pub(crate) const BYTES_MAX: usize = 1_024;
/// Memory of one hash in KiB: 7 MiB. The cheat sheet calls it as strong with five passes as 19 MiB are with two, at the same cost
/// in time: a server that log-ins knock at has a use for the difference.
const MEMORY_KIB: u32 = 7 * 1_024;
const PASSES: u32 = 5;
const LANES: u32 = 1;
/// A stored hash that asks for more was not written by us; it would be a way to use up the memory.
const STORED_MEMORY_KIB_MAX: u32 = 64 * 1_024;
const STORED_PASSES_MAX: u32 = 8;
/// Hashes at the same time, for all of the server.
const AT_ONCE: usize = 2;
/// Log-ins that may wait for them.
const WAITING_MAX: usize = 64;

/// Hashes and checks passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }

    /// The hash of a new password, as a PHC string.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<SecretString, Error> {
        check(&password)?;
        let hashed = self.work(move |memory| memory.hash(&password)).await?;
        Ok(hashed?)
    }

    /// Whether the password is the one of the stored hash. Without a hash, does the same work and says no.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        stored: Option<SecretString>,
    ) -> Result<bool, AuthError> {
        let _place: SemaphorePermit<'_> =
            self.waiting.try_acquire().map_err(|_| AuthError::TooMany {
                retry_after_seconds: 1,
            })?;
        let checked = self
            .work(move |memory| memory.verify(&password, stored.as_ref()))
            .await?;
        Ok(checked?)
    }

    /// Runs one hash on a thread for work, when it is its turn. The turn lasts until the work ends, also when nobody
    /// waits for it any more.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, store::Error> {
        let turn = Arc::clone(&self.at_once).acquire_owned().await;
        let turn = turn.map_err(|error| broken("hashing a password", &error))?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut Memory::default());
            drop(turn);
            result
        });
        done.await
            .map_err(|error| broken("hashing a password", &error))
    }
}

/// What may be a password.
pub(crate) fn check(password: &SecretString) -> Result<(), Error> {
    let text = password.expose_secret();
    if secret::is_token(password) {
        return Err(Error::Password {
            why: "it looks like a token; choose another",
        });
    }
    if text.chars().count() < CHARACTERS_MIN {
        return Err(Error::Password {
            why: "use at least 8 characters",
        });
    }
    if text.len() > BYTES_MAX {
        return Err(Error::Password {
            why: "use at most 1024 bytes",
        });
    }
    if text.chars().any(char::is_control) {
        return Err(Error::Password {
            why: "it holds control characters, which no terminal can type",
        });
    }
    Ok(())
}

/// The working memory of a hash, which goes back with it.
#[derive(Debug, Default)]
struct Memory {
    blocks: Vec<Block>,
}

impl Memory {
    fn hash(&mut self, password: &SecretString) -> Result<SecretString, store::Error> {
        let mut salt = [0; 16];
        rand::fill(&mut salt).map_err(|error| fails(&error))?;
        let parameters = parameters()?;
        let output = self.derive(&parameters, password, &salt, Params::DEFAULT_OUTPUT_LEN)?;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&parameters).map_err(|error| fails(&error))?,
            salt: Some(Salt::new(&salt).map_err(|error| fails(&error))?),
            hash: Some(output),
        };
        Ok(hash.to_string().into())
    }

    fn verify(
        &mut self,
        password: &SecretString,
        stored: Option<&SecretString>,
    ) -> Result<bool, store::Error> {
        let Some(stored) = stored else {
            // The same work, for nothing.
            self.derive(
                &parameters()?,
                password,
                &[0; 16],
                Params::DEFAULT_OUTPUT_LEN,
            )?;
            return Ok(false);
        };
        let corrupt = |why: String| store::Error::Corrupt {
            what: "principals.password_hash".to_owned(),
            why,
        };
        let stored = PasswordHash::new(stored.expose_secret())
            .map_err(|error| corrupt(error.to_string()))?;
        if stored.algorithm != ARGON2ID_IDENT || stored.version != Some(Version::V0x13.into()) {
            return Err(corrupt("it is no argon2id hash of version 19".to_owned()));
        }
        let parameters = Params::try_from(&stored).map_err(|error| corrupt(error.to_string()))?;
        if parameters.m_cost() > STORED_MEMORY_KIB_MAX || parameters.t_cost() > STORED_PASSES_MAX {
            return Err(corrupt(
                "it asks for more work than this server does".to_owned(),
            ));
        }
        let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
            return Err(corrupt("it has no salt or no hash".to_owned()));
        };
        let output = self.derive(&parameters, password, &salt, expected.len())?;
        // Compared in constant time, by the type.
        Ok(output == expected)
    }

    fn derive(
        &mut self,
        parameters: &Params,
        password: &SecretString,
        salt: &[u8],
        length: usize,
    ) -> Result<Output, store::Error> {
        let needed = parameters.block_count();
        if self.blocks.len() < needed {
            self.blocks.resize(needed, Block::default());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.clone());
        let mut output = vec![0; length];
        let bytes = password.expose_secret().as_bytes();
        argon2
            .hash_password_into_with_memory(bytes, salt, &mut output, &mut self.blocks)
            .map_err(|error| fails(&error))?;
        Output::new(&output).map_err(|error| fails(&error))
    }
}

fn parameters() -> Result<Params, store::Error> {
    Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| fails(&error))
}

fn fails(why: &dyn std::fmt::Display) -> store::Error {
    broken("hashing a password", why)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn a_hash_is_that_of_owasp_and_only_its_password_fits() {
        let passwords = Passwords::new();
        let stored = passwords.hash("correct horse".into()).await.unwrap();
        assert!(
            stored
                .expose_secret()
                .starts_with("$argon2id$v=19$m=7168,t=5,p=1$"),
            "{}",
            stored.expose_secret()
        );
        assert!(
            passwords
                .verify("correct horse".into(), Some(stored.clone()))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify("correct horse ".into(), Some(stored.clone()))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify("correct horse".into(), None)
                .await
                .unwrap()
        );
        let again = passwords.hash("correct horse".into()).await.unwrap();
        assert_ne!(stored.expose_secret(), again.expose_secret());
    }

    #[test]
    fn others_read_our_hashes_and_we_theirs() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};
        let mut memory = Memory::default();
        let ours = memory.hash(&"correct horse".into()).unwrap();
        let ours = PasswordHash::new(ours.expose_secret()).unwrap();
        let library = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters().unwrap());
        assert!(library.verify_password(b"correct horse", &ours).is_ok());
        assert!(library.verify_password(b"wrong horse", &ours).is_err());
        let theirs = library
            .hash_password_with_salt(b"battery staple", b"sixteen bytes it")
            .unwrap();
        let theirs: SecretString = theirs.to_string().into();
        assert!(
            memory
                .verify(&"battery staple".into(), Some(&theirs))
                .unwrap()
        );
        assert!(
            !memory
                .verify(&"correct horse".into(), Some(&theirs))
                .unwrap()
        );
    }

    #[test]
    fn an_account_that_is_not_there_costs_the_same() {
        let stored = Memory::default().hash(&"correct horse".into()).unwrap();
        let mut memory = Memory::default();
        let mut cost = |stored: Option<&SecretString>| -> Duration {
            let start = Instant::now();
            assert!(!memory.verify(&"wrong horse".into(), stored).unwrap());
            start.elapsed()
        };
        let pairs: Vec<(Duration, Duration)> =
            (0..7).map(|_| (cost(Some(&stored)), cost(None))).collect();
        let wrong = pairs.iter().map(|(wrong, _)| *wrong).min().unwrap();
        let unknown = pairs.iter().map(|(_, unknown)| *unknown).min().unwrap();
        // A busy machine is far from even; an answer without the work would be a thousand times quicker.
        assert!(
            unknown * 20 > wrong && wrong * 20 > unknown,
            "wrong {wrong:?}, unknown {unknown:?}"
        );
    }

    #[test]
    fn hashes_written_by_others_are_not_worked_on() {
        for stored in [
            "",
            "plain",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0",
            "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2id$v=19$m=19456,t=1000,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        ] {
            let result = Memory::default().verify(&"password".into(), Some(&stored.into()));
            assert!(
                matches!(result, Err(store::Error::Corrupt { .. })),
                "{stored}: {result:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_crowd_is_sent_away() {
        let passwords = Passwords::new();
        let _turns = passwords.at_once.acquire_many(2).await.unwrap();
        let _places = passwords.waiting.acquire_many(64).await.unwrap();
        let result = passwords.verify("password".into(), None).await;
        assert!(matches!(
            result,
            Err(AuthError::TooMany {
                retry_after_seconds: 1
            })
        ));
    }

    #[test]
    fn what_may_be_a_password() {
        for (password, expected) in [
            ("correct horse", true),
            ("пароль🔑x", true),
            ("short", false),
            ("1234567", false),
            ("with\ttab and more", false),
            ("cst_looks_like_a_token", false),
            (&"x".repeat(1_024), true),
            (&"x".repeat(1_025), false),
        ] {
            assert_eq!(check(&password.into()).is_ok(), expected, "{password}");
        }
    }
}
