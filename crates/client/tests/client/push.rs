//! Pushing: one request each, streamed, never repeated behind the caller's back.

use axum::response::Response;
use bytes::Bytes;
use client::Error;
use client::distribution::{Content, Mounted};
use oci::{Digest, Reference, Tag, media};

use crate::server::{MARIA_BASIC, Seen, Server, maria, respond, shop, status};

const SESSION: &str = "/v2/shop/web/blobs/uploads/1?state=a%2Bb";

/// Logs in with Basic; uploads have one session, whose address carries state.
fn registry(_: &str, seen: &Seen) -> Response {
    if seen.header("authorization") != Some(MARIA_BASIC) {
        return respond(401, &[("www-authenticate", "Basic realm=r")], "");
    }
    match seen.method.as_str() {
        "POST" if seen.target.contains("mount=") && seen.target.contains("from=shop%2Fbase") => {
            status(201)
        }
        "POST" | "PATCH" => respond(202, &[("location", SESSION)], ""),
        "PUT" => status(201),
        "DELETE" => status(204),
        _ => status(404),
    }
}

fn stream(
    chunks: &[&'static str],
) -> futures_util::stream::Iter<std::vec::IntoIter<std::io::Result<Bytes>>> {
    let chunks: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))
        .collect();
    futures_util::stream::iter(chunks)
}

#[tokio::test]
async fn a_blob_of_known_digest_goes_in_one_piece() {
    let server = Server::start(registry).await;
    let digest = Digest::sha256(b"layer bytes");
    let client = server.client(maria());
    client
        .put_blob(&shop(), &digest, Bytes::from_static(b"layer bytes"))
        .await
        .unwrap();
    let content = Content::stream(Some(11), stream(&["layer ", "bytes"]));
    client.put_blob(&shop(), &digest, content).await.unwrap();
    let put = format!("PUT {SESSION}&digest=sha256%3A{}", digest.hex());
    let post = "POST /v2/shop/web/blobs/uploads/".to_owned();
    assert_eq!(
        server.targets(),
        [post.clone(), post.clone(), put.clone(), post, put]
    );
    for seen in server.seen().iter().filter(|seen| seen.method == "PUT") {
        assert_eq!(seen.header("content-length"), Some("11"));
        assert_eq!(seen.header("transfer-encoding"), None);
        assert_eq!(seen.body, "layer bytes");
    }
}

#[tokio::test]
async fn a_blob_of_unknown_digest_goes_through_a_session() {
    let server = Server::start(registry).await;
    let client = server.client(maria());
    let upload = client.start_upload(&shop()).await.unwrap();
    let upload = upload
        .write(Content::stream(None, stream(&["layer ", "bytes"])))
        .await
        .unwrap();
    upload
        .finish(&Digest::sha256(b"layer bytes"))
        .await
        .unwrap();
    let patch = server
        .seen()
        .into_iter()
        .find(|seen| seen.method == "PATCH")
        .unwrap();
    assert!(patch.is("PATCH", SESSION));
    assert_eq!(
        (patch.header("content-length"), patch.body.as_ref()),
        (None, &b"layer bytes"[..])
    );
    let put = server.seen().pop().unwrap();
    assert_eq!(
        (put.header("content-length"), put.body.len()),
        (Some("0"), 0)
    );

    client
        .start_upload(&shop())
        .await
        .unwrap()
        .cancel()
        .await
        .unwrap();
    assert!(server.seen().pop().unwrap().is("DELETE", SESSION));
}

#[tokio::test]
async fn a_mount_is_done_or_becomes_an_upload() {
    let server = Server::start(registry).await;
    let (client, digest) = (server.client(maria()), Digest::sha256(b"x"));
    let done = client
        .mount_blob(&shop(), &digest, &"shop/base".parse().unwrap())
        .await
        .unwrap();
    assert!(matches!(done, Mounted::Done));
    let begun = client
        .mount_blob(&shop(), &digest, &"shop/other".parse().unwrap())
        .await
        .unwrap();
    let Mounted::Upload(upload) = begun else {
        panic!("{begun:?}")
    };
    upload
        .write(Bytes::from_static(b"x"))
        .await
        .unwrap()
        .finish(&digest)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_upload_address_elsewhere_gets_no_credentials() {
    let storage = Server::start(|_, _| status(201)).await;
    let location = format!("{}/bucket/1", storage.base);
    let server = Server::start(move |_, seen| match seen.header("authorization") {
        Some(MARIA_BASIC) => respond(202, &[("location", &location)], ""),
        _ => respond(401, &[("www-authenticate", "Basic realm=r")], ""),
    })
    .await;
    let digest = Digest::sha256(b"x");
    server
        .client(maria())
        .put_blob(&shop(), &digest, Bytes::from_static(b"x"))
        .await
        .unwrap();
    assert_eq!(storage.seen()[0].header("authorization"), None);
    assert_eq!(storage.seen()[0].body, "x");
}

#[tokio::test]
async fn failed_pushes_are_not_repeated() {
    let server = Server::start(|_, seen| match seen.method.as_str() {
        "POST" => respond(202, &[("location", SESSION)], ""),
        _ => status(503),
    })
    .await;
    let (client, digest) = (server.anonymous(), Digest::sha256(b"x"));
    let error = client
        .put_blob(&shop(), &digest, Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    assert_eq!(error.refused().unwrap().status, 503);
    let reference = Reference::Tag(Tag::parse("1").unwrap());
    let error = client
        .put_manifest(
            &shop(),
            &reference,
            media::OCI_MANIFEST,
            Bytes::from_static(b"{}"),
        )
        .await;
    assert_eq!(error.unwrap_err().refused().unwrap().status, 503);
    assert_eq!(
        server
            .seen()
            .iter()
            .filter(|seen| seen.method == "PUT")
            .count(),
        2
    );
}

#[tokio::test]
async fn a_stream_that_fails_fails_the_push() {
    let server = Server::start(registry).await;
    let broken = futures_util::stream::iter(vec![
        Ok(Bytes::from_static(b"la")),
        Err(std::io::Error::other("the disk is gone")),
    ]);
    let digest = Digest::sha256(b"layer");
    let error = server
        .client(maria())
        .put_blob(&shop(), &digest, Content::stream(Some(5), broken))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Unreachable { .. } | Error::Content(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_manifest_goes_as_it_is() {
    let digest = Digest::sha256(b"{ }");
    let server = Server::start(|_, seen| {
        assert_eq!(
            (seen.header("content-type"), seen.body.as_ref()),
            (Some(media::OCI_MANIFEST), &b"{ }"[..])
        );
        match seen.target.as_str() {
            "/v2/shop/web/manifests/1" => respond(201, &[("oci-subject", "sha256:x")], ""),
            _ => respond(
                201,
                &[("docker-content-digest", Digest::sha256(b"other").as_str())],
                "",
            ),
        }
    })
    .await;
    let put = async |tag: &str| {
        let reference = Reference::Tag(Tag::parse(tag).unwrap());
        let bytes = Bytes::from_static(b"{ }");
        server
            .anonymous()
            .put_manifest(&shop(), &reference, media::OCI_MANIFEST, bytes)
            .await
    };
    let pushed = put("1").await.unwrap();
    assert_eq!((pushed.digest, pushed.subject_noted), (digest, true));
    assert!(matches!(
        put("lying").await,
        Err(Error::DigestMismatch { .. })
    ));
}
