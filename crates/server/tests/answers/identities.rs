//! Signatures with certificates, from push to the gate: sigstore's and notation's count for whoever the identity is registered for, and
//! whatever is wrong with one is said by its reason.

#[path = "dropped_root.rs"]
mod dropped_root;
#[path = "many_copies.rs"]
mod many_copies;
#[path = "revocation_lists.rs"]
mod revocation_lists;
#[path = "signing_authority.rs"]
mod signing_authority;

use super::sigstore::{self, ALICE, Certified, ISSUER, SIGNED, b64};
use super::verifying::fill;
use super::{get, grant};
use crate::world::{NOW, World};
use oci::{Descriptor, Digest, Reference, media};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use serde_json::{Value, json};
use store::catalogue::{self, Part};
use store::{evidence, jobs};
use time::OffsetDateTime;
use trust::evidence::Anchors;
use trust::notation::{Certificate, EnvelopeKey, Format, Request, Scheme, sign};
use trust::sigstore::Demands;
use trust::{NotationIdentity, RegisteredKey, Signer, SigstoreIdentity};

/// What is pushed beside an image.
struct Layer<'a> {
    artifact: &'a str,
    media_type: &'a str,
    bytes: &'a [u8],
    annotations: Value,
    /// Under cosign's tag instead of by its subject.
    by_tag: bool,
}

impl<'a> Layer<'a> {
    fn bundle(bytes: &'a [u8]) -> Self {
        Self {
            artifact: media::SIGSTORE_BUNDLE_V03,
            media_type: media::SIGSTORE_BUNDLE_V03,
            bytes,
            annotations: json!({}),
            by_tag: false,
        }
    }

    fn envelope(format: Format, bytes: &'a [u8]) -> Self {
        Self {
            artifact: media::NOTATION_SIGNATURE,
            media_type: format.media_type(),
            ..Self::bundle(bytes)
        }
    }
}

async fn attach(world: &World, subject: &Digest, layer: Layer<'_>) {
    for bytes in [&b"{}"[..], layer.bytes] {
        let digest = Digest::sha256(bytes);
        let path = format!("/v2/shop/web/blobs/uploads/?digest={digest}");
        let status = world.send("maria", "POST", &path, bytes.to_vec()).await;
        assert!(status.is_success(), "{status}");
    }
    let descriptor = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let mut own = descriptor(layer.media_type, layer.bytes);
    own["annotations"] = layer.annotations;
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": layer.artifact,
        "config": descriptor(media::OCI_EMPTY, b"{}"), "layers": [own],
    });
    let reference = if layer.by_tag {
        format!("sha256-{}.sig", subject.hex())
    } else {
        manifest["subject"] = json!({"mediaType": media::OCI_INDEX, "digest": subject, "size": 1});
        Digest::sha256(manifest.to_string().as_bytes()).to_string()
    };
    let path = format!("/v2/shop/web/manifests/{reference}");
    world.must("maria", "PUT", &path, manifest).await;
}

async fn attach_bundle(world: &World, subject: &Digest, bundle: &Value) {
    let bytes = bundle.to_string();
    attach(world, subject, Layer::bundle(bytes.as_bytes())).await;
}

async fn register(world: &World, identity: &RegisteredKey, scope: &str) -> String {
    let new = json!({
        "publicKeyPem": identity.to_text(), "name": "certificates", "scope": [scope], "principal": "maria",
    });
    let known = world.must("admin", "POST", "/api/v1/keys", new).await;
    assert_eq!(known["publicKeyPem"], identity.to_text());
    known["id"].as_str().unwrap().to_owned()
}

fn keyless(issuer: &str, subject: &str) -> RegisteredKey {
    RegisteredKey::Sigstore(Box::new(SigstoreIdentity::new(issuer, subject).unwrap()))
}

/// Whether maria's stage is signed, and the words for it.
async fn ci(world: &World, digest: &Digest) -> (bool, String) {
    let path = format!("/api/v1/verify?ref=shop/web@{digest}&stage=ci");
    let answer = get(world, "admin", &path).await;
    let tree = answer["tree"].as_str().unwrap().to_owned();
    (answer["verified"] == true, tree)
}

async fn counts(world: &World, digest: &Digest) {
    let (verified, tree) = ci(world, digest).await;
    assert!(verified && tree.contains("person maria signed"), "{tree}");
}

async fn refused(world: &World, digest: &Digest, parts: &[&str]) {
    let (verified, tree) = ci(world, digest).await;
    assert!(!verified, "{tree}");
    for part in parts {
        assert!(tree.contains(part), "{part} is not in {tree}");
    }
}

