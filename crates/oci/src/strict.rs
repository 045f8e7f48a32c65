//! Refuses JSON that two readers could understand differently: a key that occurs twice in one object, and a key that
//! differs from a known one only by case (Go's reader takes `Layers` for `layers`, others do not). What one program
//! checks must be what the next one runs. Values are not looked at.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::excerpt::excerpt;

/// What an object in a document is, and so which keys it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// An image manifest or index.
    Manifest,
    /// A descriptor, or a list of them.
    Descriptor,
    /// The platform of a descriptor.
    Platform,
    /// An image configuration.
    ImageConfig,
    /// The `rootfs` of an image configuration.
    RootFs,
    /// Anything else: any key, but each once.
    Free,
}

impl Role {
    fn known_keys(self) -> &'static [&'static str] {
        match self {
            Self::Manifest => &[
                "schemaVersion",
                "mediaType",
                "config",
                "layers",
                "manifests",
                "subject",
                "artifactType",
                "annotations",
                "fsLayers",
            ],
            Self::Descriptor => &[
                "mediaType",
                "digest",
                "size",
                "platform",
                "annotations",
                "artifactType",
                "urls",
                "data",
            ],
            Self::Platform => &["architecture", "os", "variant", "os.version"],
            Self::ImageConfig => &[
                "os",
                "architecture",
                "variant",
                "created",
                "rootfs",
                "history",
                "config",
            ],
            Self::RootFs => &["type", "diff_ids"],
            Self::Free => &[],
        }
    }

    fn of_member(self, key: &str) -> Self {
        match (self, key) {
            (Self::Manifest, "config" | "layers" | "manifests" | "subject") => Self::Descriptor,
            (Self::Descriptor, "platform") => Self::Platform,
            (Self::ImageConfig, "rootfs") => Self::RootFs,
            _ => Self::Free,
        }
    }
}

/// Why a JSON document is refused before its content is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, nested too deeply, or not of the expected form.
    #[error("not a valid document: {0}")]
    Json(String),
    /// One key twice in an object.
    #[error("the key `{0}` occurs twice in one object: keep one of them")]
    DuplicateKey(String),
    /// A key that some readers take for another.
    #[error("the key `{found}` can be mistaken for `{known}`: write `{known}`")]
    KeyCase {
        /// The key in the document.
        found: String,
        /// The key that it resembles.
        known: &'static str,
    },
}

impl DocumentError {
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        Self::Json(excerpt(&error.to_string()))
    }
}

/// Reads the whole document once, keeping nothing. Depth is bounded by the JSON reader (128).
pub(crate) fn check(bytes: &[u8], role: Role) -> Result<(), DocumentError> {
    let fault = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let outcome = Walk {
        role,
        fault: &fault,
    }
    .deserialize(&mut reader)
    .and_then(|()| reader.end());
    match (fault.into_inner(), outcome) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(DocumentError::json(&error)),
        (None, Ok(())) => Ok(()),
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    role: Role,
    fault: &'a RefCell<Option<DocumentError>>,
}

impl Walk<'_> {
    fn check_key<E: de::Error>(&self, key: &str, seen: &mut HashSet<String>) -> Result<(), E> {
        let resembles = |known: &&&str| **known != key && folds_to(key, known);
        let fault = if !seen.insert(key.to_owned()) {
            DocumentError::DuplicateKey(excerpt(key))
        } else if let Some(known) = self.role.known_keys().iter().find(resembles) {
            DocumentError::KeyCase {
                found: excerpt(key),
                known,
            }
        } else {
            return Ok(());
        };
        self.fault.replace(Some(fault));
        Err(E::custom("ambiguous key"))
    }
}

/// Whether Go's JSON reader takes the key for the known one: equal but for case, where U+017F is an `s` and U+212A a `k`.
fn folds_to(key: &str, known: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(known.chars().map(fold))
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            self.check_key(&key, &mut seen)?;
            map.next_value_seed(Walk {
                role: self.role.of_member(&key),
                fault: self.fault,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_duplicates_at_every_level() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"layers":[{"size":1,"size":2}]}"#,
            r#"{"annotations":{"x":"1","x":"2"}}"#,
        ] {
            let found = check(text.as_bytes(), Role::Manifest);
            assert!(
                matches!(found, Err(DocumentError::DuplicateKey(_))),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn finds_keys_that_go_reads_as_others() {
        for (text, known) in [
            (r#"{"Layers":[]}"#, "layers"),
            (r#"{"\u017fubject":null}"#, "subject"),
            (r#"{"config":{"DIGEST":""}}"#, "digest"),
            (r#"{"manifests":[{"platform":{"OS":""}}]}"#, "os"),
        ] {
            match check(text.as_bytes(), Role::Manifest) {
                Err(DocumentError::KeyCase { known: found, .. }) => assert_eq!(found, known),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!(
            check(
                br#"{"annotations":{"Layers":"x","layers":"y"},"custom":{"Size":1}}"#,
                Role::Manifest
            ),
            Ok(())
        );
    }

    #[test]
    fn depth_is_bounded() {
        let text = "[".repeat(100_000);
        assert!(matches!(
            check(text.as_bytes(), Role::Free),
            Err(DocumentError::Json(_))
        ));
    }
}
