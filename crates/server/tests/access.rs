//! Who may ask what: every route of the server, asked by every kind of caller, as one printed matrix. A route that is in the router and not
//! here fails the last test, so that none is added without deciding who may use it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "world/world.rs"]
mod world;

use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use world::World;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Callers, in the order of the columns: nobody, a person without any grant, and one person for each role on `**`.
const ACTORS: &[&str] = &[
    "anonymous",
    "stranger",
    "reader",
    "writer",
    "signer",
    "maintainer",
    "security",
    "admin",
    "auditor",
];

/// A route as the router has it, and a request that reaches it. The body is such that whoever may ask is told that it is wrong, or that
/// what it names is not there: nothing is changed while the matrix is printed.
struct Asked {
    method: &'static str,
    route: &'static str,
    path: &'static str,
    body: Option<Value>,
}

fn asked(method: &'static str, route: &'static str, path: &'static str) -> Asked {
    Asked {
        method,
        route,
        path,
        body: None,
    }
}

fn with(method: &'static str, route: &'static str, path: &'static str, body: Value) -> Asked {
    Asked {
        method,
        route,
        path,
        body: Some(body),
    }
}

fn api() -> Vec<Asked> {
    let nobody = json!({"unknown": true});
    vec![
        asked("GET", "/openapi.json", "/api/v1/openapi.json"),
        asked("GET", "/whoami", "/api/v1/whoami"),
        asked("GET", "/users", "/api/v1/users"),
        with("POST", "/users", "/api/v1/users", nobody.clone()),
        with("PATCH", "/users/{name}", "/api/v1/users/nobody", json!({})),
        asked("DELETE", "/users/{name}", "/api/v1/users/nobody"),
        asked("GET", "/robots", "/api/v1/robots"),
        with("POST", "/robots", "/api/v1/robots", nobody.clone()),
        with(
            "PATCH",
            "/robots/{name}",
            "/api/v1/robots/nobody",
            json!({}),
        ),
        asked("DELETE", "/robots/{name}", "/api/v1/robots/nobody"),
        asked("GET", "/teams", "/api/v1/teams"),
        with("POST", "/teams", "/api/v1/teams", nobody.clone()),
        asked("DELETE", "/teams/{name}", "/api/v1/teams/none"),
        asked(
            "POST",
            "/teams/{name}/members/{principal}",
            "/api/v1/teams/none/members/nobody",
        ),
        asked(
            "DELETE",
            "/teams/{name}/members/{principal}",
            "/api/v1/teams/none/members/nobody",
        ),
        asked("GET", "/grants", "/api/v1/grants"),
        with("POST", "/grants", "/api/v1/grants", nobody.clone()),
        asked("DELETE", "/grants/{id}", "/api/v1/grants/999999"),
        asked("GET", "/tokens", "/api/v1/tokens"),
        with("POST", "/tokens", "/api/v1/tokens", nobody.clone()),
        asked("DELETE", "/tokens/{id}", "/api/v1/tokens/999999"),
        asked("GET", "/keys", "/api/v1/keys"),
        with("POST", "/keys", "/api/v1/keys", nobody.clone()),
        with(
            "POST",
            "/keys/challenges",
            "/api/v1/keys/challenges",
            nobody.clone(),
        ),
        with("POST", "/keys/held", "/api/v1/keys/held", nobody.clone()),
        with(
            "POST",
            "/keys/held/{name}/signatures",
            "/api/v1/keys/held/none/signatures",
            json!({"repository": "shop/web", "digest": DIGEST, "stage": "ci"}),
        ),
        asked(
            "POST",
            "/keys/held/{name}/rotation",
            "/api/v1/keys/held/none/rotation",
        ),
        asked("DELETE", "/keys/{id}", "/api/v1/keys/none"),
        with(
            "POST",
            "/keys/{id}/revocation",
            "/api/v1/keys/none/revocation",
            nobody.clone(),
        ),
        with(
            "POST",
            "/keys/{id}/successor",
            "/api/v1/keys/none/successor",
            nobody.clone(),
        ),
        with(
            "POST",
            "/keys/{id}/successor/challenges",
            "/api/v1/keys/none/successor/challenges",
            nobody.clone(),
        ),
        asked("GET", "/policies", "/api/v1/policies"),
        asked("GET", "/policies/{name}", "/api/v1/policies/none"),
        with(
            "PUT",
            "/policies/{name}",
            "/api/v1/policies/none",
            nobody.clone(),
        ),
        asked("DELETE", "/policies/{name}", "/api/v1/policies/none"),
        with("POST", "/lint", "/api/v1/lint", nobody.clone()),
        asked(
            "GET",
            "/gate",
            "/api/v1/gate?ref=shop/web:1&gate=production",
        ),
        asked("GET", "/verify", "/api/v1/verify?ref=shop/web:1"),
        asked("GET", "/receipts", "/api/v1/receipts?ref=shop/web:1"),
        asked("GET", "/receipt-keys", "/api/v1/receipt-keys"),
        asked("GET", "/break-glass", "/api/v1/break-glass"),
        with(
            "POST",
            "/break-glass",
            "/api/v1/break-glass",
            json!({"image": "shop/web:1", "gate": "production", "forSeconds": 60, "reason": "why"}),
        ),
        asked("GET", "/break-glass/{id}", "/api/v1/break-glass/999999"),
        asked("DELETE", "/break-glass/{id}", "/api/v1/break-glass/999999"),
        asked(
            "POST",
            "/break-glass/{id}/confirm",
            "/api/v1/break-glass/999999/confirm",
        ),
        asked("GET", "/repositories", "/api/v1/repositories"),
        asked(
            "GET",
            "/repositories/tags",
            "/api/v1/repositories/tags?repository=shop/web",
        ),
        asked(
            "DELETE",
            "/repositories",
            "/api/v1/repositories?repository=shop/web",
        ),
        asked(
            "DELETE",
            "/repositories/tags",
            "/api/v1/repositories/tags?repository=shop/web&pattern=none",
        ),
        asked("GET", "/image", "/api/v1/image?ref=shop/web:1"),
        asked("GET", "/image/sbom", "/api/v1/image/sbom?ref=shop/web:1"),
        asked(
            "GET",
            "/image/findings",
            "/api/v1/image/findings?ref=shop/web:1",
        ),
        asked(
            "GET",
            "/image/evidence",
            "/api/v1/image/evidence?ref=shop/web:1",
        ),
        asked("GET", "/affected", "/api/v1/affected?id=CVE-2000-0001"),
        asked("GET", "/advisories/status", "/api/v1/advisories/status"),
        asked("POST", "/advisories", "/api/v1/advisories?source=none"),
        asked("GET", "/events", "/api/v1/events"),
        asked("GET", "/webhooks", "/api/v1/webhooks"),
        with("POST", "/webhooks", "/api/v1/webhooks", nobody.clone()),
        asked("DELETE", "/webhooks/{id}", "/api/v1/webhooks/999999"),
        asked("GET", "/audit", "/api/v1/audit"),
        asked("GET", "/garbage", "/api/v1/garbage"),
        with("POST", "/garbage", "/api/v1/garbage", nobody),
    ]
}

