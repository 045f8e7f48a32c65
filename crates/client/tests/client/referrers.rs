//! Referrers, with the API and with the tag that stands in for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use oci::{Descriptor, Digest, Manifest, media};
use serde_json::json;

use crate::server::{Server, json, respond, shop, status};

fn descriptor(content: &[u8], artifact_type: &str) -> Descriptor {
    serde_json::from_value(json!({
        "mediaType": media::OCI_MANIFEST, "digest": Digest::sha256(content), "size": content.len(),
        "artifactType": artifact_type
    }))
    .unwrap()
}

#[tokio::test]
async fn the_api_is_asked_and_its_answer_filtered() {
    let server = Server::start(|_, seen| {
        let (signature, sbom) = (
            descriptor(b"1", "application/sig"),
            descriptor(b"2", "application/sbom"),
        );
        match seen.target.contains("page=2") {
            false => {
                let link = format!("<{}&page=2>; rel=\"next\"", seen.target);
                let body =
                    json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [sbom]});
                respond(200, &[("link", &link)], body.to_string())
            }
            true => json(200, json!({"schemaVersion": 2, "manifests": [signature]})),
        }
    })
    .await;
    let subject = Digest::sha256(b"image");
    let found = server
        .anonymous()
        .referrers(&shop(), &subject, Some("application/sig"))
        .await
        .unwrap();
    assert_eq!(found, [descriptor(b"1", "application/sig")]);
    let first = format!("GET /v2/shop/web/referrers/{subject}?artifactType=application%2Fsig");
    assert_eq!(server.targets(), [first.clone(), format!("{first}&page=2")]);
}

/// A registry of before the referrers API: it keeps what is put and knows nothing of subjects.
#[tokio::test]
async fn without_the_api_the_list_is_kept_under_a_tag() {
    let kept: Arc<Mutex<BTreeMap<String, Bytes>>> = Arc::default();
    let stored = kept.clone();
    let server =
        Server::start(
            move |_, seen| match (seen.method.as_str(), stored.lock().unwrap()) {
                ("PUT", mut stored) => {
                    stored.insert(seen.target.clone(), seen.body.clone());
                    status(201)
                }
                (_, stored) => match stored.get(&seen.target) {
                    Some(body) => respond(200, &[("content-type", media::OCI_INDEX)], body.clone()),
                    None => status(404),
                },
            },
        )
        .await;
    let client = server.anonymous();
    let subject = Digest::sha256(b"image");
    assert!(
        client
            .referrers(&shop(), &subject, None)
            .await
            .unwrap()
            .is_empty()
    );
    for content in [&b"1"[..], &b"2"[..], &b"1"[..]] {
        let descriptor = descriptor(content, "application/sig");
        client
            .push_referrer(&shop(), &subject, &descriptor, Bytes::from_static(content))
            .await
            .unwrap();
    }
    let found = client
        .referrers(&shop(), &subject, Some("application/sig"))
        .await
        .unwrap();
    assert_eq!(
        found,
        [
            descriptor(b"1", "application/sig"),
            descriptor(b"2", "application/sig")
        ]
    );
    let list =
        kept.lock().unwrap()[&format!("/v2/shop/web/manifests/sha256-{}", subject.hex())].clone();
    assert!(matches!(
        Manifest::parse(&list, Some(media::OCI_INDEX)).unwrap(),
        Manifest::Index(_)
    ));
}

#[tokio::test]
async fn with_the_api_no_tag_is_written() {
    let server = Server::start(|_, seen| respond(201, &[("oci-subject", &seen.target)], "")).await;
    let descriptor = descriptor(b"1", "application/sig");
    let subject = Digest::sha256(b"image");
    let pushed = server
        .anonymous()
        .push_referrer(&shop(), &subject, &descriptor, Bytes::from_static(b"1"))
        .await;
    assert!(pushed.unwrap().subject_noted);
    assert_eq!(
        server.targets(),
        [format!("PUT /v2/shop/web/manifests/{}", descriptor.digest)]
    );
}
