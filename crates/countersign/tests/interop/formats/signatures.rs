//! cosign's `sha256-….sig` tags, which one signer writes and the next overwrites with both signatures.

use crate::harness::{Actor, ImageParts, Place, Program, client_program, small_layer};
use crate::matrix::client::Home;
use crate::matrix::ground::Ground;

const PASSWORD: &str = "cosign's password";

/// Two signers, one tag, both verified; then a maintainer takes both away, and neither verifies.
pub(super) fn two_signers_in_one_tag(ground: &Ground) {
    let cosign = Cosign {
        home: ground.home("formats-cosign", Place::Here),
    };
    cosign.log_in(ground.shop.actor("dora"));
    let image = ground.free("signed", "image:1");
    ground.push(
        &ImageParts::of([small_layer("two signers")]).build(),
        &image,
    );
    let digest = ground.digest(&image).unwrap();
    let by_digest = format!("{}@{digest}", image.strip_suffix(":1").unwrap());
    for signer in ["first", "second"] {
        cosign
            .run(&["generate-key-pair", "--output-key-prefix", signer])
            .ok();
        let (key, log) = (format!("{signer}.key"), "--tlog-upload=false");
        cosign
            .remote(&["sign", "--key", &key, log, "--yes", &by_digest])
            .ok();
    }
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let signatures = ground.manifest(&image, &tag);
    assert_eq!(
        signatures["layers"].as_array().unwrap().len(),
        2,
        "{signatures:#}"
    );
    for signer in ["first", "second"] {
        cosign.verify(signer, &by_digest).ok();
    }
    cosign
        .remote(&["clean", "--force", "--type", "signature", &image])
        .ok();
    for signer in ["first", "second"] {
        cosign
            .verify(signer, &by_digest)
            .fails()
            .says(&["no signatures found"]);
    }
    println!("two signers: {tag}");
}

struct Cosign {
    home: Home,
}

impl Cosign {
    fn run(&self, words: &[&str]) -> Program {
        self.home
            .program(client_program("cosign"))
            .env("COSIGN_PASSWORD", PASSWORD)
            .dir(&self.home.folder)
            .args(words)
    }

    fn remote(&self, words: &[&str]) -> Program {
        self.run(words).arg("--allow-http-registry")
    }

    fn log_in(&self, who: &Actor) {
        let login = [
            "login",
            &self.home.host,
            "--username",
            &who.name,
            "--password-stdin",
        ];
        self.run(&login).stdin(who.secret.as_str()).ok();
    }

    fn verify(&self, signer: &str, image: &str) -> Program {
        let key = format!("{signer}.pub");
        self.remote(&[
            "verify",
            "--key",
            &key,
            "--insecure-ignore-tlog=true",
            image,
        ])
    }
}
