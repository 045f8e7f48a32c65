//! The catalogue: a manifest and all that comes with it in one transaction, only over what is there, only by those who may.

mod appended;
mod deletion;
mod lists;
mod sparse;

use oci::{Algorithm, Descriptor, Digest, ImageManifest, Manifest, Reference, Shape, media};
use policy::verb::{Attach, Delete, Push};
use store::catalogue::{self, Deleter, PutManifest, StageRecord, put_manifest};
use store::{Error, System, Writer, blobs, jobs, uploads};

use crate::fixture::{Fixture, Image, NOW, name, permit, put, tag};

async fn facts_revision(fixture: &Fixture, repository: &str, image: &Image) -> i64 {
    let reference = Reference::Digest(image.digest.clone());
    catalogue::manifest(&fixture.store, &name(repository), &reference)
        .await
        .unwrap()
        .unwrap()
        .facts_revision
}

#[tokio::test]
async fn a_manifest_is_answered_as_it_came_by_tag_and_by_digest() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    let outcome = fixture.push("shop/web", &["1", "latest"], &image).await;
    assert!(outcome.created);
    assert_eq!(
        outcome
            .tags_moved
            .iter()
            .map(|moved| moved.tag.as_str())
            .collect::<Vec<_>>(),
        ["1", "latest"]
    );
    for reference in [
        Reference::Tag(tag("latest")),
        Reference::Digest(image.digest.clone()),
    ] {
        let stored = catalogue::manifest(&fixture.store, &name("shop/web"), &reference)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (&stored.digest, &stored.content),
            (&image.digest, &image.content)
        );
        assert_eq!(
            (stored.media_type.as_str(), stored.shape),
            (media::OCI_MANIFEST, Shape::Image)
        );
        assert_eq!(
            (stored.repository.as_str(), stored.pushed_at),
            ("shop/web", NOW)
        );
    }
    for (repository, reference) in [
        ("shop/web", Reference::Tag(tag("2"))),
        ("shop/api", Reference::Tag(tag("1"))),
    ] {
        assert_eq!(
            catalogue::manifest(&fixture.store, &name(repository), &reference)
                .await
                .unwrap(),
            None
        );
    }
    let job = jobs::claim(&fixture.store, &[catalogue::INDEX_IMAGE], NOW, 1_000)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(job.payload["digest"], image.digest.as_str());
    let again = fixture.push("shop/web", &["1"], &image).await;
    assert!(!again.created && again.tags_moved.is_empty());
    assert_eq!(
        fixture
            .number("SELECT COUNT(*) FROM audit WHERE act = 'manifest.push'")
            .await,
        1
    );
}

