//! What `countersign verify` and `countersign gate` print, word for word: whose signatures count, why others do not, and what
//! comes next.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by a panic that it fails; helpers outside of test functions are tests as well"
)]

#[path = "world/program.rs"]
mod world;

use client::Client;
use client::api::policies::PutPolicy;
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::runtime::Runtime;
use trust::PrivateKey;
use world::{Image, KEY_PASSWORD, Server, json};

const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{person: admin}], fresh: 30d}
  qa: {signers: [{person: admin}, {person: rita}], threshold: 2, after: [ci]}
gates:
  production: {holds-for: everyone, except: [{person: admin}], require: [ci, qa]}
";

/// A server with a policy and an image that nobody has signed.
struct World {
    server: Server,
    client: Client,
    runtime: Runtime,
    token: String,
    image: Image,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let server = Server::start(&[]);
        let runtime = Runtime::new().unwrap();
        let token = server.token(&runtime);
        let client = server.client_with(&token);
        let image = Image::new("1", &[1]);
        runtime.block_on(image.push(&client, "shop/web"));
        let world = Self {
            server,
            client,
            runtime,
            token,
            image,
            folder: tempfile::tempdir().unwrap(),
        };
        world.ask(&["user", "create", "rita"]);
        world
    }

    fn apply(&self) {
        let policy = PutPolicy {
            document: POLICY.to_owned(),
        };
        let applied = self.client.put_policy("shop", &policy, false);
        assert!(self.runtime.block_on(applied).unwrap().applied);
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.server.ask_with(&self.token, arguments)
    }

    /// What a command says of the image and with which code it ends; digests and instants are left out, which differ each time.
    fn says(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.ask(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            !text.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = text
            .replace(self.image.digest.as_str(), "DIGEST")
            .replace(self.image.digest.short(), "SHORT");
        let lines = text
            .lines()
            .map(|line| without_instants(line).trim_end().to_owned());
        let lines: Vec<String> = lines.collect();
        (output.status.code().unwrap(), lines.join("\n"))
    }

    /// A key that is admin's, once it is registered.
    fn key(&self, name: &str) -> (PathBuf, PrivateKey) {
        let path = self.folder.path().join(format!("{name}.key"));
        let key = PrivateKey::generate(trust::Algorithm::EcdsaP256).unwrap();
        let password = secrecy::SecretString::from(KEY_PASSWORD);
        std::fs::write(&path, trust::keyfile::seal(&key, &password).unwrap()).unwrap();
        (path, key)
    }

    fn register(&self, key: &PrivateKey) {
        self.server.register(&self.runtime, key, "laptop");
    }

    /// What is said beside the output.
    fn sign(&self, stage: &str, key: &Path) -> String {
        self.does(&["sign", "--stage", stage], key)
    }

    /// That it was built in some way.
    fn attest(&self, key: &Path) {
        let predicate = self.folder.path().join("provenance.json");
        std::fs::write(&predicate, "{}").unwrap();
        let predicate = predicate.to_str().unwrap();
        let attest = ["attest", "--type", "slsaprovenance1"];
        self.does(&[&attest[..], &["--predicate", predicate]].concat(), key);
    }

    fn does(&self, arguments: &[&str], key: &Path) -> String {
        let with = ["--key", key.to_str().unwrap(), "shop/web:c1"];
        let done = self.ask(&[arguments, &with].concat());
        let beside = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{beside}");
        beside
    }
}

