//! Calls of our API: addresses, credentials, bodies, refusals.

use std::io;

use bytes::Bytes;
use client::api::accounts::{Grantee, NewGrant, PrincipalChange};
use client::api::advisories::{AffectedBy, ImportLine};
use client::api::policies::PutPolicy;
use client::{Credentials, Error, PageRequest};
use serde_json::json;

use crate::server::{MARIA_BASIC, Server, json, maria, respond, status};

#[tokio::test]
async fn credentials_are_sent_as_they_are() {
    let server = Server::start(|_, _| {
        json(
            200,
            json!({"kind": "person", "name": "m", "teams": [], "roles": []}),
        )
    })
    .await;
    server.client(maria()).whoami().await.unwrap();
    server
        .client(Credentials::Token("cst_x".into()))
        .whoami()
        .await
        .unwrap();
    server.anonymous().whoami().await.unwrap();
    let sent: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(
        sent,
        [
            Some(MARIA_BASIC.to_owned()),
            Some("Bearer cst_x".to_owned()),
            None
        ]
    );
}

#[tokio::test]
async fn names_cannot_leave_their_place_in_the_address() {
    let server = Server::start(|_, _| status(204)).await;
    let client = server.client(maria());
    client.delete_team("../users/maria?x#y").await.unwrap();
    client.add_member("qa", "ci shop").await.unwrap();
    let by = AffectedBy::Purl("pkg:pypi/django@3.2&id=CVE-1".into());
    client.affected(&by).await.unwrap_err();
    assert_eq!(
        server.targets(),
        [
            "DELETE /api/v1/teams/..%2Fusers%2Fmaria%3Fx%23y",
            "POST /api/v1/teams/qa/members/ci%20shop",
            "GET /api/v1/affected?purl=pkg%3Apypi%2Fdjango%403.2%26id%3DCVE-1",
        ]
    );
}