/// What is asked for by the keys that were registered, and for new files that certificates are judged by.
async fn reread(world: &World) {
    let store = &world.store;
    evidence::reread(store, NOW).await.unwrap();
    let kinds = [evidence::REVERIFY_EVIDENCE];
    while let Some(job) = jobs::claim(store, &kinds, NOW, 60_000).await.unwrap() {
        let asked = serde_json::from_value(job.payload.clone()).unwrap();
        if let Some(rest) = registry::reverify(store, &asked, NOW).await.unwrap() {
            evidence::ask(store, &rest, NOW).await.unwrap();
        }
        jobs::finish(store, &job).await.unwrap();
    }
}

/// A server that trusts this instance of sigstore, with an image.
async fn trusting(instance: &sigstore::World) -> (World, Digest) {
    demanding(instance, Demands::CERTIFICATE).await
}

async fn demanding(instance: &sigstore::World, demands: Demands) -> (World, Digest) {
    let world = World::with_anchors(Anchors {
        sigstore: Some((instance.root(), demands)),
        revocation: None,
    })
    .await;
    let digest = fill(&world).await;
    (world, digest)
}

/// cosign's statement about an image.
fn statement(digest: &Digest) -> Vec<u8> {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "subject": [{"name": "", "digest": {"sha256": digest.hex()}}],
        "predicate": {},
    })
    .to_string()
    .into_bytes()
}

fn signed(instance: &sigstore::World, digest: &Digest) -> (Certified, Value) {
    let signer = instance.certify(ALICE);
    let bundle = instance.bundle(&signer, &statement(digest));
    (signer, bundle)
}

#[tokio::test]
async fn a_keyless_signature_counts_for_whoever_its_identity_is_registered_for() {
    let instance = sigstore::World::new();
    let (world, digest) = trusting(&instance).await;
    let (_, bundle) = signed(&instance, &digest);
    attach_bundle(&world, &digest, &bundle).await;
    refused(&world, &digest, &["unknown-key", ALICE, ISSUER]).await;
    // Others at that issuer, and that name at another.
    for other in [
        keyless(ISSUER, "https://forge.example/shop/web/*@refs/heads/*"),
        keyless("https://login.example.evil", ALICE),
    ] {
        register(&world, &other, "shop/**").await;
    }
    reread(&world).await;
    refused(&world, &digest, &["unknown-key"]).await;
    let id = register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
    reread(&world).await;
    counts(&world, &digest).await;

    // It came today, and a timestamp says that it was there long before.
    let revoke = |from: i64| json!({"from": from});
    let path = format!("/api/v1/keys/{id}/revocation");
    world
        .must("admin", "POST", &path, revoke(NOW - 86_400_000))
        .await;
    counts(&world, &digest).await;
    world
        .must("admin", "POST", &path, revoke(SIGNED * 1000))
        .await;
    refused(&world, &digest, &["revoked-key"]).await;
    world.store.close().await;
}

#[tokio::test]
async fn the_closest_identity_is_meant_and_a_scope_bounds_it() {
    let instance = sigstore::World::new();
    let (world, digest) = trusting(&instance).await;
    let wide = keyless(ISSUER, "https://forge.example/*");
    register(&world, &wide, "shop/**").await;
    register(&world, &keyless(ISSUER, ALICE), "shop/api").await;
    let (_, bundle) = signed(&instance, &digest);
    attach_bundle(&world, &digest, &bundle).await;
    refused(&world, &digest, &["out-of-scope"]).await;
    register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
    counts(&world, &digest).await;
    world.store.close().await;
}

