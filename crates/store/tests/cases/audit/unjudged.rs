//! Signatures with certificates whose authority the trusted root has no longer: no problem of the log, unless the log says otherwise.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy::{Pattern, Verdict};
use serde_json::json;
use store::Options;
use store::audit::{self, ProblemKind, Report};
use store::evidence::{self, NewEvidence, Reverified};
use store::signing_keys::{self, NewIdentity};
use trust::evidence::Anchors;
use trust::sigstore::{Demands, TrustedRoot};
use trust::{KeyId, RegisteredKey, SigstoreIdentity, StageStatement, dsse};

use super::super::world::{ADMIN, JOB, World};
use super::only;
use crate::fixture::{Image, NOW, name, server_permit};

/// What the account comes to under a root that has no authority any more.
async fn verify(world: &World) -> Report {
    let options = Options {
        anchors: Arc::new(Anchors {
            sigstore: Some((TrustedRoot::default(), Demands::CERTIFICATE)),
            revocation: None,
        }),
        ..world.fixture.options.clone()
    };
    audit::seal(world.store(), NOW).await.unwrap();
    audit::verify(&options, None).await.unwrap()
}

async fn register(world: &World, subject: &str) -> KeyId {
    let identity = SigstoreIdentity::new("https://login.example", subject).unwrap();
    let new = NewIdentity {
        principal: world.maria,
        identity: RegisteredKey::Sigstore(Box::new(identity)),
        name: "keyless".to_owned(),
        scope: vec![Pattern::parse("shop/**").unwrap()],
    };
    signing_keys::register_identity(world.store(), &server_permit(ADMIN), &new, NOW)
        .await
        .unwrap();
    new.identity.id().clone()
}

/// A stage statement about an image, with a certificate that nobody can judge, as it was stored once.
fn keyless(image: &Image, key: Option<&KeyId>) -> NewEvidence {
    saying(image, "ci", "a signature", key)
}

fn saying(image: &Image, stage: &str, signature: &str, key: Option<&KeyId>) -> NewEvidence {
    let said = StageStatement {
        stage: stage.to_owned(),
        repository: name("shop/web"),
        tag: None,
        nonce: None,
    };
    let payload = trust::stage::build(&image.digest, &said).unwrap();
    let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"certificate": {"rawBytes": encoded(b"a certificate")}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": encoded(&payload.to_bytes()), "payloadType": dsse::IN_TOTO,
            "signatures": [{"sig": encoded(signature.as_bytes())}],
        },
    });
    NewEvidence {
        attached_to: image.digest.clone(),
        format: "stage".to_owned(),
        subject: Some(image.digest.clone()),
        stage: Some(stage.to_owned()),
        predicate_type: None,
        named_repository: Some("shop/web".to_owned()),
        key: key.cloned(),
        key_hint: None,
        verdict: match key {
            Some(_) => Verdict::Verified,
            None => Verdict::UnknownKey,
        },
        raw: bundle.to_string().into_bytes(),
        signature: None,
        trusted_at: None,
        ends_at: None,
    }
}

async fn world_with(verified: bool) -> (World, Image, [KeyId; 2]) {
    let world = World::new().await;
    let image = Image::new("a");
    world.fixture.push("shop/web", &["1"], &image).await;
    let keys = [
        register(&world, "maria").await,
        register(&world, "other").await,
    ];
    let evidence = keyless(&image, verified.then_some(&keys[0]));
    world.attach(&image, "shop/web", evidence, NOW).await;
    (world, image, keys)
}

