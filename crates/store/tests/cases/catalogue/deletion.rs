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

/// The tags of a repository that has them.
async fn tags(fixture: &Fixture, repository: &str) -> Vec<String> {
    let found = catalogue::tag_records(&fixture.store, &name(repository), None, 10_000)
        .await
        .unwrap();
    found.iter().map(|record| record.tag.to_string()).collect()
}

#[tokio::test]
async fn many_tags_go_in_pieces_and_each_is_accounted_for() {
    let fixture = Fixture::new().await;
    let (image, signature) = (Image::new("a"), Image::evidence(&Image::new("a"), "one"));
    let numbered: Vec<String> = (0..230).map(|number| format!("pr-{number:03}")).collect();
    let numbered: Vec<&str> = numbered.iter().map(String::as_str).collect();
    fixture.push("shop/web", &["pr", "qa", "1.0"], &image).await;
    fixture.push("shop/web", &numbered, &image).await;
    fixture
        .push("shop/web", &["pr-signature"], &signature)
        .await;
    fixture.push("shop/api", &["pr-1"], &image).await;
    let permit = permit::<Delete>(3, "shop/web");
    let deletion = catalogue::Deletion {
        images: &permit,
        evidence: None,
    };
    let pattern = "pr-*".parse().unwrap();
    let (covered, next) =
        catalogue::matching_tags(&fixture.store, &name("shop/web"), &pattern, None, 1_000)
            .await
            .unwrap();
    assert_eq!((covered.len(), next), (231, None));
    let (mut gone, mut kept, mut after) = (0, 0, None);
    loop {
        let swept = catalogue::delete_tags(
            &fixture.store,
            &deletion,
            &pattern,
            after.as_deref(),
            100,
            NOW,
        )
        .await
        .unwrap();
        gone += swept.tags.len();
        kept += swept.kept;
        after = swept.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((gone, kept), (230, 1), "evidence needs a right of its own");
    assert_eq!(
        tags(&fixture, "shop/web").await,
        ["1.0", "pr", "pr-signature", "qa"]
    );
    assert_eq!(tags(&fixture, "shop/api").await, ["pr-1"]);
    let told = "SELECT COUNT(*) FROM audit WHERE act = 'tag.delete'";
    assert_eq!(fixture.number(told).await, 230);
    let told = "SELECT COUNT(*) FROM events WHERE type = 'tag.deleted'";
    assert_eq!(fixture.number(told).await, 230);
    // The manifest stays, and a pattern without a star is one tag.
    let one = "qa".parse().unwrap();
    let swept = catalogue::delete_tags(&fixture.store, &deletion, &one, None, 100, NOW)
        .await
        .unwrap();
    assert_eq!(swept.tags, [tag("qa")]);
    let reference = Reference::Digest(image.digest.clone());
    assert!(
        catalogue::manifest(&fixture.store, &name("shop/web"), &reference)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_repository_is_emptied_without_its_neighbours() {
    let fixture = Fixture::new().await;
    let images: Vec<Image> = (0..7).map(|n| Image::new(&n.to_string())).collect();
    for (number, image) in images.iter().enumerate() {
        fixture
            .push("shop/web", &[&format!("t{number}")], image)
            .await;
    }
    let index = Image::index(&[&images[0], &images[1]]);
    fixture.push("shop/web", &["all"], &index).await;
    let signature = Image::evidence(&images[0], "one");
    fixture.push("shop/web", &[], &signature).await;
    fixture.push("shop/web-2", &["1"], &images[0]).await;
    let (images, evidence) = (
        permit::<Delete>(3, "shop/web"),
        permit::<DeleteEvidence>(3, "shop/web"),
    );
    let deletion = catalogue::Deletion {
        images: &images,
        evidence: None,
    };
    let empty = async |deletion, after: Option<String>| {
        catalogue::empty_repository(&fixture.store, deletion, after.as_deref(), 4, NOW)
            .await
            .unwrap()
    };
    let first = empty(&deletion, None).await;
    let second = empty(&deletion, first.next).await;
    let third = empty(&deletion, second.next).await;
    assert_eq!(third.next, None);
    assert_eq!(first.manifests + second.manifests + third.manifests, 8);
    assert_eq!(first.tags + second.tags + third.tags, 8);
    assert_eq!(first.kept + second.kept + third.kept, 1);
    assert_eq!(
        fixture.number("SELECT COUNT(*) FROM manifests").await,
        2,
        "the signature, and the neighbour's image"
    );
    let both = catalogue::Deletion {
        images: &images,
        evidence: Some(&evidence),
    };
    assert_eq!(empty(&both, None).await.manifests, 1);
    assert_eq!(
        catalogue::repositories(&fixture.store, None, 10)
            .await
            .unwrap(),
        [name("shop/web-2")]
    );
    let told = "SELECT COUNT(*) FROM audit WHERE act IN ('manifest.delete', 'evidence.delete')";
    assert_eq!(fixture.number(told).await, 9);
}
