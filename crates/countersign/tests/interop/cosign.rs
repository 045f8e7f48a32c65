//! Signatures by the real cosign, in all of its formats: they count when their key is registered, and the reason says so when it
//! is not. cosign makes the keys too; the server gets them as it gets our own.

mod authority;
mod certificates;

use crate::harness::{Actor, ImageParts, Program, Shop, client_program, push_tagged, small_layer};
use std::path::{Path, PathBuf};

const PASSWORD: &str = "cosign's password";

/// The formats that cosign writes.
#[derive(Clone, Copy, Debug)]
enum Format {
    /// A manifest tagged `sha256-….sig`, as cosign 2 does.
    Tag,
    /// A sigstore bundle v0.3 as a referrer, as cosign 3 does.
    Bundle,
    /// What is in the `.sig` manifest as a referrer, as cosign 2 does in its experimental mode for OCI 1.1.
    Referrer,
}

struct Cosign<'a> {
    shop: &'a Shop,
    folder: PathBuf,
}

impl Cosign<'_> {
    /// A cosign, as somebody.
    fn run(&self, program: &Path, who: &Actor) -> Program {
        let home = self.folder.join(&who.name);
        std::fs::create_dir_all(&home).unwrap();
        Program::new(program)
            .env("HOME", &home)
            .env("DOCKER_CONFIG", home.join("docker"))
            .env("COSIGN_PASSWORD", PASSWORD)
            .dir(&self.folder)
    }

    /// Makes `NAME.key` and `NAME.pub`.
    fn generate(&self, who: &Actor, name: &str) -> PathBuf {
        let program = client_program("cosign");
        self.run(&program, who)
            .args(["generate-key-pair", "--output-key-prefix", name])
            .ok();
        self.folder.join(name).with_extension("key")
    }

    fn log_in(&self, program: &Path, who: &Actor) {
        let login = [
            "login",
            &self.shop.server.host(),
            "--username",
            &who.name,
            "--password-stdin",
        ];
        self.run(program, who)
            .args(login)
            .stdin(who.secret.as_str())
            .ok();
    }

    /// Signs in a format, with annotations.
    fn sign(&self, format: Format, who: &str, key: &Path, image: &str, annotations: &[&str]) {
        let (who, key) = (self.shop.actor(who), key.to_str().unwrap());
        let image = format!("{}/{image}", self.shop.server.host());
        let newest = newest_cosign();
        let (program, flags): (PathBuf, &[&str]) = match (format, &newest) {
            (Format::Tag, _) => (client_program("cosign"), &["sign"]),
            (Format::Referrer, _) => (
                client_program("cosign"),
                &["sign", "--registry-referrers-mode=oci-1-1"],
            ),
            (Format::Bundle, Some(cosign_3)) => {
                (cosign_3.clone(), &["sign", "--use-signing-config=false"])
            }
            (Format::Bundle, None) => return self.attest(who, key, &image, annotations),
        };
        self.log_in(&program, who);
        let sign = match format {
            Format::Referrer => self.run(&program, who).env("COSIGN_EXPERIMENTAL", "1"),
            Format::Tag | Format::Bundle => self.run(&program, who),
        };
        let sign = sign.args(flags).args([
            "--key",
            key,
            "--tlog-upload=false",
            "--allow-http-registry",
            "--yes",
        ]);
        annotations
            .iter()
            .fold(sign, |sign, annotation| {
                sign.args(["--annotations", annotation])
            })
            .arg(image)
            .ok();
    }

    /// The same bundle from cosign 2.5, which writes it for attestations only.
    fn attest(&self, who: &Actor, key: &str, image: &str, annotations: &[&str]) {
        assert!(
            annotations.is_empty(),
            "cosign 2.5 has no annotations in a bundle"
        );
        let program = client_program("cosign");
        self.log_in(&program, who);
        std::fs::write(self.folder.join("predicate.json"), "{}").unwrap();
        let attest = [
            "attest",
            "--new-bundle-format",
            "--type",
            "https://sigstore.dev/cosign/sign/v1",
            "--predicate",
            "predicate.json",
        ];
        let rest = [
            "--key",
            key,
            "--tlog-upload=false",
            "--allow-http-registry",
            "--yes",
            image,
        ];
        self.run(&program, who).args(attest).args(rest).ok();
    }
}

/// cosign 3, where there was a Go to build it.
fn newest_cosign() -> Option<PathBuf> {
    let has_go = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("go").is_file()));
    has_go.then(|| client_program("cosign3"))
}

fn pushed(shop: &Shop, name: &str) -> (String, String) {
    let image = format!("shop/{name}:1");
    let digest = push_tagged(
        shop.actor("dora"),
        &shop.server,
        &image,
        &ImageParts::of([small_layer(name)]).build(),
    );
    shop.wait_for_scan(&format!("shop/{name}"), digest.as_str());
    (image, format!("shop/{name}@{digest}"))
}

