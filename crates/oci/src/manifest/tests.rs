//! Tests of `manifest`; those with hostile documents are in `tests/hostile.rs`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{ImageManifest, IndexManifest, Manifest, ManifestError, Shape};
use crate::{Descriptor, Digest, Platform, media};

fn descriptor(media_type: &str) -> Descriptor {
    Descriptor::of(media_type, media_type.as_bytes())
}

fn image(config: &str, layers: &[&str]) -> ImageManifest {
    ImageManifest::new(
        descriptor(config),
        layers.iter().map(|layer| descriptor(layer)).collect(),
    )
}

fn parse(text: &str, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
    Manifest::parse(text.as_bytes(), content_type)
}

#[test]
fn types_must_agree() {
    let body = |media_type: &str| {
        let config = serde_json::to_string(&descriptor(media::OCI_CONFIG)).unwrap();
        format!(r#"{{"schemaVersion":2{media_type},"config":{config},"layers":[]}}"#)
    };
    let named = body(r#","mediaType":"application/vnd.docker.distribution.manifest.v2+json""#);
    let artifact = body(r#","mediaType":"application/vnd.oci.artifact.manifest.v1+json""#);
    for (text, content_type, expect) in [
        (&named, None, Ok(media::DOCKER_MANIFEST)),
        (
            &named,
            Some(media::DOCKER_MANIFEST),
            Ok(media::DOCKER_MANIFEST),
        ),
        (
            &named,
            Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
            Ok(media::DOCKER_MANIFEST),
        ),
        (
            &named,
            Some(media::OCI_MANIFEST),
            Err("send it as what it is"),
        ),
        (&named, Some(media::DOCKER_SCHEMA1_SIGNED), Err("schema 1")),
        (&body(""), None, Ok(media::OCI_MANIFEST)),
        (
            &body(""),
            Some(media::DOCKER_MANIFEST),
            Ok(media::DOCKER_MANIFEST),
        ),
        (
            &body(""),
            Some(media::OCI_INDEX),
            Err("must not have `layers`"),
        ),
        (
            &body(""),
            Some("text/plain"),
            Err("`text/plain` is not the type of a manifest"),
        ),
        // what drafts of OCI 1.1 had, and drafts of notation wrote
        (
            &artifact,
            None,
            Err("`application/vnd.oci.artifact.manifest.v1+json` is not the type of a manifest"),
        ),
        (
            &body(r#","mediaType":"""#),
            Some(media::OCI_MANIFEST),
            Ok(media::OCI_MANIFEST),
        ),
        (
            &body(r#","mediaType":"application/json""#),
            None,
            Err("`application/json` is not the type"),
        ),
    ] {
        match (parse(text, content_type), expect) {
            (Ok(manifest), Ok(media_type)) => assert_eq!(manifest.media_type(), media_type),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (found, _) => panic!("{text} as {content_type:?}: {found:?}"),
        }
    }
}

#[test]
fn index_is_told_by_its_fields() {
    let manifest = parse(r#"{"schemaVersion":2,"manifests":[]}"#, None).unwrap();
    assert_eq!(
        (manifest.media_type(), manifest.shape()),
        (media::OCI_INDEX, Shape::Index)
    );
    let manifest = parse(
        r#"{"schemaVersion":2,"manifests":null,"config":null}"#,
        Some(media::DOCKER_LIST),
    )
    .unwrap();
    assert_eq!(manifest.media_type(), media::DOCKER_LIST);
}

#[test]
fn unknown_fields_are_ignored() {
    let config = serde_json::to_string(&descriptor(media::OCI_EMPTY)).unwrap();
    let text = format!(
        r#"{{"schemaVersion":2,"org.X":1,"config":{config},"layers":null,"other":{{"a":[{{}}]}}}}"#
    );
    assert!(matches!(parse(&text, None), Ok(Manifest::Image(image)) if image.layers.is_empty()));
}

#[test]
fn artifact_type_falls_back_to_the_configuration() {
    let helm = "application/vnd.cncf.helm.config.v1+json";
    let mut artifact = image(helm, &[]);
    assert_eq!(
        Manifest::Image(artifact.clone()).artifact_type(),
        Some(helm)
    );
    artifact.artifact_type = Some(String::new());
    assert_eq!(
        Manifest::Image(artifact.clone()).artifact_type(),
        Some(helm)
    );
    artifact.artifact_type = Some("a/b".to_owned());
    assert_eq!(Manifest::Image(artifact).artifact_type(), Some("a/b"));
    assert_eq!(
        Manifest::Index(IndexManifest::new(vec![])).artifact_type(),
        None
    );
}

#[test]
fn shapes() {
    use Shape::{Evidence, Image, Other};
    let bundle = media::SIGSTORE_BUNDLE_V03;
    for (config, layers, expect) in [
        (media::OCI_CONFIG, &[media::OCI_LAYER_GZIP][..], Image),
        (media::DOCKER_CONFIG, &[media::DOCKER_LAYER_GZIP], Image),
        (media::OCI_CONFIG, &[], Image),
        // docker runs these as images too
        ("application/octet-stream", &[media::OCI_LAYER_GZIP], Image),
        ("", &[media::OCI_LAYER_GZIP], Image),
        (
            "Application/vnd.OCI.image.config.v9+json",
            &[media::OCI_LAYER_GZIP],
            Image,
        ),
        (media::OCI_EMPTY, &[bundle], Evidence),
        (
            media::OCI_EMPTY,
            &[media::CYCLONEDX_JSON, media::SPDX_JSON],
            Evidence,
        ),
        (bundle, &[bundle], Evidence),
        (media::NOTATION_SIGNATURE, &[media::NOTATION_JWS], Evidence),
        (
            media::OCI_CONFIG,
            &[media::COSIGN_SIMPLE_SIGNING, media::COSIGN_SIMPLE_SIGNING],
            Evidence,
        ),
        (
            media::COSIGN_REFERRER_SIGNATURE,
            &[media::COSIGN_SIMPLE_SIGNING],
            Evidence,
        ),
        (
            media::COSIGN_REFERRER_SIGNATURE,
            &[media::COSIGN_SIMPLE_SIGNING, media::OCI_LAYER_GZIP],
            Other,
        ),
        (media::OCI_CONFIG, &[media::DSSE], Evidence),
        // one layer that can hold files, and it is no evidence
        (
            media::OCI_CONFIG,
            &[media::COSIGN_SIMPLE_SIGNING, media::OCI_LAYER_GZIP],
            Image,
        ),
        (media::OCI_EMPTY, &[bundle, media::OCI_LAYER_GZIP], Other),
        // an image configuration over anything but cosign's own layers
        (media::OCI_CONFIG, &[bundle], Image),
        (media::OCI_CONFIG, &[media::IN_TOTO], Image),
        (media::OCI_EMPTY, &[], Other),
        (media::NOTATION_SIGNATURE, &[media::OCI_LAYER_TAR], Other),
        (
            "application/vnd.cncf.helm.config.v1+json",
            &["application/vnd.cncf.helm.chart.content.v1.tar+gzip"],
            Other,
        ),
        ("application/vnd.cncf.helm.config.v1+json", &[bundle], Other),
    ] {
        let manifest = Manifest::Image(image(config, layers));
        assert_eq!(manifest.shape(), expect, "{config} over {layers:?}");
    }
}

#[test]
fn subject_and_annotations_exempt_nothing() {
    let mut manifest = image(media::OCI_CONFIG, &[media::OCI_LAYER_GZIP]);
    manifest.subject = Some(descriptor(media::OCI_MANIFEST));
    manifest.artifact_type = Some(media::SIGSTORE_BUNDLE_V03.to_owned());
    manifest.annotations.insert(
        "vnd.docker.reference.type".to_owned(),
        "attestation-manifest".to_owned(),
    );
    assert_eq!(Manifest::Image(manifest).shape(), Shape::Image);
}

fn any_descriptor() -> impl Strategy<Value = Descriptor> {
    let platform = (
        "[a-z]{0,6}",
        "[a-z0-9]{0,6}",
        proptest::option::of("v[0-9]"),
        proptest::option::of("[0-9.]{1,6}"),
    );
    let platform = platform.prop_map(|(os, architecture, variant, os_version)| Platform {
        os,
        architecture,
        variant,
        os_version,
    });
    (
        "[a-z+./]{0,20}",
        any::<[u8; 4]>(),
        0..=i64::MAX.unsigned_abs(),
        proptest::option::of(platform),
        proptest::collection::btree_map("\\PC{0,8}", "\\PC{0,8}", 0..3),
        proptest::option::of("[a-z/]{1,10}"),
        proptest::collection::vec("https://[a-z]{1,8}", 0..2),
        proptest::option::of("[A-Za-z0-9+/]{4}"),
    )
        .prop_map(
            |(media_type, seed, size, platform, annotations, artifact_type, urls, data)| {
                Descriptor {
                    media_type,
                    digest: Digest::sha256(&seed),
                    size,
                    platform,
                    annotations,
                    artifact_type,
                    urls,
                    data,
                }
            },
        )
}

prop_compose! {
    fn any_manifest()(
        is_index: bool,
        docker: bool,
        config in any_descriptor(),
        list in proptest::collection::vec(any_descriptor(), 0..4),
        subject in proptest::option::of(any_descriptor()),
        artifact_type in proptest::option::of("[a-z/]{1,10}"),
        annotations in proptest::collection::btree_map("\\PC{0,8}", "\\PC{0,8}", 0..3),
    ) -> Manifest {
        let annotations: BTreeMap<_, _> = annotations;
        if is_index {
            let media_type = if docker { media::DOCKER_LIST } else { media::OCI_INDEX }.to_owned();
            Manifest::Index(IndexManifest { media_type, artifact_type, manifests: list, subject, annotations })
        } else {
            let media_type = if docker { media::DOCKER_MANIFEST } else { media::OCI_MANIFEST }.to_owned();
            Manifest::Image(ImageManifest { media_type, artifact_type, config, layers: list, subject, annotations })
        }
    }
}

proptest! {
    #[test]
    fn reads_what_it_writes(manifest in any_manifest()) {
        let bytes = manifest.to_bytes();
        prop_assert_eq!(Manifest::parse(&bytes, Some(manifest.media_type())).unwrap(), manifest.clone());
        prop_assert_eq!(Manifest::parse(&bytes, None).unwrap(), manifest.clone());
    }

    #[test]
    fn damaged_documents_are_answered(manifest in any_manifest(), at: prop::sample::Index, byte: u8) {
        let mut bytes = manifest.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Manifest::parse(&bytes, Some(manifest.media_type())) {
            prop_assert_eq!(read.media_type(), manifest.media_type());
        }
    }

    #[test]
    fn one_foreign_layer_ends_evidence(count in 1..5_usize, at: prop::sample::Index, cosign: bool) {
        let (config, layer) =
            if cosign { (media::OCI_CONFIG, media::COSIGN_SIMPLE_SIGNING) } else { (media::OCI_EMPTY, media::DSSE) };
        let mut manifest = image(config, &vec![layer; count]);
        prop_assert_eq!(Manifest::Image(manifest.clone()).shape(), Shape::Evidence);
        manifest.layers[at.index(count)].media_type = media::OCI_LAYER_TAR.to_owned();
        prop_assert_ne!(Manifest::Image(manifest).shape(), Shape::Evidence);
    }
}
