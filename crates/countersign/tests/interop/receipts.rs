//! Receipts in the hands of another program: the real cosign verifies them with the server's public key, in the registry and as a file,
//! as what they are, verification summaries of SLSA; and refuses what it should.

use crate::harness::{
    ImageParts, Program, Shop, block_on, client_of, client_program, name, push_tagged, small_layer,
    tag, within,
};
use serde_json::Value;
use std::path::{Path, PathBuf};

const POLICY: &str = r#"version: 1
repositories: ["shop/**"]
stages:
  ci: {signers: [{robot: ci-shop}]}
gates:
  production: {holds-for: [{team: production-hosts}], require: [ci]}
receipts: {valid-for: 1h}
"#;
const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";
const IMAGE: &str = "shop/receipts:1";

/// What a host was given.
struct Given<'a> {
    shop: &'a Shop,
    /// The server's public key.
    key: PathBuf,
    /// The manifest of the image.
    image: PathBuf,
    /// The receipt.
    receipt: PathBuf,
}

impl Given<'_> {
    fn cosign(&self, arguments: &[&str]) -> Program {
        let home = self.shop.folder().join("cosign-home");
        std::fs::create_dir_all(&home).unwrap();
        Program::new(client_program("cosign"))
            .env("HOME", &home)
            .env("DOCKER_CONFIG", home.join("docker"))
            .args(arguments)
    }

    /// The roots that a cosign without a network is given: none is needed for a key.
    fn roots(&self) -> PathBuf {
        self.shop.file(
            "roots.json",
            r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#,
        )
    }

    /// `cosign verify-blob-attestation`: no network.
    fn file(&self, key: &Path, kind: &str, receipt: &Path, image: &Path) -> Program {
        self.cosign(&["verify-blob-attestation", "--new-bundle-format"])
            .args(["--insecure-ignore-tlog", "--type", kind, "--trusted-root"])
            .arg(self.roots())
            .arg("--key")
            .arg(key)
            .arg("--bundle")
            .arg(receipt)
            .arg(image)
    }

    /// `cosign verify-attestation`: what lies beside the image in the registry.
    fn beside(&self, key: &Path, kind: &str) -> Program {
        let host = self.shop.server.host();
        self.cosign(&["verify-attestation", "--new-bundle-format"])
            .args(["--insecure-ignore-tlog", "--allow-http-registry"])
            .args(["--type", kind, "--trusted-root"])
            .arg(self.roots())
            .arg("--key")
            .arg(key)
            .arg(format!("{host}/{IMAGE}"))
    }
}

#[test]
fn cosign_verifies_a_receipt_in_the_registry_and_as_a_file() {
    let shop = Shop::open(&[]);
    shop.apply_policy(POLICY);
    let image = ImageParts::of([small_layer("receipts")]).build();
    push_tagged(shop.actor("dora"), &shop.server, IMAGE, &image);
    shop.sign("ci-shop", "ci-shop", "ci", IMAGE);
    let receipt = within(30, "the receipt is signed", || {
        let receipts = shop.api(&format!("receipts?ref={IMAGE}"));
        receipts["items"][0]["bundle"].as_str().map(str::to_owned)
    });
    let manifest = block_on(async {
        let client = client_of(shop.actor("admin"), &shop.server);
        let found = client.manifest(&name("shop/receipts"), &tag("1")).await;
        found.unwrap().bytes
    });
    let public = shop.actor("admin").does(["key", "server"]);
    let given = Given {
        shop: &shop,
        key: shop.file("server.pub", &public),
        image: shop.file("manifest.json", std::str::from_utf8(&manifest).unwrap()),
        receipt: shop.file("receipt.json", &receipt),
    };
    let host = shop.actor("host");
    let login = ["login", &shop.server.host(), "--username", &host.name];
    given
        .cosign(&login)
        .arg("--password-stdin")
        .stdin(host.secret.as_str())
        .ok();

    let Given {
        key,
        image,
        receipt,
        ..
    } = &given;
    given.file(key, SUMMARY, receipt, image).ok();
    given.beside(key, SUMMARY).ok();

    // Not for another image, not by another key, not with a word changed, and not as something else, which cosign 2 asks about in a
    // registry only.
    let other = shop.file("other.json", "another manifest");
    let stranger = shop.folder().join("ci-shop.pub");
    let changed = shop.file("changed.json", &another_gate(&given.receipt));
    let refused = |program: Program, why: &str| program.fails().says(&[why]);
    let (kind, signature) = ("predicate type", "accepted signatures do not match");
    refused(given.file(key, SUMMARY, receipt, &other), "digest");
    refused(given.file(&stranger, SUMMARY, receipt, image), signature);
    refused(given.file(key, SUMMARY, &changed, image), signature);
    refused(given.beside(&stranger, SUMMARY), kind);
    refused(given.beside(key, "slsaprovenance1"), kind);
}

/// The receipt with another gate in it and the same signature.
fn another_gate(receipt: &Path) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let mut bundle: Value = serde_json::from_slice(&std::fs::read(receipt).unwrap()).unwrap();
    let payload = &mut bundle["dsseEnvelope"]["payload"];
    let statement = STANDARD.decode(payload.as_str().unwrap()).unwrap();
    let statement = String::from_utf8(statement).unwrap();
    assert!(statement.contains(r#""gate":"production""#), "{statement}");
    let statement = statement.replace(r#""gate":"production""#, r#""gate":"everywhere""#);
    *payload = Value::from(STANDARD.encode(statement));
    bundle.to_string()
}
