//! Lists and relations: repositories, tags, indexes and what they list, referrers.

use std::collections::BTreeSet;

use oci::{Digest, Manifest, Shape, media};
use policy::verb::Push;
use store::{Writer, blobs, catalogue};

use crate::fixture::{Fixture, Image, NOW, name, permit, tag};

#[tokio::test]
async fn lists_are_in_order_and_in_pages() {
    let fixture = Fixture::new().await;
    for (repository, tags) in [
        ("b/z", ["B", "a"]),
        ("a", ["_x", "1"]),
        ("b/a", ["10", "9"]),
    ] {
        fixture
            .push(repository, &tags, &Image::new(repository))
            .await;
    }
    let text =
        |names: Vec<oci::RepositoryName>| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        text(
            catalogue::repositories(&fixture.store, None, 2)
                .await
                .unwrap()
        ),
        ["a", "b/a"]
    );
    assert_eq!(
        text(
            catalogue::repositories(&fixture.store, Some("b/a"), 2)
                .await
                .unwrap()
        ),
        ["b/z"]
    );
    for (repository, expect) in [
        ("b/z", ["B", "a"]),
        ("a", ["1", "_x"]),
        ("b/a", ["10", "9"]),
    ] {
        let tags = catalogue::tags(&fixture.store, &name(repository), None, 10)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            expect,
            "byte by byte"
        );
        let rest = catalogue::tags(&fixture.store, &name(repository), Some(expect[0]), 10)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(rest, [tag(expect[1])]);
    }
    assert_eq!(
        catalogue::tags(&fixture.store, &name("none"), None, 10)
            .await
            .unwrap(),
        None
    );
    // A repository that only has blobs is not there.
    let permit = permit::<Push>(1, "c");
    blobs::put(
        &fixture.store,
        &Writer::Push(&permit),
        b"layer".to_vec(),
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(
        catalogue::repositories(&fixture.store, Some("b/z"), 2)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        catalogue::repository(&fixture.store, &name("c"))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_tag_moves_between_manifest_and_index_and_says_from_where() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let index = Image::index(&[&image]);
    let moved = fixture.push("shop/web", &["1"], &index).await.tags_moved;
    assert_eq!(
        (moved[0].tag.as_str(), moved[0].from.as_ref()),
        ("1", Some(&image.digest))
    );
    let records = catalogue::tag_records(&fixture.store, &name("shop/web"), None, 10)
        .await
        .unwrap();
    assert_eq!(
        (records.len(), &records[0].digest, records[0].shape),
        (1, &index.digest, Shape::Index)
    );
    let id = catalogue::repository(&fixture.store, &name("shop/web"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        catalogue::tags_of(&fixture.store, id, &index.digest)
            .await
            .unwrap(),
        [tag("1")]
    );
    assert_eq!(
        catalogue::children(&fixture.store, id, &index.digest)
            .await
            .unwrap(),
        [image.digest.clone()]
    );
    assert_eq!(
        catalogue::parents(&fixture.store, id, &image.digest)
            .await
            .unwrap(),
        [index.digest]
    );
}

#[tokio::test]
async fn referrers_are_found_by_subject_and_by_the_fallback_tag() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    let first = Image::evidence(&image, "one");
    // A signature may come before its image.
    fixture.push("shop/web", &[], &first).await;
    fixture.push("shop/web", &["1"], &image).await;
    let mut other = Image::evidence(&image, "two");
    if let Manifest::Image(manifest) = &mut other.manifest {
        manifest.subject = None;
    }
    other.content = other.manifest.to_bytes();
    other.digest = Digest::sha256(&other.content);
    fixture.push("shop/web", &[], &other).await;
    let fallback = format!("sha256-{}", image.digest.hex());
    fixture
        .push("shop/web", &[&fallback], &Image::index(&[&first, &other]))
        .await;

    let page = catalogue::referrers(&fixture.store, &name("shop/web"), &image.digest, None, None)
        .await
        .unwrap();
    let found: BTreeSet<_> = page
        .descriptors
        .iter()
        .map(|descriptor| descriptor.digest.clone())
        .collect();
    assert_eq!((page.descriptors.len(), page.next), (2, None));
    assert_eq!(
        found,
        BTreeSet::from([first.digest.clone(), other.digest.clone()])
    );
    for (artifact_type, expect) in [(media::SIGSTORE_BUNDLE_V03, 2), ("application/else", 0)] {
        let page = catalogue::referrers(
            &fixture.store,
            &name("shop/web"),
            &image.digest,
            Some(artifact_type),
            None,
        )
        .await
        .unwrap();
        assert_eq!(page.descriptors.len(), expect, "{artifact_type}");
    }
    let none = catalogue::referrers(&fixture.store, &name("none"), &image.digest, None, None)
        .await
        .unwrap();
    assert_eq!(none.descriptors, []);
}

#[tokio::test]
async fn many_referrers_come_in_pages_with_all_annotations() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    let long = "x".repeat(1_200_000);
    let mut expect = BTreeSet::new();
    for number in 0..7 {
        let mut evidence = Image::evidence(&image, &number.to_string());
        if let Manifest::Image(manifest) = &mut evidence.manifest {
            manifest.annotations.insert("long".to_owned(), long.clone());
        }
        evidence.content = evidence.manifest.to_bytes();
        evidence.digest = Digest::sha256(&evidence.content);
        expect.insert(evidence.digest.clone());
        fixture.push("shop/web", &[], &evidence).await;
    }
    // What is not on a page is not read for it.
    let last = expect.last().unwrap();
    let text = |what: &str, digest: &Digest| {
        format!("UPDATE manifests SET annotations = {what} WHERE digest = '{digest}'")
    };
    fixture.edit(&text("'[' || annotations", last)).await;
    let first = catalogue::referrers(&fixture.store, &name("shop/web"), &image.digest, None, None)
        .await
        .unwrap();
    assert!(first.next.is_some());
    fixture.edit(&text("SUBSTR(annotations, 2)", last)).await;
    let (mut found, mut after, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = catalogue::referrers(
            &fixture.store,
            &name("shop/web"),
            &image.digest,
            None,
            after.as_ref(),
        )
        .await
        .unwrap();
        let bytes: usize = page
            .descriptors
            .iter()
            .map(|descriptor| descriptor.annotations["long"].len())
            .sum();
        assert!(bytes <= 4 * 1024 * 1024, "a client reads at most 4 MiB");
        found.extend(
            page.descriptors
                .into_iter()
                .map(|descriptor| descriptor.digest),
        );
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!((found, pages), (expect, 3));
}
