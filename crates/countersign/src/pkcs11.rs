//! Keys in a PKCS #11 token, such as a smart card, an HSM or SoftHSM: the private half signs where it is, and never comes here. The
//! token's library is loaded as the user names it, and runs inside this program: it is trusted as the program is.
//!
//! PKCS #11 version 2.40, sections 2.3.1 (ECDSA) and, of version 3.0, 2.3.14 (EdDSA). Deliberately no key is made, changed or deleted.

mod uri;

use crate::command::login::ask_secret;
use anyhow::{Context, Result, bail};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256, Sha384};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use trust::{Algorithm, PublicKey, SignError, Signer};
pub(crate) use uri::Uri;

/// The library, where the URI names none.
const MODULE_VARIABLE: &str = "COUNTERSIGN_PKCS11_MODULE";
/// The token's PIN.
const PIN_VARIABLE: &str = "COUNTERSIGN_PKCS11_PIN";
/// The longest file with a PIN, in bytes.
const PIN_BYTES_MAX: usize = 1024;

/// A key in a token, with a session that is logged in.
pub(crate) struct TokenKey {
    /// One at a time: a session holds one operation.
    session: Mutex<Session>,
    private: ObjectHandle,
    public: PublicKey,
}

impl TokenKey {
    /// Finds the one key that the URI names. Asks for the PIN if neither the URI nor the environment says where it is.
    pub(crate) fn open(uri: &Uri) -> Result<Self> {
        let module = module(uri)?;
        let shown = module.display().to_string();
        let library = Pkcs11::new(&module)
            .with_context(|| format!("cannot load the PKCS #11 library `{shown}`"))?;
        library
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .with_context(|| format!("the PKCS #11 library `{shown}` does not start"))?;
        let (slot, token) = only_token(&library, uri)?;
        let session = library
            .open_ro_session(slot)
            .with_context(|| format!("the token `{}` cannot be opened", token.label()))?;
        log_in(&session, uri, &token)?;
        let private = only_object(&session, uri, ObjectClass::PRIVATE_KEY, "private key")?;
        let public = public_half(&session, private, uri)?;
        Ok(Self {
            session: Mutex::new(session),
            private,
            public,
        })
    }
}

impl Signer for TokenKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |why: String| SignError(format!("the PKCS #11 token: {why}"));
        let session = self
            .session
            .lock()
            .map_err(|_| failed("an earlier signature failed".to_owned()))?;
        // Tokens hash not all alike, and some not at all: what is signed is hashed here.
        let (mechanism, data) = match self.public.algorithm() {
            Algorithm::EcdsaP256 => (Mechanism::Ecdsa, Sha256::digest(message).to_vec()),
            Algorithm::EcdsaP384 => (Mechanism::Ecdsa, Sha384::digest(message).to_vec()),
            Algorithm::Ed25519 => (
                Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)),
                message.to_vec(),
            ),
        };
        let raw = session
            .sign(&mechanism, self.private, &data)
            .map_err(|error| failed(error.to_string()))?;
        let signature = match self.public.algorithm() {
            Algorithm::Ed25519 => raw,
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => trust::ecdsa_signature(&raw)
                .ok_or_else(|| failed("it gave no signature of ECDSA".to_owned()))?,
        };
        // Two objects of one label need not be two halves of one key.
        self.public
            .verify(message, &signature)
            .map_err(|_| failed("what it signed does not fit its public key".to_owned()))?;
        Ok(signature)
    }
}

fn module(uri: &Uri) -> Result<PathBuf> {
    let named = || std::env::var_os(MODULE_VARIABLE).map(PathBuf::from);
    uri.module_path.clone().or_else(named).with_context(|| {
        format!("say which library speaks to the token: `?module-path=/usr/lib/….so` in the URI, or {MODULE_VARIABLE}")
    })
}

/// The one token that is there and fits.
fn only_token(library: &Pkcs11, uri: &Uri) -> Result<(Slot, TokenInfo)> {
    let mut found = Vec::new();
    for slot in library.get_slots_with_initialized_token()? {
        let token = library.get_token_info(slot)?;
        if fits(uri, slot, &token) {
            found.push((slot, token));
        }
    }
    match found.len() {
        0 => bail!(
            "no token fits the URI: is it plugged in, and is its label written as `pkcs11-tool -L` shows it?"
        ),
        1 => found.pop().context("no token"),
        _ => bail!(
            "{} tokens fit the URI: add `token=` or `serial=`",
            found.len()
        ),
    }
}

fn fits(uri: &Uri, slot: Slot, token: &TokenInfo) -> bool {
    let same = |wanted: &Option<String>, found: &str| {
        wanted
            .as_deref()
            .is_none_or(|wanted| wanted.trim_end() == found.trim_end())
    };
    same(&uri.token, token.label())
        && same(&uri.manufacturer, token.manufacturer_id())
        && same(&uri.model, token.model())
        && same(&uri.serial, token.serial_number())
        && uri.slot_id.is_none_or(|wanted| wanted == slot.id())
}

fn log_in(session: &Session, uri: &Uri, token: &TokenInfo) -> Result<()> {
    if !token.login_required() {
        return Ok(());
    }
    // RFC 7512 section 2.4: a PIN that is wrong too often locks the token; it is given once.
    let pin = match token.protected_authentication_path() {
        true => None,
        false => Some(pin(uri, token.label())?),
    };
    session
        .login(UserType::User, pin.as_ref())
        .with_context(|| format!("the token `{}` does not take the PIN", token.label()))
}

