//! The ways around a gate that refuses, each tried with the real docker or with bare requests, and each refused. Beside most
//! stands what must go on working, so that a server which refuses everything would fail as well.

use crate::harness::{
    Answer, Image, ImageParts, block_on, client_of, curl, push, push_tagged, small_layer, tag,
};
use crate::way::{REPOSITORY, Way};
use bytes::Bytes;
use oci::{Reference, media};
use serde_json::{Value, json};
use std::path::Path;

/// All of them; the image has no signatures yet.
pub(crate) fn every_way_is_refused(way: &Way) {
    logged_out(way);
    other_credentials(way);
    by_digest_and_head(way);
    user_agents(way);
    blobs_directly(way);
    mounted_elsewhere(way);
    copied_where_no_policy_is(way);
    platform_manifest_of_an_index(way);
    image_with_a_subject(way);
    without_package_database(way);
}

/// Asks for a manifest as somebody, or as nobody.
fn manifest(way: &Way, who: Option<&str>, image: &str, method: &str, agent: &str) -> Answer {
    // `name@sha256:…` has its colon behind the `@`.
    let (repository, reference) = image
        .split_once('@')
        .or_else(|| image.split_once(':'))
        .unwrap();
    let accept = [
        media::OCI_MANIFEST,
        media::OCI_INDEX,
        media::DOCKER_MANIFEST,
        media::DOCKER_LIST,
    ]
    .join(", ");
    let url = format!(
        "{}/v2/{repository}/manifests/{reference}",
        way.shop.server.url()
    );
    let request = curl(&url).method(method).flags([
        "--header",
        &format!("Accept: {accept}"),
        "--user-agent",
        agent,
    ]);
    match who {
        Some(who) => request.user(way.shop.actor(who)).ask(),
        None => request.ask(),
    }
}

const CURL: &str = "curl";

fn logged_out(way: &Way) {
    let docker = way.docker("host");
    docker.log_out(&way.shop.server.host());
    docker
        .fails(["pull", &way.reference()])
        .says(&["denied", "gate production"]);
    manifest(way, None, "shop/web:1", "GET", CURL).is_refused("logged out", &["stage-not-signed"]);
    // Without a token, `/v2/` still challenges, so that `docker login` works.
    let base = curl(&format!("{}/v2/", way.shop.server.url())).ask();
    assert_eq!(base.status, 401);
    assert!(
        base.headers["www-authenticate"].contains("Bearer"),
        "{base:?}"
    );
}

fn other_credentials(way: &Way) {
    way.docker("host-two")
        .fails(["pull", &way.reference()])
        .says(&["denied", "gate production"]);
    // An account without any grant may do what anybody may, and is held as anybody is.
    way.docker("otto")
        .fails(["pull", &way.reference()])
        .says(&["denied", "gate production"]);
    for who in ["host-two", "otto"] {
        manifest(way, Some(who), "shop/web:1", "GET", CURL).is_refused(who, &["stage-not-signed"]);
    }
}

fn by_digest_and_head(way: &Way) {
    let by_digest = format!("{REPOSITORY}@{}", way.digest);
    way.docker("host")
        .fails(["pull", &way.at(&by_digest)])
        .says(&["denied", "gate production"]);
    for image in ["shop/web:1", &by_digest] {
        manifest(way, Some("host"), image, "GET", CURL).is_refused(image, &["stage-not-signed"]);
        assert_eq!(
            manifest(way, Some("host"), image, "HEAD", CURL).status,
            403,
            "HEAD {image}"
        );
        assert_eq!(
            manifest(way, Some("dora"), image, "HEAD", CURL).status,
            200,
            "HEAD {image}"
        );
    }
}

fn user_agents(way: &Way) {
    for agent in [
        "cosign/v2.5.0 (linux; amd64)",
        "countersign/0.1.0",
        "docker/28.2.2 go/go1.24 UpstreamClient(x)",
        "",
    ] {
        manifest(way, Some("host"), "shop/web:1", "GET", agent)
            .is_refused(agent, &["stage-not-signed"]);
        assert_eq!(
            manifest(way, Some("host"), "shop/web:1", "HEAD", agent).status,
            403,
            "{agent}"
        );
    }
}

fn blobs_directly(way: &Way) {
    let parsed = manifest(way, Some("dora"), "shop/web:1", "GET", CURL).json();
    for digest in blobs_of(&parsed) {
        let url = format!("{}/v2/{REPOSITORY}/blobs/{digest}", way.shop.server.url());
        for method in ["GET", "HEAD"] {
            let answer = curl(&url).method(method).user(way.shop.actor("host")).ask();
            assert_eq!(answer.status, 403, "{method} {digest}: {}", answer.body);
            assert_eq!(
                curl(&url).method(method).ask().status,
                403,
                "{method} {digest} logged out"
            );
        }
        assert_eq!(
            curl(&url)
                .method("HEAD")
                .user(way.shop.actor("dora"))
                .ask()
                .status,
            200
        );
    }
}

fn blobs_of(manifest: &Value) -> Vec<String> {
    let descriptors = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&manifest["config"]]);
    descriptors
        .map(|descriptor| descriptor["digest"].as_str().unwrap().to_owned())
        .collect()
}

fn mounted_elsewhere(way: &Way) {
    let parsed = manifest(way, Some("dora"), "shop/web:1", "GET", CURL).json();
    for digest in blobs_of(&parsed) {
        let mount = |who: &str| {
            let url = format!(
                "{}/v2/hosts/mine/blobs/uploads/?mount={digest}&from={REPOSITORY}",
                way.shop.server.url()
            );
            curl(&url)
                .user(way.shop.actor(who))
                .method("POST")
                .ask()
                .status
        };
        // 202 begins an upload instead, as for a blob that is not there: nothing is told.
        assert_eq!(mount("host"), 202, "{digest}");
        let url = format!("{}/v2/hosts/mine/blobs/{digest}", way.shop.server.url());
        assert_eq!(
            curl(&url).user(way.shop.actor("dora")).ask().status,
            404,
            "{digest}"
        );
        assert_eq!(mount("dora"), 201, "{digest}");
    }
}

