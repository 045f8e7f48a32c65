//! One gate, four stages, each signed in another format by another person: cosign's simple signing, GPG by skopeo, notation, and our
//! own statement. Together they open the gate; without any one of them, deleted or by a key that was revoked, it names that stage and no
//! other.

use crate::harness::{Answer, Program, Shop, client_program, curl};
use crate::openpgp::{self, Gpg};
use crate::signing::{Pushed, cosign, notation, pushed, run, text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// No order between the stages: a signature that is taken away leaves the others as they are.
const POLICY: &str = r#"version: 1
repositories: ["shop/**"]
stages:
  ci: {signers: [{person: maria}]}
  lab: {signers: [{person: quentin}]}
  staging: {signers: [{person: rita}]}
  release: {signers: [{person: otto}]}
gates:
  production:
    holds-for: [{team: production-hosts}]
    require: [ci, lab, staging, release]
    mode: enforce
"#;

/// Each stage, and who signs for it.
const STAGES: [(&str, &str); 4] = [
    ("ci", "maria"),
    ("lab", "quentin"),
    ("staging", "rita"),
    ("release", "otto"),
];

/// An image, and the keys of those who sign it.
struct Signed<'a> {
    shop: &'a Shop,
    image: Pushed,
    /// `maria`'s, made by cosign.
    cosign: PathBuf,
    gpg: Gpg,
    /// `quentin`'s key of GPG.
    fingerprint: String,
    /// How notation calls `rita`'s key.
    notation: &'static str,
}

/// A manifest that carries a signature.
struct Carrier {
    digest: String,
    /// Under what it was found, which is where it is pushed again: a tag of cosign, or its digest.
    reference: String,
    manifest: Answer,
}

