//! Takes JSON objects apart so that Go's reader, which docker and notary use, sees the same: a missing field is an empty one, as is `null`, and a
//! field that only differs in case is refused, because Go takes it for the field itself. Unknown fields are left alone.

use serde_json::{Map, Value};

use super::problem::Problem;
use crate::encoding::from_base64;
use crate::excerpt::excerpt;

/// An object with known fields.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    at: String,
}

impl<'a> Fields<'a> {
    /// An object at a place in the file.
    pub(super) fn of(value: &'a Value, at: &str, known: &[&str]) -> Result<Self, Problem> {
        let Value::Object(map) = value else {
            return Err(fault(at, "must be an object"));
        };
        let double = |key: &&String| {
            !known.contains(&key.as_str()) && known.iter().any(|name| fold(key) == fold(name))
        };
        if let Some(key) = map.keys().find(double) {
            let at = format!("{at}.{}", excerpt(key));
            return Err(fault(&at, "differs from a known field in case only"));
        }
        Ok(Self {
            map,
            at: at.to_owned(),
        })
    }

    /// Where a field stands.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }

    /// A complaint about a field.
    pub(super) fn fault(&self, name: &str, fault: &'static str) -> Problem {
        Problem::Field {
            at: self.path(name),
            fault,
        }
    }

    /// A field that may be absent.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, Problem> {
        match self.value(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.fault(name, "must be a text")),
        }
    }

    pub(super) fn whole(&self, name: &str) -> Result<i64, Problem> {
        let Some(value) = self.value(name) else {
            return Ok(0);
        };
        value
            .as_i64()
            .ok_or_else(|| self.fault(name, "must be a whole number"))
    }

    pub(super) fn boolean(&self, name: &str) -> Result<bool, Problem> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(set)) => Ok(*set),
            Some(_) => Err(self.fault(name, "must be true or false")),
        }
    }

    pub(super) fn base64(&self, name: &str) -> Result<Vec<u8>, Problem> {
        let text = self.text(name)?;
        from_base64(text).ok_or_else(|| self.fault(name, "must be base64"))
    }

    /// The members of an object whose keys are free.
    pub(super) fn members(
        &self,
        name: &str,
    ) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, Problem> {
        match self.value(name) {
            None => Ok(None.into_iter().flatten()),
            Some(Value::Object(map)) => Ok(Some(map).into_iter().flatten()),
            Some(_) => Err(self.fault(name, "must be an object")),
        }
    }

    /// All members, whatever their names are.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.map.iter()
    }

    /// The items of an array; `what` they are, for whoever sends more than `max` of them.
    pub(super) fn items(
        &self,
        name: &str,
        max: usize,
        what: &'static str,
    ) -> Result<&'a [Value], Problem> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) if items.len() > max => Err(Problem::TooMany { what, max }),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.fault(name, "must be an array")),
        }
    }

    pub(super) fn texts(
        &self,
        name: &str,
        max: usize,
        what: &'static str,
    ) -> Result<Vec<&'a str>, Problem> {
        let items = self.items(name, max, what)?.iter();
        items
            .map(|item| {
                item.as_str()
                    .ok_or_else(|| self.fault(name, "must hold texts"))
            })
            .collect()
    }
}

fn fault(at: &str, fault: &'static str) -> Problem {
    Problem::Field {
        at: at.to_owned(),
        fault,
    }
}

/// A name as Go compares it: without case, and with the two letters outside ASCII that have a small form inside.
fn fold(name: &str) -> String {
    let small = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(small).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_in_another_case_is_refused() {
        for key in ["Version", "VERSION", "ver\u{17f}ion"] {
            let value = json!({"version": 1, key: 2});
            assert!(Fields::of(&value, "signed", &["version"]).is_err(), "{key}");
            let alone = json!({key: 2});
            assert!(Fields::of(&alone, "signed", &["version"]).is_err(), "{key}");
        }
        let value = json!({"\u{212a}eys": {}});
        assert!(Fields::of(&value, "signed", &["keys"]).is_err());
        let other = json!({"version": 1, "versions": 2, "x-note": "kept"});
        assert!(Fields::of(&other, "signed", &["version"]).is_ok());
    }

    #[test]
    fn what_is_absent_is_empty() {
        let value = json!({"keys": null});
        let fields = Fields::of(&value, "signed", &["keys", "version", "roles", "set"]).unwrap();
        assert_eq!(fields.members("keys").unwrap().count(), 0);
        assert_eq!(fields.members("roles").unwrap().count(), 0);
        assert_eq!(fields.whole("version"), Ok(0));
        assert_eq!(fields.boolean("set"), Ok(false));
        assert!(fields.items("roles", 0, "roles").unwrap().is_empty());
        assert!(fields.text("version").is_err());
    }

    #[test]
    fn says_where_the_fault_is() {
        let value = json!({"version": 1.5, "keys": [], "sig": "*"});
        let fields = Fields::of(&value, "signed", &["version"]).unwrap();
        let said = |problem: Problem| problem.to_string();
        assert_eq!(
            said(fields.whole("version").unwrap_err()),
            "`signed.version` must be a whole number"
        );
        assert!(fields.members("keys").is_err());
        assert!(fields.base64("sig").is_err());
        assert!(fields.texts("sig", 1, "signatures").is_err());
        assert!(Fields::of(&json!([]), "signed", &[]).is_err());
    }
}