fn copied_where_no_policy_is(way: &Way) {
    let dora = way.docker("dora");
    let copy = way.at("elsewhere/web:1");
    dora.does(["tag", &way.reference(), &copy]);
    dora.does(["push", &copy]);
    way.docker("host").fails(["pull", &copy]).says(&["denied"]);
    manifest(way, Some("host"), "elsewhere/web:1", "GET", CURL)
        .is_refused("a copy elsewhere", &["no-policy"]);
    dora.does(["pull", &copy]);
}

/// An index without signatures, whose platform manifest is asked for by its own digest.
fn platform_manifest_of_an_index(way: &Way) {
    let child = ImageParts::of([small_layer("child of an index")]).build();
    let mut descriptor = child.descriptor();
    descriptor["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let index =
        json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [descriptor]});
    let index = Image {
        manifest: Bytes::from(index.to_string()),
        media_type: media::OCI_INDEX,
        blobs: Vec::new(),
    };
    let dora = client_of(way.shop.actor("dora"), &way.shop.server);
    block_on(push(
        &dora,
        "shop/index",
        &Reference::Digest(child.digest()),
        &child,
    ))
    .unwrap();
    block_on(push(&dora, "shop/index", &tag("1"), &index)).unwrap();
    let by_digest = format!("shop/index@{}", child.digest());
    for image in ["shop/index:1", &by_digest] {
        way.docker("host")
            .fails(["pull", &way.at(image)])
            .says(&["denied", "gate production"]);
        manifest(way, Some("host"), image, "GET", CURL).is_refused(image, &["stage-not-signed"]);
    }
}

/// An image that points at another manifest, as a signature does, is an image all the same.
fn image_with_a_subject(way: &Way) {
    let parts = ImageParts {
        subject: Some(
            json!({"mediaType": media::DOCKER_MANIFEST, "digest": way.digest, "size": 1}),
        ),
        ..ImageParts::of([small_layer("with a subject")])
    };
    let image = parts.build();
    push_tagged(
        way.shop.actor("dora"),
        &way.shop.server,
        "shop/pretender:1",
        &image,
    );
    way.docker("host")
        .fails(["pull", &way.at("shop/pretender:1")])
        .says(&["denied", "gate production"]);
    manifest(way, Some("host"), "shop/pretender:1", "GET", CURL)
        .is_refused("`subject` on an image", &["stage-not-signed"]);
    evidence_can_be_read(way);
}

/// What really is evidence can be read by those who are held: they need it to check for themselves.
fn evidence_can_be_read(way: &Way) {
    let url = format!(
        "{}/v2/{REPOSITORY}/referrers/{}",
        way.shop.server.url(),
        way.digest
    );
    let referrers = curl(&url).user(way.shop.actor("host")).ask();
    assert_eq!(referrers.status, 200, "{}", referrers.body);
    let stamp = referrers.json()["manifests"][0]["digest"]
        .as_str()
        .expect("the server's own stamp is there")
        .to_owned();
    let read = manifest(
        way,
        Some("host"),
        &format!("{REPOSITORY}@{stamp}"),
        "GET",
        CURL,
    );
    assert_eq!(read.status, 200, "{}", read.body);
    for digest in blobs_of(&read.json()) {
        let url = format!("{}/v2/{REPOSITORY}/blobs/{digest}", way.shop.server.url());
        assert_eq!(curl(&url).user(way.shop.actor("host")).ask().status, 200);
    }
}

/// The last layer takes the package database away: whoever does not know what is inside does not call it clean.
fn without_package_database(way: &Way) {
    let context = way.shop.folder().join("without-database");
    write_dockerfile(
        &context,
        &format!("FROM {}\nRUN rm -rf /var/lib/dpkg\n", way.reference()),
    );
    let image = way.at("shop/secretive:1");
    let dora = way.docker("dora");
    dora.does([
        "build",
        "--network",
        "none",
        "--tag",
        &image,
        context.to_str().unwrap(),
    ]);
    dora.does(["push", &image]);
    let state = way.shop.wait_for_inventory("shop/secretive:1");
    assert_eq!(state["inventory"]["state"], "incomplete", "{state:#}");
    way.shop
        .sign("ci-shop", "ci-shop", "ci", "shop/secretive:1");
    way.shop
        .sign("quentin", "quentin", "staging", "shop/secretive:1");
    way.shop.sign("rita", "rita", "staging", "shop/secretive:1");
    let verdict = way.shop.gate("shop/secretive:1");
    verdict.is("deny");
    assert!(
        verdict.is_met("ci") && verdict.codes("scan").contains("inventory-incomplete"),
        "{}",
        verdict.answer["tree"]
    );
    let refused = way.docker("host").fails(["pull", &image]);
    println!("docker: {}", refused.err.trim());
    refused.says(&["denied", "stage scan", "var/lib/dpkg/status"]);
    assert!(!refused.err.contains('\u{fffd}'), "{}", refused.err);
    manifest(way, Some("host"), "shop/secretive:1", "GET", CURL)
        .is_refused("database deleted", &["inventory-incomplete"]);
}

fn write_dockerfile(context: &Path, text: &str) {
    std::fs::create_dir_all(context).unwrap();
    std::fs::write(context.join("Dockerfile"), text).unwrap();
}