#[tokio::test]
async fn without_a_trusted_root_a_certificate_says_nothing() {
    let instance = sigstore::World::new();
    let world = World::new().await;
    let digest = fill(&world).await;
    register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
    let (_, bundle) = signed(&instance, &digest);
    attach_bundle(&world, &digest, &bundle).await;
    refused(&world, &digest, &["unreadable", "no trusted root"]).await;
    world.store.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_keyless_signature_is_said() {
    let instance = sigstore::World::new();
    let (world, digest) = trusting(&instance).await;
    let (_, stranger) = signed(&sigstore::World::new(), &digest);
    register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
    let (_, whole) = signed(&instance, &digest);
    let (_, second) = signed(&instance, &digest);
    let material = |change: &dyn Fn(&mut Value)| {
        let mut bundle = whole.clone();
        change(&mut bundle);
        bundle
    };
    let timeless = material(&|bundle| {
        bundle["verificationMaterial"]["timestampVerificationData"] = json!({});
        bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"] = Value::Null;
    });
    let mut unlogged = second.clone();
    unlogged["verificationMaterial"]["tlogEntries"] = json!([]);
    let (_, elsewhere) = signed(&instance, &Digest::sha256(b"another image"));
    for (bundle, parts) in [
        (&timeless, ["unreadable", "nothing trusted says when"]),
        (&unlogged, ["unreadable", "0 of 1 transparency logs"]),
        (
            &stranger,
            ["unreadable", "signature of the timestamp does not fit"],
        ),
        (&elsewhere, ["other-digest", "is about sha256:"]),
    ] {
        attach_bundle(&world, &digest, bundle).await;
        refused(&world, &digest, &parts).await;
    }
    // It came first without what vouches for it, and that does not stand in its way.
    attach_bundle(&world, &digest, &whole).await;
    counts(&world, &digest).await;
    world.store.close().await;
}

#[tokio::test]
async fn a_layer_of_cosign_with_a_certificate_counts() {
    let instance = sigstore::World::new();
    let demands = Demands {
        logs: 0,
        ..Demands::CERTIFICATE
    };
    let (world, digest) = demanding(&instance, demands).await;
    let signer = instance.certify(ALICE);
    let cosigned = Cosigned::new(&instance, &signer, &digest);
    // Somebody pushes the same signature first, with nothing that would prove it.
    let timeless = cosigned.without(&["dev.sigstore.cosign/rfc3161timestamp"]);
    attach(&world, &digest, timeless).await;
    attach(&world, &digest, cosigned.without(&[])).await;
    refused(&world, &digest, &["unknown-key", ALICE]).await;
    register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
    reread(&world).await;
    counts(&world, &digest).await;
    world.store.close().await;
}

/// A layer of cosign with a certificate and a timestamp.
struct Cosigned {
    payload: String,
    annotations: Value,
}

impl Cosigned {
    fn new(instance: &sigstore::World, signer: &Certified, digest: &Digest) -> Self {
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": "registry.example/shop/web"},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": {"dev.countersign.stage": "ci"},
        })
        .to_string();
        let signature = signer.key.sign(payload.as_bytes()).unwrap();
        let stamp = json!({"SignedRFC3161Timestamp": b64(&instance.stamp(&signature, SIGNED))});
        let annotations = json!({
            "dev.cosignproject.cosign/signature": b64(&signature),
            "dev.sigstore.cosign/certificate": sigstore::pem(&signer.der),
            "dev.sigstore.cosign/rfc3161timestamp": stamp.to_string(),
        });
        Self {
            payload,
            annotations,
        }
    }

    /// The same without these annotations.
    fn without(&self, names: &[&str]) -> Layer<'_> {
        let mut annotations = self.annotations.clone();
        let kept = annotations.as_object_mut().unwrap();
        kept.retain(|name, _| !names.contains(&name.as_str()));
        Layer {
            artifact: media::COSIGN_SIMPLE_SIGNING,
            media_type: media::COSIGN_SIMPLE_SIGNING,
            bytes: self.payload.as_bytes(),
            annotations,
            by_tag: true,
        }
    }
}

/// Whoever may attach sends a signature first without what proves it, while nobody can judge either copy.
#[tokio::test]
async fn attack_a_stripped_copy_that_comes_first_does_not_hide_the_whole_one() {
    let instance = sigstore::World::new();
    let demands = Demands {
        logs: 0,
        ..Demands::CERTIFICATE
    };
    let (certificate, time) = (
        "dev.sigstore.cosign/certificate",
        "dev.sigstore.cosign/rfc3161timestamp",
    );
    for (has_root, stripped) in [
        // Both are of an unknown key, or neither can be read: the first one stays.
        (true, &[certificate, time][..]),
        (false, &[time][..]),
        (false, &[certificate, time][..]),
    ] {
        let anchors = || Anchors {
            sigstore: Some((instance.root(), demands)),
            revocation: None,
        };
        let world = match has_root {
            true => World::with_anchors(anchors()).await,
            false => World::new().await,
        };
        let digest = fill(&world).await;
        let signer = instance.certify(ALICE);
        let cosigned = Cosigned::new(&instance, &signer, &digest);
        attach(&world, &digest, cosigned.without(stripped)).await;
        attach(&world, &digest, cosigned.without(&[])).await;
        // And once more, so that what is under the tag is not the whole one alone.
        attach(&world, &digest, cosigned.without(&[certificate])).await;
        world.store.set_anchors(anchors());
        let id = register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
        reread(&world).await;
        counts(&world, &digest).await;
        // The time in the timestamp is kept with it.
        let path = format!("/api/v1/keys/{id}/revocation");
        let revoke = json!({"from": NOW - 86_400_000});
        world.must("admin", "POST", &path, revoke).await;
        counts(&world, &digest).await;
        world.store.close().await;
    }
}

