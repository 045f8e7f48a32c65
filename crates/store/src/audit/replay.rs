//! What the audit log says the state must be: its acts, one after the other. An act that changes something a gate or a
//! permit depends on carries, in its detail, all that this needs:
//!
//! | act | detail |
//! |---|---|
//! | `principal.create` | `{id, kind, name, owner}` |
//! | `principal.set-active` | `{id, active}` |
//! | `team.add-member`, `team.remove-member` | `{team, principal}`, the team by its name |
//! | `grant.add` | `{id, kind, principal, team, role, pattern}` |
//! | `grant.remove` | `{id}` |
//! | `key.register` | `{key_id, principal, scope}` |
//! | `key.revoke` | `{key_id, from}`, where `from` is null or absent for all that it ever signed |
//! | `key.rotate` | `{key_id, principal, scope, succeeds, from}`: it is there from now on, and the one that it succeeds is revoked from then |
//! | `policy.apply` | `{name, revision, digest}` |
//! | `policy.remove` | `{name}` |
//! | `break-glass.ask` | `{id, repository, digest, policy, gate, lasts_milliseconds, reason, asked_by, until_at}` |
//! | `break-glass.confirm` | `{id, confirmed_by, confirmed_at, until_at}` |
//! | `break-glass.end` | `{id, ended_by, ended_at, ended_how}` |
//! | `manifest.push`, `evidence.attach` | `{digest, …}`: the first one of a digest is its first push |
//! | `trust.publish`, `trust.renew`, `trust.release` | `{gun, files: [{role, version, sha256}], dropped: [role]}` |
//! | `trust.delete` | `{gun}` |

use serde_json::{Value, json};

use super::leaf::Leaf;
use super::state::{self, State};

/// The acts that change the state, for a SELECT.
pub(super) const ACTS: &[&str] = &[
    "principal.create",
    "principal.set-active",
    "team.add-member",
    "team.remove-member",
    "grant.add",
    "grant.remove",
    "key.register",
    "key.revoke",
    "key.rotate",
    "policy.apply",
    "policy.remove",
    "break-glass.ask",
    "break-glass.confirm",
    "break-glass.end",
    "manifest.push",
    "evidence.attach",
    "trust.publish",
    "trust.renew",
    "trust.release",
    "trust.delete",
];

/// What asking for a break-glass settles, what confirming it does, and what ending it does.
const BREAK_GLASS_ASKED: &[&str] = &[
    "repository",
    "digest",
    "policy",
    "gate",
    "lasts_milliseconds",
    "reason",
    "asked_by",
    "until_at",
];
const BREAK_GLASS_CONFIRMED: &[&str] = &["confirmed_by", "confirmed_at", "until_at"];
const BREAK_GLASS_ENDED: &[&str] = &["ended_by", "ended_at", "ended_how"];

/// Applies an act to the state before it; `None` when its detail does not say what it must.
pub(super) fn apply(state: &mut State, leaf: &Leaf) -> Option<()> {
    let detail: Value = serde_json::from_str(&leaf.detail).ok()?;
    match leaf.act.as_str() {
        "principal.create" => {
            let value = pick(&detail, &["kind", "name", "owner"])?;
            state.insert(
                state::principal(int(&detail, "id")?),
                with(value, "active", json!(true)),
            );
        }
        "principal.set-active" => {
            let active = detail.get("active")?.as_bool()?;
            set(
                state,
                &state::principal(int(&detail, "id")?),
                "active",
                json!(active),
            )?;
        }
        "team.add-member" => {
            state.insert(
                state::member(text(&detail, "team")?, int(&detail, "principal")?),
                json!("a member"),
            );
        }
        "team.remove-member" => {
            state.remove(&state::member(
                text(&detail, "team")?,
                int(&detail, "principal")?,
            ));
        }
        "grant.add" => {
            let value = pick(&detail, &["kind", "principal", "team", "role", "pattern"])?;
            state.insert(state::grant(int(&detail, "id")?), value);
        }
        "grant.remove" => {
            state.remove(&state::grant(int(&detail, "id")?));
        }
        "key.register" => {
            // Registering it again leaves what it succeeded.
            let name = state::signing_key(text(&detail, "key_id")?);
            let before = state.get(&name).and_then(|key| key.get("succeeds"));
            let succeeds = before.cloned().unwrap_or(Value::Null);
            insert_key(state, &detail, succeeds)?;
        }
        "key.revoke" => {
            let from = detail.get("from").cloned().unwrap_or(Value::Null);
            revoke_key(state, text(&detail, "key_id")?, from, leaf.happened_at)?;
        }
        "key.rotate" => {
            let old = text(&detail, "succeeds")?;
            let from = detail.get("from")?.clone();
            revoke_key(state, old, from, leaf.happened_at)?;
            insert_key(state, &detail, json!(old))?;
        }
        "policy.apply" => {
            state.insert(
                state::policy(text(&detail, "name")?),
                pick(&detail, &["revision", "digest"])?,
            );
        }
        "policy.remove" => {
            state.remove(&state::policy(text(&detail, "name")?));
        }
        "break-glass.ask" => {
            let mut value = pick(&detail, BREAK_GLASS_ASKED)?;
            for field in BREAK_GLASS_CONFIRMED.iter().chain(BREAK_GLASS_ENDED) {
                // Confirming changes one that asking has set already.
                if value.get(*field).is_none() {
                    value = with(value, field, Value::Null);
                }
            }
            state.insert(state::break_glass(int(&detail, "id")?), value);
        }
        "break-glass.confirm" | "break-glass.end" => {
            let fields = match leaf.act.as_str() {
                "break-glass.confirm" => BREAK_GLASS_CONFIRMED,
                _ => BREAK_GLASS_ENDED,
            };
            let name = state::break_glass(int(&detail, "id")?);
            for field in fields {
                set(state, &name, field, detail.get(*field)?.clone())?;
            }
        }
        "manifest.push" | "evidence.attach" => {
            let pusher = leaf
                .actor
                .strip_prefix("principal:")
                .and_then(|id| id.parse::<i64>().ok());
            state
                .entry(state::first_push(text(&detail, "digest")?))
                .or_insert(json!({"principal": pusher}));
        }
        "trust.publish" | "trust.renew" | "trust.release" => trust_publish(state, &detail)?,
        "trust.delete" => {
            let all = state::trust_repository(text(&detail, "gun")?);
            state.retain(|name, _| !name.starts_with(&all));
        }
        _ => {}
    }
    Some(())
}

