//! Documents made to mislead: each folder of `tests/data` is one attack, and each must be refused for the reason that
//! the table gives. The table and the folders must match, so that no attack is forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use oci::{
    ANNOTATIONS_MAX, DESCRIPTORS_MAX, Descriptor, DocumentError, ImageManifest, MANIFEST_BYTES_MAX,
    Manifest, ManifestError, media,
};

type Is = fn(&ManifestError) -> bool;

const ATTACKS: &[(&str, Is)] = &[
    ("both-image-and-index", |e| {
        matches!(
            e,
            ManifestError::Ambiguous {
                field: "layers",
                ..
            }
        )
    }),
    ("digest-by-another-case", |e| key_case(e, "digest")),
    ("digest-with-path", |e| {
        matches!(e, ManifestError::Document(DocumentError::Json(_)))
    }),
    ("duplicate-key-by-escape", |e| {
        matches!(e, ManifestError::Document(DocumentError::DuplicateKey(_)))
    }),
    ("duplicate-layers-key", |e| {
        matches!(e, ManifestError::Document(DocumentError::DuplicateKey(_)))
    }),
    ("fs-layers-in-schema-2", |e| {
        matches!(e, ManifestError::Schema1)
    }),
    ("index-with-config", |e| {
        matches!(
            e,
            ManifestError::Ambiguous {
                field: "config",
                ..
            }
        )
    }),
    ("kelvin-and-long-s", |e| key_case(e, "layers")),
    ("layers-by-another-case", |e| key_case(e, "layers")),
    ("manifest-is-a-list", |e| {
        matches!(e, ManifestError::Document(DocumentError::Json(_)))
    }),
    ("media-type-lies", |e| {
        matches!(
            e,
            ManifestError::Ambiguous {
                field: "layers",
                ..
            }
        )
    }),
    ("negative-size", |e| {
        matches!(e, ManifestError::Document(DocumentError::Json(_)))
    }),
    ("nested-too-deeply", |e| {
        matches!(e, ManifestError::Document(DocumentError::Json(_)))
    }),
    ("no-config", |e| {
        matches!(e, ManifestError::Missing { field: "config" })
    }),
    ("schema-1", |e| matches!(e, ManifestError::Schema1)),
    ("schema-1-signed", |e| matches!(e, ManifestError::Schema1)),
    ("size-beyond-i64", |e| {
        matches!(e, ManifestError::Size { .. })
    }),
    ("trailing-document", |e| {
        matches!(e, ManifestError::Document(DocumentError::Json(_)))
    }),
    ("unknown-version", |e| {
        matches!(e, ManifestError::SchemaVersion(Some(3)))
    }),
];

fn key_case(error: &ManifestError, meant: &str) -> bool {
    matches!(error, ManifestError::Document(DocumentError::KeyCase { known, .. }) if *known == meant)
}

#[test]
fn each_attack_is_refused_for_its_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for (attack, is_expected) in ATTACKS {
        let bytes = std::fs::read(folder.join(attack).join("manifest.json")).expect(attack);
        let error = Manifest::parse(&bytes, None).expect_err(attack);
        assert!(is_expected(&error), "{attack}: {error:?}");
        assert!(error.to_string().len() < 600, "{attack}: {error}");
    }
    let listed: BTreeSet<_> = ATTACKS
        .iter()
        .map(|(attack, _)| (*attack).to_owned())
        .collect();
    let found: BTreeSet<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(listed, found);
}

#[test]
fn the_same_document_without_the_attack_is_accepted() {
    let bytes = ImageManifest::new(Descriptor::of(media::OCI_CONFIG, b"{}"), vec![]);
    assert!(Manifest::parse(&Manifest::Image(bytes).to_bytes(), None).is_ok());
}

#[test]
fn size_is_bounded_to_the_byte() {
    let mut bytes = Manifest::Image(ImageManifest::new(
        Descriptor::of(media::OCI_CONFIG, b"{}"),
        vec![],
    ))
    .to_bytes();
    bytes.resize(MANIFEST_BYTES_MAX, b' ');
    assert!(Manifest::parse(&bytes, None).is_ok());
    bytes.push(b' ');
    let expect = ManifestError::TooLarge {
        bytes: MANIFEST_BYTES_MAX + 1,
    };
    assert_eq!(Manifest::parse(&bytes, None), Err(expect));
}

#[test]
fn counts_are_bounded() {
    let config = Descriptor::of(media::OCI_CONFIG, b"{}");
    let layers = |count| {
        Manifest::Image(ImageManifest::new(
            config.clone(),
            vec![config.clone(); count],
        ))
        .to_bytes()
    };
    assert!(Manifest::parse(&layers(DESCRIPTORS_MAX), None).is_ok());
    let expect = ManifestError::TooMany {
        what: "descriptors",
        count: DESCRIPTORS_MAX + 1,
        max: DESCRIPTORS_MAX,
    };
    assert_eq!(
        Manifest::parse(&layers(DESCRIPTORS_MAX + 1), None),
        Err(expect)
    );

    let mut image = ImageManifest::new(config, vec![]);
    image.annotations = (0..=ANNOTATIONS_MAX)
        .map(|number| (number.to_string(), String::new()))
        .collect();
    let bytes = Manifest::Image(image).to_bytes();
    assert!(matches!(
        Manifest::parse(&bytes, None),
        Err(ManifestError::TooMany {
            what: "annotations",
            ..
        })
    ));
}
