//! What a trusted root that drops an authority does to what was verified under it: it goes on counting, and the audit log is whole.

use super::*;
use store::Options;
use store::audit;
use trust::sigstore::TrustedRoot;

/// The root of an instance with one part of another's in its place.
fn with_another(instance: &sigstore::World, part: &str) -> TrustedRoot {
    let mut root = instance.root_json();
    root[part] = sigstore::World::new().root_json()[part].clone();
    TrustedRoot::parse(root.to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn a_root_that_drops_an_authority_leaves_the_account_whole_and_says_what_it_cannot_judge() {
    let instance = sigstore::World::new();
    let (world, digest) = trusting(&instance).await;
    let (_, bundle) = signed(&instance, &digest);
    attach_bundle(&world, &digest, &bundle).await;
    // Verified when it is read again, not when it came.
    register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
    reread(&world).await;
    counts(&world, &digest).await;
    audit::seal(&world.store, NOW).await.unwrap();
    let verify = async |root: TrustedRoot| {
        let anchors = Anchors {
            sigstore: Some((root, Demands::CERTIFICATE)),
            revocation: None,
        };
        let options = Options {
            anchors: std::sync::Arc::new(anchors),
            ..Options::embedded(world.folder.path())
        };
        audit::verify(&options, None).await.unwrap()
    };
    let report = verify(instance.root()).await;
    assert!(report.is_intact(), "{report:#?}");
    assert_eq!(report.unjudged, [] as [String; 0]);
    for (part, why) in [
        ("certificateAuthorities", "does not lead to an authority"),
        ("ctlogs", "logged only in logs that the trusted root"),
        ("tlogs", "does not name the log"),
    ] {
        let report = verify(with_another(&instance, part)).await;
        assert!(report.is_intact(), "{part}: {report:#?}");
        let [line] = report.unjudged.as_slice() else {
            panic!("{part}: {report:#?}");
        };
        assert!(
            line.contains("cannot be judged by this root any more") && line.contains(why),
            "{line}"
        );
    }
    counts(&world, &digest).await;
    world.store.close().await;
}
