//! What holds for whatever bytes come: nothing panics, and no change of a signed file is taken for what was signed.

use std::sync::LazyLock;

use proptest::prelude::*;
use testkit::trust_repository::{Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::author;
use trust::tuf::publish::validate;
use trust::tuf::{
    Content, FileMeta, Problem, RoleName, Root, Signed, Snapshot, Targets, Timestamp,
};

/// A repository, and an update of its `targets` that would be taken.
static UPDATE: LazyLock<(TrustRepository, Vec<u8>)> = LazyLock::new(|| {
    let mut repository = TrustRepository::new("registry.example/shop/web");
    let alice = repository.new_key(Algorithm::Ed25519);
    repository.delegate("targets/alice", &[alice], 1);
    let (_, bytes) = repository.next_targets("targets", |targets| {
        targets
            .targets
            .insert("1.4".into(), FileMeta::of(b"an image"));
    });
    (repository, bytes)
});

fn taken(bytes: Vec<u8>) -> Option<Targets> {
    let (repository, _) = &*UPDATE;
    let update = vec![(RoleName::Targets, bytes)];
    let (held, now) = (&repository.held, repository.now);
    let accepted = validate(repository.gun(), update, repository.current(), held, now).ok()?;
    accepted.uploaded()[0].targets.clone()
}

/// JSON of any shape, with the names that the readers look for.
pub(super) fn json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        Just("Root".to_owned()),
        Just("Targets".to_owned()),
        Just("2036-01-01T00:00:00Z".to_owned()),
        "[a-z/]{0,12}",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text.prop_map(Into::into),
    ];
    let name = prop_oneof![
        Just("signed"),
        Just("signatures"),
        Just("_type"),
        Just("version"),
        Just("expires"),
        Just("keys"),
        Just("roles"),
        Just("meta"),
        Just("targets"),
        Just("delegations"),
        Just("hashes"),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        let object = prop::collection::btree_map(name.clone(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Into::into),
            object.prop_map(|object| {
                let members = object.into_iter();
                members
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

/// The same with numbers that every reader of the Notary dialect reads alike: others cannot even be signed.
fn whole(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => (number.as_i64().unwrap_or(7) >> 11).into(),
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members.map(|(name, value)| (name, whole(value))).collect()
        }
        value => value,
    }
}

/// Where in a document there is a value.
pub(super) fn pointers(value: &serde_json::Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), value)];
    while let Some((at, value)) = waiting.pop() {
        if let Some(members) = value.as_object() {
            let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
            waiting.extend(members.iter().map(|(name, value)| {
                let at = format!("{at}/{}", escaped(name));
                (at, value)
            }));
        }
        if let Some(items) = value.as_array() {
            let items = items.iter().enumerate();
            waiting.extend(items.map(|(n, value)| (format!("{at}/{n}"), value)));
        }
        found.push(at);
    }
    found
}

proptest! {
    #[test]
    fn whatever_the_server_takes_every_reader_can_read(
        role in prop::sample::select(vec!["root", "targets", "targets/alice"]),
        at in any::<prop::sample::Index>(),
        to in json(),
    ) {
        // Somebody with the right keys changes anything.
        let (repository, _) = &*UPDATE;
        let mut repository = repository.clone();
        let mut said = match role {
            "root" => author::next(&RoleName::Root, repository.root(), START).to_value(),
            _ => {
                let name = RoleName::parse(role).unwrap();
                author::next(&name, repository.targets(role), START).to_value()
            }
        };
        let pointers = pointers(&said);
        *said.pointer_mut(at.get::<String>(&pointers)).unwrap() = whole(to);
        let name = RoleName::parse(role).unwrap();
        let file = repository.sign_raw(said, &repository.keys_of(role));
        if repository.post(vec![(name, file)]).is_ok() {
            let mut reader = Reader::new(repository.gun());
            let read = reader.read(&Mirror::of(&repository), START);
            match read {
                Ok(believed) => prop_assert_eq!(believed.disregarded(), []),
                // Taken as notary-server takes it: the owner gives `targets` to others, who have not signed it yet.
                Err(Problem::Threshold { role: RoleName::Targets, .. }) if role == "root" => {}
                Err(problem) => prop_assert!(false, "{}", problem),
            }
        }
    }

    #[test]
    fn a_changed_byte_never_changes_what_is_taken(at in 0_usize..2000, to in any::<u8>()) {
        let (_, bytes) = &*UPDATE;
        let said = taken(bytes.clone());
        prop_assert!(said.is_some());
        let mut changed = bytes.clone();
        let at = at % changed.len();
        changed[at] = to;
        if let Some(other) = taken(changed) {
            prop_assert_eq!(Some(other), said);
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_not_taken(length in 0_usize..2000) {
        let (_, bytes) = &*UPDATE;
        let length = length % bytes.len();
        prop_assert!(taken(bytes[..length].to_vec()).is_none());
    }

    #[test]
    fn nothing_panics_on_any_json(value in json()) {
        let bytes = value.to_string().into_bytes();
        let _ = Signed::<Root>::parse(&RoleName::Root, bytes.clone());
        let _ = Signed::<Targets>::parse(&RoleName::Targets, bytes.clone());
        let _ = Signed::<Snapshot>::parse(&RoleName::Snapshot, bytes.clone());
        let _ = Signed::<Timestamp>::parse(&RoleName::Timestamp, bytes);
    }

    #[test]
    fn nothing_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Signed::<Root>::parse(&RoleName::Root, bytes.clone()).is_err());
        prop_assert!(taken(bytes).is_none());
    }
}