fn distribution() -> Vec<Asked> {
    vec![
        asked("GET", "/v2/", "/v2/"),
        asked("GET", "/v2/_catalog", "/v2/_catalog"),
        asked("GET", "/v2/<name>/tags/list", "/v2/shop/web/tags/list"),
        asked(
            "GET",
            "/v2/<name>/manifests/<reference>",
            "/v2/shop/web/manifests/1",
        ),
        asked(
            "HEAD",
            "/v2/<name>/manifests/<reference>",
            "/v2/shop/web/manifests/1",
        ),
        with(
            "PUT",
            "/v2/<name>/manifests/<reference>",
            "/v2/shop/web/manifests/1",
            json!("not a manifest"),
        ),
        asked(
            "DELETE",
            "/v2/<name>/manifests/<reference>",
            "/v2/shop/web/manifests/1",
        ),
        asked(
            "GET",
            "/v2/<name>/blobs/<digest>",
            "/v2/shop/web/blobs/DIGEST",
        ),
        asked(
            "DELETE",
            "/v2/<name>/blobs/<digest>",
            "/v2/shop/web/blobs/DIGEST",
        ),
        asked(
            "GET",
            "/v2/<name>/referrers/<digest>",
            "/v2/shop/web/referrers/DIGEST",
        ),
        asked(
            "POST",
            "/v2/<name>/blobs/uploads/",
            "/v2/shop/web/blobs/uploads/",
        ),
        asked(
            "GET",
            "/extensions/v2/<name>/signatures/<digest>",
            "/extensions/v2/shop/web/signatures/DIGEST",
        ),
        with(
            "PUT",
            "/extensions/v2/<name>/signatures/<digest>",
            "/extensions/v2/shop/web/signatures/DIGEST",
            json!({}),
        ),
    ]
}

