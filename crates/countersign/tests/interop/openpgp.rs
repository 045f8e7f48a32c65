//! Signatures by GPG: skopeo signs while it copies to the server, with no setting but the key; they count once the key is registered with a
//! proof by gpg, skopeo and podman find them there under a `policy.json`, and a key that its owner revokes loses them in neither.

use crate::harness::{ImageParts, Place, Program, Shop, curl, push_tagged, small_layer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};

/// A gpg with a folder of its own for keys.
pub(crate) struct Gpg {
    home: PathBuf,
}

impl Gpg {
    /// Its folder is made below this one.
    pub(crate) fn new(folder: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let home = folder.join("gnupg");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { home }
    }

    /// Its folder.
    pub(crate) fn home(&self) -> &Path {
        &self.home
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
    pub(crate) fn generate(&self, name: &str) -> String {
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

/// skopeo copies an image onto itself, and signs on the way.
pub(crate) fn sign_while_copying(
    shop: &Shop,
    gpg: &Gpg,
    who: &str,
    fingerprint: &str,
    image: &str,
) {
    let at = format!("docker://{}/{image}", shop.server.host());
    let credentials = shop.actor(who).credentials();
    let copy = [
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--src-creds",
        &credentials,
        "--dest-creds",
        &credentials,
        "--sign-by",
        fingerprint,
        &at,
        &at,
    ];
    skopeo(shop, gpg, who, &copy).ok();
}

/// Registers a key that gpg holds for somebody, with a proof by gpg.
pub(crate) fn register(shop: &Shop, gpg: &Gpg, fingerprint: &str, who: &str) {
    let (admin, owner) = (shop.actor("admin"), shop.actor(who));
    let key = shop.folder().join("ci.asc");
    std::fs::write(&key, gpg.run(&["--armor", "--export", fingerprint])).unwrap();
    let challenge = admin.does([
        "key",
        "challenge",
        "--public",
        key.to_str().unwrap(),
        "--for",
        who,
    ]);
    let challenge = shop.file("gpg.challenge", &challenge);
    let proof = owner
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
}

#[test]
fn what_skopeo_signs_by_gpg_counts_and_skopeo_finds_it_again() {
    let shop = Shop::open(&[]);
    let folder = shop.folder().join("gpg");
    std::fs::create_dir_all(&folder).unwrap();
    let gpg = Gpg::new(&folder);
    let fingerprint = gpg.generate("ci@shop.example");
    let robot = shop.actor("ci-shop");

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
    let reader = robot.credentials();
    sign_while_copying(&shop, &gpg, "ci-shop", &fingerprint, image);
    let verdict = shop.gate(image);
    assert!(
        verdict.codes("ci").contains("unknown-key"),
        "{}",
        verdict.answer["tree"]
    );

    register(&shop, &gpg, &fingerprint, "ci-shop");
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

/// What asks for signatures before it takes an image.
#[derive(Clone, Copy, Debug)]
enum Puller {
    Skopeo,
    Podman,
}

/// Whether a program of a place takes an image under a policy that wants a signature by the key in this file.
fn is_taken(
    shop: &Shop,
    gpg: &Gpg,
    (puller, place): (Puller, Place),
    key: &Path,
    image: &str,
) -> bool {
    let folder = crate::harness::temporary();
    let required = serde_json::json!({
        "default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": key}],
    });
    let policy = folder.path().join("policy.json");
    std::fs::write(&policy, required.to_string()).unwrap();
    let (at, credentials) = (
        format!("{}/{image}", shop.server.host()),
        shop.actor("ci-shop").credentials(),
    );
    let run = |name: &str| {
        place
            .program(name)
            .env("GNUPGHOME", &gpg.home)
            .env("HOME", folder.path())
    };
    let done = match puller {
        Puller::Skopeo => run("skopeo")
            .arg("--policy")
            .arg(&policy)
            .args(["copy", "--src-tls-verify=false", "--remove-signatures"])
            .args(["--src-creds", &credentials])
            .arg(format!("docker://{at}"))
            .arg(format!("dir:{}", folder.path().join("copy").display()))
            .run(),
        Puller::Podman => run("podman")
            .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
            .arg("--root")
            .arg(folder.path().join("root"))
            .arg("--runroot")
            .arg(folder.path().join("run"))
            .args(["--storage-driver", "vfs", "pull", "--signature-policy"])
            .arg(&policy)
            .args(["--tls-verify=false", "--creds", &credentials, &at])
            .run(),
    };
    let is_taken = done.code == Some(0);
    // For no other reason than that.
    assert!(
        is_taken || done.err.to_lowercase().contains("signature"),
        "{}",
        done.all()
    );
    is_taken
}

/// Everything that asks.
const PULLERS: [(Puller, Place); 4] = [
    (Puller::Skopeo, Place::Here),
    (Puller::Skopeo, Place::Debian13),
    (Puller::Podman, Place::Here),
    (Puller::Podman, Place::Debian13),
];

#[test]
fn podmans_signature_and_one_that_was_made_apart_count_and_are_found() {
    let shop = Shop::open(&[]);
    // Debian 13 shares `/tmp`.
    let folder = crate::harness::temporary();
    let gpg = Gpg::new(folder.path());
    let fingerprint = gpg.generate("ci@shop.example");
    register(&shop, &gpg, &fingerprint, "ci-shop");
    let robot = shop.actor("ci-shop");
    let key = folder.path().join("ci.gpg");
    gpg.run(&["--output", key.to_str().unwrap(), "--export", &fingerprint]);
    let stranger = folder.path().join("stranger.gpg");
    let other = gpg.generate("other@shop.example");
    gpg.run(&["--output", stranger.to_str().unwrap(), "--export", &other]);

    let pushed = |name: &str| {
        let image = format!("shop/{name}:1");
        let parts = ImageParts::of([small_layer(name)]).build();
        let digest = push_tagged(shop.actor("dora"), &shop.server, &image, &parts);
        shop.wait_for_scan(&format!("shop/{name}"), digest.as_str());
        (image, digest)
    };
    let counts = |image: &str| {
        crate::harness::within(30, "the signature counts", || {
            shop.gate(image).is_met("ci").then_some(())
        });
        assert_eq!(
            shop.gate(image).counted("ci"),
            ["ci-shop".to_owned()].into()
        );
        for puller in PULLERS {
            let asks_for = |key: &Path| is_taken(&shop, &gpg, puller, key, image);
            assert!(asks_for(&key), "{puller:?}: {image}");
            assert!(!asks_for(&stranger), "{puller:?}: {image}");
        }
    };

    // podman signs what it pushes.
    let (image, _) = pushed("by-podman");
    for puller in PULLERS {
        assert!(
            !is_taken(&shop, &gpg, puller, &key, &image),
            "{puller:?}: nobody signed it yet"
        );
    }
    let podman = |arguments: &[&str]| {
        Program::new("podman")
            .env("GNUPGHOME", &gpg.home)
            .env("HOME", robot.home())
            .arg("--root")
            .arg(folder.path().join("root"))
            .arg("--runroot")
            .arg(folder.path().join("run"))
            .args(["--storage-driver", "vfs"])
            .args(arguments)
            .ok()
    };
    let (at, credentials) = (
        format!("{}/{image}", shop.server.host()),
        robot.credentials(),
    );
    let access = ["--tls-verify=false", "--creds", &credentials];
    podman(&[&["pull"], &access[..], &[&at]].concat());
    podman(&[&["push"], &access[..], &["--sign-by", &fingerprint, &at]].concat());
    // What it pushes may be packed anew, and is then another image under this tag.
    counts(&image);

    // A signature that skopeo made apart, handed in as podman does.
    let (image, digest) = pushed("apart");
    let at = format!("{}/{image}", shop.server.host());
    let raw = [
        "inspect",
        "--raw",
        "--tls-verify=false",
        "--creds",
        &credentials,
    ];
    let from = format!("docker://{at}");
    let manifest = skopeo(&shop, &gpg, "ci-shop", &raw).arg(&from).run();
    assert_eq!(manifest.code, Some(0), "{}", manifest.err);
    let [manifest_file, signature] = ["manifest", "signature"].map(|name| folder.path().join(name));
    std::fs::write(&manifest_file, manifest.out).unwrap();
    let paths = [&manifest_file, &signature].map(|path| path.to_str().unwrap());
    let sign = [
        "standalone-sign",
        "--output",
        paths[1],
        paths[0],
        &at,
        &fingerprint,
    ];
    skopeo(&shop, &gpg, "ci-shop", &sign).ok();
    let handed_in = serde_json::json!({
        "schemaVersion": 2, "type": "atomic", "name": format!("{digest}@{}", "ab".repeat(16)),
        "content": STANDARD.encode(std::fs::read(&signature).unwrap()),
    });
    let file = shop.file("signature.json", &handed_in.to_string());
    let url = format!(
        "{}/extensions/v2/shop/apart/signatures/{digest}",
        shop.server.url()
    );
    let answer = curl(&url)
        .user(robot)
        .method("PUT")
        .body(&file, "application/json")
        .ask();
    assert_eq!(answer.status, 201, "{}", answer.body);
    counts(&image);
}
