//! Writes a file with its signatures. What is signed is always the canonical text of one of the four kinds of content, never
//! bytes that somebody chose.

use std::io;

use serde::Serialize as _;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};
use serde_json::{Value, json};

use super::canonical;
use super::key::{Key, KeyId};
use super::material::{P256_BYTES, der_to_fixed};
use super::metadata::Content;
use crate::encoding::to_base64;
use crate::key::Algorithm;
use crate::private::{SignError, Signer};

/// The file, signed for each of these keys by the signer that has it. Keys in certificates are signed for by their bare key.
pub(super) fn file(
    content: &impl Content,
    keys: &[Key],
    signers: &[&dyn Signer],
) -> Result<Vec<u8>, SealError> {
    let signed = content.to_value();
    // What this crate writes holds small whole numbers only, but not what publishers put into `custom`.
    let message = canonical::encode(&signed).map_err(|_| SealError::Number)?;
    let signatures: Result<Vec<Value>, SealError> = keys
        .iter()
        .map(|key| signature(key, &message, signers))
        .collect();
    // `signed` first, as Go's library writes it.
    let mut file = br#"{"signed":"#.to_vec();
    write(&signed, &mut file)?;
    file.extend_from_slice(br#","signatures":"#);
    write(&Value::Array(signatures?), &mut file)?;
    file.push(b'}');
    Ok(file)
}

fn write(value: &Value, file: &mut Vec<u8>) -> Result<(), SealError> {
    let mut serializer = Serializer::with_formatter(file, LikeGo);
    // Nothing of a value that came from JSON cannot be written.
    value
        .serialize(&mut serializer)
        .map_err(|_| SealError::Number)
}

/// JSON byte for byte as Go's library writes it: notary and its server list files by the hash of what they would write themselves, not of
/// what they were sent.
struct LikeGo;

impl Formatter for LikeGo {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(is_escaped_by_go) {
            let plain = part.trim_end_matches(is_escaped_by_go);
            writer.write_all(plain.as_bytes())?;
            if let Some(c) = part.chars().next_back().filter(|c| is_escaped_by_go(*c)) {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let escape = match escape {
            CharEscape::Backspace => CharEscape::AsciiControl(0x08),
            CharEscape::FormFeed => CharEscape::AsciiControl(0x0c),
            escape => escape,
        };
        CompactFormatter.write_char_escape(writer, escape)
    }
}

/// Beyond what JSON asks for: what could end a script, or a line of one.
fn is_escaped_by_go(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn signature(key: &Key, message: &[u8], signers: &[&dyn Signer]) -> Result<Value, SealError> {
    let canonical = key.canonical_id();
    let fits =
        |signer: &&&dyn Signer| Some(Key::from(signer.public_key()).id()) == canonical.as_ref();
    let signer = signers.iter().find(fits);
    let signer = signer.ok_or_else(|| SealError::Missing(key.id().clone()))?;
    let unsuitable = || SealError::Unsuitable(key.id().clone());
    let (method, bytes) = match signer.public_key().algorithm() {
        Algorithm::EcdsaP256 => {
            let der = signer.sign(message)?;
            let fixed = der_to_fixed(&der, P256_BYTES).ok_or_else(unsuitable)?;
            ("ecdsa", fixed)
        }
        Algorithm::Ed25519 => ("eddsa", signer.sign(message)?),
        // This dialect signs with SHA-256 on every curve, this crate's keys with SHA-384 on P-384.
        Algorithm::EcdsaP384 => return Err(unsuitable()),
    };
    Ok(json!({"keyid": key.id().as_str(), "method": method, "sig": to_base64(&bytes)}))
}

/// Why a file cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A key that must sign has no signer.
    #[error("the key {0} is needed to sign and was not given")]
    Missing(KeyId),
    /// ECDSA P-384, or a signer that answered something else than a signature.
    #[error("the key {0} cannot sign trust metadata: use ecdsa p-256 or ed25519")]
    Unsuitable(KeyId),
    /// A target's custom data holds a number with a fraction, or one too large.
    #[error("trust metadata can hold whole numbers up to 2^53 only")]
    Number,
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}