/// `stored 2026-…Z` becomes `stored …`, and so do other instants, policy digests and keys.
fn without_instants(line: &str) -> String {
    let is_instant = |word: &str| {
        let word = word.trim_end_matches([')', ',']);
        word.len() >= 20 && word.ends_with('Z') && word.starts_with("20")
    };
    let is_hex = |word: &str| {
        let word = word.trim_matches(['`', ')', ',']);
        word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let words = line.split(' ').map(|word| match word {
        word if is_instant(word) => format!("TIME{}", word.split_once('Z').unwrap().1),
        word if is_hex(word) => word.replace(word.trim_matches(['`', ')', ',']), "HEX"),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_a_policy_changes_is_said_before_it_is_applied_and_not_denied_afterwards() {
    let world = World::new();
    let write = |name: &str, text: &str| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let file = write("shop.yaml", POLICY);
    let (code, tested) = world.says(&["policy", "test", &file]);
    assert_eq!(code, 0, "{tested}");
    assert!(tested.contains("deny"), "{tested}");
    let (code, applied) = world.says(&["policy", "apply", &file]);
    assert_eq!(code, 0, "{applied}");
    assert!(applied.contains("is in force"), "{applied}");
    assert!(!applied.contains("another answer"), "{applied}");
    let (_, again) = world.says(&["policy", "test", &file]);
    assert!(
        again.contains("no image in stock gets another answer"),
        "{again}"
    );
    let wrong = write("wrong.yaml", "version: 1\n");
    let (code, refused) = world.says(&["policy", "apply", &wrong]);
    assert_eq!(code, 3, "{refused}");
    assert!(refused.contains("Nothing was applied"), "{refused}");
    assert!(!refused.contains("another answer"), "{refused}");
}

#[test]
fn who_attests_a_type_is_said_word_for_word() {
    let world = World::new();
    let (stranger, _) = world.key("stranger");
    let (laptop, key) = world.key("laptop");
    let verify = |kind: &str| world.says(&["verify", "shop/web:c1", "--type", kind]);
    let none = "\
✗ not verified: shop/web@sha256:SHORT…, attestations of type `https://slsa.dev/provenance/v1`
  ✗ nobody whose key is registered attests `https://slsa.dev/provenance/v1` [attestation-missing]
    → countersign attest --type https://slsa.dev/provenance/v1 --predicate FILE --key FILE shop/web@DIGEST";
    assert_eq!(verify("slsaprovenance1"), (3, none.to_owned()));

    world.register(&key);
    // A signature is no attestation, and one that a stranger made does not count.
    world.sign("ci", &laptop);
    world.attest(&stranger);
    let refused = "
    · does not count: the `attestation` signature is not by a key that is registered here (key `HEX`) [unknown-key]";
    let next = "
      → countersign key register --key FILE --for NAME --name NAME --scope shop/web";
    let (code, said) = verify("slsaprovenance1");
    assert_eq!((code, said), (3, format!("{none}{refused}{next}")));

    world.attest(&laptop);
    let found = format!(
        "\
✓ verified: shop/web@sha256:SHORT…, attestations of type `https://slsa.dev/provenance/v1`
  ✓ attested by person admin
    ✓ person admin signed (attestation, stored TIME){refused}"
    );
    let by_uri = verify("https://slsa.dev/provenance/v1");
    assert_eq!(by_uri, (0, found));
    assert_eq!(verify("slsaprovenance1"), by_uri);
    for other in [
        "slsaprovenance",
        "cyclonedx",
        "https://shop.example/review/v1",
    ] {
        let (code, said) = verify(other);
        assert!(
            code == 3 && said.contains("[attestation-missing]"),
            "{said}"
        );
    }
    let both = ["verify", "shop/web:c1", "--stage", "ci", "--type", "vuln"];
    assert_eq!(world.ask(&both).status.code(), Some(2));
    let unknown = world.ask(&["verify", "shop/web:c1", "--type", "provenance"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn what_is_printed_of_signatures_word_for_word() {
    let world = World::new();
    let (stranger, _) = world.key("stranger");
    let (laptop, key) = world.key("laptop");

    let unsigned = "\
✗ not verified: shop/web@sha256:SHORT…, and no policy says who has to sign
  ✗ nobody whose key is registered has signed it [not-signed]
    → countersign sign --stage STAGE --key FILE shop/web@DIGEST";
    assert_eq!(
        world.says(&["verify", "shop/web:c1"]),
        (3, unsigned.to_owned())
    );

    world.apply();
    world.register(&key);
    world.sign("ci", &laptop);
    world.sign("qa", &stranger);
    world.sign("qa", &laptop);
    world.sign("qa", &laptop);
    let stages = "
  ✓ stage ci: signed by person admin
    ✓ person admin signed (stage, stored TIME, counts until TIME)
  ✗ stage qa: has 1 of 2 signatures (needs 1 more of person rita) [threshold-not-reached]
    → ask someone else to run: countersign sign --stage qa --key FILE shop/web@DIGEST
    ✓ person admin signed (stage, stored TIME)
    · does not count: the `stage` signature is not by a key that is registered here (key `HEX`) [unknown-key]
      → countersign key register --key FILE --for NAME --name NAME --scope shop/web
    · does not count: another signature of person admin counts already [same-principal]";
    let expected = format!("✗ not verified: shop/web@sha256:SHORT…, policy shop HEX{stages}");
    let (code, said) = world.says(&["verify", "shop/web:c1"]);
    let said = said.split("\n  · holds until").next().unwrap().to_owned();
    assert_eq!((code, said), (3, expected));
    let expected =
        format!("✗ deny: shop/web@sha256:SHORT… at gate production, policy shop HEX{stages}");
    let (code, said) = world.says(&["gate", "shop/web:c1", "--gate", "production"]);
    let said = said.split("\n  · holds until").next().unwrap().to_owned();
    assert_eq!((code, said), (3, expected));

    let (code, said) = world.says(&["verify", "shop/web:c1", "--stage", "ci"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.starts_with("✓ verified: shop/web@sha256:SHORT…"),
        "{said}"
    );
    assert!(!said.contains("stage qa"), "{said}");
    let two = world.ask(&[
        "verify",
        "shop/web:c1",
        "shop/web:c1",
        "--stage",
        "ci",
        "-o",
        "json",
    ]);
    let two = json(&two);
    assert_eq!(two.as_array().map(Vec::len), Some(2), "{two}");
    let none = world.ask(&["verify", "shop/web:c1", "--stage", "nobody"]);
    assert_eq!(none.status.code(), Some(1));
    let why = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(why.contains("there are ci, qa"), "{why}");
}

#[test]
fn whoever_signs_in_vain_hears_it_at_once() {
    let world = World::new();
    let (stranger, _) = world.key("stranger");
    let (laptop, key) = world.key("laptop");
    world.register(&key);
    let nobody = "It counts for nothing: nobody signs for a stage `ci` of `shop/web`: no policy has one there";
    let said = world.sign("ci", &laptop);
    assert!(said.starts_with(nobody), "{said}");

    world.apply();
    assert_eq!(
        world.sign("ci", &laptop),
        "It does not count: another signature of person admin counts already [same-principal]\n"
    );
    assert_eq!(world.sign("qa", &laptop), "");
    let slip =
        "It counts for nothing: nobody signs for a stage `q-a` of `shop/web`: there are ci, qa";
    let said = world.sign("q-a", &laptop);
    assert!(said.starts_with(slip), "{said}");
    let said = world.sign("qa", &stranger);
    let unknown = "is not by a key that is registered here";
    let next = "[unknown-key]\n  next: countersign key register --key FILE";
    assert!(said.contains(unknown) && said.contains(next), "{said}");

    // A stage that wants an attestation takes no signature.
    let document = POLICY
        .replace("ci: {", "built: {attestation: provenance, ")
        .replace("ci", "built");
    let built = PutPolicy { document };
    let applied = world.client.put_policy("built", &built, false);
    assert!(world.runtime.block_on(applied).unwrap().applied);
    let said = world.sign("built", &laptop);
    assert!(said.contains("does not say that it counts"), "{said}");
}
