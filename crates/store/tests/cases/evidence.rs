//! Evidence: kept with its first time, seen by the digest and by what its index lists, in its repository only.

use oci::{Digest, Manifest, Reference};
use policy::Verdict;
use store::catalogue::{self, Deleter, delete_manifest};
use store::evidence::{self, Carrier, Copies, NewEvidence, Reread, Reverified, Wanted};
use store::jobs;
use trust::KeyId;

use super::world::{ADMIN, JOB, World, repository_id, signature};
use crate::fixture::{Image, NOW, name, permit, tag};

/// The formats of signatures.
const ANY: Wanted<'static> = Wanted::In(&["stage", "cosign-bundle"]);

fn unknown(subject: &Image, seed: &str) -> NewEvidence {
    NewEvidence {
        key: None,
        key_hint: Some("some key".to_owned()),
        verdict: Verdict::UnknownKey,
        raw: seed.as_bytes().to_vec(),
        ..signature(&subject.digest, "ci", &"0".repeat(64).parse().unwrap())
    }
}

#[tokio::test]
async fn an_index_speaks_for_what_it_lists_in_its_repository() {
    let world = World::new().await;
    let (store, key) = (world.store(), world.key(world.maria).await);
    let (amd64, arm64) = (Image::new("amd64"), Image::new("arm64"));
    let index = Image::index(&[&amd64, &arm64]);
    for repository in ["shop/web", "shop/copy"] {
        world.fixture.push(repository, &[], &amd64).await;
    }
    world.fixture.push("shop/web", &[], &arm64).await;
    world.fixture.push("shop/web", &["1"], &index).await;
    world
        .attach(
            &index,
            "shop/web",
            signature(&index.digest, "ci", &key),
            NOW,
        )
        .await;
    world
        .attach(
            &amd64,
            "shop/web",
            signature(&amd64.digest, "ci", &key),
            NOW,
        )
        .await;

    let web = repository_id(store, &name("shop/web")).await;
    let copy = repository_id(store, &name("shop/copy")).await;
    let attached = async |repository, image: &Image| -> Vec<oci::Digest> {
        let evidence = evidence::for_image(store, repository, &image.digest)
            .await
            .unwrap();
        evidence
            .into_iter()
            .map(|evidence| evidence.attached_to)
            .collect()
    };
    let mut both = vec![amd64.digest.clone(), index.digest.clone()];
    both.sort();
    let mut found = attached(web, &amd64).await;
    found.sort();
    assert_eq!(found, both);
    assert_eq!(attached(web, &arm64).await, [index.digest.clone()]);
    assert_eq!(attached(web, &index).await, [index.digest.clone()]);
    assert!(attached(copy, &amd64).await.is_empty());

    let delete = permit(ADMIN, "shop/web");
    delete_manifest(store, &Deleter::Image(&delete), &index.digest, NOW)
        .await
        .unwrap();
    assert_eq!(attached(web, &amd64).await, [amd64.digest.clone()]);
    assert!(attached(web, &arm64).await.is_empty());
}

#[tokio::test]
async fn bytes_that_come_again_keep_their_first_time() {
    let world = World::new().await;
    let (store, key) = (world.store(), world.key(world.maria).await);
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let id = repository_id(store, &name("shop/web")).await;
    let carrier = world.sign(&image, "ci", &key, NOW + 1).await;
    world.sign(&image, "ci", &key, NOW + 50).await;
    let kept = evidence::for_image(store, id, &image.digest).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].stored_at, kept[0].withdrawn), (NOW + 1, false));

    let delete = permit(ADMIN, "shop/web");
    delete_manifest(
        store,
        &Deleter::Evidence(&delete),
        &carrier.digest,
        NOW + 60,
    )
    .await
    .unwrap();
    let kept = evidence::for_image(store, id, &image.digest).await.unwrap();
    assert!(kept[0].withdrawn);
    world.sign(&image, "ci", &key, NOW + 70).await;
    let kept = evidence::for_image(store, id, &image.digest).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].stored_at, kept[0].withdrawn),
        (NOW + 1, false),
        "an early signature stays early"
    );
}

