//! BuildKit, in Debian 13's engine: caches in both of their forms, provenance and an SBOM; and an attestation that arrives before what
//! it is about, as newer ones push it.

use super::podman;
use crate::harness::{DockerUser, Dockerd, Image, ImageParts, Place, noise, small_layer};
use crate::matrix::client::Client;
use crate::matrix::ground::Ground;
use crate::matrix::podman::Which;
use bytes::Bytes;
use oci::{Digest, media};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CACHE_CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";

/// What BuildKit runs to make an SBOM (moby/buildkit, `docs/attestations/sbom-protocol.md`), beside a shell.
const GENERATOR: &str = r#"#!/bin/busybox sh
printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"made","packages":[]}}' >"$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"
"#;

struct Builder<'a> {
    ground: &'a Ground,
    user: DockerUser<'a>,
    folder: PathBuf,
}

/// Caches, provenance and SBOM.
pub(super) fn caches_and_attestations(ground: &Ground) {
    let engine = Dockerd::start_buildkit();
    let folder = ground.shop.folder().join("buildkit");
    let builder = Builder {
        ground,
        user: engine.user(engine.own_client(), folder.join("log-ins")),
        folder,
    };
    builder
        .user
        .log_in(ground.shop.actor("dora"), &ground.shop.server.host());
    let base = builder.base();
    for image_manifest in [false, true] {
        builder.cache(&base, image_manifest);
    }
    builder.attestations(&base);
}

impl Builder<'_> {
    fn at(&self, image: &str) -> String {
        self.ground.free("buildkit", image)
    }

    fn context(&self, name: &str, dockerfile: &str) -> PathBuf {
        let context = self.folder.join(name);
        std::fs::create_dir_all(&context).unwrap();
        std::fs::write(context.join("unlike"), noise(name, 3_000)).unwrap();
        std::fs::write(context.join("Dockerfile"), dockerfile).unwrap();
        context
    }

    /// `docker buildx build`; answers what it said.
    fn build(&self, context: &Path, words: &[&str]) -> String {
        let build = [
            "buildx",
            "build",
            "--progress",
            "plain",
            "--network",
            "none",
        ];
        let done = self.user.docker(build).args(words).arg(context).run();
        assert_eq!(done.code, Some(0), "{}", done.all());
        done.err
    }

    /// An image with a shell that needs no libraries, which can also generate an SBOM.
    fn base(&self) -> String {
        let lines = "FROM scratch\nCOPY --chmod=0755 busybox generate /bin/\nENTRYPOINT [\"/bin/generate\"]\n";
        let context = self.context("base", lines);
        std::fs::copy(
            Place::Debian13.file("/bin/busybox"),
            context.join("busybox"),
        )
        .unwrap();
        std::fs::write(context.join("generate"), GENERATOR).unwrap();
        let base = self.at("base:1");
        self.build(&context, &["--provenance=false", "--push", "--tag", &base]);
        base
    }

    /// A cache is pushed, forgotten, and used.
    fn cache(&self, base: &str, image_manifest: bool) {
        let name = if image_manifest { "image" } else { "index" };
        let lines = format!(
            "FROM {base}\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"echo {name} >/made\"]\nCOPY unlike /unlike\n"
        );
        let context = self.context(name, &lines);
        let cache = self.at(&format!("cache:{name}"));
        let to = format!(
            "type=registry,ref={cache},mode=max,oci-mediatypes=true,image-manifest={image_manifest}"
        );
        self.build(
            &context,
            &[
                "--provenance=false",
                "--cache-to",
                &to,
                "--push",
                "--tag",
                &self.at(&format!("cached:{name}")),
            ],
        );
        self.is_a_cache(&cache, name, image_manifest);
        self.user.does(["buildx", "prune", "--all", "--force"]);
        let from = format!("type=registry,ref={cache}");
        let said = self.build(
            &context,
            &[
                "--provenance=false",
                "--cache-from",
                &from,
                "--tag",
                "again",
            ],
        );
        let cached = said
            .lines()
            .filter(|line| line.ends_with(" CACHED"))
            .count();
        assert!(cached >= 2, "{said}");
        self.user.does(["buildx", "prune", "--all", "--force"]);
        println!("buildkit: a cache as an {name}: {cached} steps were taken from it");
    }

    fn is_a_cache(&self, cache: &str, tag: &str, image_manifest: bool) {
        let manifest = self.ground.manifest(cache, tag);
        let mut blobs: Vec<&Value> = Vec::new();
        if image_manifest {
            assert_eq!(
                manifest["config"]["mediaType"], CACHE_CONFIG,
                "{manifest:#}"
            );
            blobs.push(&manifest["config"]);
            blobs.extend(manifest["layers"].as_array().unwrap());
        } else {
            // An index whose children are no manifests.
            blobs.extend(manifest["manifests"].as_array().unwrap());
            assert_eq!(manifest["mediaType"], media::OCI_INDEX, "{manifest:#}");
            assert!(
                blobs
                    .iter()
                    .any(|child| child["mediaType"] == media::OCI_LAYER_GZIP),
                "{manifest:#}"
            );
        }
        for blob in blobs {
            self.ground.blob(cache, blob["digest"].as_str().unwrap());
        }
    }

    /// Provenance and SBOM stand beside the image in its index, and do not disturb who pulls it.
    fn attestations(&self, base: &str) {
        let context = self.context(
            "attested",
            &format!("FROM {base}\nCOPY unlike /srv/unlike\n"),
        );
        let image = self.at("attested:1");
        let sbom = format!("type=sbom,generator={base}");
        self.build(
            &context,
            &[
                "--provenance=mode=max",
                "--attest",
                &sbom,
                "--push",
                "--tag",
                &image,
            ],
        );
        let index = self.ground.manifest(&image, "1");
        let children = index["manifests"].as_array().unwrap();
        let is_attestation = |child: &&Value| {
            child["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
        };
        let child = children
            .iter()
            .find(is_attestation)
            .expect("an attestation");
        assert_eq!(child["platform"]["os"], "unknown");
        let attestation = self
            .ground
            .manifest(&image, child["digest"].as_str().unwrap());
        let layers = attestation["layers"].as_array().unwrap();
        let mut kinds: Vec<&str> = layers
            .iter()
            .map(|layer| {
                layer["annotations"]["in-toto.io/predicate-type"]
                    .as_str()
                    .unwrap()
            })
            .collect();
        kinds.sort_unstable();
        assert_eq!(
            kinds,
            [
                "https://slsa.dev/provenance/v0.2",
                "https://spdx.dev/Document"
            ]
        );
        let pulled = podman(self.ground, Which::Podman, Place::Here).pull(&image);
        assert_eq!(pulled.file, noise("attested", 3_000));
        println!("buildkit: {kinds:?}, and podman pulls {}", pulled.digest);
    }
}

