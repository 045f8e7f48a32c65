//! Our signatures in cosign's two formats, under cosign; and one `.sig` tag that we and cosign append to in turn.

use super::{PASSWORD, ours, pushed, run, text};
use crate::harness::{Actor, Place, Shop, client_program};
use std::path::{Path, PathBuf};
use trust::cosign::SIGN_PREDICATE;

/// Logs a cosign in.
pub(crate) fn log_in(shop: &Shop, program: &Path, who: &Actor) {
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
    let root = no_root(&shop);
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
        // cosign 2 finds a signature in a bundle as the attestation that it is.
        let command: &[&str] = match flags {
            ["--new-bundle-format"] => &[
                "verify-attestation",
                "--trusted-root",
                text(&root),
                "--type",
                SIGN_PREDICATE,
            ],
            _ => &["verify", "-a", "dev.countersign.stage=ci"],
        };
        let verify = |key: &Path| {
            run(&shop, &program, robot)
                .args(command)
                .args(["--insecure-ignore-tlog=true", "--allow-http-registry"])
                .args(flags)
                .args(["--key", text(key), &image.at])
        };
        let done = verify(&public).run();
        assert_eq!(done.code, Some(0), "{name}: {}", done.all());
        verify(&stranger).fails();
        if format == "cosign-sig" {
            takes(&shop, &image.at, &public, true);
            takes(&shop, &image.at, &stranger, false);
        }
        println!("{name}: verified by {}", program.display());
    }
}

/// A trusted root that trusts nobody: cosign 2 looks for the public one otherwise, also where a key is all that is asked for.
pub(super) fn no_root(shop: &Shop) -> PathBuf {
    let media_type = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
    let root =
        serde_json::json!({"mediaType": media_type, "tlogs": [], "certificateAuthorities": []});
    shop.file("no-root.json", &root.to_string())
}

/// Debian 13's skopeo and podman under a `policy.json` that wants a signature by this key.
fn takes(shop: &Shop, at: &str, key: &Path, is_taken: bool) {
    let robot = shop.actor("ci-shop");
    // podman takes no long path, and both look for this folder in their home.
    let home = crate::harness::temporary();
    let folder = home.path();
    let registries = folder.join(".config/containers/registries.d");
    std::fs::create_dir_all(&registries).unwrap();
    let lookaside = "default-docker:\n  use-sigstore-attachments: true\n";
    std::fs::write(registries.join("default.yaml"), lookaside).unwrap();
    let wanted = serde_json::json!({"default": [{
        "type": "sigstoreSigned",
        "keyPath": key,
        "signedIdentity": {"type": "matchRepository"},
    }]});
    let policy = folder.join("policy.json");
    std::fs::write(&policy, wanted.to_string()).unwrap();
    let skopeo = Place::Debian13
        .program("skopeo")
        .env("HOME", folder)
        .args(["--policy", text(&policy), "--registries.d"])
        .arg(&registries)
        .args([
            "copy",
            "--src-tls-verify=false",
            "--remove-signatures",
            "--src-creds",
        ])
        .arg(robot.credentials())
        .arg(format!("docker://{at}"))
        .arg(format!("oci:{}", folder.join("layout").display()));
    let podman = Place::Debian13
        .program("podman")
        .env("HOME", folder)
        .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
        .arg("--root")
        .arg(folder.join("root"))
        .arg("--runroot")
        .arg(folder.join("run"))
        .args(["--storage-driver", "vfs", "pull", "--tls-verify=false"])
        .args(["--signature-policy", text(&policy), "--creds"])
        .args([robot.credentials().as_str(), at]);
    for pull in [skopeo, podman] {
        match is_taken {
            true => drop(pull.ok()),
            false => pull.fails().says(&["ignature"]),
        }
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
