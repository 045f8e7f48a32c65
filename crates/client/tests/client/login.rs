//! Logging in to registries: docker's token protocol, Basic, and the ways in which a server may not get at credentials.

use axum::response::Response;
use client::{Client, ClientOptions, Credentials, Error};
use oci::{Digest, Reference, Tag};
use serde_json::json;

use crate::server::{
    MARIA_BASIC, Seen, Server, install_provider, json, maria, respond, shop, status,
};

fn challenge(base: &str, scope: &str) -> Response {
    let header = format!("Bearer realm=\"{base}/token\",service=\"test\",scope=\"{scope}\"");
    respond(401, &[("www-authenticate", &header)], "")
}

/// A registry that wants the token `for <scopes>` for each call, and gives it to maria.
fn token_registry(base: &str, seen: &Seen) -> Response {
    if let Some(query) = seen.target.strip_prefix("/token?") {
        if seen.header("authorization") != Some(MARIA_BASIC) {
            return json(
                401,
                json!({"errors": [{"code": "UNAUTHORIZED", "message": "wrong name or password"}]}),
            );
        }
        return json(
            200,
            json!({"token": query.replace('&', "_"), "expires_in": 300}),
        );
    }
    let wanted = match seen.method.as_str() {
        "HEAD" | "GET" => "repository:shop/web:pull",
        _ if seen.target.contains("mount=") => {
            "repository:shop/web:pull,push repository:shop/base:pull"
        }
        _ => "repository:shop/web:pull,push",
    };
    let encoded = wanted.split(' ').map(|scope| {
        scope
            .replace('/', "%2F")
            .replace(':', "%3A")
            .replace(',', "%2C")
    });
    let expected = encoded.fold("Bearer service=test".to_owned(), |all, scope| {
        format!("{all}_scope={scope}")
    });
    if seen.header("authorization") != Some(&expected) {
        return challenge(base, wanted);
    }
    if seen.target.contains("mount=") {
        return status(201);
    }
    respond(
        200,
        &[("content-length", "3")],
        if seen.method == "HEAD" { "" } else { "abc" },
    )
}

#[tokio::test]
async fn one_challenge_then_tokens_are_fetched_ahead_and_kept() {
    let server = Server::start(token_registry).await;
    let client = server.client(maria());
    let digest = Digest::sha256(b"abc");
    client.head_blob(&shop(), &digest).await.unwrap();
    client.clone().head_blob(&shop(), &digest).await.unwrap();
    let mounted = client
        .mount_blob(&shop(), &digest, &"shop/base".parse().unwrap())
        .await
        .unwrap();
    assert!(matches!(mounted, client::distribution::Mounted::Done));
    let blob = format!("HEAD /v2/shop/web/blobs/{digest}");
    let pull = "GET /token?service=test&scope=repository%3Ashop%2Fweb%3Apull";
    assert_eq!(
        server.targets(),
        [
            blob.clone(),
            pull.to_owned(),
            blob.clone(),
            blob,
            format!("{pull}%2Cpush&scope=repository%3Ashop%2Fbase%3Apull"),
            format!(
                "POST /v2/shop/web/blobs/uploads/?mount=sha256%3A{}&from=shop%2Fbase",
                digest.hex()
            ),
        ]
    );
}

/// Where anybody may read, a call without a token is refused and not challenged; maria is somebody all the same.
#[tokio::test]
async fn who_is_refused_as_anybody_asks_as_themselves() {
    let server =
        Server::start(
            |base, seen| match (seen.target.as_str(), seen.header("authorization")) {
                ("/v2/", _) => challenge(base, ""),
                (target, Some(MARIA_BASIC)) if target.starts_with("/token") => {
                    json(200, json!({"token": "hers"}))
                }
                (_, Some("Bearer hers")) => respond(200, &[("content-length", "3")], ""),
                _ => json(
                    403,
                    json!({"errors": [{"code": "DENIED", "message": "anybody is held"}]}),
                ),
            },
        )
        .await;
    let digest = Digest::sha256(b"abc");
    assert_eq!(
        server
            .client(maria())
            .head_blob(&shop(), &digest)
            .await
            .unwrap(),
        Some(3)
    );
    let before = server.targets().len();
    let nobody = server.anonymous();
    assert_eq!(
        nobody
            .head_blob(&shop(), &digest)
            .await
            .unwrap_err()
            .refused()
            .unwrap()
            .status,
        403
    );
    assert_eq!(
        server.targets().len(),
        before + 1,
        "nobody has nothing to log in with"
    );
}

#[tokio::test]
async fn wrong_password_is_told_by_the_token_service() {
    let server = Server::start(token_registry).await;
    let wrong = Credentials::Basic {
        user: "maria".into(),
        password: "wrong".into(),
    };
    let error = server
        .client(wrong)
        .head_blob(&shop(), &Digest::sha256(b"abc"))
        .await
        .unwrap_err();
    let refused = error.refused().unwrap();
    assert_eq!(
        (refused.status, refused.message.as_str()),
        (401, "wrong name or password")
    );
    assert_eq!(server.targets().len(), 2);
}

