//! Files made anew around an honest image and an honest receipt, checksums and all: another image for other tools to load, and work
//! without end.

use super::*;
use oci::IndexManifest;
use testkit::trust_repository::{Mirror, TrustRepository};
use trust::tuf::client::{Anchor, Client as Reader, Remembered};

impl Shop {
    /// An image of somebody else's, which is in the file and nowhere referred to.
    fn evil(&mut self) -> Descriptor {
        let config = self.keep(media::OCI_CONFIG, b"{\"os\":\"linux\"}");
        let layer = self.keep(media::OCI_LAYER_TAR, b"evil");
        let manifest = Manifest::Image(ImageManifest::new(config, vec![layer])).to_bytes();
        self.keep(media::OCI_MANIFEST, &manifest)
    }

    /// What is said of the file with such an index.
    fn fault_with(&mut self, index: Vec<u8>) -> Fault {
        self.index = Some(index);
        self.ask(&self.file(), &["production"], NOW).unwrap_err()
    }
}

fn named(image: &Descriptor, tag: &str) -> Descriptor {
    let tag: Tag = tag.parse().unwrap();
    index::image(&image.media_type, &image.digest, image.size, Some(&tag))
}

#[test]
fn attack_an_index_that_names_another_image() {
    let mut shop = Shop::allowed();
    let evil = shop.evil();
    let (image, evil) = (shop.entry(), named(&evil, "1"));
    for (entries, why) in [
        (vec![], "it lists nothing"),
        (vec![evil.clone()], "its first entry is"),
        (vec![evil.clone(), image.clone()], "its first entry is"),
        (vec![image, evil], "neither the image nor attached"),
    ] {
        let fault = shop.fault_with(index::write(entries));
        assert_eq!(fault.file, INDEX);
        assert!(fault.why.contains(why), "{fault}");
    }
}

#[test]
fn attack_an_index_that_gives_a_name_to_what_is_attached() {
    let mut shop = Shop::allowed();
    let evil = shop.evil();
    // As cosign's tags are attached: without a subject.
    shop.attached.push(Attached {
        manifest: evil.digest.clone(),
        to: shop.image.digest.clone(),
    });
    // Under no name it does no harm.
    let report = shop.ask(&shop.file(), &["production"], NOW).unwrap();
    assert!(report.verified, "{report:#?}");
    let plain = index::attached(&evil.media_type, &evil.digest, evil.size, None);
    let mut of_containerd = plain.clone();
    let name = "registry.example/shop/web:1".to_owned();
    of_containerd
        .annotations
        .insert("io.containerd.image.name".to_owned(), name);
    let mut of_a_platform = plain.clone();
    of_a_platform.platform = Some(oci::Platform::new("linux", "amd64"));
    for (entry, why) in [
        (named(&evil, "1"), "only the image has one"),
        (of_containerd, "more than belongs there"),
        (of_a_platform, "platform"),
    ] {
        let entries = vec![shop.entry(), plain.clone(), entry];
        let fault = shop.fault_with(index::write(entries));
        assert_eq!(fault.file, INDEX);
        assert!(fault.why.contains(why), "{fault}");
    }
}

#[test]
fn attack_an_index_that_calls_the_image_something_else() {
    let mut shop = Shop::allowed();
    let image = shop.entry();
    let mut larger = image.clone();
    larger.size += 1;
    let mut of_docker = image.clone();
    of_docker.media_type = media::DOCKER_MANIFEST.to_owned();
    let honest = String::from_utf8(index::write(vec![image.clone()])).unwrap();
    for index in [
        index::write(vec![named(&image, "2")]),
        index::write(vec![larger]),
        index::write(vec![of_docker]),
        // Read in two ways, or with something that only others read.
        honest.replace("}]}", "}] }").into_bytes(),
        honest.replace("}]}", r#"}],"more":1}"#).into_bytes(),
        honest.replace("}]}", r#"}],"manifests":[]}"#).into_bytes(),
    ] {
        assert_ne!(index, honest.as_bytes());
        assert_eq!(shop.fault_with(index).file, INDEX);
    }
    shop.index = Some(honest.into_bytes());
    assert!(
        shop.ask(&shop.file(), &["production"], NOW)
            .unwrap()
            .verified
    );
}

#[test]
fn attack_a_blob_that_nothing_refers_to() {
    let mut shop = Shop::allowed();
    let more = shop.keep("", b"nobody knows why this is here");
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&more.digest));
    assert!(fault.why.contains("nothing in the file refers"), "{fault}");
}

#[test]
fn attack_a_forged_receipt_that_names_other_bytes_as_its_policy() {
    for is_forged in [true, false] {
        let mut shop = Shop::allowed();
        let other = shop.keep("", b"somebody else's").digest;
        let receipt = Receipt {
            policy: "base".into(),
            policy_digest: other.hex().to_owned(),
            policies: vec!["base".into()],
            ..shop.receipt()
        };
        let signer = if is_forged { &shop.maria } else { &shop.server };
        let receipt = receipt.sign(signer).unwrap();
        shop.attach(&receipt);
        shop.policies.insert("base".to_owned(), other.clone());
        let asked = shop.ask(&shop.file(), &["production"], NOW);
        assert_eq!(asked.is_err(), is_forged);
        if let Err(fault) = asked {
            assert_eq!(fault.file, blob_name(&other));
            assert!(fault.why.contains("one of the keys signed"), "{fault}");
        }
    }
}

