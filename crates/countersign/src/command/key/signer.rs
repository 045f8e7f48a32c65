//! What `--key` names: a file, or a key in a token.

use super::files;
use crate::pkcs11::{TokenKey, Uri};
use anyhow::{Context, Result, bail};
use std::path::Path;
use trust::Signer;
use trust::notation::{EnvelopeSigner, KeySigner};

/// Opens the key. A file whose name begins with `pkcs11:` is named by `./pkcs11:…`.
pub(crate) fn open(key: &Path) -> Result<Box<dyn Signer>> {
    if let Some(name) = key.to_str().and_then(held) {
        bail!(
            "`server:{name}` is a key that the server holds: it signs for its stage alone, with `countersign sign --key server:{name}`, and `countersign key list -o json` has its public half"
        );
    }
    match key.to_str().filter(|text| Uri::is_one(text)) {
        Some(text) => {
            let uri = Uri::parse(text).with_context(|| format!("`{text}` cannot be read"))?;
            Ok(Box::new(TokenKey::open(&uri)?))
        }
        None => Ok(Box::new(files::open(key)?)),
    }
}

/// The same for a key that takes another's place: its file may have a password of its own.
pub(super) fn open_next(key: &Path) -> Result<Box<dyn Signer>> {
    match key.to_str().is_some_and(Uri::is_one) {
        true => open(key),
        false => Ok(Box::new(files::open_next(key)?)),
    }
}

/// The name of a key that the server holds, in `server:NAME`. A file of such a name is named by `./server:…`.
pub(crate) fn held(key: &str) -> Option<&str> {
    key.strip_prefix("server:").filter(|name| !name.is_empty())
}

/// The same for notation, which has no Ed25519, and RSA beside: keys of RSA and on P-521 are read as notation and openssl leave them,
/// without a password.
pub(crate) fn open_for_envelopes(key: &Path) -> Result<Box<dyn EnvelopeSigner>> {
    if let Some(key) = files::open_for_envelopes(key) {
        return Ok(Box::new(key));
    }
    let signer = KeySigner::new(open(key)?);
    let signer =
        signer.context("notation has no Ed25519: use a key on P-256 or P-384, or of RSA")?;
    Ok(Box::new(signer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_the_server_holds_is_no_file_that_is_missing() {
        let error = open(Path::new("server:shop-ci")).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("the server holds"), "{error}");
        let error = open(Path::new("./server:shop-ci")).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("cannot read the key"), "{error}");
    }
}