fn insert_key(state: &mut State, detail: &Value, succeeds: Value) -> Option<()> {
    let mut value = pick(detail, &["principal", "scope"])?;
    for (field, content) in [
        ("revoked_at", Value::Null),
        ("revoked_from", Value::Null),
        ("succeeds", succeeds),
    ] {
        value = with(value, field, content);
    }
    state.insert(state::signing_key(text(detail, "key_id")?), value);
    Some(())
}

fn revoke_key(state: &mut State, key_id: &str, from: Value, at: i64) -> Option<()> {
    let name = state::signing_key(key_id);
    // A second time only moves the moment back.
    if state.get(&name)?.get("revoked_at")?.is_null() {
        set(state, &name, "revoked_at", json!(at))?;
    }
    set(state, &name, "revoked_from", from)
}

fn trust_publish(state: &mut State, detail: &Value) -> Option<()> {
    let gun = text(detail, "gun")?;
    for file in detail.get("files")?.as_array()? {
        let name = state::trust_file(gun, text(file, "role")?);
        let value = pick(file, &["version", "sha256"])?;
        state.insert(name, with(value, "listed", json!(true)));
    }
    for role in detail.get("dropped")?.as_array()? {
        let name = state::trust_file(gun, role.as_str()?);
        set(state, &name, "listed", json!(false))?;
    }
    Some(())
}

/// The fields of a thing, all of which must be there.
fn pick(detail: &Value, fields: &[&str]) -> Option<Value> {
    fields
        .iter()
        .map(|field| Some(((*field).to_owned(), detail.get(*field)?.clone())))
        .collect()
}

fn with(mut value: Value, field: &str, content: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(field.to_owned(), content);
    }
    value
}

/// Changes a field of a thing that is there.
fn set(state: &mut State, name: &str, field: &str, content: Value) -> Option<()> {
    state
        .get_mut(name)?
        .as_object_mut()?
        .insert(field.to_owned(), content);
    Some(())
}

fn int(detail: &Value, field: &str) -> Option<i64> {
    detail.get(field)?.as_i64()
}

