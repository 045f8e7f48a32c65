//! What is no image: a Helm chart, with the types that helm gives it, and a document attached to it. helm is in no Debian; oras pushes
//! the same bytes.

use super::oras;
use crate::harness::{curl, gzip, noise, tar};
use crate::matrix::client::text;
use crate::matrix::ground::Ground;
use oci::media;

const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const DOCUMENT: &str = "application/vnd.example.document";

/// Pushed, found by tag and by digest, pulled, attached to, found with what is attached to it.
pub(super) fn a_chart_and_what_is_attached_to_it(ground: &Ground) {
    let oras = oras(ground);
    let folder = oras.home.at("chart");
    std::fs::create_dir_all(&folder).unwrap();
    let about = "apiVersion: v2\nname: web\nversion: 1.0.0+build.1\n";
    let values = noise("chart", 1_000);
    let chart = gzip(&tar(&[
        ("web/Chart.yaml", about.as_bytes()),
        ("web/values.bin", &values),
    ]));
    std::fs::write(folder.join("web-1.0.0+build.1.tgz"), &chart).unwrap();
    std::fs::write(
        folder.join("config.json"),
        r#"{"name":"web","version":"1.0.0+build.1"}"#,
    )
    .unwrap();
    std::fs::write(folder.join("document.txt"), "read me\n").unwrap();

    // helm writes `_` for `+`, which no tag may hold.
    let image = ground.free("charts", "web:1.0.0_build.1");
    let (config, file) = (
        format!("config.json:{CHART_CONFIG}"),
        format!("web-1.0.0+build.1.tgz:{CHART}"),
    );
    oras.oras(&["push", "--config", &config, &image, &file])
        .dir(&folder)
        .ok();
    let manifest = ground.manifest(&image, "1.0.0_build.1");
    assert_eq!(manifest["config"]["mediaType"], CHART_CONFIG);
    assert_eq!(manifest["layers"][0]["mediaType"], CHART);
    let digest = ground.digest(&image).unwrap();
    by_digest_without_a_body(ground, &digest);

    oras.oras(&[
        "attach",
        "--artifact-type",
        DOCUMENT,
        &image,
        "document.txt:text/plain",
    ])
    .dir(&folder)
    .ok();
    let tree = oras
        .oras(&[
            "discover",
            "--format",
            "json",
            "--artifact-type",
            DOCUMENT,
            &image,
        ])
        .ok();
    let tree: serde_json::Value = serde_json::from_str(&tree).unwrap();
    assert_eq!(tree["manifests"].as_array().unwrap().len(), 1, "{tree:#}");

    let out = oras.home.empty("out");
    oras.oras(&["pull", "--output", text(&out), &image]).ok();
    assert_eq!(
        std::fs::read(out.join("web-1.0.0+build.1.tgz")).unwrap(),
        chart
    );
    println!("chart: {digest}");
}

/// helm looks by HEAD for what it is about to pull.
fn by_digest_without_a_body(ground: &Ground, digest: &str) {
    let url = format!(
        "{}/v2/clients/charts/web/manifests/{digest}",
        ground.shop.server.url()
    );
    let answer = curl(&url)
        .user(ground.shop.actor("dora"))
        .method("HEAD")
        .flags(["--header", &format!("Accept: {}", media::OCI_MANIFEST)])
        .ask();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], media::OCI_MANIFEST);
}