#[tokio::test]
async fn what_is_missing_is_named_and_what_may_be_absent_is_not_asked_for() {
    let fixture = Fixture::new().await;
    let own = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&own);
    let image = Image::new("a");
    let missing = |outcome: store::Result<catalogue::Put>| match outcome {
        Err(Error::MissingReference(digest)) => digest,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        missing(put(&fixture.store, &writer, &[], &image).await),
        Digest::sha256(&image.blobs[0])
    );
    // Another repository's blob does not count.
    let elsewhere = permit::<Push>(1, "shop/api");
    blobs::put(
        &fixture.store,
        &Writer::Push(&elsewhere),
        image.blobs[0].clone(),
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(
        missing(put(&fixture.store, &writer, &[], &image).await),
        Digest::sha256(&image.blobs[0])
    );
    // Evidence is read when it arrives: all of it must be there.
    let signature = Image::evidence(&image, "s");
    blobs::put(&fixture.store, &writer, signature.blobs[0].clone(), NOW)
        .await
        .unwrap();
    assert_eq!(
        missing(put(&fixture.store, &writer, &[], &signature).await),
        Digest::sha256(&signature.blobs[1])
    );
    blobs::put(&fixture.store, &writer, image.blobs[0].clone(), NOW)
        .await
        .unwrap();

    let mut foreign = image.clone();
    if let Manifest::Image(manifest) = &mut foreign.manifest {
        let foreign_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        manifest.layers = vec![Descriptor::of(foreign_type, b"a windows layer")];
    }
    foreign.content = foreign.manifest.to_bytes();
    foreign.digest = Digest::sha256(&foreign.content);
    put(&fixture.store, &writer, &["foreign"], &foreign)
        .await
        .unwrap();
    put(
        &fixture.store,
        &writer,
        &["sparse"],
        &Image::index(&[&image]),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn bytes_that_do_not_have_the_digest_are_not_stored() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let mut image = Image::index(&[]);
    image.content.push(b' ');
    let outcome = put(&fixture.store, &Writer::Push(&permit), &["1"], &image).await;
    assert!(
        matches!(outcome, Err(Error::DigestMismatch { .. })),
        "{outcome:?}"
    );
    assert_eq!(
        catalogue::repositories(&fixture.store, None, 10)
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn whoever_may_only_attach_stores_evidence_and_takes_no_tag_away() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let permit = permit::<Attach>(2, "shop/web");
    let writer = Writer::Attach(&permit);
    let evidence = Image::evidence(&image, "one");
    for blob in evidence.blobs.iter().chain(&Image::new("b").blobs) {
        blobs::put(&fixture.store, &writer, blob.clone(), NOW)
            .await
            .unwrap();
    }
    let signature_tag = format!("sha256-{}.sig", image.digest.hex());
    put(&fixture.store, &writer, &[&signature_tag], &evidence)
        .await
        .unwrap();
    let refused = |outcome: store::Result<catalogue::Put>| {
        assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}")
    };
    refused(put(&fixture.store, &writer, &["2"], &Image::new("b")).await);
    refused(put(&fixture.store, &writer, &[], &Image::index(&[&image])).await);
    refused(put(&fixture.store, &writer, &["1"], &evidence).await);
    refused(put(&fixture.store, &writer, &["2"], &evidence).await);
    // A tag of that form on something else stays there as well.
    let trap = format!("sha256-{}", "0".repeat(64));
    fixture.push("shop/web", &[&trap], &image).await;
    refused(put(&fixture.store, &writer, &[&trap], &evidence).await);
    let stored = catalogue::manifest(&fixture.store, &name("shop/web"), &Reference::Tag(tag("1")))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.digest, image.digest);
}

#[tokio::test]
async fn whoever_may_only_attach_adds_to_a_list_of_evidence_and_to_no_other_index() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let permit = permit::<Attach>(2, "shop/web");
    let writer = Writer::Attach(&permit);
    let (one, two) = (
        Image::evidence(&image, "one"),
        Image::evidence(&image, "two"),
    );
    for evidence in [&one, &two] {
        for blob in &evidence.blobs {
            blobs::put(&fixture.store, &writer, blob.clone(), NOW)
                .await
                .unwrap();
        }
        put(&fixture.store, &writer, &[], evidence).await.unwrap();
    }
    let list = format!("sha256-{}", image.digest.hex());
    let refused = |outcome: store::Result<catalogue::Put>| {
        assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}")
    };
    // With what is not here, which may become an image, with an image in it, under another tag, under none, or where evidence itself is expected.
    refused(
        put(
            &fixture.store,
            &writer,
            &[&list],
            &Image::index(&[&one, &image]),
        )
        .await,
    );
    refused(put(&fixture.store, &writer, &["2"], &Image::index(&[&one])).await);
    refused(put(&fixture.store, &writer, &[], &Image::index(&[&one])).await);
    refused(
        put(
            &fixture.store,
            &writer,
            &[&list],
            &Image::index(&[&one, &Image::new("not here")]),
        )
        .await,
    );
    let signatures = format!("{list}.sig");
    refused(
        put(
            &fixture.store,
            &writer,
            &[&signatures],
            &Image::index(&[&one]),
        )
        .await,
    );
    // Two that have not seen each other: both stay.
    for evidence in [&one, &two] {
        put(
            &fixture.store,
            &writer,
            &[&list],
            &Image::index(&[evidence]),
        )
        .await
        .unwrap();
    }
    let tagged = catalogue::manifest(
        &fixture.store,
        &name("shop/web"),
        &Reference::Tag(tag(&list)),
    )
    .await
    .unwrap()
    .unwrap();
    let text = String::from_utf8(tagged.content.to_vec()).unwrap();
    for evidence in [&one, &two] {
        assert!(text.contains(evidence.digest.as_str()), "{text}");
    }
    // A tag of that form on an index of images, or on an image, is not the list.
    for on in [Image::index(&[&image]), image.clone()] {
        let trap = format!("sha256-{}", on.digest.hex());
        fixture.push("shop/web", &[&trap], &on).await;
        refused(put(&fixture.store, &writer, &[&trap], &Image::index(&[&one])).await);
    }
}

