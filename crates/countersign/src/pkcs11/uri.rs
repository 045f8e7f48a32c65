//! URIs that name a key in a PKCS #11 token: `pkcs11:token=…;object=…`, RFC 7512. Deliberately strict: an attribute that is not
//! understood could be what tells two keys apart, and a PIN in a command line can be read by everybody on the machine.

use anyhow::{Result, bail, ensure};
use percent_encoding::percent_decode_str;
use std::path::PathBuf;

/// The longest URI that is read, in bytes.
const URI_BYTES_MAX: usize = 4096;
/// What begins one.
const SCHEME: &str = "pkcs11:";

/// A key, by what its token and itself are called; what is absent is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uri {
    /// The token's label.
    pub(super) token: Option<String>,
    /// The token's manufacturer.
    pub(super) manufacturer: Option<String>,
    /// The token's model.
    pub(super) model: Option<String>,
    /// The token's serial number.
    pub(super) serial: Option<String>,
    /// The slot's number.
    pub(super) slot_id: Option<u64>,
    /// The key's label.
    pub(super) object: Option<String>,
    /// The key's id, which is bytes.
    pub(super) id: Option<Vec<u8>>,
    /// The library that speaks to the token.
    pub(super) module_path: Option<PathBuf>,
    /// The file that holds the PIN.
    pub(super) pin_file: Option<PathBuf>,
}

impl Uri {
    /// Whether a text is such a URI at all: schemes have no case (RFC 3986 section 3.1).
    pub(crate) fn is_one(text: &str) -> bool {
        text.get(..SCHEME.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(SCHEME))
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        ensure!(
            Self::is_one(text) && text.len() <= URI_BYTES_MAX,
            "not a `pkcs11:` URI of at most {URI_BYTES_MAX} bytes"
        );
        let rest = text.get(SCHEME.len()..).unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        for (name, value) in attributes(path, ';')? {
            uri.path(name, value)?;
        }
        for (name, value) in attributes(query, '&')? {
            uri.query(name, value)?;
        }
        ensure!(
            uri.object.is_some() || uri.id.is_some(),
            "the URI names no key: add `object=LABEL` or `id=%01`"
        );
        Ok(uri)
    }

    /// RFC 7512 section 2.3, `pk11-pattr`.
    fn path(&mut self, name: &str, value: Vec<u8>) -> Result<()> {
        match name {
            "token" => set(&mut self.token, name, text(name, value)?),
            "manufacturer" => set(&mut self.manufacturer, name, text(name, value)?),
            "model" => set(&mut self.model, name, text(name, value)?),
            "serial" => set(&mut self.serial, name, text(name, value)?),
            "object" => set(&mut self.object, name, text(name, value)?),
            "id" => set(&mut self.id, name, value),
            "slot-id" => match text(name, value)?.parse() {
                Ok(number) => set(&mut self.slot_id, name, number),
                Err(_) => bail!("`slot-id` in the URI is not a number"),
            },
            "type" => {
                ensure!(
                    value == b"private",
                    "the URI names an object that is no private key: write `type=private`"
                );
                Ok(())
            }
            _ => bail!(
                "`{name}` in the URI is not understood: token, manufacturer, model, serial, slot-id, object, id and type are"
            ),
        }
    }

    /// RFC 7512 section 2.3, `pk11-qattr`.
    fn query(&mut self, name: &str, value: Vec<u8>) -> Result<()> {
        match name {
            "module-path" => set(&mut self.module_path, name, text(name, value)?.into()),
            "pin-source" => {
                let source = text(name, value)?;
                let path = source.strip_prefix("file:").unwrap_or(&source);
                ensure!(
                    path.starts_with('/'),
                    "`pin-source` in the URI is read from a file: write `file:/PATH`"
                );
                set(&mut self.pin_file, name, path.into())
            }
            "pin-value" => bail!(
                "a PIN in a command line can be read by everybody on this machine: use COUNTERSIGN_PKCS11_PIN or `pin-source=file:/PATH`"
            ),
            _ => bail!("`{name}` in the URI is not understood: module-path and pin-source are"),
        }
    }
}

/// Names and values, with the escapes taken out.
fn attributes(text: &str, separator: char) -> Result<Vec<(&str, Vec<u8>)>> {
    let parts = text.split(separator).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let Some((name, value)) = part.split_once('=') else {
                bail!("`{part}` in the URI has no value");
            };
            Ok((name, unescaped(name, value)?))
        })
        .collect()
}

/// A `%` that does not begin an escape is damage, and not a sign of its own.
fn unescaped(name: &str, value: &str) -> Result<Vec<u8>> {
    let escapes = value.split('%').skip(1);
    for escape in escapes {
        let digits = escape.as_bytes().get(..2);
        ensure!(
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
            "`{name}` in the URI holds a `%` without two hexadecimal digits"
        );
    }
    Ok(percent_decode_str(value).collect())
}

fn text(name: &str, value: Vec<u8>) -> Result<String> {
    match String::from_utf8(value) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => bail!("`{name}` in the URI is not text"),
    }
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<()> {
    ensure!(
        place.replace(value).is_none(),
        "`{name}` stands in the URI twice"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_uri_are_read() {
        let uri = Uri::parse(
            "pkcs11:token=The%20Token;manufacturer=A%3bB;object=ci;type=private;id=%01%fF?module-path=/usr/lib/p11.so&pin-source=file:/run/pin",
        )
        .unwrap();
        let expected = Uri {
            token: Some("The Token".to_owned()),
            manufacturer: Some("A;B".to_owned()),
            object: Some("ci".to_owned()),
            id: Some(vec![1, 0xff]),
            module_path: Some("/usr/lib/p11.so".into()),
            pin_file: Some("/run/pin".into()),
            ..Uri::default()
        };
        assert_eq!(uri, expected);
        assert!(Uri::is_one("PKCS11:object=x") && !Uri::is_one("maria.key"));
        assert_eq!(
            Uri::parse("pkcs11:slot-id=7;id=ab").unwrap().slot_id,
            Some(7)
        );
    }

    #[test]
    fn what_could_name_another_key_is_refused() {
        for (uri, word) in [
            ("pkcs11:", "names no key"),
            ("pkcs11:token=x", "names no key"),
            ("pkcs11:object=x;object=y", "twice"),
            ("pkcs11:object=x;library-version=3", "not understood"),
            ("pkcs11:object=x;type=public", "no private key"),
            ("pkcs11:object", "no value"),
            ("pkcs11:object=%zz", "hexadecimal"),
            ("pkcs11:object=%f", "hexadecimal"),
            ("pkcs11:object=%ff", "not text"),
            ("pkcs11:object=a%00b", "not text"),
            ("pkcs11:object=x;slot-id=-1", "not a number"),
            ("pkcs11:object=x?pin-value=1234", "everybody"),
            ("pkcs11:object=x?pin-source=%7Cprogram", "file:"),
            ("pkcs11:object=x?module-name=p11", "not understood"),
            ("maria.key", "not a `pkcs11:`"),
        ] {
            let error = Uri::parse(uri).unwrap_err().to_string();
            assert!(error.contains(word), "{uri}: {error}");
        }
    }
}
