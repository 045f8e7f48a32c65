//! A key in a PKCS #11 token (SoftHSM, made by opensc's pkcs11-tool): it is registered and signs where it is, for each kind of key that is
//! used here, and what it signed counts. And a key that openssl made, which it takes over and gives back.

use crate::harness::{ImageParts, Program, Shop, push_tagged, small_layer};
use std::path::{Path, PathBuf};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "1234";

/// A token in a folder.
struct Token {
    configuration: PathBuf,
}

impl Token {
    fn new(folder: &Path) -> Self {
        let tokens = folder.join("tokens");
        std::fs::create_dir_all(&tokens).unwrap();
        let configuration = folder.join("softhsm2.conf");
        let text = format!(
            "directories.tokendir = {}\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(&configuration, text).unwrap();
        let token = Self { configuration };
        token
            .program("softhsm2-util")
            .args([
                "--init-token",
                "--free",
                "--label",
                "the shop",
                "--so-pin",
                "123456",
                "--pin",
                PIN,
            ])
            .ok();
        token
    }

    fn program(&self, name: &str) -> Program {
        Program::new(name).env("SOFTHSM2_CONF", &self.configuration)
    }

    fn generate(&self, label: &str, id: &str, kind: &str) -> String {
        let login = [
            "--module",
            MODULE,
            "--token-label",
            "the shop",
            "--login",
            "--pin",
            PIN,
        ];
        let pair = [
            "--keypairgen",
            "--key-type",
            kind,
            "--label",
            label,
            "--id",
            id,
        ];
        self.program("pkcs11-tool").args(login).args(pair).ok();
        format!("pkcs11:token=the%20shop;object={label};id=%{id}?module-path={MODULE}")
    }
}

#[test]
fn a_key_in_a_token_is_registered_and_signs_where_it_is() {
    let shop = Shop::open(&[]);
    let folder = shop.folder().join("token");
    std::fs::create_dir_all(&folder).unwrap();
    let token = Token::new(&folder);
    for (number, kind) in ["EC:prime256v1", "EC:secp384r1", "EC:edwards25519"]
        .iter()
        .enumerate()
    {
        let label = format!("ci-{number}");
        let uri = token.generate(&label, &format!("0{}", number + 1), kind);
        let robot = |arguments: &[&str]| {
            shop.actor("ci-shop")
                .cli(arguments)
                .env("SOFTHSM2_CONF", &token.configuration)
                .env("COUNTERSIGN_PKCS11_PIN", PIN)
        };
        let admin = shop.actor("admin");
        let register = [
            "key", "register", "--key", &uri, "--for", "ci-shop", "--name", &label,
        ];
        admin
            .cli(register)
            .args(["--scope", "shop/**", "--user", "admin", "--password-stdin"])
            .env("SOFTHSM2_CONF", &token.configuration)
            .env("COUNTERSIGN_PKCS11_PIN", PIN)
            .stdin(admin.secret.as_str())
            .ok();
        let image = format!("shop/{label}:1");
        let parts = ImageParts::of([small_layer(&label)]).build();
        let digest = push_tagged(shop.actor("dora"), &shop.server, &image, &parts);
        shop.wait_for_scan(&format!("shop/{label}"), digest.as_str());
        let at = format!("{}/{image}", shop.server.host());
        robot(&["sign", "--stage", "ci", "--key", &uri, &at]).ok();
        let verdict = shop.gate(&image);
        assert!(verdict.is_met("ci"), "{kind}: {}", verdict.answer["tree"]);

        // A wrong PIN, and a label that no key has: nothing is signed.
        let wrong = robot(&["sign", "--stage", "ci", "--key", &uri, &at]);
        wrong.env("COUNTERSIGN_PKCS11_PIN", "4321").fails();
        let other = uri.replace("object=ci-", "object=cd-");
        robot(&["sign", "--stage", "ci", "--key", &other, &at]).fails();
    }
}

#[test]
fn openssl_reads_what_is_exported_and_its_keys_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &[&str]| {
        Program::new("openssl")
            .args(arguments)
            .dir(folder.path())
            .ok()
    };
    openssl(&[
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        "sec1.pem",
    ]);
    let scrypt = [
        "pkcs8",
        "-topk8",
        "-scrypt",
        "-passout",
        "pass:old",
        "-in",
        "sec1.pem",
        "-out",
        "theirs.pem",
    ];
    openssl(&scrypt);
    openssl(&["ec", "-in", "sec1.pem", "-pubout", "-out", "theirs.pub"]);
    let countersign = |arguments: &[&str]| {
        Program::new(env!("CARGO_BIN_EXE_countersign"))
            .args(arguments)
            .env("COUNTERSIGN_KEY_PASSWORD", "old")
            .env("COUNTERSIGN_NEW_KEY_PASSWORD", "old")
            .dir(folder.path())
            .ok()
    };
    countersign(&["key", "import", "theirs.pem", "ours"]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("ours.pub"), read("theirs.pub"));
    countersign(&["key", "export", "ours.key", "back.pem", "--format", "pkcs8"]);
    openssl(&[
        "pkey", "-in", "back.pem", "-passin", "pass:old", "-pubout", "-out", "back.pub",
    ]);
    assert_eq!(read("back.pub"), read("theirs.pub"));
}
