//! notation, with an RSA key that it made itself and with one on P-256 that an authority certified: each signs in both envelopes, we
//! and notation in turn, and both read both.

use super::{home, ours, pushed, run, text};
use crate::harness::{ADMIN_PASSWORD, Actor, Program, Shop, client_program};
use std::path::{Path, PathBuf};

/// A key with its certificates, leaf first.
pub(crate) struct Signer {
    /// How notation calls it.
    pub(crate) name: &'static str,
    key: PathBuf,
    /// The file of its certificates.
    pub(crate) chain: PathBuf,
}

#[test]
fn notation_and_we_verify_each_other_in_both_envelopes() {
    let shop = Shop::open(&[]);
    let robot = shop.actor("ci-shop");
    let (own, certified) = (generated(&shop, robot), certified(&shop, robot));
    trust(&shop, robot, &[own.name, certified.name]);
    for signer in [&own, &certified] {
        for envelope in ["jws", "cose"] {
            for by_notation in [true, false] {
                let who = if by_notation { "notation" } else { "ours" };
                let image = pushed(&shop, &format!("{}-{envelope}-{who}", signer.name));
                match by_notation {
                    true => notation(&shop, robot)
                        .args([
                            "sign",
                            "--insecure-registry",
                            "--signature-format",
                            envelope,
                        ])
                        .args(["--user-metadata", "dev.countersign.stage=ci"])
                        .args(["--key", signer.name, &image.at])
                        .ok(),
                    false => {
                        let sign = ["sign", "--stage", "ci", "--format", "notation"];
                        let with = ["--envelope", envelope, "--key", text(&signer.key)];
                        let chain = ["--certificate-chain", text(&signer.chain)];
                        let all = [&sign[..], &with[..], &chain[..]].concat();
                        ours(&shop, &all, &image.at).ok()
                    }
                };
                notation(&shop, robot)
                    .args(["verify", "--insecure-registry"])
                    .args(["--user-metadata", "dev.countersign.stage=ci", &image.at])
                    .ok();
                notation(&shop, robot)
                    .args(["verify", "--insecure-registry"])
                    .args([
                        "--user-metadata",
                        "dev.countersign.stage=staging",
                        &image.at,
                    ])
                    .fails();
                let verdict = shop.gate(&image.image);
                assert!(
                    verdict.is_met("ci"),
                    "{} {envelope} {who}: {}",
                    signer.name,
                    verdict.answer["tree"]
                );
                assert_eq!(verdict.counted("ci"), ["ci-shop".to_owned()].into());
                println!("notation: {} {envelope} signed by {who}", signer.name);
            }
        }
    }
    a_certificate_of_another_key_signs_nothing(&shop, &own, &certified);
}

fn a_certificate_of_another_key_signs_nothing(shop: &Shop, one: &Signer, other: &Signer) {
    let image = pushed(shop, "swapped");
    let sign = ["sign", "--stage", "ci", "--format", "notation", "--key"];
    let rest = [text(&one.key), "--certificate-chain", text(&other.chain)];
    let done = ours(shop, &[&sign[..], &rest[..]].concat(), &image.at).fails();
    assert!(
        done.err.contains("not that of the signing key"),
        "{}",
        done.all()
    );
    assert!(!shop.gate(&image.image).is_met("ci"));
}

/// notation, as somebody.
pub(crate) fn notation(shop: &Shop, who: &Actor) -> Program {
    run(shop, &client_program("notation"), who)
}

fn folder(shop: &Shop, who: &Actor) -> PathBuf {
    home(shop, who).join("config/notation")
}

/// A key of RSA and a certificate that signs itself, which notation makes and trusts; registered for its owner.
pub(crate) fn generated(shop: &Shop, owner: &Actor) -> Signer {
    let name = "own";
    notation(shop, owner)
        .args(["cert", "generate-test", name])
        .ok();
    let keys = folder(shop, owner).join("localkeys");
    let signer = Signer {
        name,
        key: keys.join("own.key"),
        chain: keys.join("own.crt"),
    };
    let identity = ["--notation-ca", text(&signer.chain)];
    register(shop, owner, &identity, name);
    signer
}

/// A key on P-256 and a certificate by an authority.
fn certified(shop: &Shop, robot: &Actor) -> Signer {
    let config = folder(shop, robot);
    let folder = config.join("made");
    std::fs::create_dir_all(&folder).unwrap();
    let openssl = |words: &str| {
        Program::new("openssl")
            .args(words.split_whitespace())
            .dir(&folder)
            .ok()
    };
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256";
    openssl(&format!(
        "req -x509 {curve} -days 9 -keyout ca.key -out ca.crt -subj /C=US/ST=WA/O=shop/CN=authority \
         -addext keyUsage=critical,keyCertSign -addext basicConstraints=critical,CA:TRUE"
    ));
    openssl(&format!(
        "req {curve} -keyout leaf.key -out leaf.csr -subj /C=US/ST=WA/O=shop/CN=ci"
    ));
    let extensions = "keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\nbasicConstraints=critical,CA:FALSE\n";
    std::fs::write(folder.join("leaf.ext"), extensions).unwrap();
    openssl(
        "x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 8 -sha256 -extfile leaf.ext -out leaf.crt",
    );
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let chain = folder.join("chain.pem");
    std::fs::write(&chain, format!("{}{}", read("leaf.crt"), read("ca.crt"))).unwrap();
    let signer = Signer {
        name: "certified",
        key: folder.join("leaf.key"),
        chain,
    };
    let store = ["cert", "add", "--type", "ca", "--store", signer.name];
    notation(shop, robot)
        .args(store)
        .arg(folder.join("ca.crt"))
        .ok();
    let keys = config.join("signingkeys.json");
    let mut known: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&keys).unwrap()).unwrap();
    let own =
        serde_json::json!({"name": signer.name, "keyPath": signer.key, "certPath": signer.chain});
    known["keys"].as_array_mut().unwrap().push(own);
    std::fs::write(&keys, known.to_string()).unwrap();
    let ca = folder.join("ca.crt");
    let subject = "C=US, ST=WA, O=shop, CN=ci";
    register(
        shop,
        robot,
        &["--notation-ca", text(&ca), "--notation-subject", subject],
        signer.name,
    );
    signer
}

/// Registers whose certificates they are.
pub(crate) fn register(shop: &Shop, owner: &Actor, identity: &[&str], name: &str) {
    let admin = shop.actor("admin");
    let rest = ["--for", &owner.name, "--name", name, "--scope", "shop/**"];
    admin
        .cli(["key", "register"])
        .args(identity.iter().chain(&rest))
        .args(["--user", "admin", "--password-stdin"])
        .stdin(ADMIN_PASSWORD)
        .ok();
}

/// notation's trust policy: everything from these stores, and nothing else.
fn trust(shop: &Shop, robot: &Actor, stores: &[&str]) {
    let stores: Vec<String> = stores.iter().map(|store| format!("ca:{store}")).collect();
    let policy = serde_json::json!({
        "version": "1.0",
        "trustPolicies": [{
            "name": "shop",
            "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"},
            "trustStores": stores,
            "trustedIdentities": ["*"],
        }],
    });
    let file: &Path = &folder(shop, robot).join("trustpolicy.json");
    std::fs::write(file, policy.to_string()).unwrap();
}