/// cosign's way: maria signs under the `.sig` tag, then jonas, whose manifest repeats her signature and takes the tag.
async fn signed_twice(world: &World) -> (Image, Image, Image) {
    let image = Image::new("web");
    let tag = tag(&format!("sha256-{}.sig", image.digest.hex()));
    world.fixture.push("shop/web", &["1"], &image).await;
    let by = |key| signature(&image.digest, "ci", key);
    let (maria, jonas) = (
        by(&world.key(world.maria).await),
        by(&world.key(world.jonas).await),
    );
    let older = Image::evidence(&image, "older");
    let newer = Image::evidences(&image, &["older", "newer"]);
    let tags = [tag];
    world
        .carry(&older, "shop/web", &tags, &[maria.clone()], NOW + 1)
        .await;
    world
        .carry(&newer, "shop/web", &tags, &[maria, jonas], NOW + 2)
        .await;
    (image, older, newer)
}

/// When each signature of an image was stored, what carries it, and whether it is withdrawn.
async fn kept(world: &World, image: &Image) -> Vec<(i64, oci::Digest, bool)> {
    let id = repository_id(world.store(), &name("shop/web")).await;
    let mut kept: Vec<_> = evidence::for_image(world.store(), id, &image.digest)
        .await
        .unwrap()
        .into_iter()
        .map(|evidence| (evidence.stored_at, evidence.manifest, evidence.withdrawn))
        .collect();
    kept.sort();
    kept
}