fn pin(uri: &Uri, token: &str) -> Result<SecretString> {
    if let Some(path) = &uri.pin_file {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the PIN from `{}`", path.display()))?;
        let pin = text.lines().next().unwrap_or_default();
        if pin.is_empty() || pin.len() > PIN_BYTES_MAX {
            bail!("`{}` does not begin with a PIN", path.display());
        }
        return Ok(SecretString::from(pin));
    }
    match std::env::var(PIN_VARIABLE) {
        Ok(pin) => Ok(SecretString::from(pin)),
        Err(_) => ask_secret(
            &format!("PIN of the token {token}"),
            &format!("set {PIN_VARIABLE}, or name a file by `?pin-source=file:/PATH`"),
        ),
    }
}

/// The one object of a class that the URI names.
fn only_object(
    session: &Session,
    uri: &Uri,
    class: ObjectClass,
    what: &str,
) -> Result<ObjectHandle> {
    let mut wanted = vec![Attribute::Class(class)];
    wanted.extend(
        uri.object
            .as_ref()
            .map(|label| Attribute::Label(label.clone().into_bytes())),
    );
    wanted.extend(uri.id.clone().map(Attribute::Id));
    match session.find_objects(&wanted)?.as_slice() {
        [object] => Ok(*object),
        [] => bail!("the token holds no {what} that the URI names"),
        several => bail!(
            "the token holds {} objects for the URI: name the {what} by `id=` as well",
            several.len()
        ),
    }
}

/// The public key that lies beside the private one, under the same id.
fn public_half(session: &Session, private: ObjectHandle, uri: &Uri) -> Result<PublicKey> {
    let of_private =
        session.get_attributes(private, &[AttributeType::KeyType, AttributeType::Id])?;
    let key_type = of_private.iter().find_map(|attribute| match attribute {
        Attribute::KeyType(key_type) => Some(*key_type),
        _ => None,
    });
    let id = of_private
        .into_iter()
        .find_map(|attribute| match attribute {
            Attribute::Id(id) if !id.is_empty() => Some(id),
            _ => None,
        });
    let beside = Uri {
        object: uri.object.clone().filter(|_| id.is_none()),
        id,
        ..Uri::default()
    };
    let public = only_object(session, &beside, ObjectClass::PUBLIC_KEY, "public key")?;
    let (mut params, mut point) = (None, None);
    for attribute in
        session.get_attributes(public, &[AttributeType::EcParams, AttributeType::EcPoint])?
    {
        match attribute {
            Attribute::EcParams(bytes) => params = Some(bytes),
            Attribute::EcPoint(bytes) => point = Some(bytes),
            _ => {}
        }
    }
    let unsupported =
        "the key in the token is of a kind that is not used here: P-256, P-384 or Ed25519 is";
    let algorithm = algorithm(key_type, params.as_deref()).context(unsupported)?;
    let point = point.context("the public key in the token has no point")?;
    public_key(algorithm, &point).context("the public key in the token cannot be read")
}

fn algorithm(key_type: Option<KeyType>, params: Option<&[u8]>) -> Option<Algorithm> {
    let (key_type, params) = (key_type?, params?);
    if key_type == KeyType::EC {
        return match params {
            OID_P256 => Some(Algorithm::EcdsaP256),
            OID_P384 => Some(Algorithm::EcdsaP384),
            _ => None,
        };
    }
    let is_ed25519 =
        key_type == KeyType::EC_EDWARDS && matches!(params, OID_ED25519 | NAME_ED25519);
    is_ed25519.then_some(Algorithm::Ed25519)
}

/// `CKA_EC_POINT` is the point in an OCTET STRING; some tokens leave that out.
fn public_key(algorithm: Algorithm, point: &[u8]) -> Result<PublicKey> {
    let bare = match point {
        [0x04, length, bare @ ..] if usize::from(*length) == bare.len() => bare,
        bare => bare,
    };
    Ok(PublicKey::from_point(algorithm, bare)?)
}

/// `CKA_EC_PARAMS`: 1.2.840.10045.3.1.7
const OID_P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// 1.3.132.0.34
const OID_P384: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x22];
/// 1.3.101.112
const OID_ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];
/// The same by its name, a PrintableString.
const NAME_ED25519: &[u8] = b"\x13\x0cedwards25519";

#[cfg(test)]
mod tests {
    use super::*;
    use trust::PrivateKey;

    #[test]
    fn a_point_is_read_with_and_without_its_frame() {
        for algorithm in [
            Algorithm::EcdsaP256,
            Algorithm::EcdsaP384,
            Algorithm::Ed25519,
        ] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let length = match algorithm {
                Algorithm::EcdsaP256 => 65,
                Algorithm::EcdsaP384 => 97,
                Algorithm::Ed25519 => 32,
            };
            let der = key.public_key().as_der();
            let point = &der[der.len() - length..];
            let framed = [&[4, u8::try_from(length).unwrap()], point].concat();
            for given in [point, &framed] {
                assert_eq!(&public_key(algorithm, given).unwrap(), key.public_key());
            }
            assert!(public_key(algorithm, &point[1..]).is_err());
        }
    }

    #[test]
    fn only_the_curves_that_are_used_have_an_algorithm() {
        let ec = Some(KeyType::EC);
        assert_eq!(algorithm(ec, Some(OID_P256)), Some(Algorithm::EcdsaP256));
        assert_eq!(algorithm(ec, Some(OID_P384)), Some(Algorithm::EcdsaP384));
        let edwards = Some(KeyType::EC_EDWARDS);
        for params in [OID_ED25519, NAME_ED25519] {
            assert_eq!(algorithm(edwards, Some(params)), Some(Algorithm::Ed25519));
            assert_eq!(algorithm(ec, Some(params)), None);
        }
        assert_eq!(algorithm(Some(KeyType::RSA), Some(OID_P256)), None);
        assert_eq!(algorithm(None, Some(OID_P256)), None);
    }
}
