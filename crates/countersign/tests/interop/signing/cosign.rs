//! Our signatures in cosign's two formats, under cosign; and one `.sig` tag that we and cosign append to in turn.

use super::{PASSWORD, ours, pushed, run, text};
use crate::harness::{Actor, Shop, client_program};
use std::path::Path;

/// Logs a cosign in.
pub(super) fn log_in(shop: &Shop, program: &Path, who: &Actor) {
    let login = [
        "login",
        &shop.server.host(),
        "--username",
        &who.name,
        "--password-stdin",
    ];
    run(shop, program, who)
        .args(login)
        .stdin(who.secret.as_str())
        .ok();
}

#[test]
fn cosign_verifies_what_we_sign_in_its_formats() {
    let shop = Shop::open(&[]);
    let robot = shop.actor("ci-shop");
    let (key, public) = (
        shop.key("ci-shop"),
        shop.key("ci-shop").with_extension("pub"),
    );
    let stranger = shop.key("maria").with_extension("pub");
    for (format, program, flags) in [
        ("cosign-sig", "cosign", &[][..]),
        ("cosign-sig", "cosign3", &["--new-bundle-format=false"][..]),
        ("cosign", "cosign3", &[][..]),
        ("cosign", "cosign", &["--new-bundle-format"][..]),
    ] {
        let program = client_program(program);
        log_in(&shop, &program, robot);
        let name = format!(
            "{format}-{}",
            program.file_name().unwrap().to_string_lossy()
        );
        let image = pushed(&shop, &name);
        let sign = [
            "sign",
            "--stage",
            "ci",
            "--format",
            format,
            "--key",
            text(&key),
        ];
        let said = ours(&shop, &sign, &image.at).ok();
        assert!(said.contains("Signed"), "{said}");
        let verdict = shop.gate(&image.image);
        assert!(verdict.is_met("ci"), "{name}: {}", verdict.answer["tree"]);
        assert_eq!(verdict.counted("ci"), ["ci-shop".to_owned()].into());
        // cosign asks for annotations in both of its formats, but cosign 2 not in bundles.
        let verify = |key: &Path, annotation: &str| {
            let verify = run(&shop, &program, robot).args(["verify", "--key", text(key)]);
            let verify = match (format, flags) {
                ("cosign", ["--new-bundle-format"]) => verify,
                _ => verify.args(["-a", annotation]),
            };
            let verify = verify.args(["--insecure-ignore-tlog=true", "--allow-http-registry"]);
            verify.args(flags).arg(&image.at)
        };
        let done = verify(&public, "dev.countersign.stage=ci").run();
        assert_eq!(done.code, Some(0), "{name}: {}", done.all());
        verify(&stranger, "dev.countersign.stage=ci").fails();
        println!("{name}: verified by {}", program.display());
    }
}

#[test]
fn one_tag_holds_our_signatures_and_those_of_cosign() {
    let shop = Shop::open(&[]);
    let robot = shop.actor("ci-shop");
    let program = client_program("cosign");
    log_in(&shop, &program, robot);
    let image = pushed(&shop, "one-tag");
    let cosign_signs = |key: &Path| {
        let sign = [
            "sign",
            "--tlog-upload=false",
            "--allow-http-registry",
            "--yes",
            "--key",
        ];
        run(&shop, &program, robot)
            .env("COSIGN_PASSWORD", PASSWORD)
            .args(sign)
            .arg(key)
            .arg(&image.at)
            .ok();
    };
    let we_sign = |key: &Path| {
        let sign = [
            "sign",
            "--stage",
            "ci",
            "--format",
            "cosign-sig",
            "--key",
            text(key),
        ];
        ours(&shop, &sign, &image.at).ok();
    };
    let keys = ["maria", "quentin", "rita", "ci-shop"].map(|name| shop.key(name));
    cosign_signs(&keys[0]);
    we_sign(&keys[1]);
    cosign_signs(&keys[2]);
    we_sign(&keys[3]);
    for key in &keys {
        run(&shop, &program, robot)
            .args([
                "verify",
                "--insecure-ignore-tlog=true",
                "--allow-http-registry",
                "--key",
            ])
            .arg(key.with_extension("pub"))
            .arg(&image.at)
            .ok();
    }
    let (_, digest) = image.at.split_once('@').unwrap();
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let url = format!("{}/v2/shop/one-tag/manifests/{tag}", shop.server.url());
    let answer = crate::harness::curl(&url).user(shop.actor("admin")).ask();
    assert_eq!(
        answer.json()["layers"].as_array().unwrap().len(),
        4,
        "{}",
        answer.body
    );
    assert!(shop.gate(&image.image).is_met("ci"));
}