fn text<'a>(detail: &'a Value, field: &str) -> Option<&'a str> {
    detail.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(act: &str, detail: Value) -> Leaf {
        Leaf {
            id: 1,
            happened_at: 50,
            actor: "principal:3".to_owned(),
            act: act.to_owned(),
            object: String::new(),
            detail: detail.to_string(),
        }
    }

    #[test]
    fn acts_add_up_to_a_state() {
        let mut state = State::new();
        for (act, detail) in [
            (
                "principal.create",
                json!({"id": 3, "kind": "person", "name": "maria", "owner": null}),
            ),
            ("principal.set-active", json!({"id": 3, "active": false})),
            ("team.add-member", json!({"team": "qa", "principal": 3})),
            ("team.remove-member", json!({"team": "qa", "principal": 3})),
            (
                "grant.add",
                json!({"id": 1, "kind": "anonymous", "principal": null, "team": null, "role": "reader", "pattern": "**"}),
            ),
            (
                "key.register",
                json!({"key_id": "ab", "principal": 3, "scope": ["shop/**"], "name": "laptop"}),
            ),
            ("key.revoke", json!({"key_id": "ab", "from": 30})),
            ("key.revoke", json!({"key_id": "ab"})),
            (
                "key.register",
                json!({"key_id": "cd", "principal": 3, "scope": ["shop/**"], "name": "desk"}),
            ),
            ("key.revoke", json!({"key_id": "cd", "from": 40})),
            (
                "key.register",
                json!({"key_id": "ef", "principal": 3, "scope": ["shop/**"], "name": "old"}),
            ),
            (
                "key.rotate",
                json!({"key_id": "gh", "principal": 3, "scope": ["shop/**"], "name": "old", "succeeds": "ef", "from": 45}),
            ),
            (
                "key.register",
                json!({"key_id": "gh", "principal": 3, "scope": ["shop/*"], "name": "new"}),
            ),
            (
                "policy.apply",
                json!({"name": "shop", "revision": 1, "digest": "x"}),
            ),
            (
                "policy.apply",
                json!({"name": "shop", "revision": 2, "digest": "y"}),
            ),
            (
                "break-glass.ask",
                json!({"id": 4, "repository": "shop/web", "digest": "sha256:1", "policy": "shop", "gate": "production",
                    "lasts_milliseconds": 9, "reason": "r", "asked_by": 3, "until_at": 100}),
            ),
            (
                "break-glass.confirm",
                json!({"id": 4, "confirmed_by": 5, "confirmed_at": 60, "until_at": 69}),
            ),
            (
                "break-glass.end",
                json!({"id": 4, "ended_by": null, "ended_at": 69, "ended_how": "over"}),
            ),
            ("manifest.push", json!({"digest": "sha256:1"})),
            ("trust.publish", published("a/web", "targets", 1, &[])),
            (
                "trust.release",
                published("a/web", "targets/releases", 1, &[]),
            ),
            ("trust.renew", published("a/web", "timestamp", 1, &[])),
            (
                "trust.publish",
                published("a/web", "targets", 2, &["timestamp"]),
            ),
            ("trust.publish", published("a/w", "root", 1, &[])),
            ("trust.delete", json!({"gun": "a/w"})),
        ] {
            assert!(apply(&mut state, &leaf(act, detail)).is_some(), "{act}");
        }
        let expect = State::from([
            (
                "principal 3".to_owned(),
                json!({"kind": "person", "name": "maria", "owner": null, "active": false}),
            ),
            (
                "grant 1".to_owned(),
                json!({"kind": "anonymous", "principal": null, "team": null, "role": "reader", "pattern": "**"}),
            ),
            (
                "signing key `ab`".to_owned(),
                json!({"principal": 3, "scope": ["shop/**"], "revoked_at": 50, "revoked_from": null, "succeeds": null}),
            ),
            (
                "signing key `cd`".to_owned(),
                json!({"principal": 3, "scope": ["shop/**"], "revoked_at": 50, "revoked_from": 40, "succeeds": null}),
            ),
            (
                "signing key `ef`".to_owned(),
                json!({"principal": 3, "scope": ["shop/**"], "revoked_at": 50, "revoked_from": 45, "succeeds": null}),
            ),
            (
                "signing key `gh`".to_owned(),
                json!({"principal": 3, "scope": ["shop/*"], "revoked_at": null, "revoked_from": null, "succeeds": "ef"}),
            ),
            (
                "policy `shop`".to_owned(),
                json!({"revision": 2, "digest": "y"}),
            ),
            (
                "break-glass 4".to_owned(),
                json!({"repository": "shop/web", "digest": "sha256:1", "policy": "shop", "gate": "production",
                    "lasts_milliseconds": 9, "reason": "r", "asked_by": 3, "until_at": 69, "confirmed_by": 5,
                    "confirmed_at": 60, "ended_by": null, "ended_at": 69, "ended_how": "over"}),
            ),
            (
                "first push of `sha256:1`".to_owned(),
                json!({"principal": 3}),
            ),
            (
                "trust repository `a/web`, targets".to_owned(),
                json!({"version": 2, "sha256": "x", "listed": true}),
            ),
            (
                "trust repository `a/web`, targets/releases".to_owned(),
                json!({"version": 1, "sha256": "x", "listed": true}),
            ),
            (
                "trust repository `a/web`, timestamp".to_owned(),
                json!({"version": 1, "sha256": "x", "listed": false}),
            ),
        ]);
        assert_eq!(state, expect);
    }

    fn published(gun: &str, role: &str, version: i64, dropped: &[&str]) -> Value {
        json!({
            "gun": gun, "files": [{"role": role, "version": version, "sha256": "x"}], "dropped": dropped,
        })
    }

    #[test]
    fn a_detail_that_lacks_a_field_does_not_pass() {
        for act in ACTS {
            assert!(
                apply(&mut State::new(), &leaf(act, json!({}))).is_none(),
                "{act}"
            );
        }
        assert!(
            apply(&mut State::new(), &leaf("team.create", json!({}))).is_some(),
            "others change nothing"
        );
    }
}
