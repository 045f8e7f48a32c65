//! Signatures by GPG: skopeo signs while it copies to the server, with no setting but the key; they count once the key is registered with a
//! proof by gpg, skopeo itself finds them there under a `policy.json`, and a key that its owner revokes loses them in neither.

use crate::harness::{ImageParts, Program, Shop, push_tagged, small_layer};
use std::path::{Path, PathBuf};

struct Gpg {
    home: PathBuf,
}

impl Gpg {
    fn new(folder: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let home = folder.join("gnupg");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { home }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let quiet = [
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ];
        Program::new("gpg")
            .env("GNUPGHOME", &self.home)
            .args(quiet)
            .args(arguments)
            .ok()
    }

    /// Makes a key, and answers its fingerprint.
    fn generate(&self, name: &str) -> String {
        self.run(&["--quick-gen-key", name, "rsa3072", "sign", "never"]);
        let listed = self.run(&["--list-keys", "--with-colons", name]);
        let line = listed
            .lines()
            .find(|line| line.starts_with("fpr:"))
            .unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }
}

fn skopeo(shop: &Shop, gpg: &Gpg, who: &str, arguments: &[&str]) -> Program {
    let actor = shop.actor(who);
    Program::new("skopeo")
        .env("GNUPGHOME", &gpg.home)
        .env("HOME", actor.home())
        .args(arguments)
}

#[test]
fn what_skopeo_signs_by_gpg_counts_and_skopeo_finds_it_again() {
    let shop = Shop::open(&[]);
    let folder = shop.folder().join("gpg");
    std::fs::create_dir_all(&folder).unwrap();
    let gpg = Gpg::new(&folder);
    let fingerprint = gpg.generate("ci@shop.example");
    let (admin, robot) = (shop.actor("admin"), shop.actor("ci-shop"));

    // An image that is there; skopeo copies it onto itself and signs on the way.
    let image = "shop/by-gpg:1";
    let digest = push_tagged(
        shop.actor("dora"),
        &shop.server,
        image,
        &ImageParts::of([small_layer("by-gpg")]).build(),
    );
    shop.wait_for_scan("shop/by-gpg", digest.as_str());
    let at = format!("docker://{}/{image}", shop.server.host());
    let (reader, writer) = (robot.credentials(), robot.credentials());
    let copy = [
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--src-creds",
        &reader,
        "--dest-creds",
        &writer,
        "--sign-by",
        &fingerprint,
        &at,
        &at,
    ];
    skopeo(&shop, &gpg, "ci-shop", &copy).ok();
    let verdict = shop.gate(image);
    assert!(
        verdict.codes("ci").contains("unknown-key"),
        "{}",
        verdict.answer["tree"]
    );

    let key = folder.join("ci.asc");
    std::fs::write(&key, gpg.run(&["--armor", "--export", &fingerprint])).unwrap();
    let challenge = admin.does([
        "key",
        "challenge",
        "--public",
        key.to_str().unwrap(),
        "--for",
        "ci-shop",
    ]);
    let challenge = shop.file("gpg.challenge", &challenge);
    let proof = robot
        .cli(["key", "prove", "--gpg", challenge.to_str().unwrap()])
        .env("GNUPGHOME", &gpg.home)
        .ok();
    let proof = shop.file("gpg.proof", &proof);
    let register = [
        "key",
        "register",
        "--proof",
        proof.to_str().unwrap(),
        "--name",
        "gpg",
        "--scope",
        "shop/**",
    ];
    admin
        .cli(register)
        .args(["--user", "admin", "--password-stdin"])
        .stdin(admin.secret.as_str())
        .ok();
    crate::harness::within(30, "the signature is read again", || {
        shop.gate(image).is_met("ci").then_some(())
    });
    assert_eq!(
        shop.gate(image).counted("ci"),
        ["ci-shop".to_owned()].into()
    );

    // skopeo under a policy that wants this key's signature, and one that wants another's.
    let other = gpg.generate("other@shop.example");
    for (fingerprint, is_taken) in [(&fingerprint, true), (&other, false)] {
        let key = folder.join(format!("{fingerprint}.gpg"));
        gpg.run(&[
            "--yes",
            "--output",
            key.to_str().unwrap(),
            "--export",
            fingerprint,
        ]);
        let policy = folder.join(format!("{fingerprint}.json"));
        let required = serde_json::json!({
            "default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": key}],
        });
        std::fs::write(&policy, required.to_string()).unwrap();
        let layout = format!(
            "oci:{}",
            folder.join(format!("{fingerprint}.oci")).display()
        );
        let pull = [
            "--policy",
            policy.to_str().unwrap(),
            "copy",
            "--src-tls-verify=false",
            "--src-creds",
            &reader,
            "--remove-signatures",
            &at,
            &layout,
        ];
        let pull = skopeo(&shop, &gpg, "ci-shop", &pull);
        match is_taken {
            true => {
                pull.ok();
            }
            false => {
                pull.fails();
            }
        }
    }
}