#[tokio::test]
async fn dots_are_not_names() {
    let server = Server::start(|_, _| status(204)).await;
    let client = server.client(maria());
    for name in ["..", ".", ""] {
        assert!(
            matches!(client.delete_user(name).await, Err(Error::Name { .. })),
            "{name}"
        );
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn bodies_are_json_and_dry_runs_say_so() {
    let server = Server::start(|_, seen| match seen.method.as_str() {
        "PATCH" => json(200, json!({"name": "maria", "active": false, "createdAt": 1})),
        "PUT" => json(200, json!({"applied": false})),
        _ => json(200, json!({"id": 1, "to": {"team": "qa"}, "role": "reader", "pattern": "**", "createdAt": 1})),
    })
    .await;
    let client = server.client(maria());
    let change = PrincipalChange {
        active: Some(false),
        password: None,
    };
    assert!(!client.change_user("maria", &change).await.unwrap().active);
    client
        .put_policy(
            "shop",
            &PutPolicy {
                document: "version: 1\n".into(),
            },
            true,
        )
        .await
        .unwrap();
    client
        .put_policy(
            "shop",
            &PutPolicy {
                document: "version: 1\n".into(),
            },
            false,
        )
        .await
        .unwrap();
    let to = Grantee::Team("qa".into());
    client
        .create_grant(&NewGrant {
            to,
            role: "reader".into(),
            pattern: "**".into(),
        })
        .await
        .unwrap();
    assert_eq!(
        server.targets(),
        [
            "PATCH /api/v1/users/maria",
            "PUT /api/v1/policies/shop?dryRun=true",
            "PUT /api/v1/policies/shop",
            "POST /api/v1/grants",
        ]
    );
    assert_eq!(server.seen()[0].body, r#"{"active":false}"#);
    assert_eq!(
        server.seen()[1].header("content-type"),
        Some("application/json")
    );
}

#[tokio::test]
async fn attack_a_server_that_answers_about_signatures_where_attestations_were_asked_about() {
    const WANTED: &str = "https://slsa.dev/provenance/v1";
    let digest = format!("sha256:{}", "ab".repeat(32));
    for (verifications, is_taken) in [
        (json!([{"attested": WANTED}]), true),
        (json!([{"policy": "shop"}]), false),
        (json!([{"attested": WANTED}, {"policy": "shop"}]), false),
        (json!([{"attested": "https://spdx.dev/Document"}]), false),
        (json!([]), false),
    ] {
        let answer = json!({
            "verified": true, "repository": "shop/web", "digest": digest, "sentence": "", "tree": "", "explanation": [],
            "verifications": verifications,
        });
        let server = Server::start(move |_, _| json(200, answer.clone())).await;
        let client = server.anonymous();
        match client.verify_attested("shop/web:1", WANTED).await {
            Ok(answer) => assert!(is_taken && answer.verified, "{verifications}"),
            Err(error) => {
                assert!(!is_taken, "{verifications}: {error}");
                assert!(
                    error.to_string().contains("too old for `--type`"),
                    "{error}"
                );
            }
        }
        assert_eq!(
            server.targets(),
            ["GET /api/v1/verify?ref=shop%2Fweb%3A1&type=https%3A%2F%2Fslsa.dev%2Fprovenance%2Fv1"]
        );
    }
}

#[tokio::test]
async fn refusals_carry_everything() {
    let server = Server::start(|_, _| {
        let error = json!({"code": "tokens-cannot", "message": "tokens cannot register keys",
            "next": "countersign login", "detail": {"why": 1}, "requestId": "r-1"});
        respond(
            403,
            &[("retry-after", "7")],
            json!({"error": error}).to_string(),
        )
    })
    .await;
    let error = server.client(maria()).keys().await.unwrap_err();
    let refused = error.refused().unwrap();
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (403, "tokens-cannot")
    );
    assert_eq!(refused.next.as_deref(), Some("countersign login"));
    assert_eq!(refused.request_id.as_deref(), Some("r-1"));
    assert_eq!(refused.detail, Some(json!({"why": 1})));
    assert_eq!(refused.retry_after_seconds, Some(7));
    assert_eq!(
        error.to_string(),
        "tokens cannot register keys (tokens-cannot, status 403)"
    );
}

#[tokio::test]
async fn redirects_of_the_api_are_not_followed() {
    let elsewhere = Server::start(|_, _| json(200, json!({}))).await;
    let location = elsewhere.base.clone();
    let server = Server::start(move |_, _| respond(302, &[("location", &location)], "")).await;
    assert!(matches!(
        server.client(maria()).whoami().await,
        Err(Error::Redirect { .. })
    ));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn lists_are_read_to_their_end_and_no_further() {
    let server = Server::start(|_, seen| match seen.target.as_str() {
        "/api/v1/teams" => json(
            200,
            json!({"items": [{"name": "a", "createdAt": 1, "members": []}], "next": "a"}),
        ),
        "/api/v1/teams?after=a" => json(
            200,
            json!({"items": [{"name": "b", "createdAt": 1, "members": []}]}),
        ),
        // Always the same page: an end too.
        _ => json(200, json!({"items": [], "next": "x"})),
    })
    .await;
    let client = server.client(maria());
    let names: Vec<_> = client
        .teams()
        .await
        .unwrap()
        .into_iter()
        .map(|team| team.name)
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(client.robots().await.unwrap().is_empty());
    let page = PageRequest {
        after: Some("17"),
        limit: Some(5),
    };
    client.events(page).await.unwrap();
    assert_eq!(
        server.targets().pop().unwrap(),
        "GET /api/v1/events?after=17&limit=5"
    );
}

#[tokio::test]
async fn imports_are_streamed_lines() {
    let server = Server::start(|_, _| {
        json(200, json!({"source": "osv", "added": 1, "changed": 0, "withdrawn": 0, "unchanged": 0, "keysChanged": 1}))
    })
    .await;
    let line = serde_json::from_value(json!({"advisory": {"id": "CVE-1"}})).unwrap();
    let lines =
        [ImportLine::header(), line].map(|line: ImportLine| line.to_bytes().map(Bytes::from));
    let lines: Vec<io::Result<Bytes>> = lines
        .into_iter()
        .map(|line| line.map_err(io::Error::from))
        .collect();
    let report = server
        .client(maria())
        .import_advisories("osv", true, futures_util::stream::iter(lines))
        .await
        .unwrap();
    assert_eq!(report.added, 1);
    let seen = server.seen().pop().unwrap();
    assert!(seen.is("POST", "/api/v1/advisories?source=osv&allowOlder=true"));
    assert_eq!(seen.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        seen.body,
        "{\"format\":\"countersign.advisories/v1\"}\n{\"advisory\":{\"id\":\"CVE-1\"}}\n"
    );
}

#[tokio::test]
async fn nonsense_is_malformed_and_silence_unreachable() {
    let server = Server::start(|_, _| respond(200, &[], "<html>")).await;
    assert!(matches!(
        server.client(maria()).users().await,
        Err(Error::Malformed { .. })
    ));
    let client = server.client(maria());
    let port = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = client::ClientOptions::new(&format!("http://{port}")).unwrap();
    let gone = client::Client::new(gone).unwrap();
    assert!(matches!(
        gone.whoami().await,
        Err(Error::Unreachable { .. })
    ));
    drop(client);
}
