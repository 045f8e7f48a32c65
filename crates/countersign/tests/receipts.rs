//! Production with the server gone: a host that holds the public key decides by receipts as it did online, from a file too, and a
//! changed byte in that file is named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic that it fails; helpers outside of test functions are tests as well"
)]

#[path = "world/program.rs"]
mod world;

use client::Client;
use client::api::accounts::{Grantee, NewGrant, NewRobot};
use client::api::keys::RevokeKey;
use client::api::policies::PutPolicy;
use client::api::receipts::Receipt;
use client::api::tokens::NewToken;
use oci::{Descriptor, Digest, RepositoryName};
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;
use tokio::runtime::Runtime;
use trust::{PrivateKey, Signer};
use world::{Image, KEY_PASSWORD, Server};

const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{person: admin}]}
gates:
  production: {holds-for: everyone, except: [{person: admin}], require: [ci]}
receipts: {valid-for: 1h}
";
const HOUR_MILLISECONDS: i64 = 60 * 60 * 1_000;
const IMAGE: &str = "shop/web:c1";

struct World {
    server: Server,
    client: Client,
    runtime: Runtime,
    token: String,
    image: Image,
    /// What signs for `ci`.
    key: PrivateKey,
    folder: tempfile::TempDir,
}

impl World {
    /// A shop whose one image is signed, and allowed in production.
    fn new() -> Self {
        let world = Self::unsigned();
        world.sign(IMAGE);
        world
    }

    /// The same with nothing signed.
    fn unsigned() -> Self {
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
            key: PrivateKey::generate(trust::Algorithm::EcdsaP256).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        let policy = PutPolicy {
            document: POLICY.to_owned(),
        };
        let applied = world.client.put_policy("shop", &policy, false);
        assert!(world.runtime.block_on(applied).unwrap().applied);
        world.register();
        let key = world.ask(&["key", "server"]);
        assert!(key.status.success());
        std::fs::write(world.path("server.pub"), key.stdout).unwrap();
        std::fs::write(world.path("shop.yaml"), POLICY).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.server.ask_with(&self.token, arguments)
    }

