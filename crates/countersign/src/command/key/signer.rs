//! What `--key` names: a file, or a key in a token.

use super::files;
use crate::pkcs11::{TokenKey, Uri};
use anyhow::{Context, Result};
use std::path::Path;
use trust::Signer;

/// Opens the key. A file whose name begins with `pkcs11:` is named by `./pkcs11:…`.
pub(crate) fn open(key: &Path) -> Result<Box<dyn Signer>> {
    match key.to_str().filter(|text| Uri::is_one(text)) {
        Some(text) => {
            let uri = Uri::parse(text).with_context(|| format!("`{text}` cannot be read"))?;
            Ok(Box::new(TokenKey::open(&uri)?))
        }
        None => Ok(Box::new(files::open(key)?)),
    }
}
