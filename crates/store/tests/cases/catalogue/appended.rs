//! Tags that many add to, as those who may push use them: what was listed stays, what the server makes holds evidence alone, and what is no
//! list does not stand in the way of one.

use oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, media};
use policy::PrincipalId;
use policy::verb::{Attach, Push};
use store::catalogue::{self, StoredManifest};
use store::{Error, Writer, blobs};

use crate::fixture::{Fixture, Image, NOW, name, permit, put, tag};

/// What a reference names in `shop/web`.
async fn held(fixture: &Fixture, reference: Reference) -> Option<StoredManifest> {
    catalogue::manifest(&fixture.store, &name("shop/web"), &reference)
        .await
        .unwrap()
}

async fn under(fixture: &Fixture, text: &str) -> Option<StoredManifest> {
    held(fixture, Reference::Tag(tag(text))).await
}

async fn listed(fixture: &Fixture, list: &str) -> Vec<Digest> {
    let stored = under(fixture, list).await.unwrap();
    match Manifest::parse(&stored.content, Some(&stored.media_type)).unwrap() {
        Manifest::Index(index) => index.manifests.into_iter().map(|one| one.digest).collect(),
        Manifest::Image(_) => panic!("no index under {list}"),
    }
}

fn list_of(image: &Image) -> String {
    format!("sha256-{}", image.digest.hex())
}

/// An image, and two signatures of it that are not referrers by themselves: only a list says that they are.
async fn signed(fixture: &Fixture) -> (Image, Image, Image) {
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let [one, two] = ["one", "two"].map(|seed| {
        let mut evidence = Image::evidence(&image, seed);
        if let Manifest::Image(manifest) = &mut evidence.manifest {
            manifest.subject = None;
        }
        Image::of(evidence.blobs, evidence.manifest)
    });
    for evidence in [&one, &two] {
        fixture.push("shop/web", &[], evidence).await;
    }
    (image, one, two)
}

#[tokio::test]
async fn whoever_may_push_takes_nothing_out_of_a_list() {
    let fixture = Fixture::new().await;
    let (image, one, two) = signed(&fixture).await;
    let list = list_of(&image);
    let permit = permit::<Push>(2, "shop/web");
    let writer = Writer::Push(&permit);
    // Neither has seen the other's.
    for evidence in [&one, &two] {
        let index = Image::index(&[evidence]);
        let outcome = put(&fixture.store, &writer, &[&list], &index).await;
        assert_eq!(outcome.unwrap().tags_moved.len(), 1);
    }
    assert_eq!(
        listed(&fixture, &list).await,
        [one.digest.clone(), two.digest.clone()]
    );
    let both = under(&fixture, &list).await.unwrap();
    assert_eq!(both.pushed_by, None, "the server made it");
    // What was sent stays under the digest that its sender was told.
    let sent = Reference::Digest(Image::index(&[&two]).digest);
    let sent = held(&fixture, sent).await.unwrap();
    assert_eq!(sent.pushed_by, Some(PrincipalId(2)));
    // Less than what is there moves nothing.
    let again = put(&fixture.store, &writer, &[&list], &Image::index(&[&one])).await;
    assert_eq!(again.unwrap().tags_moved, []);
    assert_eq!(under(&fixture, &list).await.unwrap().digest, both.digest);
}

#[tokio::test]
async fn an_index_of_images_under_the_tag_of_a_list_has_its_author() {
    let fixture = Fixture::new().await;
    let (image, one, two) = signed(&fixture).await;
    let list = list_of(&image);
    fixture
        .push("shop/web", &[&list], &Image::index(&[&one]))
        .await;
    let permit = permit::<Push>(3, "shop/web");
    let writer = Writer::Push(&permit);
    // Alone, or with evidence beside them: it is what its author pushed and no more, and nobody else's.
    for index in [Image::index(&[&image]), Image::index(&[&image, &two])] {
        put(&fixture.store, &writer, &[&list], &index)
            .await
            .unwrap();
        let stored = under(&fixture, &list).await.unwrap();
        assert_eq!(stored.digest, index.digest);
        assert_eq!(stored.pushed_by, Some(PrincipalId(3)));
        let text = format!(
            "SELECT principal_id FROM first_pushes WHERE digest = '{}'",
            index.digest
        );
        assert_eq!(fixture.number(&text).await, 3);
    }
    // Nor does a list that comes later take the images in.
    let index = Image::index(&[&two]);
    put(&fixture.store, &writer, &[&list], &index)
        .await
        .unwrap();
    assert_eq!(listed(&fixture, &list).await, [two.digest.clone()]);
    let made = "SELECT COUNT(*) FROM manifests WHERE pushed_by IS NULL";
    assert_eq!(fixture.number(made).await, 0, "the server made nothing");
    // What was listed before is there, and so is the list.
    for digest in [one.digest.clone(), Image::index(&[&one]).digest] {
        assert!(held(&fixture, Reference::Digest(digest)).await.is_some());
    }
}