#[tokio::test]
async fn a_server_that_always_challenges_is_given_up() {
    let server = Server::start(|base, seen| match seen.target.starts_with("/token") {
        true => json(200, json!({"access_token": "t"})),
        false => challenge(base, "repository:shop/web:pull"),
    })
    .await;
    let error = server
        .client(maria())
        .head_blob(&shop(), &Digest::sha256(b"abc"))
        .await
        .unwrap_err();
    assert_eq!(error.refused().unwrap().status, 401);
    assert_eq!(
        server
            .seen()
            .iter()
            .filter(|seen| seen.method == "HEAD")
            .count(),
        3
    );
}

#[tokio::test]
async fn basic_challenges_are_answered_once() {
    let basic = [("www-authenticate", "Basic realm=\"registry\"")];
    let server = Server::start(move |_, seen| match seen.header("authorization") {
        Some(MARIA_BASIC) => json(200, json!({})),
        _ => respond(401, &basic, ""),
    })
    .await;
    server.client(maria()).ping().await.unwrap();
    assert_eq!(server.targets(), ["GET /v2/", "GET /v2/"]);
    assert_eq!(server.seen()[0].header("authorization"), None);

    let wrong = Credentials::Basic {
        user: "maria".into(),
        password: "wrong".into(),
    };
    assert_eq!(
        server
            .client(wrong)
            .ping()
            .await
            .unwrap_err()
            .refused()
            .unwrap()
            .status,
        401
    );
    assert_eq!(
        server
            .anonymous()
            .ping()
            .await
            .unwrap_err()
            .refused()
            .unwrap()
            .status,
        401
    );
    assert_eq!(server.targets().len(), 2 + 2 + 1);
}

#[tokio::test]
async fn a_token_of_ours_is_not_shown_to_a_foreign_token_service() {
    let foreign = Server::start(|_, _| json(200, json!({"token": "foreign"}))).await;
    let realm = foreign.base.clone();
    let server = Server::start(move |_, seen| match seen.header("authorization") {
        Some("Bearer foreign") => json(200, json!({})),
        _ => challenge(&realm, "repository:shop/web:pull"),
    })
    .await;
    server
        .client(Credentials::Token("cst_secret".into()))
        .ping()
        .await
        .unwrap();
    assert_eq!(foreign.seen()[0].header("authorization"), None);

    // The same token service on the server itself is given it.
    let own = Server::start(|base, seen| {
        match (
            seen.header("authorization"),
            seen.target.starts_with("/token"),
        ) {
            (Some("Bearer cst_secret"), true) => json(200, json!({"token": "own"})),
            (Some("Bearer own"), false) => json(200, json!({})),
            _ => challenge(base, ""),
        }
    })
    .await;
    own.client(Credentials::Token("cst_secret".into()))
        .ping()
        .await
        .unwrap();
}

#[tokio::test]
async fn token_services_in_the_clear_are_not_spoken_to() {
    for realm in [
        "http://auth.example",
        "ftp://127.0.0.1",
        "https://u:p@auth.example",
    ] {
        let server = Server::start(move |_, _| challenge(realm, "")).await;
        for client in [server.client(maria()), server.anonymous()] {
            let error = client.ping().await.unwrap_err();
            assert!(
                matches!(error, Error::Challenge { .. }),
                "{realm}: {error:?}"
            );
        }
    }
    for header in [
        "Negotiate",
        "Bearer service=x",
        "Bearer realm=\"not an address\"",
    ] {
        let server =
            Server::start(move |_, _| respond(401, &[("www-authenticate", header)], "")).await;
        let error = server.client(maria()).ping().await.unwrap_err();
        assert!(
            matches!(&error, Error::Challenge { challenge, .. } if challenge == header),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn credentials_stay_off_the_open_network() {
    install_provider();
    let options = ClientOptions::new("http://registry.example:5000").unwrap();
    assert!(Client::new(options.clone()).is_ok());
    assert!(matches!(
        Client::new(options.with_credentials(maria())),
        Err(Error::Insecure { .. })
    ));
    let loopback = ClientOptions::new("http://127.0.0.1:5000")
        .unwrap()
        .with_credentials(maria());
    assert!(Client::new(loopback.clone()).is_ok());
    assert!(matches!(
        Client::new(loopback.with_loopback_http(false)),
        Err(Error::Insecure { .. })
    ));
}

#[tokio::test]
async fn short_lifetimes_count_as_a_minute() {
    let server = Server::start(|base, seen| match seen.target.starts_with("/token") {
        true => json(200, json!({"token": "t", "expires_in": 1})),
        false if seen.header("authorization").is_some() => status(404),
        false => challenge(base, "repository:shop/web:pull"),
    })
    .await;
    let client = server.client(maria());
    let tag = Reference::Tag(Tag::parse("1").unwrap());
    for _ in 0..2 {
        assert_eq!(client.head_manifest(&shop(), &tag).await.unwrap(), None);
    }
    // Docker's protocol: an `expires_in` below 60 s counts as 60.
    assert_eq!(
        server
            .targets()
            .iter()
            .filter(|target| target.contains("/token"))
            .count(),
        1
    );
}
