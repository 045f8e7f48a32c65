//! A repository that a policy covers, with the real docker: a trusted pull is refused until `ci`, `scan` and two of the three who may sign for
//! staging have signed, one with `docker trust sign` and one with `countersign sign`; then it passes, and not any more once a key is
//! revoked. Who pulls is held by no gate: nothing but content trust stands in the way.

use crate::harness::{
    Actor, DockerUser, Dockerd, Done, Program, Shop, Trusted, curl, small_root, within,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use trust::{Algorithm, PrivateKey, Signer};

const REPOSITORY: &str = "shop/trusted";

/// The whole story, with a client of one age.
pub(super) fn story(docker: &'static Path) {
    let shop = Shop::open_tls();
    let engine = Dockerd::start();
    let authority = shop.server.authority().unwrap();
    let _trusted = Trusted::everywhere(&shop.server.host(), &authority);
    let stage = Stage {
        engine: &engine,
        docker,
        shop: &shop,
    };
    // Docker pushes before it signs what is not released yet.
    for signer in ["maria", "quentin"] {
        let grant = [
            "grant", "add", "--role", "writer", "--to", signer, "shop/**",
        ];
        shop.actor("admin").does(grant);
    }
    let digest = stage.pushed();
    let image = &format!("{REPOSITORY}@{digest}");
    let unsigned = ["stage ci is not signed", "stage staging has 0 of 2"];
    stage.may_not_pull(image, &unsigned);
    stage.docker_cannot_begin();
    let owner = Owner::init(&shop);
    stage.may_not_pull(image, &unsigned);
    for signer in ["maria", "quentin"] {
        owner.add_signer(signer, &stage.docker_key(signer));
    }
    shop.sign("ci-shop", "ci-shop", "ci", image);
    stage.may_not_pull(image, &["stage staging has 0 of 2"]);

    stage.signs_with_docker("maria");
    let verdict = shop.gate(image);
    verdict.is("deny");
    assert_eq!(verdict.counted("staging"), ["maria".to_owned()].into());
    stage.may_not_pull(image, &["stage staging has 1 of 2"]);
    shop.sign("rita", "rita", "staging", image);
    stage.pulls("two of three have signed");
    let verdict = shop.gate(image);
    let both = ["maria".to_owned(), "rita".to_owned()];
    assert_eq!(verdict.counted("staging"), both.into());

    stage.revoke("maria");
    let withdrawn = ["stage staging has 1 of 2", "key-revoked"];
    stage.is_withheld("a key was revoked", image, &withdrawn);
    stage.signs_with_docker("quentin");
    stage.pulls("another one has signed");
    let inspected = stage.trusted("olaf", ["trust", "inspect", &stage.repository()]);
    println!("docker trust inspect: {}", inspected.ok());
}

/// Everybody at one engine.
struct Stage<'a> {
    engine: &'a Dockerd,
    docker: &'static Path,
    shop: &'a Shop,
}