#[test]
fn all_formats_count_with_a_registered_key() {
    let shop = Shop::open(&[]);
    let cosign = Cosign {
        shop: &shop,
        folder: shop.folder().join("cosign"),
    };
    std::fs::create_dir_all(&cosign.folder).unwrap();
    let robot = shop.actor("ci-shop");
    let registered = cosign.generate(robot, "registered");
    let stranger = cosign.generate(robot, "stranger");
    register(&shop, &registered, "ci-shop", "shop/**");

    for (format, name) in [
        (Format::Tag, "by-tag"),
        (Format::Bundle, "by-bundle"),
        (Format::Referrer, "by-referrer"),
    ] {
        let (image, by_digest) = pushed(&shop, name);
        // The role signer is enough for that.
        cosign.sign(format, "quentin", &stranger, &by_digest, &[]);
        let verdict = shop.gate(&image);
        verdict.is("deny");
        assert!(
            !verdict.is_met("ci") && verdict.codes("ci").contains("unknown-key"),
            "{format:?}: {}",
            verdict.answer["tree"]
        );
        println!("{format:?}, another key: {}", verdict.answer["sentence"]);
        cosign.sign(format, "ci-shop", &registered, &by_digest, &[]);
        let verdict = shop.gate(&image);
        assert!(
            verdict.is_met("ci"),
            "{format:?}: {}",
            verdict.answer["tree"]
        );
        assert_eq!(verdict.counted("ci"), ["ci-shop".to_owned()].into());
        shop.sign("quentin", "quentin", "staging", &image);
        shop.sign("rita", "rita", "staging", &image);
        shop.gate(&image).is("allow");
    }
    a_claimed_time_is_not_looked_at(&cosign);
}

/// A cosign key's password is not ours, so whoever registers it says which.
fn register(shop: &Shop, key: &Path, who: &str, scope: &str) {
    let register = [
        "key",
        "register",
        "--key",
        key.to_str().unwrap(),
        "--for",
        who,
        "--name",
        "cosign",
        "--scope",
        scope,
    ];
    let program = shop
        .actor("admin")
        .cli(register)
        .args(["--user", "admin", "--password-stdin"]);
    program
        .env("COUNTERSIGN_KEY_PASSWORD", PASSWORD)
        .stdin(shop.actor("admin").secret.as_str())
        .ok();
}

/// Quentin signs for staging before `ci`, and his signature says that it is of a later time.
fn a_claimed_time_is_not_looked_at(cosign: &Cosign<'_>) {
    let shop = cosign.shop;
    let key = cosign.generate(shop.actor("quentin"), "quentin-cosign");
    register(shop, &key, "quentin", "shop/**");
    let (image, by_digest) = pushed(shop, "claimed-time");
    let later = [
        "dev.countersign.stage=staging",
        "timestamp=4070908800",
        "org.opencontainers.image.created=2099-01-01T00:00:00Z",
    ];
    cosign.sign(Format::Tag, "quentin", &key, &by_digest, &later);
    shop.sign("ci-shop", "ci-shop", "ci", &image);
    shop.sign("rita", "rita", "staging", &image);
    let verdict = shop.gate(&image);
    verdict.is("deny");
    assert!(
        verdict.codes("staging").contains("out-of-order"),
        "{}",
        verdict.answer["tree"]
    );
    shop.sign("quentin", "quentin", "staging", &image);
    shop.gate(&image).is("allow");
}

#[test]
fn key_files_of_each_are_read_by_the_other_and_openssls_by_both() {
    let folder = crate::harness::temporary();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        text.trim().to_owned()
    };
    let cosign = |password: &str, arguments: &[&str]| {
        let program = Program::new(client_program("cosign"));
        let program = program
            .env("HOME", folder.path())
            .env("COSIGN_PASSWORD", password);
        program.args(arguments).dir(folder.path())
    };
    let countersign = |arguments: &[&str]| {
        Program::new(env!("CARGO_BIN_EXE_countersign"))
            .without_env("COSIGN_PASSWORD")
            .env("COUNTERSIGN_KEY_PASSWORD", PASSWORD)
            .env("COUNTERSIGN_NEW_KEY_PASSWORD", "another password")
            .args(arguments)
            .dir(folder.path())
            .ok()
    };
    let public = |password: &str, file: &str| {
        let shown = cosign(password, &["public-key", "--key", file]).ok();
        shown.trim().to_owned()
    };

    // Ours.
    for algorithm in ["p256", "ed25519"] {
        countersign(&["key", "generate", algorithm, "--algorithm", algorithm]);
        let file = at(&format!("{algorithm}.key"));
        assert_eq!(public(PASSWORD, &file), read(&format!("{algorithm}.pub")));
        cosign("a wrong password", &["public-key", "--key", &file]).fails();
    }
    // cosign's, and written again by us.
    cosign(
        PASSWORD,
        &["generate-key-pair", "--output-key-prefix", "theirs"],
    )
    .ok();
    let shown = countersign(&["key", "public", &at("theirs.key")]);
    assert_eq!(shown.trim(), read("theirs.pub"));
    countersign(&["key", "import", "theirs.key", "taken"]);
    assert_eq!(
        public("another password", &at("taken.key")),
        read("theirs.pub")
    );

    // openssl's, sealed with PBKDF2: taken over for cosign; and cosign's, handed on to openssl.
    let openssl = |arguments: &[&str]| {
        let program = Program::new("openssl").args(arguments);
        program.dir(folder.path()).ok()
    };
    let pass = format!("pass:{PASSWORD}");
    let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let make = [
        "genpkey",
        "-out",
        "openssl.pem",
        "-aes-256-cbc",
        "-pass",
        &pass,
    ];
    openssl(&[&make[..], &curve].concat());
    openssl(&[
        "pkey",
        "-in",
        "openssl.pem",
        "-passin",
        &pass,
        "-pubout",
        "-out",
        "openssl.pub",
    ]);
    countersign(&["key", "import", "openssl.pem", "cosigns"]);
    assert_eq!(
        public("another password", &at("cosigns.key")),
        read("openssl.pub")
    );
    countersign(&[
        "key",
        "export",
        "theirs.key",
        "theirs.pem",
        "--format",
        "pkcs8",
    ]);
    let next = [
        "-passin",
        "pass:another password",
        "-pubout",
        "-out",
        "back.pub",
    ];
    openssl(&[&["pkey", "-in", "theirs.pem"], &next[..]].concat());
    assert_eq!(read("back.pub"), read("theirs.pub"));
}
