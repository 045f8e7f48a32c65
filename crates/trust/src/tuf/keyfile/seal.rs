//! Key files that docker and notary open: the form that they write, with far more rounds of PBKDF2 than theirs. They take the number of
//! rounds from the file, and know no other function than HMAC-SHA-1.

use secrecy::{ExposeSecret, SecretString};

use super::{KeyFileError, SEALED};
use crate::key::Algorithm;
use crate::pbes2::{self, Prf};
use crate::pem;
use crate::private::{PrivateKey, Signer as _};
use crate::tuf::gun::Gun;
use crate::tuf::role::RoleName;

/// Seals a key with a passphrase, as docker and notary keep it in `~/.docker/trust/private/ID.key`, where ID is that of the bare key. Root
/// keys are for any repository and name none.
///
/// # Errors
/// It is an Ed25519 key, which docker keeps in a form of its own; the system gave no random bytes.
pub fn seal(
    key: &PrivateKey,
    role: &RoleName,
    gun: Option<&Gun>,
    passphrase: &SecretString,
) -> Result<String, KeyFileError> {
    if key.public_key().algorithm() == Algorithm::Ed25519 {
        return Err(KeyFileError::NotSealed);
    }
    let sealed = pbes2::seal(
        key.to_pkcs8_der()?.expose_secret(),
        passphrase,
        Prf::Dockers,
    )?;
    let block = pem::encode(SEALED, &sealed);
    let gun = gun.map_or_else(String::new, |gun| format!("gun: {gun}\n"));
    Ok(block.replacen('\n', &format!("\n{gun}role: {role}\n\n"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbes2::Pbes2Error;
    use crate::tuf::keyfile::KeyFile;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn what_is_sealed_opens_with_its_passphrase_and_no_other() {
        let gun = Gun::parse("registry.example:5000/shop/web").unwrap();
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let text = seal(&key, &RoleName::Targets, Some(&gun), &secret("right")).unwrap();
            let begin = "-----BEGIN ENCRYPTED PRIVATE KEY-----\ngun: registry.example:5000/shop/web\nrole: targets\n\n";
            assert!(text.starts_with(begin), "{text}");
            assert!(text.lines().all(|line| line.len() <= 64));
            let file = KeyFile::parse(&text).unwrap();
            assert_eq!(file.role(), Some("targets"));
            assert_eq!(file.gun(), Some(gun.as_str()));
            assert!(file.is_sealed());
            let opened = file.open(&secret("right")).unwrap();
            assert_eq!(opened.public_key(), key.public_key());
            let wrong = file.open(&secret("wrong")).unwrap_err();
            assert_eq!(wrong, Pbes2Error::Password.into());
        }
    }

    #[test]
    fn a_root_key_names_no_repository_and_is_sealed_anew_each_time() {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let sealed = || seal(&key, &RoleName::Root, None, &secret("p")).unwrap();
        let (first, second) = (sealed(), sealed());
        assert_eq!(KeyFile::parse(&first).unwrap().gun(), None);
        assert_eq!(KeyFile::parse(&first).unwrap().role(), Some("root"));
        assert_ne!(first, second);
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let other = seal(&key, &RoleName::Root, None, &secret("p"));
        assert_eq!(other.unwrap_err(), KeyFileError::NotSealed);
    }
}