/// Below `_trust`. Asking for a key makes one where there is none; nothing else is changed.
fn trust() -> Vec<Asked> {
    let none = json!("no update");
    vec![
        asked(
            "GET",
            "/v2/<gun>/_trust/tuf/<role>.json",
            "/v2/localhost:5000/shop/web/_trust/tuf/root.json",
        ),
        asked(
            "GET",
            "/v2/<gun>/_trust/tuf/<role>.key",
            "/v2/localhost:5000/shop/web/_trust/tuf/timestamp.key",
        ),
        asked(
            "POST",
            "/v2/<gun>/_trust/tuf/<role>.key",
            "/v2/localhost:5000/shop/web/_trust/tuf/timestamp.key",
        ),
        with(
            "POST",
            "/v2/<gun>/_trust/tuf/",
            "/v2/localhost:5000/shop/web/_trust/tuf/",
            none,
        ),
        asked(
            "DELETE",
            "/v2/<gun>/_trust/tuf/",
            "/v2/localhost:5000/shop/web/_trust/tuf/",
        ),
        asked(
            "GET",
            "/v2/<gun>/_trust/changefeed",
            "/v2/localhost:5000/shop/web/_trust/changefeed?records=1",
        ),
        asked(
            "GET",
            "/v2/_trust/changefeed",
            "/v2/_trust/changefeed?records=1",
        ),
    ]
}

/// What is neither below `/v2/` nor below `/api/v1/`.
fn beside() -> Vec<Asked> {
    let login = json!({"user": "nobody"});
    vec![
        asked("GET", "/token", "/token?service=countersign"),
        with("POST", "/token", "/token", json!("no form")),
        asked("GET", "/healthz", "/healthz"),
        asked("GET", "/readyz", "/readyz"),
        asked("GET", "/_notary_server/health", "/_notary_server/health"),
        asked("GET", "/ca.crt", "/ca.crt"),
        asked("GET", "/metrics", "/metrics"),
        asked("GET", "/tlog/checkpoint", "/tlog/checkpoint"),
        asked("GET", "/tlog/key", "/tlog/key"),
        asked("GET", "/tlog/tile/{*path}", "/tlog/tile/0/000.p/1"),
        with(
            "POST",
            "/witness/add-checkpoint",
            "/witness/add-checkpoint",
            json!("no request"),
        ),
        asked("GET", "/witness/key", "/witness/key"),
        asked(
            "GET",
            "/witness/{log}/checkpoint",
            "/witness/none/checkpoint",
        ),
        asked("GET", "/", "/"),
        asked("GET", "/console/style.css", "/console/style.css"),
        asked("GET", "/console/login", "/console/login"),
        with("POST", "/console/login", "/console/login", login.clone()),
        with("POST", "/console/logout", "/console/logout", login),
        asked(
            "GET",
            "/console/repository",
            "/console/repository?name=shop/web",
        ),
        asked("GET", "/console/image", "/console/image?ref=shop/web:1"),
    ]
}

