//! Claims about images that someone named in a certificate signed.

use oci::Digest;
use serde_json::json;
use trust::evidence::{Format, NoClaim, read_certified_bundle};
use trust::sigstore::{Demands, Refusal};
use trust::{StageStatement, stage};

use super::world::{ALICE, ISSUER, NOW, SIGNED, World};

fn image() -> Digest {
    Digest::sha256(b"the image")
}

fn passed() -> Vec<u8> {
    let passed = StageStatement {
        stage: "release".into(),
        repository: "shop/web".parse().unwrap(),
        tag: None,
        nonce: None,
    };
    stage::build(&image(), &passed).unwrap().to_bytes()
}

#[test]
fn a_stage_signed_with_a_certificate() {
    let world = World::new();
    let bundle = world.bundle(&world.certify(ALICE), &passed()).to_string();
    let read = |demands| read_certified_bundle(bundle.as_bytes(), &world.root(), demands, NOW);
    let certified = read(Demands::CERTIFICATE).unwrap();
    assert_eq!(certified.claim().format, Format::Stage);
    assert_eq!(certified.claim().subject, image());
    assert_eq!(certified.claim().stage.as_deref(), Some("release"));
    assert_eq!(certified.identity().issuer, ISSUER);
    assert_eq!(certified.identity().subject, ALICE);
    assert_eq!(certified.times()[0].at, SIGNED * 1000);

    let two_logs = Demands {
        logs: 2,
        ..Demands::CERTIFICATE
    };
    assert_eq!(
        read(two_logs),
        Err(NoClaim::Refused(Refusal::NotLogged {
            found: 1,
            needed: 2
        }))
    );
}

#[test]
fn cosigns_statement_signed_with_a_certificate() {
    let world = World::new();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "subject": [{
            "digest": {"sha256": image().hex()},
            "annotations": {"dev.countersign.stage": "qa"},
        }],
        "predicate": {},
    });
    let bundle = world.bundle(&world.certify(ALICE), statement.to_string().as_bytes());
    let certified = read_certified_bundle(
        bundle.to_string().as_bytes(),
        &world.root(),
        Demands::CERTIFICATE,
        NOW,
    )
    .unwrap();
    assert_eq!(certified.claim().format, Format::CosignBundle);
    assert_eq!(certified.claim().stage.as_deref(), Some("qa"));
}

/// Provenance says how an image was built, not that it passed anything.
#[test]
fn an_attestation_is_no_claim() {
    let world = World::new();
    let bundle = world.bundle(&world.certify(ALICE), &World::statement(image().hex()));
    let read = read_certified_bundle(
        bundle.to_string().as_bytes(),
        &world.root(),
        Demands::CERTIFICATE,
        NOW,
    );
    assert!(matches!(read, Err(NoClaim::Unreadable(_))), "{read:?}");
}
