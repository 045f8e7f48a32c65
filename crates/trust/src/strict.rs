//! JSON in which every reader sees the same thing: a key that stands twice in one object, bytes after the document,
//! and documents over the limits on size, depth and number of values are refused. Deliberately not a canonical form:
//! signed bytes are kept and never written again. RFC 8259 section 4 leaves duplicate names open; here they are an
//! error.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::{Serialize, Serializer};

use crate::excerpt::excerpt;

/// How deep arrays and objects may lie in each other.
pub const DEPTH_MAX: usize = 64;
/// How many values one document may hold.
pub const VALUES_MAX: usize = 500_000;

/// Reads a document of at most `bytes_max` bytes, which must be an object, into a type.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> Result<T, JsonError> {
    let (read, _) = parse_within(bytes, bytes_max, VALUES_MAX)?;
    Ok(read)
}

/// The same for a document that is one of several with a limit in common: of at most `values_max` values. Answers how many it
/// has.
pub(crate) fn parse_within<T: DeserializeOwned>(
    bytes: &[u8],
    bytes_max: usize,
    values_max: usize,
) -> Result<(T, usize), JsonError> {
    if bytes.len() > bytes_max {
        return Err(JsonError::Limit {
            what: BYTES,
            max: bytes_max,
        });
    }
    let values = check(bytes, values_max)?;
    let object: Result<Object<T>, _> = serde_json::from_slice(bytes);
    object
        .map(|object| (object.0, values))
        .map_err(|error| JsonError::Form(excerpt(&error.to_string())))
}

/// A struct that is read from an object only. Derived readers also take an array of the fields in their order, a second
/// spelling that no other program knows.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

/// Walks the whole document once, building nothing but the keys of the objects it stands in. Answers how many values it has.
fn check(bytes: &[u8], values_max: usize) -> Result<usize, JsonError> {
    let state = State {
        values: Cell::new(0),
        values_max,
        problem: RefCell::new(None),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let walked = Walk {
        state: &state,
        depth: 0,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| deserializer.end());
    match (walked, state.problem.into_inner()) {
        (Err(_), Some(problem)) => Err(problem),
        (Err(error), None) => Err(JsonError::Form(excerpt(&error.to_string()))),
        (Ok(()), _) => Ok(state.values.get()),
    }
}

struct State {
    values: Cell<usize>,
    values_max: usize,
    problem: RefCell<Option<JsonError>>,
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    state: &'a State,
    depth: usize,
}

impl Walk<'_> {
    fn fail<E: de::Error>(self, problem: JsonError) -> E {
        let error = E::custom(&problem);
        self.state.problem.replace(Some(problem));
        error
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(self.fail(JsonError::Limit {
                what: "levels",
                max: DEPTH_MAX,
            }));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let values = self.state.values.get() + 1;
        if values > self.state.values_max {
            return Err(self.fail(JsonError::Limit {
                what: VALUES,
                max: self.state.values_max,
            }));
        }
        self.state.values.set(values);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut keys: HashSet<String> = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(self.fail(JsonError::DuplicateKey(excerpt(&key))));
            }
            keys.insert(key);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

const BYTES: &str = "bytes";
/// What [`JsonError::Limit`] says where [`VALUES_MAX`] or its like is exceeded.
pub(crate) const VALUES: &str = "values";

/// Why a document is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Too large, too deep or too many values.
    #[error("limit exceeded: more than {max} {what} of json")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most that is read.
        max: usize,
    },
    /// One key twice in the same object.
    #[error("the key `{0}` stands twice in one object")]
    DuplicateKey(String),
    /// Not JSON, or not of the shape that is needed.
    #[error("not the json that is needed: {0}")]
    Form(String),
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Any document as the one field of an object.
    fn read(text: &str) -> Result<Value, JsonError> {
        let mut object: Value = parse(format!(r#"{{"it":{text}}}"#).as_bytes(), 8 * 1024 * 1024)?;
        Ok(object["it"].take())
    }

    #[test]
    fn takes_every_kind_of_value() {
        let text = r#"{"a":[1,-1,1.5e3,"x",true,null,{"a":{}}],"b":"\u00e9"}"#;
        assert_eq!(
            read(text).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn refuses_a_key_twice_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"[{"b":{"a":1,"c":2,"a":3}}]"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(
                read(text),
                Err(JsonError::DuplicateKey("a".into())),
                "{text}"
            );
        }
        assert!(read(r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    #[test]
    fn refuses_what_stands_after_the_document() {
        let parse = |text: &str| parse::<Value>(text.as_bytes(), 100);
        for text in [
            "{}{}",
            "{} x",
            "{},",
            "",
            "{\"a\":1",
            "\u{feff}{}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":1e999}",
        ] {
            assert!(matches!(parse(text), Err(JsonError::Form(_))), "{text}");
        }
        assert!(parse(" {} \n").is_ok());
    }

    #[test]
    fn has_limits() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH_MAX - 1)).is_ok());
        assert_eq!(
            read(&nested(DEPTH_MAX)),
            Err(JsonError::Limit {
                what: "levels",
                max: DEPTH_MAX
            })
        );
        assert!(read(&nested(100_000)).is_err());

        let wide = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(read(&wide(VALUES_MAX - 1)).is_ok());
        assert_eq!(
            read(&wide(VALUES_MAX)),
            Err(JsonError::Limit {
                what: "values",
                max: VALUES_MAX
            })
        );

        let counted = |values_max| parse_within::<Value>(br#"{"a":[1,{}]}"#, 100, values_max);
        assert_eq!(counted(4).unwrap().1, 4);
        assert!(matches!(
            counted(3),
            Err(JsonError::Limit {
                what: VALUES,
                max: 3
            })
        ));

        assert!(parse::<Value>(b"{ }", 3).is_ok());
        assert_eq!(
            parse::<Value>(b"{  }", 3),
            Err(JsonError::Limit {
                what: "bytes",
                max: 3
            })
        );
    }

    #[test]
    fn a_struct_is_never_read_from_an_array() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Pair {
            one: u8,
            two: u8,
        }
        assert_eq!(
            parse::<Pair>(br#"{"one":1,"two":2}"#, 100),
            Ok(Pair { one: 1, two: 2 })
        );
        assert!(
            serde_json::from_str::<Pair>("[1,2]").is_ok(),
            "what the check is for"
        );
        assert!(matches!(
            parse::<Pair>(b"[1,2]", 100),
            Err(JsonError::Form(_))
        ));
    }
}
