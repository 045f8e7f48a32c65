//! The state that the audit log accounts for, in one comparable form: what a thing is called, and what it is. One side is
//! replayed from the log, the other read from the tables; nothing here says which of them is right.

use std::collections::BTreeMap;

use serde_json::Value;

/// Things by name. The names are for people: a difference is reported with them.
pub(super) type State = BTreeMap<String, Value>;

/// A person or robot.
pub(super) fn principal(id: i64) -> String {
    format!("principal {id}")
}

/// A membership.
pub(super) fn member(team: &str, principal: i64) -> String {
    format!("principal {principal} in team `{team}`")
}

/// A grant.
pub(super) fn grant(id: i64) -> String {
    format!("grant {id}")
}

/// A registered signing key.
pub(super) fn signing_key(key_id: &str) -> String {
    format!("signing key `{key_id}`")
}

/// A policy in force.
pub(super) fn policy(name: &str) -> String {
    format!("policy `{name}`")
}

/// A break-glass.
pub(super) fn break_glass(id: i64) -> String {
    format!("break-glass {id}")
}

/// Who first brought a digest.
pub(super) fn first_push(digest: &str) -> String {
    format!("first push of `{digest}`")
}

/// What all roles of a trust repository begin with.
pub(super) fn trust_repository(gun: &str) -> String {
    format!("trust repository `{gun}`, ")
}

/// The newest file of a role of a trust repository.
pub(super) fn trust_file(gun: &str, role: &str) -> String {
    format!("{}{role}", trust_repository(gun))
}

/// How the tables differ from what the log accounts for, one line a thing.
pub(super) fn differences(accounted: &State, found: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, expected) in accounted {
        match found.get(name) {
            None => lines.push(format!(
                "{name} is missing: the audit log says it is {expected}"
            )),
            Some(value) if value != expected => {
                lines.push(format!(
                    "{name} was changed: it is {value}, the audit log says {expected}"
                ));
            }
            Some(_) => {}
        }
    }
    for (name, value) in found
        .iter()
        .filter(|(name, _)| !accounted.contains_key(*name))
    {
        lines.push(format!(
            "{name} has no account: it is {value}, and no row of the audit log made it"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_is_named_once() {
        let accounted = State::from([
            ("a".to_owned(), json!(1)),
            ("b".to_owned(), json!(2)),
            ("c".to_owned(), json!(3)),
        ]);
        let found = State::from([
            ("a".to_owned(), json!(1)),
            ("b".to_owned(), json!(9)),
            ("d".to_owned(), json!(4)),
        ]);
        let lines = differences(&accounted, &found);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("b was changed"));
        assert!(lines[1].starts_with("c is missing"));
        assert!(lines[2].starts_with("d has no account"));
        assert!(differences(&found, &found).is_empty());
    }
}
