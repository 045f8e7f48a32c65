//! The gate: what docker says when it is refused, what opens it, and every signature that does not count with its own reason.

use crate::harness::{
    Image, ImageParts, Shop, client_of, curl, push_referrer, push_tagged, small_layer, within,
};
use crate::way::{IMAGE, REPOSITORY, Way};
use oci::media;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The grace of the shop's policy.
const GRACE: Duration = Duration::from_secs(2);

/// A new advisory for what the image holds: critical, with a fix.
const LATE: &str = r#"{"id": "GHSA-zzzz-zzzz-zzzz", "aliases": ["CVE-2099-10001"], "modified": "2026-01-01T00:00:00Z",
"summary": "a request of nine bytes runs any command",
"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
"affected": [{"package": {"ecosystem": "PyPI", "name": "django"},
"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "3.2"}, {"fixed": "3.2.99"}]}]}]}"#;

/// A held robot pulls: docker prints the stages that are missing and the command that comes next.
pub(crate) fn refused_before_the_signatures(way: &Way) {
    way.shop.wait_for_scan(REPOSITORY, &way.digest);
    let refused = way.docker("host").fails(["pull", &way.reference()]);
    println!("docker: {}", refused.err.trim());
    refused.says(&[
        "denied",
        "gate production",
        "stage ci",
        "stage staging",
        "countersign sign --stage ci",
    ]);
    let verdict = way.shop.gate(IMAGE);
    verdict.is("deny");
    assert!(
        verdict.is_met("scan") && !verdict.is_met("ci") && !verdict.is_met("staging"),
        "{:#}",
        verdict.answer
    );
    // Whoever is not held is not: the developer goes on working.
    way.docker("dora").does(["pull", &way.reference()]);
}

/// After `ci`, the automatic `scan` and two different people, the same pull passes.
pub(crate) fn allowed_after_all_stages(way: &Way) {
    let image = &format!("{REPOSITORY}@{}", way.digest);
    way.shop.sign("ci-shop", "ci-shop", "ci", image);
    way.docker("host")
        .fails(["pull", &way.reference()])
        .says(&["stage staging", "countersign sign --stage staging"]);
    way.shop.sign("quentin", "quentin", "staging", image);
    way.docker("host")
        .fails(["pull", &way.reference()])
        .says(&["stage staging", "1 of 2"]);
    way.shop.sign("rita", "rita", "staging", image);
    let verdict = way.shop.gate(IMAGE);
    verdict.is("allow");
    assert_eq!(
        verdict.counted("staging"),
        ["quentin".to_owned(), "rita".to_owned()].into()
    );
    let host = way.docker("host");
    host.does(["pull", &way.reference()]);
    host.does(["image", "rm", &way.reference()]);
    let by_digest = format!("{}@{}", way.at(REPOSITORY), way.digest);
    host.does(["pull", &by_digest]);
    let run = ["run", "--rm", "--network", "none", &by_digest];
    assert_eq!(host.does(run).trim(), "3.2");
}

/// An advisory makes it critical: the gate turns when the grace has ended, and not before.
pub(crate) fn refused_after_an_advisory(way: &Way) {
    let file = way.shop.file("late.json", LATE);
    let imported = Instant::now();
    way.shop.import(&[file], "late");
    let verdict = within(30, "the gate turns", || {
        Some(way.shop.gate(IMAGE)).filter(|verdict| verdict.outcome() != "allow")
    });
    let turned = imported.elapsed();
    println!(
        "gate: turned {} ms after the import began, with a grace of {} ms",
        turned.as_millis(),
        GRACE.as_millis()
    );
    assert!(
        turned >= GRACE,
        "the grace of {GRACE:?} was not kept: {turned:?}"
    );
    verdict.is("deny");
    assert!(
        verdict.codes("scan").contains("vulnerability-limit"),
        "{:#}",
        verdict.answer
    );
    let refused = way.docker("host").fails(["pull", &way.reference()]);
    refused.says(&["denied", "CVE-2099-10001", "3.2.99"]);
    let affected = way
        .shop
        .actor("admin")
        .does(["affected", "CVE-2099-10001", "-o", "json"]);
    assert!(affected.contains(REPOSITORY), "{affected}");
}

/// A fresh image whose signatures are enough but for one, which does not count.
struct Run {
    shop: Shop,
}

impl Run {
    /// A new image, pushed by dora and signed for `ci`; the stage `scan` is recorded.
    fn fresh(&self, name: &str) -> String {
        let image = self.pushed(name);
        self.shop.sign("ci-shop", "ci-shop", "ci", &image);
        image
    }

    fn pushed(&self, name: &str) -> String {
        let image = format!("shop/{name}:1");
        let digest = push_tagged(
            self.shop.actor("dora"),
            &self.shop.server,
            &image,
            &small(name),
        );
        self.shop
            .wait_for_scan(&format!("shop/{name}"), digest.as_str());
        image
    }

    /// The gate refuses for want of signatures, and says of one why it does not count.
    fn is_refused(&self, image: &str, code: &str) {
        let verdict = self.shop.gate(image);
        verdict.is("deny");
        assert!(
            verdict.codes("staging").contains(code),
            "no `{code}`: {}",
            verdict.answer["tree"]
        );
        let (repository, tag) = image.split_once(':').unwrap();
        let url = format!("{}/v2/{repository}/manifests/{tag}", self.shop.server.url());
        let answer = curl(&url).user(self.shop.actor("host")).ask();
        answer.is_refused(image, &[code]);
        println!("{code}: {}", answer.json()["errors"][0]["message"]);
        self.verifies(image, 3, &format!("[{code}]"));
    }

    /// `countersign verify` ends with this code, and says this.
    fn verifies(&self, image: &str, code: i32, text: &str) {
        let verified = self.shop.actor("admin").cli(["verify", image]).run();
        assert_eq!(verified.code, Some(code), "{}", verified.all());
        assert!(verified.out.contains(text), "{}", verified.all());
    }

    /// One more honest signature opens it: nothing else was missing.
    fn opens_with(&self, who: &str, image: &str) {
        self.shop.sign(who, who, "staging", image);
        self.shop.gate(image).is("allow");
        self.verifies(image, 0, "✓ stage staging: signed by ");
    }
}

fn small(unlike: &str) -> Image {
    ImageParts::of([small_layer(unlike)]).build()
}

#[test]
fn signatures_that_do_not_count() {
    let run = Run {
        shop: Shop::open(&[]),
    };
    let shop = &run.shop;
    shop.new_key("quentin", "quentin-two", "shop/**");
    shop.new_key("quentin", "quentin-elsewhere", "elsewhere/**");

    let image = run.fresh("one-person-two-keys");
    shop.sign("quentin", "quentin", "staging", &image);
    shop.sign("quentin", "quentin-two", "staging", &image);
    run.is_refused(&image, "same-principal");
    run.opens_with("rita", &image);

    let image = run.fresh("person-and-robot");
    shop.sign("maria", "maria", "staging", &image);
    shop.sign("maria-bot", "maria-bot", "staging", &image);
    run.is_refused(&image, "same-owner");
    run.opens_with("rita", &image);

    let image = run.fresh("author");
    shop.sign("quentin", "quentin", "staging", &image);
    shop.sign("dora", "dora", "staging", &image);
    run.is_refused(&image, "author");
    run.opens_with("rita", &image);

    let image = run.fresh("out-of-scope");
    shop.sign("rita", "rita", "staging", &image);
    shop.sign("quentin", "quentin-elsewhere", "staging", &image);
    run.is_refused(&image, "out-of-scope");
    run.opens_with("quentin", &image);

    another_digest(&run);
    before_its_turn(&run);
}

/// Rita's signature of one image is attached to another: her words are about the first.
fn another_digest(run: &Run) {
    let shop = &run.shop;
    let (signed, image) = (run.fresh("signed-by-rita"), run.fresh("other-digest"));
    shop.sign("rita", "rita", "staging", &signed);
    shop.sign("quentin", "quentin", "staging", &image);
    let (from, to) = (small("signed-by-rita"), small("other-digest"));
    let dora = client_of(shop.actor("dora"), &shop.server);
    let source = format!("{}/v2/shop/signed-by-rita", shop.server.url());
    let referrers = curl(&format!("{source}/referrers/{}", from.digest()))
        .user(shop.actor("dora"))
        .ask()
        .json();
    let is_staging = |manifest: &Value| {
        let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
        let bundle = curl(&format!("{source}/blobs/{layer}"))
            .user(shop.actor("dora"))
            .ask()
            .body;
        statement_of(&bundle)["predicate"]["stage"] == "staging"
    };
    let mut manifests = referrers["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|referrer| {
            let accept = format!("Accept: {}", media::OCI_MANIFEST);
            let url = format!(
                "{source}/manifests/{}",
                referrer["digest"].as_str().unwrap()
            );
            curl(&url)
                .user(shop.actor("dora"))
                .flags(["--header", &accept])
                .ask()
                .json()
        });
    let mut moved = manifests
        .find(is_staging)
        .expect("rita's signature is a referrer");
    copy_blobs(run, "shop/signed-by-rita", "shop/other-digest", &moved);
    moved["subject"] = to.descriptor();
    push_referrer(&dora, "shop/other-digest", &to.digest(), &moved);
    run.is_refused(&image, "other-digest");
    run.opens_with("rita", &image);
}

/// The in-toto statement in a sigstore bundle.
fn statement_of(bundle: &str) -> Value {
    use base64::Engine;
    let bundle: Value = serde_json::from_str(bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    serde_json::from_slice(
        &base64::engine::general_purpose::STANDARD
            .decode(payload)
            .unwrap(),
    )
    .unwrap()
}

/// Mounts what a manifest refers to, as `oras copy` would.
fn copy_blobs(run: &Run, from: &str, to: &str, manifest: &Value) {
    let descriptors = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&manifest["config"]]);
    for digest in descriptors.map(|descriptor| descriptor["digest"].as_str().unwrap()) {
        let url = format!(
            "{}/v2/{to}/blobs/uploads/?mount={digest}&from={from}",
            run.shop.server.url()
        );
        assert_eq!(
            curl(&url)
                .user(run.shop.actor("dora"))
                .method("POST")
                .ask()
                .status,
            201
        );
    }
}

/// Signed for staging before `ci` had signed. (`cosign.rs` has one that claims a time of its own.)
fn before_its_turn(run: &Run) {
    let image = run.pushed("out-of-order");
    run.shop.sign("quentin", "quentin", "staging", &image);
    run.shop.sign("rita", "rita", "staging", &image);
    run.shop.sign("ci-shop", "ci-shop", "ci", &image);
    run.is_refused(&image, "out-of-order");
    run.shop.sign("quentin", "quentin", "staging", &image);
    run.opens_with("rita", &image);
}