impl Stage<'_> {
    fn repository(&self) -> String {
        format!("{}/{REPOSITORY}", self.shop.server.host())
    }

    fn image(&self) -> String {
        format!("{}:1", self.repository())
    }

    fn home(&self, who: &str) -> PathBuf {
        self.shop.actor(who).home().join("content-trust")
    }

    /// Somebody at docker, who trusts the server's authority and is logged in.
    fn user(&self, who: &str) -> DockerUser<'_> {
        let (home, host) = (self.home(who), self.shop.server.host());
        let folder = home.join("tls").join(&host);
        fs::create_dir_all(&folder).unwrap();
        let authority = self.shop.server.authority().unwrap();
        fs::copy(authority, folder.join("ca.crt")).unwrap();
        let user = self.engine.user(self.docker, home);
        user.log_in(self.shop.actor(who), &host);
        user
    }

    /// A docker command with content trust.
    fn trusted<const N: usize>(&self, who: &str, words: [&str; N]) -> Program {
        self.user(who)
            .docker(words)
            .env("DOCKER_CONTENT_TRUST", "1")
            .env(
                "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
                "a passphrase for the root",
            )
            .env(
                "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
                "a passphrase for signers",
            )
            .without_env("DOCKER_CONTENT_TRUST_SERVER")
    }

    /// The developer pushes, without content trust, and the server takes the image apart.
    fn pushed(&self) -> String {
        let archive = self.shop.folder().join("root.tar");
        fs::write(&archive, small_root(b"trusted")).unwrap();
        let (dora, image) = (self.user("dora"), self.image());
        dora.does(["import".as_ref(), archive.as_os_str(), image.as_ref()]);
        dora.does(["push", &image]);
        let answer = curl(&format!(
            "{}/v2/{REPOSITORY}/manifests/1",
            self.shop.server.url()
        ))
        .user(self.shop.actor("dora"))
        .flags([
            "--header",
            "Accept: application/vnd.docker.distribution.manifest.v2+json",
        ])
        .method("HEAD")
        .ask();
        let digest = answer.headers["docker-content-digest"].clone();
        self.shop.wait_for_scan(REPOSITORY, &digest);
        digest
    }

    /// What docker does at a first trusted push is refused, and says what to do.
    fn docker_cannot_begin(&self) {
        let image = format!("{}/shop/pushed:1", self.shop.server.host());
        self.user("dora").does(["tag", &self.image(), &image]);
        let refused = self.trusted("dora", ["push", &image]).fails();
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains("countersign trust init"), "{}", refused.all());
    }

    fn pull(&self) -> Done {
        self.trusted("olaf", ["pull", &self.image()]).run()
    }

    /// Docker refuses, in its own words; the gate says to the same user what is missing, and nothing that is not.
    fn may_not_pull(&self, image: &str, missing: &[&str]) {
        let refused = self.pull();
        let said = format!("{}{}", refused.out, refused.err);
        let texts = [
            "No valid trust data",
            "does not have trust data",
            "No trust data",
        ];
        assert_ne!(refused.code, Some(0), "{}", refused.all());
        assert!(
            texts.iter().any(|text| said.contains(text)),
            "{}",
            refused.all()
        );
        let asked = ["gate", image, "--gate", "production"];
        let denied = self.shop.actor("olaf").cli(asked).run();
        assert_eq!(denied.code, Some(3), "{}", denied.all());
        println!("{}", denied.out);
        for text in missing {
            assert!(denied.out.contains(text), "{text}: {}", denied.all());
        }
        let is_ci_missing = missing.iter().any(|text| text.contains("stage ci"));
        assert_eq!(denied.out.contains("stage ci is"), is_ci_missing);
    }

    /// The server releases it soon.
    fn pulls(&self, why: &str) {
        within(20, why, || (self.pull().code == Some(0)).then_some(()));
    }

    fn is_withheld(&self, why: &str, image: &str, missing: &[&str]) {
        within(20, why, || (self.pull().code != Some(0)).then_some(()));
        self.may_not_pull(image, missing);
    }

    /// A signer's key, made elsewhere: registered here, and loaded into docker. The file of its public half, for the owner.
    fn docker_key(&self, signer: &str) -> PathBuf {
        let private = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let name = format!("{signer}-docker");
        self.shop.bring_key(signer, &name, "shop/**", &private);
        let der = private.to_pkcs8_der().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.expose_secret())
        );
        let file = self.shop.file(&format!("{name}.pem"), &pem);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let file = file.to_str().unwrap();
        self.trusted(signer, ["trust", "key", "load", file, "--name", signer])
            .ok();
        let public = private.public_key().to_pem();
        self.shop.file(&format!("{name}.pub"), &public)
    }

    fn signs_with_docker(&self, signer: &str) {
        let image = self.image();
        let said = self.trusted(signer, ["trust", "sign", &image]).ok();
        assert!(said.contains("Successfully signed"), "{said}");
    }

    fn revoke(&self, signer: &str) {
        let (admin, name) = (self.shop.actor("admin"), format!("{signer}-docker"));
        let keys = self.shop.api("keys");
        let mut keys = keys["items"].as_array().unwrap().iter();
        let key = keys.find(|key| key["name"] == name.as_str()).unwrap();
        admin.does(["key", "revoke", key["id"].as_str().unwrap()]);
    }
}

/// The repository's owner, who has no docker.
struct Owner<'a> {
    actor: &'a Actor,
    gun: String,
}

impl<'a> Owner<'a> {
    fn init(shop: &'a Shop) -> Self {
        let gun = format!("{}/{REPOSITORY}", shop.server.host());
        let actor = shop.actor("dora");
        let owner = Self { actor, gun };
        let said = owner.trust(["init"]);
        assert!(said.contains("has a managed trust repository"), "{said}");
        owner
    }

    fn add_signer(&self, name: &str, key: &Path) {
        let said = self.trust(["signer", "add", name, "--key", key.to_str().unwrap()]);
        assert!(said.contains(&format!("{name} may sign tags")), "{said}");
    }

    fn trust<const N: usize>(&self, words: [&str; N]) -> String {
        let words = ["trust"].into_iter().chain(words);
        let words = words.chain([self.gun.as_str()]);
        self.actor
            .cli(words)
            .env(
                "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
                "the owner's passphrase",
            )
            .env(
                "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
                "the owner's passphrase",
            )
            .ok()
    }
}
