//! distribution-spec "Listing Tags", "Listing Referrers", and Docker's catalog.

use oci::{Descriptor, Digest, ImageManifest, IndexManifest, Manifest, media};
use serde_json::{Value, json};

use crate::world::{Answer, World};

async fn get(world: &World, path: &str) -> Answer {
    world.ask("GET", path).empty().await
}

/// Follows the links from a first page; answers all names under a field.
async fn all_pages(world: &World, first: &str, field: &str) -> Vec<String> {
    let (mut path, mut names) = (first.to_owned(), Vec::new());
    loop {
        let answer = get(world, &path).await.expect(200);
        let page = answer.json()[field].as_array().unwrap().clone();
        names.extend(page.iter().map(|name| name.as_str().unwrap().to_owned()));
        let link = answer.header("link");
        let Some(next) = link.strip_suffix(">; rel=\"next\"") else {
            assert_eq!(link, "");
            return names;
        };
        path = next.strip_prefix('<').unwrap().to_owned();
    }
}

/// Something that is attached to a subject. Answers its descriptor as the list should have it.
async fn attach(world: &World, subject: &Descriptor, artifact_type: Option<&str>) -> Descriptor {
    let config_type = "application/vnd.example.config.v1+json";
    world.blob("shop/web", b"{}").await;
    let mut manifest = ImageManifest::new(Descriptor::of(config_type, b"{}"), Vec::new());
    manifest.subject = Some(subject.clone());
    manifest.artifact_type = artifact_type.map(str::to_owned);
    manifest
        .annotations
        .insert("org.example.of".to_owned(), format!("{artifact_type:?}"));
    let annotations = manifest.annotations.clone();
    let content = Manifest::Image(manifest).to_bytes();
    let digest = Digest::sha256(&content);
    world
        .manifest("shop/web", digest.as_str(), &content)
        .await
        .expect(201);
    let mut descriptor = Descriptor::of(media::OCI_MANIFEST, &content);
    descriptor.annotations = annotations;
    descriptor.artifact_type = Some(artifact_type.unwrap_or(config_type).to_owned());
    descriptor
}

fn listed(answer: &Answer) -> Vec<Descriptor> {
    let mut found: Vec<Descriptor> =
        serde_json::from_value(answer.json()["manifests"].clone()).unwrap();
    found.sort_by(|left, right| left.digest.cmp(&right.digest));
    found
}

fn sorted(mut descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    descriptors.sort_by(|left, right| left.digest.cmp(&right.digest));
    descriptors
}

#[tokio::test]
async fn tags_come_in_order_and_in_pages() {
    let world = World::new().await;
    let unknown = get(&world, "/v2/shop/web/tags/list").await.expect(404);
    assert_eq!(unknown.code(), "NAME_UNKNOWN");
    for tag in ["c", "a", "b", "B", "a.1"] {
        world.image("shop/web", tag, b"a layer").await;
    }
    let all = ["B", "a", "a.1", "b", "c"];
    let answer = get(&world, "/v2/shop/web/tags/list").await.expect(200);
    assert_eq!(answer.json(), json!({"name": "shop/web", "tags": all}));
    assert_eq!(answer.header("link"), "");
    for size in 1..=5 {
        let first = format!("/v2/shop/web/tags/list?n={size}");
        assert_eq!(all_pages(&world, &first, "tags").await, all, "{size}");
    }
    for (query, expected, has_more) in [
        ("n=0", &[][..], false),
        ("last=a.1", &["b", "c"], false),
        ("n=1&last=aa", &["b"], true),
        ("last=zz", &[], false),
    ] {
        let answer = get(&world, &format!("/v2/shop/web/tags/list?{query}")).await;
        assert_eq!(answer.json()["tags"], json!(expected), "{query}");
        assert_eq!(!answer.header("link").is_empty(), has_more, "{query}");
    }
    let wrong = get(&world, "/v2/shop/web/tags/list?n=many")
        .await
        .expect(400);
    assert_eq!(wrong.code(), "PAGINATION_NUMBER_INVALID");
}

#[tokio::test]
async fn a_repository_without_tags_has_an_empty_list() {
    let world = World::new().await;
    let manifest = world.image("shop/web", "1", b"a layer").await;
    let path = "/v2/shop/web/manifests/1";
    world.ask("DELETE", path).empty().await.expect(202);
    let answer = get(&world, "/v2/shop/web/tags/list").await.expect(200);
    assert_eq!(answer.json()["tags"], json!([]));
    let path = format!("/v2/shop/web/manifests/{}", Digest::sha256(&manifest));
    get(&world, &path).await.expect(200);
}

