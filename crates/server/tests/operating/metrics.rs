//! `/metrics`: who may read it, that it is Prometheus's format, and that it counts what happened.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::{FutureExt, stream};
use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose};
use serde_json::json;
use server::router;
use tower::ServiceExt;
use trust::NotationIdentity;

use crate::world::{World, authorization};

/// The series of a scrape by name and labels. Whatever is not the text format fails here.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut series, mut kinds, mut helped) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let twice = kinds.insert(name.to_owned(), kind.to_owned());
            assert_eq!(twice, None, "{name} is one family");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            helped.push(rest.split(' ').next().unwrap().to_owned());
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| family.strip_suffix(end))
                .any(|family| kinds.get(family).is_some_and(|kind| kind == "histogram"));
            assert!(of_histogram || kinds.contains_key(family), "{line}");
            assert!(name == family || name.ends_with('}'), "{line}");
            let twice = series.insert(name.to_owned(), value.parse().unwrap());
            assert_eq!(twice, None, "{name} is one series");
        }
    }
    helped.sort();
    assert_eq!(helped, kinds.into_keys().collect::<Vec<_>>());
    series
}

async fn scrape(world: &World) -> BTreeMap<String, f64> {
    let answer = world.ask("GET", "/metrics", "").await.expect(200);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    parse(&answer.body)
}

fn requests(route: &str, method: &str, status: &str) -> String {
    format!(
        "countersign_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
    )
}

#[tokio::test]
async fn pulls_and_pushes_count() {
    let world = World::new().await;
    world.push("shop/web", "1").await;
    for _ in 0..3 {
        world
            .ask("GET", "/v2/shop/web/manifests/1", "")
            .await
            .expect(200);
    }
    world
        .ask("GET", "/v2/shop/web/manifests/2", "")
        .await
        .expect(404);
    world.upload("shop/web").await;
    let series = scrape(&world).await;
    for (name, value) in [
        (requests("manifest", "GET", "2xx"), 3.0),
        (requests("manifest", "GET", "4xx"), 1.0),
        (requests("manifest", "PUT", "2xx"), 1.0),
        (requests("upload", "POST", "2xx"), 1.0),
        (
            "countersign_http_request_duration_seconds_count{route=\"manifest\"}".to_owned(),
            5.0,
        ),
        ("countersign_repositories".to_owned(), 1.0),
        ("countersign_tags".to_owned(), 1.0),
        ("countersign_manifests".to_owned(), 1.0),
        ("countersign_blobs".to_owned(), 0.0),
        ("countersign_uploads_under_way".to_owned(), 1.0),
        // The one that asks.
        ("countersign_http_requests_in_flight".to_owned(), 1.0),
    ] {
        assert_eq!(series.get(&name), Some(&value), "{name}");
    }
    for name in [
        "countersign_http_received_bytes_total",
        "countersign_http_sent_bytes_total",
        "countersign_http_connections",
        "countersign_audit_rows_unsealed",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_cpu_seconds_total",
    ] {
        assert!(series.get(name).is_some_and(|value| *value > 0.0), "{name}");
    }
    // An empty index waits to be indexed and decided upon, and nobody works here.
    let waiting = series
        .iter()
        .find(|(name, _)| name.starts_with("countersign_jobs_waiting{"));
    assert!(waiting.is_some_and(|(_, value)| *value >= 1.0));
}

#[tokio::test]
async fn the_next_end_of_a_key_counts_down() {
    let world = World::new().await;
    let name = "countersign_expiry_seconds{of=\"keys\"}";
    let mut params = CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let identity = NotationIdentity::new(pem.as_bytes(), None, None).unwrap();
    let new = json!({"publicKeyPem": identity.to_text(), "name": "notation", "scope": ["shop/**"]});
    world
        .ask("POST", "/api/v1/keys", &new.to_string())
        .await
        .expect(201);
    let series = scrape(&world).await;
    // From the middle of January 2027 on.
    assert_eq!(series[name], 1_893_456_000.0 - 1_800_000_000.0);
    assert!(!series.contains_key("countersign_expiry_seconds{of=\"trusted-root\"}"));
    let keys = world
        .ask("GET", "/api/v1/keys", "")
        .await
        .expect(200)
        .json();
    assert_eq!(keys["items"][0]["endsAt"], 1_893_456_000_000_i64);
}

#[tokio::test]
async fn whoever_leaves_before_the_answer_took_no_time() {
    let world = World::new().await;
    let who = authorization("admin");
    let (_, who) = who.trim().split_once(": ").unwrap();
    let never = stream::pending::<std::io::Result<Bytes>>();
    let request = Request::put("/v2/shop/web/manifests/1")
        .header("authorization", who)
        .body(Body::from_stream(never))
        .unwrap();
    let answer = router::build(world.app.clone()).oneshot(request);
    assert!(answer.now_or_never().is_none());
    let series = scrape(&world).await;
    let times = "countersign_http_request_duration_seconds_count{route=\"manifest\"}";
    assert_eq!(series[times], 0.0);
    assert_eq!(series["countersign_http_requests_in_flight"], 1.0);
}

#[tokio::test]
async fn a_gates_answers_count() {
    let world = World::new().await;
    world.push("shop/web", "1").await;
    let policy = json!({"document": "version: 1\nrepositories: ['shop/**']\n\
        stages: {ci: {signers: [{person: admin}]}}\n\
        gates: {production: {holds-for: [{person: maria}], require: [ci]}}\n"});
    world.person("maria", "reader").await;
    world
        .ask("PUT", "/api/v1/policies/shop", &policy.to_string())
        .await
        .expect(200);
    for method in ["HEAD", "GET"] {
        world
            .ask_as("maria", method, "/v2/shop/web/manifests/1", "")
            .await
            .expect(403);
    }
    world
        .ask("GET", "/v2/shop/web/manifests/1", "")
        .await
        .expect(200);
    let series = scrape(&world).await;
    let answers =
        |outcome: &str| series[&format!("countersign_gate_answers_total{{outcome=\"{outcome}\"}}")];
    assert_eq!(answers("deny") + answers("not-ready"), 2.0);
    assert_eq!(answers("allow"), 0.0, "admin is held by none");
}

#[tokio::test]
async fn only_whoever_may_reads_them() {
    let world = World::new().await;
    for (name, role, status) in [
        ("olga", "admin", 200),
        ("ada", "auditor", 200),
        ("wim", "writer", 403),
        ("sue", "security", 403),
    ] {
        world.person(name, role).await;
        world
            .ask_as(name, "GET", "/metrics", "")
            .await
            .expect(status);
    }
    world.ask_as("", "GET", "/metrics", "").await.expect(401);
}

#[tokio::test]
async fn files_that_are_refused_stand_out() {
    let world = World::new().await;
    let name = |file: &str| format!("countersign_anchor_file_refused{{file=\"{file}\"}}");
    let series = scrape(&world).await;
    assert!(!series.keys().any(|key| key.contains("anchor_file")));
    for is_refused in [true, false] {
        world.app.anchor_file("/etc/a.crl", is_refused);
        world.app.anchor_file("/etc/b.crl", false);
        let series = scrape(&world).await;
        assert_eq!(series[&name("/etc/a.crl")], f64::from(u8::from(is_refused)));
        assert_eq!(series[&name("/etc/b.crl")], 0.0);
    }
}
