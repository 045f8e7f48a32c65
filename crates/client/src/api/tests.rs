//! The wire format itself: what is written here is what other programs read.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::accounts::{Grantee, NewGrant, PrincipalChange};
use super::advisories::ImportLine;
use super::events::{CloudEvent, EventParts};
use super::gate::{GateAnswer, Outcome};
use super::image::{Image, InventoryState};
use super::tokens::{CreatedToken, NewToken, Token};
use super::{ErrorBody, Page, Secret};

fn check<T: Serialize + DeserializeOwned>(value: &T, expected: Value) {
    let written = serde_json::to_value(value).unwrap();
    assert_eq!(written, expected);
    let read: T = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), expected);
}

#[test]
fn grantees_name_their_kind() {
    let grant = |to| NewGrant {
        to,
        role: "writer".into(),
        pattern: "shop/**".into(),
    };
    check(
        &grant(Grantee::Team("qa".into())),
        json!({"to": {"team": "qa"}, "role": "writer", "pattern": "shop/**"}),
    );
    check(
        &grant(Grantee::Anonymous),
        json!({"to": "anonymous", "role": "writer", "pattern": "shop/**"}),
    );
}

#[test]
fn created_token_is_flat_and_hides_itself_from_logs() {
    let about = Token {
        id: 7,
        name: "laptop".into(),
        principal: "maria".into(),
        scope: None,
        created_at: 1,
        expires_at: Some(2),
        revoked_at: None,
    };
    let created = CreatedToken {
        token: Secret::from("cst_secret"),
        about,
    };
    assert!(!format!("{created:?}").contains("cst_secret"));
    check(
        &created,
        json!({"token": "cst_secret", "id": 7, "name": "laptop", "principal": "maria", "createdAt": 1, "expiresAt": 2}),
    );
    check(
        &NewToken {
            name: "ci".into(),
            expires_in_days: Some(30),
            principal: Some("ci-shop".into()),
            scope: Some(vec!["repository:shop/web:pull,push".into()]),
        },
        json!({"name": "ci", "expiresInDays": 30, "for": "ci-shop", "scope": ["repository:shop/web:pull,push"]}),
    );
}

#[test]
fn misspelt_requests_are_refused() {
    let misspelt = json!({"actve": false});
    assert!(serde_json::from_value::<PrincipalChange>(misspelt).is_err());
}

#[test]
fn answers_may_grow() {
    let error: ErrorBody =
        serde_json::from_value(json!({"error": {"code": "x", "message": "m", "new": 1}})).unwrap();
    assert_eq!(error.error.next, None);
    let page: Page<i64> = serde_json::from_value(json!({"items": [1], "total": 9})).unwrap();
    assert_eq!(page, Page::whole(vec![1]));
}

#[test]
fn outcomes_and_states_are_kebab_case() {
    let answer = GateAnswer {
        outcome: Outcome::NotReady,
        sentence: "s".into(),
        tree: "t".into(),
        explanation: vec![json!({"kind": "gate"})],
        decisions: vec![json!({"gate": "production"})],
    };
    check(
        &answer,
        json!({"outcome": "not-ready", "sentence": "s", "tree": "t", "explanation": [{"kind": "gate"}],
            "decisions": [{"gate": "production"}]}),
    );
    assert_eq!(
        serde_json::to_value(InventoryState::NotIndexed).unwrap(),
        "not-indexed"
    );
}

#[test]
fn lines_of_an_import_are_told_apart() {
    for (line, expected) in [
        (r#"{"format":"countersign.advisories/v1"}"#, "header"),
        (r#"{"advisory":{"format":"x","id":"CVE-1"}}"#, "advisory"),
        (r#"{"knownExploited":"CVE-1"}"#, "exploited"),
    ] {
        let read: ImportLine = serde_json::from_str(line).unwrap();
        let kind = match &read {
            ImportLine::Header(_) => "header",
            ImportLine::Advisory(_) => "advisory",
            ImportLine::KnownExploited(_) => "exploited",
        };
        assert_eq!(kind, expected);
        assert_eq!(read.to_bytes().unwrap(), format!("{line}\n").into_bytes());
    }
    for line in [
        r#"{"advisory":{},"knownExploited":"CVE-1"}"#,
        "{}",
        r#"{"format":1}"#,
    ] {
        assert!(serde_json::from_str::<ImportLine>(line).is_err(), "{line}");
    }
}

#[test]
fn events_are_cloudevents() {
    let parts = EventParts {
        id: "01J".into(),
        sequence: 42,
        kind: "image.pushed".into(),
        repository: Some("shop/web".into()),
        digest: Some("sha256:ab".into()),
        ordering_key: "shop/web@sha256:ab".into(),
        happened_at: 1_700_000_000_123,
        data: json!({"tags": ["1"]}),
    };
    let event = CloudEvent::new(parts);
    assert_eq!(
        (event.short_kind(), event.sequence_number()),
        ("image.pushed", Some(42))
    );
    check(
        &event,
        json!({
            "specversion": "1.0", "id": "01J", "source": "/countersign", "type": "dev.countersign.image.pushed",
            "subject": "shop/web@sha256:ab", "time": "2023-11-14T22:13:20.123Z", "datacontenttype": "application/json",
            "sequence": "00000000000000000042", "partitionkey": "shop/web@sha256:ab", "data": {"tags": ["1"]}
        }),
    );
}

#[test]
fn names_and_digests_are_checked_on_the_way_in() {
    let image = |repository: &str, digest: &str| {
        serde_json::from_value::<Image>(json!({
            "repository": repository, "digest": digest, "tags": [], "mediaType": "m", "shape": "image", "pushedAt": 1
        }))
    };
    let digest = format!("sha256:{}", "a".repeat(64));
    assert!(image("shop/web", &digest).is_ok());
    assert!(image("../etc", &digest).is_err());
    assert!(image("shop/web", "sha256:short").is_err());
}