#[tokio::test]
async fn attack_what_is_no_list_does_not_keep_others_from_listing() {
    let fixture = Fixture::new().await;
    let (image, one, two) = signed(&fixture).await;
    let list = list_of(&image);
    let attach = permit::<Attach>(2, "shop/web");
    let signer = Writer::Attach(&attach);
    // Clients that find no index there stop, so that nobody could add to the list any more.
    let blocking = Image::evidence(&image, "blocking");
    for blob in &blocking.blobs {
        blobs::put(&fixture.store, &signer, blob.clone(), NOW)
            .await
            .unwrap();
    }
    let outcome = put(&fixture.store, &signer, &[&list], &blocking).await;
    let why = match outcome {
        Err(Error::Refused { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert!(
        why.contains(&list) && why.contains("only an index"),
        "{why}"
    );
    assert!(under(&fixture, &list).await.is_none());
    let digest = Reference::Digest(blocking.digest.clone());
    assert!(held(&fixture, digest).await.is_none(), "nothing is stored");

    // Where somebody with more rights put it, the list takes its place, and it stays under its digest.
    fixture.push("shop/web", &[&list], &two).await;
    put(&fixture.store, &signer, &[&list], &Image::index(&[&one]))
        .await
        .unwrap();
    assert_eq!(listed(&fixture, &list).await, [one.digest.clone()]);
    assert!(
        held(&fixture, Reference::Digest(two.digest.clone()))
            .await
            .is_some()
    );
    put(&fixture.store, &signer, &[&list], &Image::index(&[&two]))
        .await
        .unwrap();
    assert_eq!(listed(&fixture, &list).await, [one.digest, two.digest]);
}

/// Signatures under cosign's tag, from one number to another.
fn signatures(numbers: std::ops::Range<usize>) -> Image {
    let layers = numbers.map(|number| {
        let mut layer = Descriptor::of(media::COSIGN_SIMPLE_SIGNING, b"{}");
        let signature = "dev.cosignproject.cosign/signature".to_owned();
        layer.annotations.insert(signature, number.to_string());
        layer
    });
    let config = Descriptor::of(media::OCI_CONFIG, b"{}");
    let manifest = ImageManifest::new(config, layers.collect());
    Image::of(vec![b"{}".to_vec()], Manifest::Image(manifest))
}

#[tokio::test]
async fn a_tag_takes_as_many_signatures_as_are_read_and_no_more() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let attach = permit::<Attach>(2, "shop/web");
    let signer = Writer::Attach(&attach);
    blobs::put(&fixture.store, &signer, b"{}".to_vec(), NOW)
        .await
        .unwrap();
    let signed = format!("sha256-{}.sig", image.digest.hex());
    let refused = async |more: Image| {
        let outcome = put(&fixture.store, &signer, &[&signed], &more).await;
        let why = match outcome {
            Err(Error::Refused {
                what: "append",
                why,
            }) => why,
            other => panic!("{other:?}"),
        };
        for part in [signed.as_str(), "512 signatures", "as referrers"] {
            assert!(why.contains(part), "{part} is not in {why}");
        }
        let digest = Reference::Digest(more.digest);
        assert!(held(&fixture, digest).await.is_none(), "nothing is stored");
    };
    refused(signatures(0..513)).await;
    assert!(under(&fixture, &signed).await.is_none());
    let full = signatures(0..512);
    put(&fixture.store, &signer, &[&signed], &full)
        .await
        .unwrap();
    // One that its signer adds to those that are there, and one whose signer has not seen them.
    refused(signatures(0..513)).await;
    refused(signatures(600..601)).await;
    assert_eq!(under(&fixture, &signed).await.unwrap().digest, full.digest);
}