/// A server with everyone of `ACTORS`; the first `admin` keeps all roles and is not one of the columns.
async fn world() -> World {
    let world = World::new().await;
    for actor in ACTORS.iter().filter(|actor| **actor != "anonymous") {
        let name = format!("the-{actor}");
        world.person(&name).await;
        if *actor != "stranger" {
            let grant = json!({"to": {"principal": name}, "role": actor, "pattern": "**"});
            world.must("admin", "POST", "/api/v1/grants", grant).await;
        }
    }
    store::audit::seal(&world.store, world::NOW).await.unwrap();
    world
}

async fn matrix(world: &World, routes: Vec<Asked>) -> String {
    let mut text = format!("{:<52}", "");
    ACTORS
        .iter()
        .for_each(|actor| write!(text, "{actor:<11}").unwrap());
    for asked in routes {
        write!(
            text,
            "\n{:<52}",
            format!("{} {}", asked.method, asked.route)
        )
        .unwrap();
        for actor in ACTORS {
            let user = (*actor != "anonymous").then(|| format!("the-{actor}"));
            let path = asked.path.replace("DIGEST", DIGEST);
            let (status, _) = world
                .ask(user.as_deref(), asked.method, &path, asked.body.as_ref())
                .await;
            write!(text, "{:<11}", word(status)).unwrap();
        }
    }
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a status says about access: past it, a request may still be wrong or name what is not there.
fn word(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "log in",
        StatusCode::FORBIDDEN => "denied",
        StatusCode::NOT_FOUND => "absent",
        status if status.is_server_error() => "FAILED",
        _ => "may",
    }
}

#[tokio::test]
async fn the_matrix_of_the_api() {
    let world = world().await;
    insta::assert_snapshot!(matrix(&world, api()).await);
    world.store.close().await;
}

#[tokio::test]
async fn the_matrix_of_the_distribution_api() {
    let world = world().await;
    insta::assert_snapshot!(matrix(&world, distribution()).await);
    world.store.close().await;
}

/// Whoever may not is told to log in, with the scope that it takes: for any other status docker and notary print its number alone.
#[tokio::test]
async fn the_matrix_of_trust_repositories() {
    let world = world().await;
    insta::assert_snapshot!(matrix(&world, trust()).await);
    world.store.close().await;
}

#[tokio::test]
async fn the_matrix_of_what_is_beside_them() {
    let world = world().await;
    insta::assert_snapshot!(matrix(&world, beside()).await);
    world.store.close().await;
}

#[test]
fn every_other_route_is_in_a_matrix() {
    let listed: BTreeSet<&str> = beside().iter().map(|asked| asked.route).collect();
    let source = include_str!("../src/router.rs");
    let mut routed = BTreeSet::new();
    for function in ["pub fn build(", "fn console_routes("] {
        let start = source.find(function).unwrap();
        let end = start + source[start..].find("\n}").unwrap();
        for line in source[start..end].split(".route(").skip(1) {
            routed.insert(line.split('"').nth(1).unwrap());
        }
    }
    let of_distribution = ["/v2", "/v2/", "/v2/{*rest}", "/extensions/v2/{*rest}"];
    assert!(of_distribution.iter().all(|path| routed.remove(path)));
    assert_eq!(listed, routed);
}

#[test]
fn every_route_of_the_api_is_in_the_matrix() {
    let listed: BTreeSet<String> = api()
        .iter()
        .map(|asked| format!("{} {}", asked.method, asked.route))
        .collect();
    let source = include_str!("../src/router.rs");
    let start = source.find("fn api_routes").unwrap();
    let end = start + source[start..].find("\n}").unwrap();
    let mut routed = BTreeSet::new();
    for line in source[start..end].split(".route(").skip(1) {
        let path = line.split('"').nth(1).unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            if line.contains(&format!("{method}(api::")) {
                routed.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    assert!(
        routed.len() > 30,
        "the router's text is no longer understood here"
    );
    assert_eq!(listed, routed);
}
