//! Media types, and the closed lists that decide what a manifest may be: an image, evidence, or something else.
//! A type is a claim: it says how content wants to be read, not what it is. image-spec `media-types.md`.

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The empty JSON object, used where a descriptor is needed and there is nothing to say.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// OCI layer, not compressed.
pub const OCI_LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
/// OCI layer, gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// OCI layer, zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// OCI layer that is not pushed to registries, not compressed (deprecated).
pub const OCI_NONDISTRIBUTABLE_TAR: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar";
/// OCI layer that is not pushed to registries, gzip (deprecated).
pub const OCI_NONDISTRIBUTABLE_GZIP: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
/// OCI layer that is not pushed to registries, zstd (deprecated).
pub const OCI_NONDISTRIBUTABLE_ZSTD: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";

/// Docker image manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker manifest of schema 1, which is refused.
pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// Docker manifest of schema 1 with a signature, which is refused.
pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
/// Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker layer, not compressed.
pub const DOCKER_LAYER_TAR: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Docker layer, gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker layer, zstd.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
/// Docker layer that is fetched from elsewhere (Windows base layers).
pub const DOCKER_FOREIGN_GZIP: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// Sigstore bundle, as this product and cosign write it.
pub const SIGSTORE_BUNDLE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Sigstore bundle 0.2, read only.
pub const SIGSTORE_BUNDLE_V02: &str = "application/vnd.dev.sigstore.bundle+json;version=0.2";
/// Sigstore bundle 0.1, read only.
pub const SIGSTORE_BUNDLE_V01: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";
/// cosign's signed payload in a `sha256-….sig` manifest.
pub const COSIGN_SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The configuration of what cosign attaches as a referrer in its experimental mode for OCI 1.1, in place of the `.sig` tag.
pub const COSIGN_REFERRER_SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// A signature by OpenPGP in the JSON in which podman and skopeo hand it to a registry; ours, as nobody else keeps one so.
pub const OPENPGP_SIGNATURE: &str = "application/vnd.countersign.openpgp-signature.v2+json";
/// DSSE envelope.
pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// in-toto statement, also BuildKit's attestations.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Notary Project signature: the artifact type, and the type of its configuration.
pub const NOTATION_SIGNATURE: &str = "application/vnd.cncf.notary.signature";
/// Notary Project envelope in JWS form.
pub const NOTATION_JWS: &str = "application/jose+json";
/// Notary Project envelope in COSE form.
pub const NOTATION_COSE: &str = "application/cose";
/// SPDX in JSON.
pub const SPDX_JSON: &str = "application/spdx+json";
/// SPDX in JSON, as older cosign attaches it.
pub const SPDX_JSON_TEXT: &str = "text/spdx+json";
/// CycloneDX in JSON.
pub const CYCLONEDX_JSON: &str = "application/vnd.cyclonedx+json";
/// SARIF.
pub const SARIF_JSON: &str = "application/sarif+json";
/// OpenVEX.
pub const OPENVEX_JSON: &str = "application/openvex+json";

/// Layers that are statements about an image and never part of a file system.
const EVIDENCE_LAYERS: &[&str] = &[
    SIGSTORE_BUNDLE_V03,
    SIGSTORE_BUNDLE_V02,
    SIGSTORE_BUNDLE_V01,
    COSIGN_SIMPLE_SIGNING,
    OPENPGP_SIGNATURE,
    DSSE,
    IN_TOTO,
    NOTATION_JWS,
    NOTATION_COSE,
    SPDX_JSON,
    SPDX_JSON_TEXT,
    CYCLONEDX_JSON,
    SARIF_JSON,
    OPENVEX_JSON,
];

/// Configurations that docker runs as images: these types, any that continues one of them after a dot, in any case. So
/// docker's own check of a pull goes (seen with 20.10 and later); the last four are there for manifests whose type was
/// lost on the way. With a shorter list here, a runnable image could pass as something that is none.
const IMAGE_CONFIGS: &[&str] = &[
    "application/vnd.oci.image",
    "application/vnd.docker",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
];

/// Whether a layer of this type is evidence: a signature, an attestation or a bill of materials. The list is closed.
#[must_use]
pub fn is_evidence_layer(media_type: &str) -> bool {
    EVIDENCE_LAYERS.contains(&media_type)
}