#[test]
fn attack_an_image_in_the_place_of_a_policy() {
    // Under a name that no receipt has, and under the name of one that answered.
    for policy in ["base", "shop"] {
        let mut shop = Shop::allowed();
        let evil = shop.keep("", b"{\"schemaVersion\":2}").digest;
        if let Some(honest) = shop.policies.insert(policy.to_owned(), evil.clone()) {
            shop.blobs.remove(&honest);
        }
        let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
        assert_eq!(fault.file, blob_name(&evil));
        assert!(fault.why.contains("no receipt names"), "{fault}");
    }
    // Nor is there a text where there is no receipt.
    let shop = Shop::with_policy();
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&Digest::sha256(POLICY)));
}

#[test]
fn attack_an_image_among_the_files_of_the_trust_repository() {
    let mut shop = Shop::allowed();
    let mut repository = TrustRepository::new("registry.example/shop/web");
    repository.publish("targets", "1", &shop.blobs[&shop.image.digest]);
    let mirror = Mirror::of(&repository);
    let mut files = BTreeMap::new();
    let gun = repository.gun().clone();
    let reader = Reader::new(gun.clone(), Anchor::FirstUse, Remembered::default(), NOW);
    let mut reader = reader.unwrap().with_ended();
    while let Some(fetch) = reader.next() {
        let answer = mirror.answer(&fetch.path);
        let kept = answer.as_ref().map(|bytes| shop.keep("", bytes).digest);
        files.insert(fetch.path, kept);
        reader.feed(answer).unwrap();
    }
    let gun = gun.to_string();
    shop.trust = Some(TrustFiles { gun, files });
    let report = shop.ask(&shop.file(), &["production"], NOW).unwrap();
    assert!(report.verified);
    let found = report.found.join("\n");
    assert!(found.contains("in which `1` is this image"), "{found}");

    let evil = shop.keep("", b"{\"schemaVersion\":2}").digest;
    let files = &mut shop.trust.as_mut().unwrap().files;
    files.insert("targets/evil.json".to_owned(), Some(evil.clone()));
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&evil));
    assert!(fault.why.contains("no reader asks for"), "{fault}");
}

#[test]
fn attack_something_attached_to_what_is_not_in_the_file() {
    let mut shop = Shop::allowed();
    let evil = shop.evil();
    shop.attached.push(Attached {
        manifest: evil.digest,
        to: Digest::sha256(b"another image"),
    });
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, CONTENTS);
    assert!(fault.why.contains("no image of the file"), "{fault}");
}

#[test]
fn attack_a_list_of_contents_that_names_a_manifest_twice() {
    let mut shop = Shop::allowed();
    shop.attached.push(shop.attached[0].clone());
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, CONTENTS);
    assert!(fault.why.contains("twice"), "{fault}");
}

#[test]
fn attack_indexes_that_would_be_looked_through_100_million_times() {
    let mut shop = Shop::new();
    for _ in 0..2 {
        let listed = vec![shop.image.clone(); oci::DESCRIPTORS_MAX];
        let index = Manifest::Index(IndexManifest::new(listed)).to_bytes();
        shop.image = shop.keep(media::OCI_INDEX, &index);
    }
    assert_eq!(shop.refusal(&["production"], NOW), "no-receipt");
}

#[test]
fn attack_a_signature_that_is_listed_10000_times() {
    let mut shop = Shop::new();
    let signature = shop.signature(&shop.image.digest);
    let layer = shop.keep(media::SIGSTORE_BUNDLE_V03, &signature);
    shop.attach_layers(vec![layer; oci::DESCRIPTORS_MAX]);
    let report = shop.ask(&shop.file(), &["production"], NOW).unwrap();
    assert_eq!(report.found.len(), 1, "{:?}", report.found);
    assert!(report.found[0].starts_with("1 × "), "{:?}", report.found);
}

#[test]
fn attack_a_document_that_is_listed_under_many_types() {
    let mut shop = Shop::allowed();
    let layer = shop.keep("", "x".repeat(1 << 20).as_bytes());
    let layers = (0..64).map(|number| Descriptor {
        media_type: format!("text/x-{number}"),
        ..layer.clone()
    });
    shop.attach_layers(layers.collect());
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&layer.digest));
    assert!(fault.why.contains("limit exceeded"), "{fault}");
}

#[test]
fn a_repository_that_is_named_is_compared() {
    let shop = Shop::allowed();
    let file = shop.file();
    let ask = |name: &str| {
        let repository: RepositoryName = name.parse().unwrap();
        let question = Question {
            keys: std::slice::from_ref(shop.server.public_key()),
            image: None,
            repository: Some(&repository),
            gates: &["production".to_owned()],
            policies: &[],
            now: NOW,
            log: None,
            witnesses: &[],
        };
        examine(
            &mut Opened::new(Cursor::new(&file)).unwrap(),
            &question,
            None,
        )
        .unwrap()
    };
    let report = ask("shop/web");
    assert!(report.verified);
    let said = report.not_proved.join("\n");
    assert!(!said.contains("as the file says"), "{said}");
    assert!(!ask("shop/other").verified);
}
