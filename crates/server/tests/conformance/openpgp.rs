//! A signature that gpg gave an end, as podman and skopeo hand it over, up to the gate. It is one that was made long ago, of an image and by
//! a key of which nobody has the other half any more: the image's digest and the key are put into the database by hand.

use std::fs;

use serde_json::{Value, json};
use trust::RegisteredKey;
use trust::openpgp::{Document, OpenPgpKey};

use crate::world::{NOW, World};

/// 2020-06-01T00:00:00Z, when it was made, and 30 days later, when it ends.
const MADE: i64 = 1_590_969_600_000;
const END: i64 = MADE + 30 * 24 * 60 * 60 * 1_000;
/// What it is about.
const IMAGE: &str = "sha256:962b1ae83825c37b6eb3ee98dbe587461074a338cc0b838a635d274e2844096d";
const POLICY: &str = "
version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{person: maria}]}
gates:
  production: {holds-for: [{person: host}], require: [ci]}
";

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../trust/tests/data/openpgp");
    fs::read(format!("{folder}/{name}")).unwrap()
}

/// The day after the signature was made: a host that is held, an image, and maria's key.
async fn shop() -> World {
    let world = World::new().await;
    world.pass(MADE + 24 * 60 * 60 * 1_000 - NOW);
    world.person("maria", &[("signer", "shop/**")]).await;
    let index = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    world.manifest("shop/web", "1", index).await.expect(201);
    let columns = "media_type, shape, artifact_type, subject, annotations, content, pushed_at, pushed_by, facts_revision";
    let key = OpenPgpKey::parse(&file("long.asc")).unwrap();
    let key = RegisteredKey::OpenPgp(Box::new(key));
    world.edit(&format!(
        "INSERT INTO manifests (repository_id, digest, {columns}) SELECT repository_id, '{IMAGE}', {columns} FROM manifests; \
         INSERT INTO signing_keys (key_id, principal_id, name, public_pem, scope, registered_at) \
         SELECT '{}', id, 'gpg', '{}', '[\"shop/**\"]', {MADE} FROM principals WHERE name = 'maria';",
        key.id(),
        key.to_text(),
    ));
    // After that: what is known of keys is read again when there is another person.
    world.person("host", &[("reader", "shop/**")]).await;
    let policy = json!({"document": POLICY});
    world.api("PUT", "policies/shop", policy).await;
    world
}

async fn gate(world: &World) -> Value {
    let path = format!("gate?ref=shop/web@{IMAGE}&gate=production");
    world.api_get(&path).await
}

#[tokio::test]
async fn a_signature_with_an_end_opens_the_gate_until_then() {
    let world = shop().await;
    let image = format!("/v2/shop/web/manifests/{IMAGE}");
    let pull = async || world.ask_as("host", "GET", &image).empty().await;
    pull().await.expect(403);
    let document = Document {
        name: format!("{IMAGE}@0123"),
        message: file("signature-expired.sig"),
    };
    let path = format!("/extensions/v2/shop/web/signatures/{IMAGE}");
    let handed = world.ask_as("maria", "PUT", &path);
    handed.body(document.to_bytes()).await.expect(201);

    let answer = gate(&world).await;
    assert_eq!(answer["outcome"], "allow", "{}", answer["tree"]);
    let tree = answer["tree"].as_str().unwrap();
    assert!(tree.contains("counts until 2020-07-01T00:00:00Z"), "{tree}");
    pull().await.expect(200);
    // The last instant at which it counts, and the first at which it does not.
    world.pass(END - 1 - (MADE + 24 * 60 * 60 * 1_000));
    assert_eq!(gate(&world).await["outcome"], "allow");
    pull().await.expect(200);
    world.pass(1);
    let answer = gate(&world).await;
    assert_eq!(answer["outcome"], "deny");
    let tree = answer["tree"].as_str().unwrap();
    for part in [
        "expired",
        "the signature of person maria ended at 2020-07-01T00:00:00Z",
    ] {
        assert!(tree.contains(part), "{part} is not in {tree}");
    }
    let refused = pull().await.expect(403);
    assert!(
        String::from_utf8_lossy(&refused.body).contains("expired"),
        "{refused:?}"
    );
}