#[tokio::test]
async fn attack_what_is_appended_never_passes_as_evidence_and_is_an_image() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let permit = permit::<Attach>(2, "shop/web");
    let writer = Writer::Attach(&permit);
    let manifest = |config: &str, layer: &str, bytes: &[u8]| {
        let manifest = ImageManifest::new(
            Descriptor::of(config, b"{}"),
            vec![Descriptor::of(layer, bytes)],
        );
        Image::of(
            vec![b"{}".to_vec(), bytes.to_vec()],
            Manifest::Image(manifest),
        )
    };
    // Each is evidence by itself. Of both, the configuration of an image would be over a layer of any content.
    let envelope = manifest(media::OCI_EMPTY, media::NOTATION_COSE, b"an envelope");
    let payload = manifest(
        media::OCI_CONFIG,
        media::COSIGN_SIMPLE_SIGNING,
        b"a payload",
    );
    for blob in envelope.blobs.iter().chain(&payload.blobs) {
        blobs::put(&fixture.store, &writer, blob.clone(), NOW)
            .await
            .unwrap();
    }
    let signatures = format!("sha256-{}.sig", image.digest.hex());
    put(&fixture.store, &writer, &[&signatures], &envelope)
        .await
        .unwrap();
    let outcome = put(&fixture.store, &writer, &[&signatures], &payload).await;
    assert!(
        matches!(&outcome, Err(Error::Refused { what: "append", .. })),
        "{outcome:?}"
    );
    let stored = catalogue::manifest(
        &fixture.store,
        &name("shop/web"),
        &Reference::Tag(tag(&signatures)),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(stored.digest, envelope.digest);
}

#[tokio::test]
async fn who_first_pushed_a_digest_stays_so() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let copy = permit::<Push>(2, "shop/copy");
    let writer = Writer::Push(&copy);
    for blob in &image.blobs {
        blobs::put(&fixture.store, &writer, blob.clone(), NOW)
            .await
            .unwrap();
    }
    put(&fixture.store, &writer, &["1"], &image).await.unwrap();
    let delete = permit::<Delete>(1, "shop/web");
    catalogue::delete_manifest(&fixture.store, &Deleter::Image(&delete), &image.digest, NOW)
        .await
        .unwrap();
    let text = format!(
        "SELECT principal_id FROM first_pushes WHERE digest = '{}'",
        image.digest
    );
    assert_eq!(fixture.number(&text).await, 1);
    let holders = catalogue::holders(&fixture.store, &image.digest)
        .await
        .unwrap();
    assert_eq!(
        holders
            .iter()
            .map(|held| held.repository.as_str())
            .collect::<Vec<_>>(),
        ["shop/copy"]
    );
}

#[tokio::test]
async fn a_change_is_a_new_revision_of_an_image_its_children_and_its_indexes() {
    let fixture = Fixture::new().await;
    let (child, other) = (Image::new("a"), Image::new("b"));
    fixture.push("shop/web", &[], &child).await;
    fixture.push("shop/web", &[], &other).await;
    let before = facts_revision(&fixture, "shop/web", &child).await;
    let untouched = facts_revision(&fixture, "shop/web", &other).await;
    let index = Image::index(&[&child]);
    fixture.push("shop/web", &["1"], &index).await;
    let with_index = facts_revision(&fixture, "shop/web", &child).await;
    assert!(
        with_index > before,
        "the evidence of an index counts for what it lists"
    );
    let id = catalogue::repository(&fixture.store, &name("shop/web"))
        .await
        .unwrap()
        .unwrap();
    let key = format!("{id}/{}", index.digest);
    let job = loop {
        let job = jobs::claim(&fixture.store, &[store::facts::DECIDE], NOW, 1_000)
            .await
            .unwrap()
            .expect("a job for the index");
        if job.key == key {
            break job;
        }
    };
    assert_eq!(job.payload["repository_id"], id);
    let permit = permit::<Delete>(1, "shop/web");
    catalogue::delete_manifest(&fixture.store, &Deleter::Image(&permit), &index.digest, NOW)
        .await
        .unwrap();
    assert!(
        facts_revision(&fixture, "shop/web", &child).await > with_index,
        "and counts no longer when it goes"
    );
    assert_eq!(
        facts_revision(&fixture, "shop/web", &other).await,
        untouched
    );
}