    /// The code that `verify` ends with for whoever holds the public key, and what it says.
    fn verify(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let key = self.path("server.pub");
        let by = ["verify", "--receipt-key", key.to_str().unwrap()];
        let output = self.ask(&[&by, arguments].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    fn sign(&self, image: &str) {
        let path = self.path("ci.key");
        let path = path.to_str().unwrap();
        let signed = self.ask(&["sign", "--stage", "ci", "--key", path, image]);
        assert!(
            signed.status.success(),
            "{}",
            String::from_utf8_lossy(&signed.stderr)
        );
    }

    fn register(&self) {
        let key = &self.key;
        let password = secrecy::SecretString::from(KEY_PASSWORD);
        let sealed = trust::keyfile::seal(key, &password).unwrap();
        std::fs::write(self.path("ci.key"), sealed).unwrap();
        self.server.register(&self.runtime, key, "ci");
    }

    /// The live receipts of an image.
    fn receipts(&self, image: &str) -> Vec<Receipt> {
        self.runtime.block_on(self.client.receipts(image)).unwrap()
    }

    /// The receipts of an image once there are so many: the server signs them and takes them away by itself.
    fn receipts_once(&self, image: &str, count: usize) -> Vec<Receipt> {
        for _ in 0..600 {
            let receipts = self.receipts(image);
            if receipts.len() == count {
                return receipts;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{image} has {:?}, not {count}", self.receipts(image));
    }

    fn receipt(&self) -> Receipt {
        self.receipts_once(IMAGE, 1).remove(0)
    }

    /// The manifests beside an image that say that they carry a receipt.
    fn carriers(&self, image: &Digest) -> Vec<Digest> {
        let repository: RepositoryName = "shop/web".parse().unwrap();
        let listed = self.client.referrers(&repository, image, None);
        let listed = self.runtime.block_on(listed).unwrap();
        let carries = |found: &&Descriptor| {
            let kind = found.annotations.get("dev.sigstore.bundle.predicateType");
            kind.is_some_and(|kind| kind == trust::receipt::PREDICATE_TYPE)
        };
        let carriers = listed.iter().filter(carries);
        carriers.map(|found| found.digest.clone()).collect()
    }

    /// Writes the bundle of the image.
    fn bundle(&self) -> PathBuf {
        self.bundle_as(&self.token, "web.tar").0
    }

    /// The same as whoever has the token; answers what was said, too.
    fn bundle_as(&self, token: &str, name: &str) -> (PathBuf, String) {
        let path = self.path(name);
        let url = self.server.url();
        let made = self.server.ask(&[
            "bundle",
            IMAGE,
            "-o",
            path.to_str().unwrap(),
            "--server",
            &url,
            "--token",
            token,
        ]);
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        (path, String::from_utf8(made.stdout).unwrap())
    }

    /// The token of a robot that may pull, and no more.
    fn reader(&self) -> String {
        let robot = NewRobot {
            name: "host".to_owned(),
            owner: None,
        };
        let grant = NewGrant {
            to: Grantee::Principal("host".to_owned()),
            role: "reader".to_owned(),
            pattern: "shop/**".to_owned(),
        };
        let token = NewToken {
            name: "host".to_owned(),
            expires_in_days: None,
            principal: Some("host".to_owned()),
            scope: None,
        };
        let client = self.server.client();
        let made = self.runtime.block_on(async {
            client.create_robot(&robot).await?;
            client.create_grant(&grant).await?;
            client.create_token(&token).await
        });
        made.unwrap().token.expose().to_owned()
    }

    /// The verifier key of the server's log.
    fn log_key(&self) -> String {
        let key = self.runtime.block_on(self.client.log_key()).unwrap();
        String::from_utf8(key.to_vec()).unwrap().trim().to_owned()
    }

    /// Puts another text of the policy in force, which asks for the same.
    fn reword_policy(&self) {
        let policy = PutPolicy {
            document: format!("{POLICY}# reworded\n"),
        };
        let applied = self.client.put_policy("shop", &policy, false);
        assert!(self.runtime.block_on(applied).unwrap().applied);
    }
}

/// An instant as the command line takes it.
fn instant(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .unwrap()
        .to_string()
}

#[test]
fn production_without_the_server_decides_as_it_did_with_it() {
    let mut world = World::new();
    let receipt = world.receipt();
    assert_eq!(
        (receipt.policy.as_str(), receipt.gate.as_str()),
        ("shop", "production")
    );
    assert_eq!(receipt.digest, world.image.digest);

    // Beside the image, while there is a registry.
    let (code, said) = world.verify(&["--gate", "production", IMAGE]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = world.verify(&["--gate", "staging", IMAGE]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-of-other-gate]"), "{said}");
    let (code, said) = world.verify(&["--gate", "production", "--repository", "shop/other", IMAGE]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-of-other-repository]"), "{said}");

    let file = world.bundle();
    let file = file.to_str().unwrap();
    let bundle = world.path("receipt.json");
    std::fs::write(&bundle, &receipt.bundle).unwrap();

    world.server.kill();

    let named = format!("shop/web@{}", world.image.digest);
    let policy = world.path("shop.yaml");
    let policy = policy.to_str().unwrap();
    for more in [
        &[][..],
        &["--gate", "production"],
        &["--policy", policy],
        &[named.as_str()],
    ] {
        let (code, said) = world.verify(&[&["--offline", file], more].concat());
        assert_eq!(code, Some(0), "{more:?}: {said}");
        assert!(said.contains("not proved"), "{said}");
    }
    // A tag says nothing where nobody is asked: what is in the file might be another's.
    let (code, said) = world.verify(&["--offline", file, "shop/web:c2"]);
    assert!(!matches!(code, Some(0 | 3)), "{code:?}: {said}");
    assert!(said.contains("by its digest"), "{said}");
    let by_file = [
        "--gate",
        "production",
        "--receipt",
        bundle.to_str().unwrap(),
    ];
    let (code, said) = world.verify(&[&by_file[..], &[&named]].concat());
    assert_eq!(code, Some(0), "{said}");

    // Until the receipt ends, which is after the time that the policy says.
    assert_eq!(
        receipt.valid_until_at - receipt.issued_at,
        HOUR_MILLISECONDS
    );
    for by in [
        &["--offline", file][..],
        &[&by_file[..], &[&named]].concat(),
    ] {
        let at = |at: i64| world.verify(&[by, &["--at", &instant(at)]].concat());
        let (code, said) = at(receipt.valid_until_at - 1);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("that this is so now"), "{said}");
        let (code, said) = at(receipt.valid_until_at);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("[receipt-expired]"), "{said}");
        let (code, said) = at(receipt.issued_at - HOUR_MILLISECONDS);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("[receipt-not-yet-valid]"), "{said}");
    }

    // Another policy's text, a stage's key, and another image do not do.
    std::fs::write(world.path("shop.yaml"), format!("{POLICY}# changed\n")).unwrap();
    let (code, said) = world.verify(&["--offline", file, "--policy", policy]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-of-other-policy]"), "{said}");
    let other = format!("shop/web@sha256:{}", "ab".repeat(32));
    let (code, said) = world.verify(&[&by_file[..], &[&other]].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-of-other-image]"), "{said}");
    let stranger = PrivateKey::generate(trust::Algorithm::EcdsaP256).unwrap();
    std::fs::write(world.path("server.pub"), stranger.public_key().to_pem()).unwrap();
    let (code, said) = world.verify(&["--offline", file]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-key]"), "{said}");
}

#[test]
fn a_gates_no_to_a_held_host_that_names_a_tag_is_a_no_and_not_a_failure() {
    let world = World::unsigned();
    let (url, token) = (world.server.url(), world.reader());
    let key = world.path("server.pub");
    let verify = |image: &str| {
        let by = ["verify", "--receipt-key", key.to_str().unwrap()];
        let asked = ["--gate", "production", "--server", &url, "--token", &token];
        let output = world.server.ask(&[&by[..], &asked, &[image]].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = verify(IMAGE);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("may not pass gate production"), "{said}");
    let (code, said) = verify("shop/web:none");
    assert_eq!(code, Some(1), "{said}");
    world.sign(IMAGE);
    world.receipts_once(IMAGE, 1);
    let (code, said) = verify(IMAGE);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_changed_byte_in_the_file_is_named_and_other_tools_read_it() {
    let world = World::new();
    world.receipt();
    let path = world.bundle();
    let file = path.to_str().unwrap();

    // The layout is one that this program's scanner reads as well.
    let sbom = world.ask(&["sbom", &format!("oci-archive:{file}"), "-o", "json"]);
    assert!(
        sbom.status.success(),
        "{}",
        String::from_utf8_lossy(&sbom.stderr)
    );

    let (layer, bytes) = &world.image.blobs[1];
    let mut changed = std::fs::read(&path).unwrap();
    let at = changed
        .windows(64)
        .position(|piece| *piece == bytes[..64])
        .unwrap();
    changed[at + 1000] ^= 1;
    std::fs::write(&path, changed).unwrap();
    let (code, said) = world.verify(&["--offline", file]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains(&format!("blobs/sha256/{}", layer.hex())),
        "{said}"
    );
    let (_, said) = world.verify(&["--offline", file, "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["verified"], false);

    // Whoever gives another file is told so, not that somebody changed it.
    let policy = world.path("shop.yaml");
    let (code, said) = world.verify(&["--offline", policy.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("no file that `countersign bundle` wrote"),
        "{said}"
    );
    let folder = world.folder.path().to_str().unwrap();
    let (code, said) = world.verify(&["--offline", folder]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is a folder"), "{said}");
}

#[test]
fn after_a_revocation_there_is_no_new_receipt_and_the_old_one_ends() {
    let world = World::new();
    let receipt = world.receipt();
    let file = world.bundle();
    let file = file.to_str().unwrap();
    let whole = RevokeKey {
        from: None,
        dry_run: false,
    };
    let id = world.key.public_key().id().to_string();
    let by_password = world.server.client();
    let revoked = by_password.revoke_key_from(&id, &whole);
    world.runtime.block_on(revoked).unwrap();

    // Who asks the registry sees it at once.
    world.receipts_once(IMAGE, 0);
    assert_eq!(world.carriers(&world.image.digest), []);
    let (code, said) = world.verify(&["--gate", "production", IMAGE]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[no-receipt]"), "{said}");

    // Who kept the receipt believes it until it ends, is told so, and there is no other.
    let by = ["--offline", file, "--gate", "production"];
    let (code, said) = world.verify(&by);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("what was revoked or found since then"),
        "{said}"
    );
    let end = instant(receipt.valid_until_at);
    let (code, said) = world.verify(&[&by[..], &["--at", &end]].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-expired]"), "{said}");
    let made = world.bundle();
    let (code, said) = world.verify(&["--offline", made.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[no-receipt]"), "{said}");
}

#[test]
fn a_byte_that_changed_anywhere_in_the_file_is_called_by_its_part() {
    const POSITIONS: usize = 96;
    let world = World::new();
    world.receipt();
    let path = world.bundle();
    let whole = std::fs::read(&path).unwrap();
    let parts = parts(&whole);
    assert!(parts.len() > 8, "{parts:?}");
    let spread = (0..POSITIONS).map(|number| number * whole.len() / POSITIONS);
    // The first and the last byte of each part, its content, and some everywhere.
    let ends = parts
        .iter()
        .flat_map(|(begins, ends, _)| [*begins, *begins + 512, *ends - 1]);
    for at in spread.chain(ends) {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        std::fs::write(&path, changed).unwrap();
        let (code, said) = world.verify(&["--offline", path.to_str().unwrap(), "-o", "json"]);
        assert_eq!(code, Some(3), "byte {at}: {said}");
        let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(answer["verified"], false);
        let (_, _, part) = parts
            .iter()
            .find(|(begins, ends, _)| (*begins..*ends).contains(&at))
            .unwrap();
        let named = answer["file"].as_str().unwrap();
        // The list and its checksum are held against each other.
        let is_named =
            named == part || (part == "countersign.sha256" && named == "countersign.json");
        assert!(is_named, "byte {at} of {part}: {answer}");
    }
}

/// The parts of a tar archive: where each begins and ends, and its name; of what is behind the last one, what this program calls it.
fn parts(archive: &[u8]) -> Vec<(usize, usize, String)> {
    let text = |bytes: &[u8]| {
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        String::from_utf8(bytes[..end].to_vec()).unwrap()
    };
    let (mut parts, mut at) = (Vec::new(), 0);
    while archive[at] != 0 {
        let size = text(&archive[at + 124..at + 136]);
        let size = usize::from_str_radix(size.trim(), 8).unwrap();
        let end = at + 512 + size.next_multiple_of(512);
        parts.push((at, end, text(&archive[at..at + 100])));
        at = end;
    }
    parts.push((at, archive.len(), "the end of the archive".to_owned()));
    parts
}

#[test]
fn a_server_that_is_killed_signs_what_it_owes_once() {
    const IMAGES: u64 = 8;
    let mut world = World::unsigned();
    let images: Vec<Image> = (2..2 + IMAGES)
        .map(|number| Image::new(&number.to_string(), &[number]))
        .collect();
    for (image, number) in images.iter().zip(0..) {
        world
            .runtime
            .block_on(image.push(&world.client, "shop/web"));
        world.sign(&format!("shop/web:{}", image.tag));
        // Anywhere between the signature that was acknowledged and the receipt that follows from it.
        std::thread::sleep(Duration::from_millis(number * 12));
        world.server.kill();
        world.server.restart();
    }
    for image in &images {
        let name = format!("shop/web:{}", image.tag);
        let receipt = world.receipts_once(&name, 1).remove(0);
        assert_eq!(world.carriers(&image.digest), [receipt.manifest]);
        let (code, said) = world.verify(&["--gate", "production", &name]);
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn the_file_proves_that_the_log_has_what_speaks_for_the_image() {
    let mut world = World::new();
    let receipt = world.receipt();
    let log_key = world.log_key();
    let path = world.bundle();
    let file = path.to_str().unwrap();
    // Who may pull and not read the audit gets the file without proofs, and is told so.
    let (less, said) = world.bundle_as(&world.reader(), "less.tar");
    assert!(said.contains("you may not read the audit"), "{said}");
    world.server.kill();

    let by = ["--offline", file, "--gate", "production"];
    let with_log = [&by[..], &["--log-key", &log_key, "-o", "json"]].concat();
    let (code, said) = world.verify(&with_log);
    assert_eq!(code, Some(0), "{said}");
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    let proved = answer["log"]["proved"].as_array().unwrap();
    let mut acts: Vec<&str> = proved
        .iter()
        .map(|proved| proved["act"].as_str().unwrap())
        .collect();
    acts.sort_unstable();
    assert_eq!(acts, ["evidence.attach", "receipt.sign"], "{said}");
    let of_receipt = |proved: &&serde_json::Value| {
        proved["manifest"].as_str() == Some(receipt.manifest.as_str())
    };
    let signed = proved.iter().find(of_receipt).unwrap();
    assert_eq!(signed["act"], "receipt.sign");
    assert!(!said.contains("holds no proof"), "{said}");

    let (code, said) = world.verify(&by);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no `--log-key` was given"), "{said}");
    let less = ["--offline", less.to_str().unwrap(), "--log-key", &log_key];
    let (code, said) = world.verify(&less);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("that the receipt of gate production"),
        "{said}"
    );
    assert!(said.contains("proofs were left out"), "{said}");

    // Another server's log never said any of it.
    let stranger = PrivateKey::generate(trust::Algorithm::Ed25519).unwrap();
    let (name, _) = log_key.split_once('+').unwrap();
    let stranger = trust::checkpoint::VerifierKey::new(
        name,
        trust::checkpoint::VerifierKind::Log,
        stranger.public_key(),
    );
    let stranger = stranger.unwrap().to_string();
    let (code, said) = world.verify(&["--offline", file, "--log-key", &stranger]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no signature of the key"), "{said}");
}

#[test]
fn a_host_that_remembers_takes_no_older_receipt() {
    let world = World::new();
    let first = world.receipt();
    let older_file = world.bundle_as(&world.token, "older.tar").0;
    world.reword_policy();
    let second = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let receipts = world.receipts(IMAGE);
        receipts
            .into_iter()
            .find(|receipt| receipt.sequence > first.sequence)
    });
    let second = second.expect("a new receipt after the policy was reworded");
    let (older, newer) = (world.path("older.json"), world.path("newer.json"));
    std::fs::write(&older, &first.bundle).unwrap();
    std::fs::write(&newer, &second.bundle).unwrap();

    let state = world.path("state.json");
    let named = format!("shop/web@{}", world.image.digest);
    let show = |receipt: &PathBuf, more: &[&str]| {
        let receipt = receipt.to_str().unwrap();
        let by = ["--gate", "production", "--receipt", receipt, &named];
        world.verify(&[&by[..], more].concat())
    };
    let remember = ["--state", state.to_str().unwrap()];
    for receipt in [&older, &older, &newer, &newer] {
        let (code, said) = show(receipt, &remember);
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, said) = show(&older, &remember);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-rolled-back]"), "{said}");
    let offline = ["--offline", older_file.to_str().unwrap()];
    let (code, said) = world.verify(&[&offline[..], &remember].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-rolled-back]"), "{said}");
    let (code, said) = world.verify(&[&["--gate", "production", IMAGE][..], &remember].concat());
    assert_eq!(code, Some(0), "what the registry has now: {said}");

    // Whoever remembers nothing is shown the old one. What cannot be read or written is no leave.
    let (code, said) = show(&older, &[]);
    assert_eq!(code, Some(0), "{said}");
    std::fs::write(&state, "{").unwrap();
    let (code, said) = show(&newer, &remember);
    assert_eq!(code, Some(1), "{said}");
    let nowhere = world.path("none/state.json");
    let (code, said) = show(&newer, &["--state", nowhere.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
}