async fn delete(world: &World, carrier: &Image, now: i64) {
    let delete = permit(ADMIN, "shop/web");
    delete_manifest(
        world.store(),
        &Deleter::Evidence(&delete),
        &carrier.digest,
        now,
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_signature_goes_with_the_last_manifest_that_carries_it() {
    for old_first in [true, false] {
        let world = World::new().await;
        let (image, older, newer) = signed_twice(&world).await;
        let (a, b) = (older.digest.clone(), newer.digest.clone());
        assert_eq!(
            kept(&world, &image).await,
            [(NOW + 1, a.clone(), false), (NOW + 2, b.clone(), false)],
            "a tag that moves withdraws nothing"
        );
        if old_first {
            delete(&world, &older, NOW + 3).await;
            let both = [(NOW + 1, b.clone(), false), (NOW + 2, b.clone(), false)];
            assert_eq!(kept(&world, &image).await, both);
            delete(&world, &newer, NOW + 4).await;
            let none = [(NOW + 1, b.clone(), true), (NOW + 2, b, true)];
            assert_eq!(kept(&world, &image).await, none);
        } else {
            delete(&world, &newer, NOW + 3).await;
            let one = [(NOW + 1, a, false), (NOW + 2, b, true)];
            assert_eq!(kept(&world, &image).await, one);
        }
    }
}

#[tokio::test]
async fn two_that_have_not_seen_each_other_both_stay_under_the_tag() {
    let world = World::new().await;
    let image = Image::new("web");
    let tag = tag(&format!("sha256-{}.sig", image.digest.hex()));
    world.fixture.push("shop/web", &["1"], &image).await;
    let (mut carriers, mut said) = (Vec::new(), Vec::new());
    for (person, seed, now) in [(world.maria, "a", NOW + 1), (world.jonas, "b", NOW + 2)] {
        let signed = signature(&image.digest, "ci", &world.key(person).await);
        said.push(signed.clone());
        let carrier = Image::evidence(&image, seed);
        let tags = [tag.clone()];
        world
            .carry(&carrier, "shop/web", &tags, &[signed], now)
            .await;
        carriers.push(carrier);
    }
    let (web, tagged) = (name("shop/web"), Reference::Tag(tag.clone()));
    let held = catalogue::manifest(world.store(), &web, &tagged);
    let held = held.await.unwrap().unwrap();
    let expect = Image::evidences(&image, &["a", "b"]);
    let layers = |manifest: &Manifest| manifest.descriptors().cloned().collect::<Vec<_>>();
    let both = Manifest::parse(&held.content, None).unwrap();
    assert_eq!(layers(&both), layers(&expect.manifest));
    // Who had the first of them sends it again: nothing is taken away.
    let (said, tags) = ([said.remove(0)], [tag]);
    let again = world.carry(&carriers[0], "shop/web", &tags, &said, NOW + 3);
    again.await;
    let still = catalogue::manifest(world.store(), &web, &tagged);
    assert_eq!(still.await.unwrap().unwrap().digest, held.digest);
    // What carries them is deleted one by one, and with the last they are withdrawn.
    let withdrawn = async || {
        let kept = kept(&world, &image).await;
        kept.iter().filter(|(_, _, withdrawn)| *withdrawn).count()
    };
    for carrier in &carriers {
        delete(&world, carrier, NOW + 4).await;
        assert_eq!(withdrawn().await, 0);
    }
    let evidence = permit(ADMIN, "shop/web");
    let deleter = Deleter::Evidence(&evidence);
    delete_manifest(world.store(), &deleter, &held.digest, NOW + 5)
        .await
        .unwrap();
    assert_eq!(withdrawn().await, 2);
}

#[tokio::test]
async fn a_manifest_elsewhere_does_not_keep_a_signature() {
    let world = World::new().await;
    let key = world.key(world.maria).await;
    let image = Image::new("web");
    for repository in ["shop/web", "shop/copy"] {
        world.fixture.push(repository, &["1"], &image).await;
    }
    let said = signature(&image.digest, "ci", &key);
    let carrier = world.attach(&image, "shop/web", said.clone(), NOW).await;
    world.attach(&image, "shop/copy", said, NOW).await;
    delete(&world, &carrier, NOW + 1).await;
    assert_eq!(kept(&world, &image).await, [(NOW, carrier.digest, true)]);
    let copy = repository_id(world.store(), &name("shop/copy")).await;
    let there = evidence::for_image(world.store(), copy, &image.digest)
        .await
        .unwrap();
    assert!(!there[0].withdrawn);
}

#[tokio::test]
async fn a_store_from_before_carriers_were_noted_knows_those_it_had() {
    let world = World::new().await;
    let key = world.key(world.maria).await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let carrier = world.sign(&image, "ci", &key, NOW).await;
    for text in [
        "DROP TABLE evidence_carriers",
        // What later files made goes too: all of them run again.
        "DROP TABLE awaited_layers",
        "DROP INDEX repository_blobs_by_digest",
        "DROP INDEX blobs_by_piece",
        "ALTER TABLE blobs DROP COLUMN location",
        "CREATE TABLE uploads (id TEXT PRIMARY KEY)",
        "DROP TABLE collections",
        "DROP TABLE discarded_files",
        "DROP TABLE broken_blobs",
        "DROP TABLE backups",
        "DELETE FROM revisions WHERE name = 'garbage'",
        "DELETE FROM schema_migrations WHERE version >= 2",
    ] {
        world.fixture.edit(text).await;
    }
    world.fixture.take_back_since_trust().await;
    let world = World {
        fixture: world.fixture.restart().await,
        ..world
    };
    let repeats = Image::evidence(&image, "repeats");
    let said = signature(&image.digest, "ci", &key);
    world
        .carry(&repeats, "shop/web", &[], &[said], NOW + 1)
        .await;
    delete(&world, &repeats, NOW + 2).await;
    assert_eq!(kept(&world, &image).await, [(NOW, carrier.digest, false)]);
}

#[tokio::test]
async fn evidence_of_unknown_keys_is_read_again_page_by_page() {
    let world = World::new().await;
    let (store, key) = (world.store(), world.key(world.maria).await);
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    for seed in ["a", "b", "c"] {
        world
            .attach(&image, "shop/web", unknown(&image, seed), NOW)
            .await;
    }
    world.sign(&image, "ci", &key, NOW).await;
    let first = evidence::unknown(store, ANY, 0, 2).await.unwrap();
    let rest = evidence::unknown(store, ANY, first[1].id, 2).await.unwrap();
    let raws: Vec<Vec<u8>> = first
        .iter()
        .chain(&rest)
        .map(|evidence| evidence.raw.clone())
        .collect();
    assert_eq!(raws, [b"a", b"b", b"c"]);

    let found = Reverified {
        format: "stage".to_owned(),
        verdict: Verdict::Verified,
        subject: Some(image.digest.clone()),
        stage: Some("staging".to_owned()),
        named_repository: None,
        key: Some(key.clone()),
        trusted_at: None,
        ends_at: None,
    };
    assert!(
        evidence::set_verdict(store, JOB, first[0].id, &found, NOW + 1)
            .await
            .unwrap()
    );
    assert!(
        !evidence::set_verdict(store, JOB, first[0].id, &found, NOW + 2)
            .await
            .unwrap(),
        "the same changes nothing"
    );
    assert_eq!(world.acts("evidence.verify").await, 1);
    let id = repository_id(store, &name("shop/web")).await;
    let kept = evidence::for_image(store, id, &image.digest).await.unwrap();
    let read_again = kept
        .iter()
        .find(|evidence| evidence.id == first[0].id)
        .unwrap();
    assert_eq!(read_again.verdict, Verdict::Verified);
    assert_eq!(read_again.key.as_ref(), Some(&key));
    assert_eq!(read_again.stage.as_deref(), Some("staging"));
    assert_eq!(read_again.stored_at, NOW, "its time is that of its arrival");
    assert_eq!(evidence::unknown(store, ANY, 0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_slow_reading_does_not_undo_what_a_newer_one_found() {
    let world = World::new().await;
    let (store, key) = (world.store(), world.key(world.maria).await);
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    world
        .attach(&image, "shop/web", unknown(&image, "a"), NOW)
        .await;
    let id = evidence::unknown(store, ANY, 0, 1).await.unwrap()[0].id;
    let found = |verdict, key| Reverified {
        format: "stage".to_owned(),
        verdict,
        subject: Some(image.digest.clone()),
        stage: Some("staging".to_owned()),
        named_repository: None,
        key,
        trusted_at: None,
        ends_at: None,
    };
    // The newer one knew the key; those that are done later began before it was registered.
    let newer = found(Verdict::Verified, Some(key.clone()));
    assert!(
        evidence::set_verdict(store, JOB, id, &newer, NOW + 1)
            .await
            .unwrap()
    );
    let repository = repository_id(store, &name("shop/web")).await;
    let revision = format!(
        "SELECT facts_revision FROM manifests WHERE digest = '{}'",
        image.digest
    );
    let before = world.fixture.number(&revision).await;
    for slow in [
        Verdict::UnknownKey,
        Verdict::BadSignature,
        Verdict::NotRead,
        Verdict::Unreadable("no trusted root".to_owned()),
    ] {
        let slow = found(slow, None);
        let changed = evidence::set_verdict(store, JOB, id, &slow, NOW + 2).await;
        assert!(!changed.unwrap(), "{slow:?}");
    }
    let kept = async || {
        let kept = evidence::for_image(store, repository, &image.digest).await;
        kept.unwrap().swap_remove(0)
    };
    assert_eq!(kept().await.verdict, Verdict::Verified);
    assert_eq!(kept().await.key, Some(key.clone()));
    assert_eq!(world.acts("evidence.verify").await, 1, "nothing is told");
    assert_eq!(
        world.fixture.number(&revision).await,
        before,
        "nor asked again"
    );

    // Nor the time by which it was there: a later copy had a timestamp, and the slow one read the first.
    let timed = |key: &KeyId, trusted_at| Reverified {
        trusted_at,
        ..found(Verdict::Verified, Some(key.clone()))
    };
    let other: KeyId = "0".repeat(64).parse().unwrap();
    for (key, trusted_at, expect) in [
        (&key, Some(NOW - 5), true),
        (&key, None, false),
        (&key, Some(NOW - 4), false),
        (&other, Some(NOW - 9), false),
        (&key, Some(NOW - 6), true),
    ] {
        let slow = timed(key, trusted_at);
        let changed = evidence::set_verdict(store, JOB, id, &slow, NOW + 3).await;
        assert_eq!(changed.unwrap(), expect, "{trusted_at:?}");
    }
    let kept = kept().await;
    assert_eq!((kept.trusted_at, kept.key), (Some(NOW - 6), Some(key)));
}

#[tokio::test]
async fn what_was_not_tried_with_every_key_is_asked_for_until_it_was() {
    let world = World::new().await;
    let (store, kinds) = (world.store(), [evidence::REVERIFY_EVIDENCE]);
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let asked = async || {
        let job = jobs::claim(store, &kinds, NOW, 1_000).await.unwrap()?;
        jobs::finish(store, &job).await.unwrap();
        Some(serde_json::from_value::<Reread>(job.payload).unwrap())
    };
    world
        .attach(&image, "shop/web", unknown(&image, "tried"), NOW)
        .await;
    assert_eq!(asked().await, None);
    let left_over = NewEvidence {
        verdict: evidence::unchecked(),
        format: "gpg-simple-signing".to_owned(),
        ..unknown(&image, "left over")
    };
    world
        .attach(&image, "shop/web", left_over.clone(), NOW)
        .await;
    let unchecked = Reread {
        unchecked: true,
        ..Reread::default()
    };
    assert_eq!(asked().await.as_ref(), Some(&unchecked));
    assert_eq!(asked().await, None);
    let found = evidence::unknown(store, Wanted::Unchecked, 0, 10).await;
    let [piece] = found.unwrap().try_into().unwrap();
    assert_eq!(piece.raw, b"left over");

    let tried = Reverified {
        format: piece.format.clone(),
        verdict: Verdict::Unreadable("there are too many keys".to_owned()),
        subject: Some(image.digest.clone()),
        stage: None,
        named_repository: None,
        key: None,
        trusted_at: None,
        ends_at: None,
    };
    assert!(
        evidence::set_verdict(store, JOB, piece.id, &tried, NOW)
            .await
            .unwrap()
    );
    // The same comes again, with too much beside it: it was tried.
    world.attach(&image, "shop/web", left_over, NOW + 1).await;
    assert_eq!(asked().await, None);
    let left = evidence::unknown(store, Wanted::Unchecked, 0, 10).await;
    assert_eq!(left.unwrap(), []);
    // A key of its format may still have made it.
    for (formats, expect) in [
        (&["gpg-simple-signing", "stage"][..], 2),
        (&["notation"], 0),
    ] {
        let found = evidence::unknown(store, Wanted::In(formats), 0, 10).await;
        assert_eq!(found.unwrap().len(), expect, "{formats:?}");
    }
}

#[test]
fn each_reason_to_read_again_and_each_place_to_go_on_from_is_a_job_of_its_own() {
    let key: KeyId = "a".repeat(64).parse().unwrap();
    let key_id = Some(key.clone());
    let mut keys = Vec::new();
    for (key_id, unchecked) in [(None, false), (key_id, false), (None, true)] {
        for after in [0, 7] {
            let reread = Reread {
                key_id: key_id.clone(),
                unchecked,
                after,
                ..Reread::default()
            };
            keys.push(reread.job_key());
        }
    }
    let key = key.as_str();
    let expect = [
        "anchors",
        "anchors>7",
        key,
        &format!("{key}>7"),
        "unchecked",
        "unchecked>7",
    ];
    assert_eq!(keys, expect);
    let after = Carrier {
        repository: name("shop/web"),
        manifest: Digest::sha256(b"carrier"),
    };
    let at_copies = Reread {
        after: 7,
        late: true,
        copies: Some(Copies {
            until: 9,
            after: after.clone(),
        }),
        ..Reread::default()
    };
    let expect = format!("anchors+later>7>shop/web@{}", after.manifest);
    assert_eq!(at_copies.job_key(), expect);
    // As it was written before there was more to say.
    let old: Reread = serde_json::from_str("{}").unwrap();
    assert_eq!(old, Reread::default());
}

#[tokio::test]
async fn a_copy_that_proves_more_takes_the_place_of_the_first() {
    let world = World::new().await;
    let (store, key) = (world.store(), world.key(world.maria).await);
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let first = world
        .attach(&image, "shop/web", unknown(&image, "one"), NOW)
        .await;
    let other = world
        .attach(&image, "shop/web", unknown(&image, "two"), NOW + 1)
        .await;
    let id = evidence::unknown(store, ANY, 0, 1).await.unwrap()[0].id;
    let carriers = evidence::carriers_of(store, &[id], None, 10).await.unwrap();
    let manifests: Vec<_> = carriers
        .into_iter()
        .map(|carrier| carrier.manifest)
        .collect();
    assert_eq!(manifests, [first.digest.clone()]);

    let copy = |raw: &str, trusted_at| NewEvidence {
        raw: raw.as_bytes().to_vec(),
        trusted_at,
        ..signature(&image.digest, "ci", &key)
    };
    let take = async |manifest: &Image, copy: NewEvidence| {
        evidence::take_copy(store, JOB, id, &manifest.digest, &copy, NOW + 9)
            .await
            .unwrap()
    };
    let raw = async || {
        let all = evidence::documents(store, &name("shop/web"), &image.digest, "stage").await;
        String::from_utf8(all.unwrap().swap_remove(0)).unwrap()
    };
    assert!(!take(&first, unknown(&image, "no more than that")).await);
    assert!(!take(&other, copy("of another manifest", None)).await);
    assert_eq!(raw().await, "one");
    assert!(take(&first, copy("whole", None)).await);
    assert!(!take(&first, copy("whole again", None)).await);
    assert!(!take(&first, unknown(&image, "less")).await);
    assert!(take(&first, copy("earlier", Some(NOW - 5))).await);
    assert!(!take(&first, copy("later", Some(NOW - 4))).await);
    assert_eq!(raw().await, "earlier");
    assert_eq!(world.acts("evidence.verify").await, 2);
    let web = repository_id(store, &name("shop/web")).await;
    let kept = evidence::for_image(store, web, &image.digest)
        .await
        .unwrap();
    let kept = kept.iter().find(|evidence| evidence.id == id).unwrap();
    assert_eq!(kept.key.as_ref(), Some(&key));
    assert_eq!((kept.stored_at, kept.trusted_at), (NOW, Some(NOW - 5)));

    delete(&world, &first, NOW + 10).await;
    assert!(
        !take(&first, copy("back again", Some(NOW - 9))).await,
        "what was withdrawn stays so"
    );
}

#[tokio::test]
async fn the_same_bytes_of_which_more_is_known_now_are_accounted_for() {
    let world = World::new().await;
    let (store, key) = (world.store(), world.key(world.maria).await);
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let put = async |evidence, now| world.attach(&image, "shop/web", evidence, now).await;
    let of_maria = || NewEvidence {
        raw: b"one".to_vec(),
        ..signature(&image.digest, "ci", &key)
    };
    put(unknown(&image, "one"), NOW).await;
    put(unknown(&image, "one"), NOW + 1).await;
    assert_eq!(world.acts("evidence.attach").await, 1);
    assert_eq!(
        world.acts("evidence.verify").await,
        0,
        "nothing more is known"
    );
    let carrier = put(of_maria(), NOW + 2).await;
    put(of_maria(), NOW + 3).await;
    let rows = store::audit::rows(store, 0, 1_000).await.unwrap();
    let told: Vec<_> = rows
        .iter()
        .filter(|row| row.act == "evidence.verify")
        .collect();
    let [told] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(told.object, carrier.digest.as_str());
    assert_eq!(told.detail["verdict"], "verified");
    assert_eq!(told.detail["key_id"], key.as_str());
    assert_eq!(world.acts("evidence.attach").await, 1);
}

#[tokio::test]
async fn what_could_not_be_read_is_kept_with_its_reason() {
    let world = World::new().await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let broken = NewEvidence {
        subject: None,
        stage: None,
        named_repository: None,
        format: "unreadable".to_owned(),
        verdict: Verdict::Unreadable("it is not JSON".to_owned()),
        ..unknown(&image, "broken")
    };
    world.attach(&image, "shop/web", broken, NOW).await;
    let id = repository_id(world.store(), &name("shop/web")).await;
    let kept = evidence::for_image(world.store(), id, &image.digest)
        .await
        .unwrap();
    assert_eq!(
        kept[0].verdict,
        Verdict::Unreadable("it is not JSON".to_owned())
    );
    assert!(
        evidence::unknown(world.store(), ANY, 0, 10)
            .await
            .unwrap()
            .is_empty(),
        "no key makes it readable"
    );
}