impl Signed<'_> {
    /// The image's signer of a stage signs, with their own tool; answers the one manifest that came with it.
    fn sign(&self, stage: &str) -> Carrier {
        let before = self.carriers();
        match stage {
            "ci" => self.with_cosign(),
            "lab" => openpgp::sign_while_copying(
                self.shop,
                &self.gpg,
                "quentin",
                &self.fingerprint,
                &self.image.image,
            ),
            "staging" => self.with_notation(),
            _ => self.shop.sign("otto", "otto", stage, &self.image.image),
        }
        let after = self.carriers().into_iter();
        let mut new = after.filter(|(digest, _)| !before.contains_key(digest));
        let (digest, reference) = new.next().expect("a manifest carries the signature");
        assert!(
            new.next().is_none(),
            "{stage}: one manifest for one signature"
        );
        let manifest = curl(&self.url(&format!("manifests/{reference}")));
        let manifest = manifest.user(self.shop.actor("admin")).ask();
        Carrier {
            digest,
            reference,
            manifest,
        }
    }

    fn with_cosign(&self) {
        let (maria, program) = (self.shop.actor("maria"), client_program("cosign"));
        run(self.shop, &program, maria)
            .args(["sign", "--tlog-upload=false", "--allow-http-registry"])
            .args(["--yes", "-a", "dev.countersign.stage=ci", "--key"])
            .args([text(&self.cosign), &self.image.at])
            .ok();
    }

    /// With its list of referrers under a tag, which the role `signer` is enough for.
    fn with_notation(&self) {
        notation::notation(self.shop, self.shop.actor("rita"))
            .args(["sign", "--insecure-registry"])
            .args(["--user-metadata", "dev.countersign.stage=staging"])
            .args(["--key", self.notation, &self.image.at])
            .ok();
    }

    fn url(&self, rest: &str) -> String {
        let (repository, _) = self.image.image.split_once(':').unwrap();
        format!("{}/v2/{repository}/{rest}", self.shop.server.url())
    }

    /// What lies beside the image: by digest, the reference that it was found under.
    fn carriers(&self) -> BTreeMap<String, String> {
        let admin = self.shop.actor("admin");
        let (_, digest) = self.image.at.split_once('@').unwrap();
        let referrers = curl(&self.url(&format!("referrers/{digest}"))).user(admin);
        let referrers = referrers.ask().json();
        let digests = referrers["manifests"].as_array().unwrap().iter();
        let digests = digests.map(|referrer| referrer["digest"].as_str().unwrap().to_owned());
        let mut found: BTreeMap<_, _> = digests.map(|digest| (digest.clone(), digest)).collect();
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let tagged = curl(&self.url(&format!("manifests/{tag}")))
            .user(admin)
            .ask();
        match tagged.status {
            200 => {
                found.insert(tagged.headers["docker-content-digest"].clone(), tag);
            }
            status => assert_eq!(status, 404, "{}", tagged.body),
        }
        found
    }

    /// A maintainer deletes what carries a signature.
    fn withdraw(&self, carrier: &Carrier) {
        let url = self.url(&format!("manifests/{}", carrier.digest));
        let olaf = self.shop.actor("olaf");
        let answer = curl(&url).user(olaf).method("DELETE").ask();
        assert_eq!(answer.status, 202, "{}", answer.body);
    }

    /// Its signer pushes the same manifest again.
    fn push_again(&self, who: &str, carrier: &Carrier) {
        let file = self.shop.file("carrier.json", &carrier.manifest.body);
        let answer = curl(&self.url(&format!("manifests/{}", carrier.reference)))
            .user(self.shop.actor(who))
            .method("PUT")
            .body(&file, &carrier.manifest.headers["content-type"])
            .ask();
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(
            answer.headers["docker-content-digest"], carrier.digest,
            "nothing else is under it"
        );
    }

    /// A production host pulls, with nothing set but who it is.
    fn pull(&self) -> Program {
        let (host, folder) = (self.shop.actor("host"), self.shop.folder().join("pulled"));
        Program::new("skopeo")
            .env("HOME", host.home())
            .args(["--insecure-policy", "copy", "--src-tls-verify=false"])
            .args(["--src-creds", &host.credentials()])
            .arg(format!(
                "docker://{}/{}",
                self.shop.server.host(),
                self.image.image
            ))
            .arg(format!("dir:{}", folder.display()))
    }

    /// Every stage is met by its own signer, and the host may pull.
    fn is_allowed(&self) {
        let verdict = self.shop.gate(&self.image.image);
        verdict.is("allow");
        for (stage, who) in STAGES {
            assert_eq!(verdict.counted(stage), [who.to_owned()].into(), "{stage}");
        }
        self.pull().ok();
    }

    /// These stages are not signed, for this and no other reason; all others are. The host is told the same.
    fn is_refused_for(&self, missing: &[(&str, &str)], spoilt: Option<&str>) {
        let verdict = self.shop.gate(&self.image.image);
        verdict.is("deny");
        let said = self.shop.actor("admin").cli(["gate", &self.image.image]);
        let said = said.args(["--gate", "production"]).run();
        assert_eq!(said.code, Some(3), "{}", said.all());
        let tree = &said.out;
        let codes = ["stage-not-signed"].into_iter().chain(spoilt);
        let codes: BTreeSet<String> = codes.map(str::to_owned).collect();
        let refused = self.pull().fails();
        refused.says(&["denied", "gate production"]);
        for (stage, who) in STAGES {
            let is_missing = missing.contains(&(stage, who));
            assert_eq!(verdict.is_met(stage), !is_missing, "{stage}: {tree}");
            let line = format!("✗ stage {stage}: is not signed (needs person {who})");
            assert_eq!(tree.contains(&line), is_missing, "{stage}: {tree}");
            let deleted = format!("the signature of person {who} was deleted [withdrawn]");
            let is_deleted = is_missing && spoilt == Some("withdrawn");
            assert!(!is_deleted || tree.contains(&deleted), "{stage}: {tree}");
            let is_named = refused.err.contains(&format!("stage {stage} "));
            assert_eq!(is_named, is_missing, "{stage}: {}", refused.all());
            match is_missing {
                true => assert_eq!(verdict.codes(stage), codes, "{stage}: {tree}"),
                false => assert_eq!(verdict.counted(stage), [who.to_owned()].into(), "{stage}"),
            }
        }
        assert_eq!(tree.matches("✗ stage ").count(), missing.len(), "{tree}");
    }
}