/// The attestation says by `subject` what it is about, which is not there yet (BuildKit from 0.32 on).
pub(super) fn an_attestation_before_its_subject(ground: &Ground) {
    let image = ImageParts::of([small_layer("attested later")]).build();
    let statement = Bytes::from(json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "_", "digest": {"sha256": image.digest().hex()}}], "predicateType": "https://slsa.dev/provenance/v1", "predicate": {}}).to_string());
    let config = Bytes::from_static(b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
        "config": {"mediaType": media::OCI_EMPTY, "digest": Digest::sha256(&config), "size": config.len()},
        "layers": [{"mediaType": media::IN_TOTO, "digest": Digest::sha256(&statement), "size": statement.len(),
            "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"}}],
        "subject": image.descriptor(),
    });
    let attestation = Image {
        manifest: Bytes::from(manifest.to_string()),
        media_type: media::OCI_MANIFEST,
        blobs: vec![
            (Digest::sha256(&config), config),
            (Digest::sha256(&statement), statement),
        ],
    };
    let whole = ground.free("buildkit", "later:1");
    ground.push(&attestation, &ground.free("buildkit", "later:attestation"));
    let referrers = ground.referrers(&whole, image.digest().as_str());
    assert_eq!(referrers, [attestation.digest().to_string()]);
    ground.push(&image, &ground.free("buildkit", "later:image"));
    let mut children = [image.descriptor(), attestation.descriptor()];
    children[0]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    children[1]["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    children[1]["annotations"] = json!({"vnd.docker.reference.digest": image.digest(), "vnd.docker.reference.type": "attestation-manifest"});
    let index = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": children});
    let index = Image {
        manifest: Bytes::from(index.to_string()),
        media_type: media::OCI_INDEX,
        blobs: Vec::new(),
    };
    ground.push_alone(&index, &whole);
    assert_eq!(ground.referrers(&whole, image.digest().as_str()), referrers);
    let pulled = podman(ground, Which::Podman, Place::Debian13).pull(&whole);
    assert_eq!(pulled.file, b"attested later");
}