#[tokio::test]
async fn the_catalog_comes_in_order_and_in_pages() {
    let world = World::new().await;
    for name in ["shop/web", "base/debian", "shop/api"] {
        world.image(name, "1", b"a layer").await;
    }
    world.blob("only/blobs", b"a layer").await;
    let all = ["base/debian", "shop/api", "shop/web"];
    for size in 1..=3 {
        let first = format!("/v2/_catalog?n={size}");
        assert_eq!(all_pages(&world, &first, "repositories").await, all);
    }
}

#[tokio::test]
async fn the_largest_page_has_a_link_to_what_follows() {
    let world = World::new().await;
    world.image("shop/web", "a", b"a layer").await;
    world.edit(
        "CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i FROM n;
         INSERT INTO tags SELECT repository_id, printf('t%05d', i), digest, updated_at FROM tags, numbers;
         INSERT INTO repositories (name, created_at) SELECT printf('r%05d', i), 0 FROM numbers;
         INSERT INTO manifests SELECT r.id, m.digest, m.media_type, m.shape, m.artifact_type, m.subject, m.annotations, m.content,
           m.pushed_at, m.pushed_by, m.facts_revision FROM manifests m, repositories r WHERE r.id <> m.repository_id",
    );
    for (path, field) in [
        ("/v2/shop/web/tags/list", "tags"),
        ("/v2/_catalog", "repositories"),
    ] {
        for n in ["10000", "99999999"] {
            let names = all_pages(&world, &format!("{path}?n={n}"), field).await;
            assert_eq!(names.len(), 10_001, "{path} {n}");
        }
    }
}

#[tokio::test]
async fn nothing_is_attached_to_what_nobody_knows() {
    // "Listing Referrers": 200 and an empty index, also for an unknown repository; never 404.
    let world = World::new().await;
    let digest = Digest::sha256(b"unknown");
    let answer = get(&world, &format!("/v2/shop/web/referrers/{digest}")).await;
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), media::OCI_INDEX);
    assert_eq!(
        answer.json(),
        json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": []})
    );
    get(&world, "/v2/shop/web/referrers/sha256:no")
        .await
        .expect(400);
}

#[tokio::test]
async fn what_is_attached_is_listed_with_type_and_annotations_and_can_be_filtered() {
    let world = World::new().await;
    let subject = Descriptor::of(media::OCI_MANIFEST, b"may come later");
    let typed = attach(&world, &subject, Some("application/vnd.example.sbom")).await;
    let untyped = attach(&world, &subject, None).await;
    let index = Manifest::Index(IndexManifest {
        media_type: media::OCI_INDEX.to_owned(),
        artifact_type: None,
        manifests: Vec::new(),
        subject: Some(subject.clone()),
        annotations: Default::default(),
    });
    let content = index.to_bytes();
    world
        .manifest("shop/web", "index", &content)
        .await
        .expect(201);
    let index = Descriptor::of(media::OCI_INDEX, &content);

    let path = format!("/v2/shop/web/referrers/{}", subject.digest);
    let answer = get(&world, &path).await.expect(200);
    assert_eq!(
        listed(&answer),
        sorted(vec![typed.clone(), untyped.clone(), index])
    );
    assert_eq!(answer.header("oci-filters-applied"), "");
    for wanted in [typed, untyped] {
        let filter = wanted.artifact_type.clone().unwrap();
        let answer = get(&world, &format!("{path}?artifactType={filter}")).await;
        assert_eq!(answer.header("oci-filters-applied"), "artifactType");
        assert_eq!(listed(&answer), [wanted]);
    }
    let answer = get(&world, &format!("{path}?artifactType=application/none")).await;
    assert_eq!(listed(&answer), []);
}