#[test]
fn each_of_four_signatures_in_four_formats_is_needed() {
    let shop = Shop::open(&[]);
    shop.apply_policy(POLICY);
    let admin = shop.actor("admin");
    for (role, to) in [
        ("signer", "otto"),
        ("maintainer", "olaf"),
        // skopeo signs while it copies.
        ("writer", "quentin"),
    ] {
        admin.does(["grant", "add", "--role", role, "--to", to, "shop/**"]);
    }
    let signed = hire(&shop);

    signed.is_refused_for(&STAGES, None);
    let carriers = STAGES.map(|(stage, _)| signed.sign(stage));
    let kinds: BTreeSet<String> = carriers.iter().map(kind).collect();
    println!("four formats: {kinds:?}");
    assert_eq!(kinds.len(), 4, "each is in a format of its own: {kinds:?}");
    signed.is_allowed();

    for ((stage, who), carrier) in STAGES.into_iter().zip(&carriers) {
        let refused = || signed.is_refused_for(&[(stage, who)], Some("withdrawn"));
        signed.withdraw(carrier);
        refused();
        let another = signed.sign(stage);
        signed.is_allowed();
        signed.withdraw(&another);
        refused();
        signed.push_again(who, carrier);
        signed.is_allowed();
        println!("{stage}: without it refused, with it allowed");
    }
    revoked_in_turn(signed);
}

/// The same with an image that all have signed and nothing was deleted of: one key after the other ends.
fn revoked_in_turn(signed: Signed<'_>) {
    let shop = signed.shop;
    let image = pushed(shop, "four-keys");
    let signed = Signed { image, ..signed };
    for (stage, _) in STAGES {
        signed.sign(stage);
    }
    signed.is_allowed();
    for (number, name) in ["cosign", "gpg", signed.notation, "otto"]
        .iter()
        .enumerate()
    {
        let keys = shop.api("keys");
        let mut keys = keys["items"].as_array().unwrap().iter();
        let key = keys.find(|key| key["name"] == *name).unwrap();
        let revoke = ["key", "revoke", key["id"].as_str().unwrap()];
        shop.actor("admin").does(revoke);
        signed.is_refused_for(&STAGES[..=number], Some("revoked-key"));
    }
}

/// The media type of what a carrier carries.
fn kind(carrier: &Carrier) -> String {
    let manifest = carrier.manifest.json();
    let kind = manifest["layers"][0]["mediaType"].as_str().unwrap();
    kind.to_owned()
}

/// Everyone has a key that their own tool made, registered for them alone.
fn hire(shop: &Shop) -> Signed<'_> {
    shop.new_key("otto", "otto", "shop/**");
    let (maria, rita) = (shop.actor("maria"), shop.actor("rita"));
    let program = client_program("cosign");
    cosign::log_in(shop, &program, maria);
    run(shop, &program, maria)
        .args(["generate-key-pair", "--output-key-prefix"])
        .arg(shop.folder().join("by-cosign"))
        .ok();
    let key = shop.key("by-cosign");
    let register = ["key", "register", "--key", text(&key), "--for", "maria"];
    let rest = ["--name", "cosign", "--scope", "shop/**"];
    let admin = shop.actor("admin");
    admin
        .cli(register.iter().chain(&rest))
        .args(["--user", "admin", "--password-stdin"])
        .stdin(admin.secret.as_str())
        .ok();
    let gpg = Gpg::new(shop.folder());
    let fingerprint = gpg.generate("quentin@shop.example");
    openpgp::register(shop, &gpg, &fingerprint, "quentin");
    Signed {
        shop,
        image: pushed(shop, "four-formats"),
        cosign: key,
        gpg,
        fingerprint,
        notation: notation::generated(shop, rita).name,
    }
}
