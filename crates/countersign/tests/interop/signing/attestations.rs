//! Attestations: ours under cosign, cosign's under ours, and a stage of a policy that wants one.

use super::cosign::{log_in, no_root};
use super::{ours, pushed, run, text};
use crate::harness::{Actor, Program, Shop, client_program};
use std::path::Path;

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// Whole: cosign attests no less.
const PREDICATE: &str = r#"{
  "buildDefinition": {"buildType": "https://shop.example/x", "externalParameters": {"source": "shop/web"}},
  "runDetails": {"builder": {"id": "https://shop.example/builder"}}
}"#;

/// A stage for which the robot says how the image was built.
const POLICY: &str = r#"version: 1
repositories: ["shop/**"]
stages:
  built:
    attestation: provenance
    signers: [{robot: ci-shop}]
gates:
  production:
    holds-for: [{team: production-hosts}]
    require: [built]
    mode: enforce
"#;

#[test]
fn attestations_are_read_by_both_and_count_where_a_policy_wants_them() {
    let shop = Shop::open(&[]);
    shop.apply_policy(POLICY);
    let robot = shop.actor("ci-shop");
    let key = shop.key("ci-shop");
    let predicate = shop.file("provenance.json", PREDICATE);
    let (two, three) = (client_program("cosign"), client_program("cosign3"));
    for program in [&two, &three] {
        log_in(&shop, program, robot);
    }

    let root = no_root(&shop);

    // Ours, under both, and for a type that is none of theirs.
    let image = pushed(&shop, "attested");
    let denied = shop.gate(&image.image);
    denied.is("deny");
    assert_eq!(
        denied.codes("built"),
        ["attestation-missing".to_owned()].into()
    );
    let attest = |kind: &str| {
        let attest = [
            "attest",
            "--type",
            kind,
            "--predicate",
            text(&predicate),
            "--key",
            text(&key),
        ];
        ours(&shop, &attest, &image.at).ok()
    };
    attest("https://shop.example/review/v1");
    attest("cyclonedx");
    let still = shop.gate(&image.image);
    assert_eq!(
        still.codes("built"),
        ["attestation-missing".to_owned()].into(),
        "{}",
        still.answer["tree"]
    );
    attest("slsaprovenance1");
    shop.gate(&image.image).is("allow");
    for (program, flags) in [
        (
            &two,
            &["--new-bundle-format", "--trusted-root", text(&root)][..],
        ),
        (&three, &[][..]),
    ] {
        for kind in [
            "slsaprovenance1",
            "cyclonedx",
            "https://shop.example/review/v1",
        ] {
            verify(
                &shop,
                program,
                robot,
                &key.with_extension("pub"),
                kind,
                flags,
                &image.at,
            )
            .ok();
        }
        let stranger = shop.key("maria").with_extension("pub");
        verify(
            &shop,
            program,
            robot,
            &stranger,
            "cyclonedx",
            flags,
            &image.at,
        )
        .fails();
    }

    // Theirs: cosign 2 under the tag `.att`, and in a bundle; cosign 3 in a bundle.
    for (name, program, flags) in [
        ("att", &two, &["--tlog-upload=false"][..]),
        (
            "bundle",
            &two,
            &["--tlog-upload=false", "--new-bundle-format"][..],
        ),
        (
            "three",
            &three,
            &["--tlog-upload=false", "--use-signing-config=false"][..],
        ),
    ] {
        let image = pushed(&shop, &format!("attested-{name}"));
        run(&shop, program, robot)
            .args([
                "attest",
                "--yes",
                "--allow-http-registry",
                "--type",
                "slsaprovenance1",
            ])
            .args(["--predicate", text(&predicate), "--key", text(&key)])
            .args(flags)
            .arg(&image.at)
            .ok();
        let verdict = shop.gate(&image.image);
        assert_eq!(
            verdict.outcome(),
            "allow",
            "{name}: {}",
            verdict.answer["tree"]
        );
        let read = |key: &Path| {
            let public = key.with_extension("pub");
            let verify = [
                "verify-attestation",
                "--type",
                PROVENANCE,
                "-o",
                "json",
                "--key",
            ];
            robot.cli(verify).arg(public).arg(&image.at)
        };
        let said: serde_json::Value = serde_json::from_str(&read(&key).ok()).unwrap();
        assert_eq!(
            said[0]["predicate"]["buildDefinition"]["buildType"],
            "https://shop.example/x"
        );
        assert_eq!(read(&shop.key("maria")).run().code, Some(3));
        println!("attestation by cosign, {name}: counts");
    }
    by_somebody_else(&shop, &predicate);
}

/// A registered key whose owner the stage does not list.
fn by_somebody_else(shop: &Shop, predicate: &Path) {
    let image = pushed(shop, "attested-by-dora");
    let key = shop.key("dora");
    let attest = [
        "attest",
        "--type",
        "slsaprovenance1",
        "--predicate",
        text(predicate),
        "--key",
        text(&key),
    ];
    shop.actor("dora").cli(attest).arg(&image.at).ok();
    let verdict = shop.gate(&image.image);
    verdict.is("deny");
    let codes = ["attestation-missing", "not-a-signer"].map(str::to_owned);
    assert_eq!(verdict.codes("built"), codes.into());
}

fn verify(
    shop: &Shop,
    program: &Path,
    who: &Actor,
    key: &Path,
    kind: &str,
    flags: &[&str],
    at: &str,
) -> Program {
    run(shop, program, who)
        .args([
            "verify-attestation",
            "--insecure-ignore-tlog=true",
            "--allow-http-registry",
        ])
        .args(["--type", kind, "--key", text(key)])
        .args(flags)
        .arg(at)
}