#[tokio::test]
async fn attack_a_bundle_without_its_certificate_does_not_hide_the_whole_one() {
    let instance = sigstore::World::new();
    let (world, digest) = trusting(&instance).await;
    let (_, whole) = signed(&instance, &digest);
    let mut stripped = whole.clone();
    stripped["verificationMaterial"] = json!({"publicKey": {"hint": "somebody"}});
    attach_bundle(&world, &digest, &stripped).await;
    refused(&world, &digest, &["unknown-key", "somebody"]).await;
    attach_bundle(&world, &digest, &whole).await;
    register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
    reread(&world).await;
    counts(&world, &digest).await;
    world.store.close().await;
}

/// An authority of notation and those whom it issues to.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
}

struct Holder {
    key: KeyPair,
    chain: Vec<Certificate>,
}

fn named(name: &str, from_days: i64, to_days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    let day = |days: i64| OffsetDateTime::from_unix_timestamp(NOW / 1000 + days * 86_400).unwrap();
    (params.not_before, params.not_after) = (day(from_days), day(to_days));
    for (kind, value) in [
        (DnType::CountryName, "US"),
        (DnType::StateOrProvinceName, "WA"),
        (DnType::OrganizationName, "shop"),
        (DnType::CommonName, name),
    ] {
        params.distinguished_name.push(kind, value);
    }
    params.serial_number = Some(SerialNumber::from(0x1000_u64));
    params
}

impl Authority {
    fn new() -> Self {
        let mut params = named("authority", -900, 900);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { params, key, der }
    }

    fn issue(&self, name: &str, to_days: i64) -> Holder {
        self.issue_with(name, to_days, |_| {})
    }

