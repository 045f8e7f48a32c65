//! What goes and what stays: deleted tags and manifests, blobs that are mounted and removed.

use oci::{Digest, Reference};
use policy::verb::{Delete, DeleteEvidence, Pull, Push};
use store::catalogue::{self, Deleter};
use store::{Error, Writer};

use crate::fixture::{Fixture, Image, NOW, name, permit, tag};

#[tokio::test]
async fn deleting_takes_tags_along_and_leaves_what_it_referred_to() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1", "2"], &image).await;
    let permit = permit::<Delete>(3, "shop/web");
    let deleter = Deleter::Image(&permit);
    catalogue::delete_tag(&fixture.store, &deleter, &tag("2"), NOW)
        .await
        .unwrap();
    let gone = catalogue::delete_tag(&fixture.store, &deleter, &tag("2"), NOW).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    assert!(
        catalogue::manifest(&fixture.store, &name("shop/web"), &Reference::Tag(tag("1")))
            .await
            .unwrap()
            .is_some()
    );
    catalogue::delete_manifest(&fixture.store, &deleter, &image.digest, NOW)
        .await
        .unwrap();
    for reference in [
        Reference::Tag(tag("1")),
        Reference::Digest(image.digest.clone()),
    ] {
        assert_eq!(
            catalogue::manifest(&fixture.store, &name("shop/web"), &reference)
                .await
                .unwrap(),
            None
        );
    }
    assert_eq!(
        catalogue::tags(&fixture.store, &name("shop/web"), None, 10)
            .await
            .unwrap(),
        None
    );
    let layer = Digest::sha256(&image.blobs[1]);
    assert!(
        catalogue::blob(&fixture.store, &name("shop/web"), &layer)
            .await
            .unwrap()
            .is_some()
    );
    let gone = catalogue::delete_manifest(&fixture.store, &deleter, &image.digest, NOW).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    // Pushed again, it is there again.
    assert!(fixture.push("shop/web", &["1"], &image).await.created);
}

#[tokio::test]
async fn images_and_evidence_need_different_rights_to_delete() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    let evidence = Image::evidence(&image, "one");
    fixture.push("shop/web", &["1"], &image).await;
    fixture.push("shop/web", &["e"], &evidence).await;
    let (images, evidences) = (
        permit::<Delete>(3, "shop/web"),
        permit::<DeleteEvidence>(3, "shop/web"),
    );
    let refused = |outcome: store::Result<()>| {
        assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}")
    };
    refused(
        catalogue::delete_manifest(
            &fixture.store,
            &Deleter::Image(&images),
            &evidence.digest,
            NOW,
        )
        .await,
    );
    refused(catalogue::delete_tag(&fixture.store, &Deleter::Image(&images), &tag("e"), NOW).await);
    refused(
        catalogue::delete_manifest(
            &fixture.store,
            &Deleter::Evidence(&evidences),
            &image.digest,
            NOW,
        )
        .await,
    );
    catalogue::delete_manifest(
        &fixture.store,
        &Deleter::Evidence(&evidences),
        &evidence.digest,
        NOW,
    )
    .await
    .unwrap();
    catalogue::delete_manifest(&fixture.store, &Deleter::Image(&images), &image.digest, NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_mount_needs_the_blob_where_it_is_mounted_from() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let layer = Digest::sha256(&image.blobs[1]);
    let (to, from, empty) = (
        permit::<Push>(1, "shop/api"),
        permit::<Pull>(1, "shop/web"),
        permit::<Pull>(1, "shop/none"),
    );
    let writer = Writer::Push(&to);
    assert_eq!(
        catalogue::link_blob(&fixture.store, &writer, &empty, &layer, NOW)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        catalogue::blob(&fixture.store, &name("shop/api"), &layer)
            .await
            .unwrap(),
        None
    );
    let info = catalogue::link_blob(&fixture.store, &writer, &from, &layer, NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        catalogue::blob(&fixture.store, &name("shop/api"), &layer)
            .await
            .unwrap(),
        Some(info)
    );
    assert_eq!(
        catalogue::repositories(&fixture.store, None, 10)
            .await
            .unwrap(),
        [name("shop/web")]
    );
}

#[tokio::test]
async fn a_blob_that_is_needed_stays() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let layer = Digest::sha256(&image.blobs[1]);
    let permit = permit::<Delete>(1, "shop/web");
    let needed = catalogue::unlink_blob(&fixture.store, &permit, &layer, NOW).await;
    assert!(matches!(needed, Err(Error::Conflict { .. })), "{needed:?}");
    let referring = catalogue::manifests_referring(&fixture.store, &name("shop/web"), &layer)
        .await
        .unwrap();
    assert_eq!(referring, [image.digest.clone()]);
    catalogue::delete_manifest(&fixture.store, &Deleter::Image(&permit), &image.digest, NOW)
        .await
        .unwrap();
    catalogue::unlink_blob(&fixture.store, &permit, &layer, NOW)
        .await
        .unwrap();
    assert_eq!(
        catalogue::blob(&fixture.store, &name("shop/web"), &layer)
            .await
            .unwrap(),
        None
    );
    let gone = catalogue::unlink_blob(&fixture.store, &permit, &layer, NOW).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
}
