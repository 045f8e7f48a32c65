//! Somebody who used docker so far: keys in docker's own files, and a repository as docker publishes it.

use crate::world::Image;
use client::{Client, ClientOptions, Credentials, Error};
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use trust::tuf::author::{self, BaseKeys};
use trust::tuf::keyfile::KeyFile;
use trust::tuf::{Gun, Key, RoleName};
use trust::{Algorithm, PrivateKey, Signer};

/// Made by `docker trust key generate alice` (28.2.2), for nothing but tests.
const ALICE: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
role: alice

MIHuMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAho3DX3XwbQ3wICCAAw
HQYJYIZIAWUDBAEqBBD1PhaGnk053zZPurkNi3otBIGgyRsjlbXKuN8Rff7X3tMx
YnJEmTCecnAgg/NmVSktZEYa2h1bC8zky6aDjaLVVN8kHoVNLg0GK/HQA4+C+pMR
6iPL+9IpE0gGtznTa69mWJkFsbAMuGnAPp3uHSDxeRzKc6Jxf7XDFICBtYkuFHtq
QEDvatKTxkMDDMlfCa7qyQ+925EG++I/Ulw0GYMOySz2Rxoj33qvGxZ3b/l9bJDd
fA==
-----END ENCRYPTED PRIVATE KEY-----
";
const ALICE_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
role: alice

MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAED+71Jk+WnO22Bm7JPRIm+r4M+W63
gB2o5LS6JEYUK3ZJeI/T8Vl9CJ6M8HKMqwXy22h7tlJ14UbE1AV7N1mujg==
-----END PUBLIC KEY-----
";
pub(crate) const PASSPHRASE: &str = "a passphrase for keys";

/// An owner with docker's files.
pub(crate) struct DockerOwner {
    gun: Gun,
    root: PrivateKey,
    /// Also the key of the targets: docker names files by keys, whatever they are for.
    alice: PrivateKey,
    /// alice's public key, as docker writes it.
    pub(crate) public: String,
    /// alice's private key, sealed by docker.
    pub(crate) private: PathBuf,
}

impl DockerOwner {
    /// Puts the keys where docker keeps them.
    pub(crate) fn begin(home: &Path, gun: &str) -> Self {
        let folder = home.join("docker/trust/private");
        std::fs::create_dir_all(&folder).unwrap();
        let passphrase = SecretString::from(PASSPHRASE.to_owned());
        let alice = KeyFile::parse(ALICE).unwrap().open(&passphrase).unwrap();
        let root = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let at = |key: &PrivateKey| {
            let id = Key::from(key.public_key()).id().clone();
            folder.join(format!("{id}.key"))
        };
        std::fs::write(at(&root), open_file(&root, "root")).unwrap();
        std::fs::write(at(&alice), ALICE).unwrap();
        let public = home.join("alice.pub");
        std::fs::write(&public, ALICE_PUBLIC).unwrap();
        Self {
            gun: Gun::parse(gun).unwrap(),
            private: at(&alice),
            public: public.to_str().unwrap().to_owned(),
            root,
            alice,
        }
    }

    /// What docker publishes: a tag, signers who may release, the server's keys for snapshot and timestamp. `targets` ends in so many days,
    /// or after as many years as docker's.
    pub(crate) async fn publishes(&self, client: &Client, days: Option<i64>) -> Result<(), Error> {
        let (gun, now) = (self.gun.as_str(), jiff::Timestamp::now().as_millisecond());
        let mut server = Vec::new();
        for role in ["snapshot", "timestamp"] {
            let key = client.trust_key(gun, role).await.unwrap().unwrap();
            server.push(Key::from_json(&key).unwrap());
        }
        let root_key = author::root_key(&self.gun, &self.root, now).unwrap();
        let targets_key = Key::from(self.alice.public_key());
        let root = author::first_root(
            &BaseKeys {
                root: std::slice::from_ref(&root_key),
                targets: std::slice::from_ref(&targets_key),
                snapshot: &server[..1],
                timestamp: &server[1..],
            },
            now,
        );
        let mut targets = author::first_targets(now);
        if let Some(days) = days {
            targets.expires = now + days * 24 * 60 * 60 * 1_000;
        }
        targets
            .targets
            .insert("1".into(), author::image([7; 32], 523));
        let signers = [(); 2].map(|()| PrivateKey::generate(Algorithm::EcdsaP256).unwrap());
        let keys = signers.each_ref().map(|key| Key::from(key.public_key()));
        let everything: &[&str] = &[""];
        let delegations = &mut targets.delegations;
        for (name, keys) in [
            ("targets/releases", &keys[..]),
            ("targets/bob", &keys[..1]),
            ("targets/carol", &keys[1..]),
        ] {
            let role: RoleName = name.parse().unwrap();
            delegations.set_role(role, keys, 1, everything);
        }
        let signers: [&dyn Signer; 2] = [&self.root, &self.alice];
        let root = author::sign(&root, &[root_key], &signers).unwrap();
        let targets = author::sign(&targets, &[targets_key], &signers).unwrap();
        let files: [(&str, &[u8]); 2] = [("root", &root), ("targets", &targets)];
        client.publish_trust(gun, &files).await
    }

    /// What `docker trust sign` publishes for alice: a version of her own delegation that lists an image.
    pub(crate) fn signs(&self, version: i64, image: &Image) -> Vec<u8> {
        let mut targets = author::first_targets(jiff::Timestamp::now().as_millisecond());
        targets.version = version;
        let mut sha256 = [0; 32];
        hex::decode_to_slice(image.digest.hex(), &mut sha256).unwrap();
        let length = image.content.len() as u64;
        let entry = author::image(sha256, length);
        targets.targets.insert(image.tag.as_str().into(), entry);
        let key = Key::from(self.alice.public_key());
        author::sign(&targets, &[key], &[&self.alice]).unwrap()
    }
}

pub(crate) fn client(url: &str, token: &str) -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let token = Credentials::Token(SecretString::from(token.to_owned()));
    let options = ClientOptions::new(url).unwrap();
    Client::new(options.with_credentials(token)).unwrap()
}

/// A key file that is not sealed.
fn open_file(key: &PrivateKey, role: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use secrecy::ExposeSecret;
    let body = STANDARD.encode(key.to_pkcs8_der().unwrap().expose_secret());
    format!("-----BEGIN PRIVATE KEY-----\nrole: {role}\n\n{body}\n-----END PRIVATE KEY-----\n")
}