    fn issue_with(
        &self,
        name: &str,
        to_days: i64,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Holder {
        let mut params = named(name, -300, to_days);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let own = params.signed_by(&key, &issuer).unwrap();
        let chain = [own.der().to_vec(), self.der.clone()];
        Holder {
            key,
            chain: chain
                .iter()
                .map(|der| Certificate::parse(der).unwrap())
                .collect(),
        }
    }

    fn identity(&self, name: &str) -> RegisteredKey {
        let subject = format!("x509.subject: C=US, ST=WA, O=shop, CN={name}");
        let identity = NotationIdentity::new(&self.der, Some(&subject), None).unwrap();
        RegisteredKey::Notation(Box::new(identity))
    }
}

impl Holder {
    fn sign(
        &self,
        format: Format,
        artifact: &Descriptor,
        expiry: Option<i64>,
        stage: Option<&str>,
    ) -> Vec<u8> {
        let mut artifact = artifact.clone();
        if let Some(stage) = stage {
            let name = "dev.countersign.stage".to_owned();
            artifact.annotations.insert(name, stage.to_owned());
        }
        let request = Request {
            artifact: &artifact,
            scheme: Scheme::X509 {
                signing_time: NOW - 100 * 86_400_000,
            },
            expiry,
            extended: Vec::new(),
            chain: &self.chain,
            agent: None,
        };
        let key = EnvelopeKey::from_pkcs8_der(self.key.serialized_der()).unwrap();
        sign(&request, format, &key).unwrap().to_bytes().unwrap()
    }
}

/// The image as a signer finds it in the registry.
async fn found(world: &World, digest: &Digest) -> Descriptor {
    let (repository, reference) = (
        "shop/web".parse().unwrap(),
        Reference::Digest(digest.clone()),
    );
    let served = catalogue::served(&world.store, &repository, &reference, Part::Head).await;
    let served = served.unwrap().unwrap();
    Descriptor::new(&served.media_type, served.digest, served.size)
}

#[tokio::test]
async fn signatures_of_notation_count_in_both_formats() {
    for format in [Format::Jws, Format::Cose] {
        let world = World::new().await;
        let digest = fill(&world).await;
        let authority = Authority::new();
        let maria = authority.issue("maria", 30);
        let image = found(&world, &digest).await;
        let bytes = maria.sign(format, &image, None, Some("ci"));
        attach(&world, &digest, Layer::envelope(format, &bytes)).await;
        refused(&world, &digest, &["unknown-key", "CN=maria"]).await;
        // Another of that authority, and that name of another authority.
        for other in [
            authority.identity("mario"),
            Authority::new().identity("maria"),
        ] {
            register(&world, &other, "shop/**").await;
        }
        reread(&world).await;
        refused(&world, &digest, &["unknown-key"]).await;
        let id = register(&world, &authority.identity("maria"), "shop/api").await;
        reread(&world).await;
        // It names no repository: the scope of the identity says where it counts.
        refused(&world, &digest, &["out-of-scope"]).await;
        register(&world, &authority.identity("maria"), "shop/**").await;
        counts(&world, &digest).await;
        let path = format!("/api/v1/keys/{id}");
        world.must("admin", "DELETE", &path, json!({})).await;
        refused(&world, &digest, &["revoked-key"]).await;
        world.store.close().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_signature_of_notation_is_said() {
    let world = World::new().await;
    let digest = fill(&world).await;
    let authority = Authority::new();
    register(&world, &authority.identity("maria"), "shop/**").await;
    let maria = authority.issue("maria", 30);
    let ended = authority.issue("maria", -1);
    let format = Format::Jws;
    let image = found(&world, &digest).await;
    let other_image = Descriptor::of(media::OCI_INDEX, b"another image");
    let longer = Descriptor::new(&image.media_type, digest.clone(), image.size + 1);
    let other_type = Descriptor::new(media::DOCKER_LIST, digest.clone(), image.size);
    let mut forged: Value =
        serde_json::from_slice(&maria.sign(format, &image, None, Some("staging"))).unwrap();
    let other: Value =
        serde_json::from_slice(&maria.sign(format, &image, None, Some("ci"))).unwrap();
    forged["payload"] = other["payload"].clone();
    for (bytes, parts) in [
        (
            ended.sign(format, &image, None, None),
            ["unreadable", "no timestamp says that it was"],
        ),
        (
            maria.sign(format, &other_image, None, None),
            ["other-digest", "is about sha256:"],
        ),
        // notation compares the whole descriptor with what the registry has.
        (
            maria.sign(format, &longer, None, None),
            ["unreadable", "of another type or size"],
        ),
        (
            maria.sign(format, &other_type, None, None),
            ["unreadable", "of another type or size"],
        ),
        (
            maria.sign(format, &image, Some(NOW - 1000), None),
            ["expired", "ended at"],
        ),
        (
            maria.sign(format, &image, None, Some("Not A Stage")),
            ["unreadable", "cannot be read"],
        ),
        (
            forged.to_string().into_bytes(),
            ["bad-signature", "is not by the key that it names"],
        ),
    ] {
        attach(&world, &digest, Layer::envelope(format, &bytes)).await;
        refused(&world, &digest, &parts).await;
    }
    reread(&world).await;
    refused(&world, &digest, &["of another type or size"]).await;
    // Whoever signs for one stage need not name it.
    let bytes = maria.sign(format, &image, Some(NOW + 1000), None);
    attach(&world, &digest, Layer::envelope(format, &bytes)).await;
    counts(&world, &digest).await;
    world.store.close().await;
}

#[tokio::test]
async fn identities_are_registered_by_security_with_a_password_and_without_a_proof() {
    let world = World::new().await;
    for name in ["maria", "rita"] {
        world.person(name).await;
    }
    grant(&world, "maria", "writer").await;
    let identity = keyless(ISSUER, ALICE).to_text();
    let new = |principal: &str| json!({"publicKeyPem": identity, "name": "n", "scope": ["**"], "principal": principal});
    let (status, _) = world
        .ask(Some("maria"), "POST", "/api/v1/keys", Some(&new("maria")))
        .await;
    assert_eq!(status, axum::http::StatusCode::FORBIDDEN);
    let mut proved = new("maria");
    proved["nonce"] = "00".into();
    for wrong in [
        proved,
        json!({"publicKeyPem": identity.replace(':', ": "), "name": "n", "scope": ["**"]}),
    ] {
        let (status, answer) = world
            .ask(Some("admin"), "POST", "/api/v1/keys", Some(&wrong))
            .await;
        assert_eq!(status, axum::http::StatusCode::BAD_REQUEST, "{answer}");
    }
    let asked = json!({"publicKeyPem": identity, "principal": "maria"});
    let (status, _) = world
        .ask(
            Some("admin"),
            "POST",
            "/api/v1/keys/challenges",
            Some(&asked),
        )
        .await;
    assert_eq!(status, axum::http::StatusCode::BAD_REQUEST);
    world
        .must("admin", "POST", "/api/v1/keys", new("maria"))
        .await;
    // One signer, one person: nobody else gets the same identity.
    let (status, answer) = world
        .ask(Some("admin"), "POST", "/api/v1/keys", Some(&new("rita")))
        .await;
    assert_eq!(status, axum::http::StatusCode::CONFLICT, "{answer}");
    world.store.close().await;
}