/// Whether a configuration of this type belongs to evidence: empty, or itself on the list of evidence types.
#[must_use]
pub fn is_evidence_config(media_type: &str) -> bool {
    matches!(
        media_type,
        OCI_EMPTY | NOTATION_SIGNATURE | COSIGN_REFERRER_SIGNATURE
    ) || is_evidence_layer(media_type)
}

/// Whether cosign wraps a layer of this type with an image configuration (`sha256-….sig` and `.att` tags).
#[must_use]
pub fn is_cosign_layer(media_type: &str) -> bool {
    media_type == COSIGN_SIMPLE_SIGNING || media_type == DSSE
}

/// Whether a configuration of this type makes a manifest a runnable image, for any of the usual runtimes.
#[must_use]
pub fn is_image_config(media_type: &str) -> bool {
    let lower = media_type.to_ascii_lowercase();
    let continues = |known: &str| {
        lower
            .strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    IMAGE_CONFIGS.iter().any(|known| continues(known))
}

/// Whether a layer of this type may be absent from a registry: foreign (Docker) or non-distributable (OCI).
#[must_use]
pub fn is_foreign_layer(media_type: &str) -> bool {
    matches!(
        media_type,
        OCI_NONDISTRIBUTABLE_TAR
            | OCI_NONDISTRIBUTABLE_GZIP
            | OCI_NONDISTRIBUTABLE_ZSTD
            | DOCKER_FOREIGN_GZIP
    )
}

/// Whether this is one of the four manifest types that are served.
#[must_use]
pub fn is_manifest(media_type: &str) -> bool {
    matches!(
        media_type,
        OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_LIST
    )
}

/// Whether this is an index (OCI) or a manifest list (Docker).
#[must_use]
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

/// How a file system layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How a layer of this type says that it is packed; `None` if it is not a file system layer. The bytes may differ from
/// what the type says: docker looks at the bytes.
#[must_use]
pub fn layer_compression(media_type: &str) -> Option<Compression> {
    match media_type {
        OCI_LAYER_TAR | OCI_NONDISTRIBUTABLE_TAR | DOCKER_LAYER_TAR => Some(Compression::Plain),
        OCI_LAYER_GZIP | OCI_NONDISTRIBUTABLE_GZIP | DOCKER_LAYER_GZIP | DOCKER_FOREIGN_GZIP => {
            Some(Compression::Gzip)
        }
        OCI_LAYER_ZSTD | OCI_NONDISTRIBUTABLE_ZSTD | DOCKER_LAYER_ZSTD => Some(Compression::Zstd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_is_both_evidence_and_runnable() {
        for media_type in EVIDENCE_LAYERS {
            assert!(layer_compression(media_type).is_none(), "{media_type}");
            assert!(!is_image_config(media_type), "{media_type}");
        }
        for media_type in IMAGE_CONFIGS {
            assert!(!is_evidence_config(media_type), "{media_type}");
        }
    }

    #[test]
    fn image_configurations_are_those_that_docker_runs() {
        for media_type in [
            OCI_CONFIG,
            DOCKER_CONFIG,
            "Application/vnd.OCI.image.config.v9+json",
            "application/vnd.docker.ai.model.config.v0.1+json",
            "application/octet-stream",
            "application/json",
            "text/html",
            "",
            ".",
        ] {
            assert!(is_image_config(media_type), "{media_type}");
        }
        for media_type in [
            OCI_EMPTY,
            NOTATION_SIGNATURE,
            COSIGN_REFERRER_SIGNATURE,
            "application/vnd.oci.imagery.config",
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.wasm.config.v0+json",
            "application/jsonx",
        ] {
            assert!(!is_image_config(media_type), "{media_type}");
        }
    }

    #[test]
    fn compression_follows_the_type() {
        assert_eq!(
            layer_compression(DOCKER_LAYER_GZIP),
            Some(Compression::Gzip)
        );
        assert_eq!(layer_compression(OCI_LAYER_ZSTD), Some(Compression::Zstd));
        assert_eq!(layer_compression(OCI_LAYER_TAR), Some(Compression::Plain));
        assert_eq!(
            layer_compression("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
            None
        );
        assert_eq!(
            layer_compression("application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
            None
        );
    }
}