#[tokio::test]
async fn what_was_verified_under_a_root_of_before_is_told_and_is_no_problem() {
    let (world, image, [key, other]) = world_with(true).await;
    let report = verify(&world).await;
    assert!(report.is_intact(), "{report:#?}");
    let [line] = report.unjudged.as_slice() else {
        panic!("{report:#?}");
    };
    let place = format!("`shop/web@{}`", image.digest);
    assert!(line.contains(&place), "{line}");
    assert!(
        line.contains("cannot be judged by this root any more: nothing trusted says when"),
        "{line}"
    );
    // What the columns say is still compared, with what was signed and with the log.
    for (edit, undo, why) in [
        ("stage = 'staging'", "stage = 'ci'", "says something else"),
        (
            &format!("key_id = '{other}'"),
            &format!("key_id = '{key}'"),
            "the log does not say that it was verified",
        ),
    ] {
        for (edit, is_intact) in [(edit, false), (undo, true)] {
            let edit = format!("UPDATE evidence SET {edit}");
            assert_eq!(world.fixture.edit(&edit).await, 1, "{edit}");
            let report = verify(&world).await;
            assert_eq!(report.is_intact(), is_intact, "{report:#?}");
            if !is_intact {
                let problem = only(&report, ProblemKind::StateChanged);
                assert!(problem.what.contains(why), "{problem:?}");
                assert!(report.unjudged.is_empty(), "{report:#?}");
            }
        }
    }
}

#[tokio::test]
async fn attack_a_certificate_of_nobodys_authority_made_up_in_the_database() {
    let (world, image, [key, _]) = world_with(false).await;
    assert!(verify(&world).await.is_intact());
    let edit = format!("UPDATE evidence SET verdict = 'verified', key_id = '{key}'");
    assert_eq!(world.fixture.edit(&edit).await, 1);
    let report = verify(&world).await;
    let problem = only(&report, ProblemKind::StateChanged);
    assert!(
        problem
            .what
            .contains("the log does not say that it was verified")
            && problem.what.contains(image.digest.as_str()),
        "{problem:?}"
    );
    assert!(report.unjudged.is_empty(), "{report:#?}");
}

/// What was attached before its identity was registered, and verified then.
async fn world_with_a_late_identity() -> (World, Image) {
    let (world, image, [key, _]) = world_with(false).await;
    let id = world.fixture.number("SELECT id FROM evidence").await;
    let found = Reverified {
        format: "stage".to_owned(),
        verdict: Verdict::Verified,
        subject: Some(image.digest.clone()),
        stage: Some("ci".to_owned()),
        named_repository: Some("shop/web".to_owned()),
        key: Some(key),
        trusted_at: None,
        ends_at: None,
    };
    let changed = evidence::set_verdict(world.store(), JOB, id, &found, NOW + 1).await;
    assert!(changed.unwrap());
    (world, image)
}

#[tokio::test]
async fn attack_other_bytes_in_the_place_of_what_was_verified_later() {
    for (stage, signature, is_of_before) in [
        ("staging", "a signature", false),
        ("staging", "a signature", true),
        ("ci", "another signature", false),
    ] {
        let (world, image) = world_with_a_late_identity().await;
        // The forged bytes lie in the database somewhere else, where nobody believes them.
        let other = Image::new("b");
        world.fixture.push("shop/web", &["2"], &other).await;
        let forged = NewEvidence {
            attached_to: other.digest.clone(),
            ..saying(&image, stage, signature, None)
        };
        world.attach(&other, "shop/web", forged, NOW).await;
        if is_of_before {
            let edit = "UPDATE audit SET detail = REPLACE(detail, 'fingerprint', 'nothing') WHERE act = 'evidence.attach'";
            assert_eq!(world.fixture.edit(edit).await, 2);
        }
        let report = verify(&world).await;
        assert!(report.is_intact(), "{report:#?}");
        assert_eq!(report.unjudged.len(), 1, "{report:#?}");
        let edit = format!(
            "UPDATE evidence SET stage = '{stage}', raw = (SELECT o.raw FROM evidence o WHERE o.attached_to = '{}') \
             WHERE attached_to = '{}'",
            other.digest, image.digest
        );
        assert_eq!(world.fixture.edit(&edit).await, 1);
        let report = verify(&world).await;
        let problem = only(&report, ProblemKind::StateChanged);
        assert!(
            problem
                .what
                .contains("the log does not say that it was verified"),
            "{stage} {signature}: {problem:?}"
        );
        assert!(report.unjudged.is_empty(), "{report:#?}");
    }
}