#[tokio::test]
async fn what_clients_without_referrers_kept_under_a_tag_is_listed_too_as_it_is() {
    // "Referrers Tag Schema", "Enabling the Referrers API"
    let world = World::new().await;
    let subject = Descriptor::of(media::OCI_MANIFEST, b"an image");
    let pushed = attach(&world, &subject, Some("application/vnd.example.sbom")).await;
    // One that an old client made: without a subject, and only the index knows what it belongs to.
    let other = Descriptor::of(media::OCI_MANIFEST, b"another image");
    let kept = attach(&world, &other, Some("application/vnd.example.old")).await;
    let gone = attach(&world, &other, Some("application/vnd.example.gone")).await;
    // The index is not believed about what somebody else pushed.
    let mut lie = kept.clone();
    lie.artifact_type = Some("application/vnd.example.sbom".to_owned());
    lie.annotations.clear();
    let index = Manifest::Index(IndexManifest {
        media_type: media::OCI_INDEX.to_owned(),
        artifact_type: None,
        manifests: vec![lie, pushed.clone(), gone.clone()],
        subject: None,
        annotations: Default::default(),
    });
    let tag = subject.digest.as_str().replace(':', "-");
    world
        .manifest("shop/web", &tag, &index.to_bytes())
        .await
        .expect(201);
    let path = format!("/v2/shop/web/referrers/{}", subject.digest);
    let answer = get(&world, &path).await;
    assert_eq!(
        listed(&answer),
        sorted(vec![kept.clone(), pushed.clone(), gone.clone()])
    );
    let answer = get(
        &world,
        &format!("{path}?artifactType=application/vnd.example.old"),
    )
    .await;
    assert_eq!(listed(&answer), std::slice::from_ref(&kept));
    // What was deleted is not offered, whatever the index says.
    let manifest = format!("/v2/shop/web/manifests/{}", gone.digest);
    world.ask("DELETE", &manifest).empty().await.expect(202);
    let answer = get(&world, &path).await;
    assert_eq!(listed(&answer), sorted(vec![kept, pushed]));
}

#[tokio::test]
async fn a_page_size_of_any_length_is_one_and_the_last_tag_may_be_gone() {
    let world = World::new().await;
    for tag in ["a", "b", "c"] {
        world.image("shop/web", tag, b"a layer").await;
    }
    let path = "/v2/shop/web/tags/list";
    for n in ["10001", "4294967296", "99999999999999999999999"] {
        let answer = get(&world, &format!("{path}?n={n}")).await.expect(200);
        assert_eq!(answer.json()["tags"], json!(["a", "b", "c"]), "{n}");
        assert_eq!(answer.header("link"), "", "{n}");
    }
    for n in ["-1", "1.5", "", "%2B1", "0x1"] {
        let answer = get(&world, &format!("{path}?n={n}")).await.expect(400);
        assert_eq!(answer.code(), "PAGINATION_NUMBER_INVALID", "{n}");
    }
    let first = get(&world, &format!("{path}?n=1")).await;
    let link = first.header("link");
    assert_eq!(link, format!("<{path}?n=1&last=a>; rel=\"next\""));
    world
        .ask("DELETE", "/v2/shop/web/manifests/a")
        .empty()
        .await
        .expect(202);
    let next = get(&world, &format!("{path}?n=1&last=a")).await;
    assert_eq!(next.json()["tags"], json!(["b"]));
}

#[tokio::test]
async fn a_long_list_of_referrers_comes_in_pages_that_keep_the_filter() {
    let world = World::new().await;
    let subject = Descriptor::of(media::OCI_MANIFEST, b"an image");
    let kind = "application/vnd.example.large";
    let spare = "x".repeat(900_000);
    world.blob("shop/web", b"{}").await;
    let mut expected = Vec::new();
    for number in 0..9 {
        let mut manifest = ImageManifest::new(Descriptor::of(media::OCI_EMPTY, b"{}"), Vec::new());
        manifest.subject = Some(subject.clone());
        // Every third one is of another type.
        manifest.artifact_type = Some(if number % 3 == 2 { "other" } else { kind }.to_owned());
        manifest
            .annotations
            .insert("n".to_owned(), format!("{number}{spare}"));
        if number % 3 != 2 {
            let content = Manifest::Image(manifest.clone()).to_bytes();
            expected.push(Digest::sha256(&content));
        }
        let content = Manifest::Image(manifest).to_bytes();
        let digest = Digest::sha256(&content);
        world
            .manifest("shop/web", digest.as_str(), &content)
            .await
            .expect(201);
    }
    let mut path = format!(
        "/v2/shop/web/referrers/{}?artifactType={kind}",
        subject.digest
    );
    let (mut found, mut pages) = (Vec::<Digest>::new(), 0);
    loop {
        let answer = get(&world, &path).await.expect(200);
        assert_eq!(answer.header("oci-filters-applied"), "artifactType");
        let page: Vec<Value> = answer.json()["manifests"].as_array().unwrap().clone();
        found.extend(
            page.iter()
                .map(|one| one["digest"].as_str().unwrap().parse().unwrap()),
        );
        pages += 1;
        let link = answer.header("link");
        let Some(next) = link.strip_suffix(">; rel=\"next\"") else {
            break;
        };
        path = next.strip_prefix('<').unwrap().to_owned();
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert!(pages > 1);
}