#[tokio::test]
async fn the_servers_own_signature_records_its_stage_once() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let before = facts_revision(&fixture, "shop/web", &image).await;
    let repository = name("shop/web");
    let writer = Writer::System(System::job("decide"), &repository);
    for (seed, now) in [("one", NOW + 1), ("two", NOW + 2)] {
        let evidence = Image::evidence(&image, seed);
        for blob in &evidence.blobs {
            blobs::put(&fixture.store, &writer, blob.clone(), now)
                .await
                .unwrap();
        }
        let put = PutManifest {
            digest: &evidence.digest,
            content: &evidence.content,
            media_type: evidence.manifest.media_type(),
            manifest: &evidence.manifest,
            shape: evidence.shape,
            tags: &[],
            evidence: &[],
            stage_record: Some(StageRecord {
                digest: &image.digest,
                policy: "shop",
                stage: "scan",
            }),
        };
        put_manifest(&fixture.store, &writer, &put, now)
            .await
            .unwrap();
    }
    let person = permit::<Push>(1, "shop/web");
    let index = Image::index(&[]);
    let forged = PutManifest {
        digest: &index.digest,
        content: &index.content,
        media_type: index.manifest.media_type(),
        manifest: &index.manifest,
        shape: index.shape,
        tags: &[],
        evidence: &[],
        stage_record: Some(StageRecord {
            digest: &image.digest,
            policy: "shop",
            stage: "other",
        }),
    };
    let refused = put_manifest(&fixture.store, &Writer::Push(&person), &forged, NOW).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert_eq!(
        fixture
            .number("SELECT recorded_at FROM stage_records")
            .await,
        NOW + 1,
        "the first record stays"
    );
    assert_eq!(
        fixture
            .number("SELECT COUNT(*) FROM audit WHERE actor = 'system:decide'")
            .await,
        2
    );
    assert!(facts_revision(&fixture, "shop/web", &image).await > before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_parallel_pushes_all_land() {
    let fixture = Fixture::new().await;
    let base = b"a layer that all of them share".to_vec();
    let pushes: Vec<_> = (0..30)
        .map(|number| {
            let (store, base) = (fixture.store.clone(), base.clone());
            tokio::spawn(async move {
                let repository = format!("shop/{}", number % 3);
                let permit = permit::<Push>(1, &repository);
                let writer = Writer::Push(&permit);
                let mut upload = uploads::create(&store, &writer, Algorithm::Sha256, NOW).unwrap();
                upload.append(&base).await.unwrap();
                upload.commit(&Digest::sha256(&base), NOW).await.unwrap();
                let image = Image::new(&number.to_string());
                crate::fixture::push(
                    &store,
                    &repository,
                    &["latest", &format!("t{number}")],
                    &image,
                )
                .await;
                (repository, image.digest)
            })
        })
        .collect();
    for push in pushes {
        let (repository, digest) = push.await.unwrap();
        let reference = Reference::Digest(digest);
        assert!(
            catalogue::manifest(&fixture.store, &name(&repository), &reference)
                .await
                .unwrap()
                .is_some()
        );
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM tags").await, 33);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM events").await, 30);
    assert_eq!(
        fixture
            .number("SELECT COUNT(*) FROM audit WHERE act = 'manifest.push'")
            .await,
        30
    );
    assert_eq!(
        fixture
            .number("SELECT COUNT(*) FROM jobs WHERE kind = 'index-image'")
            .await,
        30
    );
}
