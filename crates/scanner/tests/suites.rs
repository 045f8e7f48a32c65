//! The scanner against other projects' fixtures: package databases, archives, image layouts, metadata files.
//!
//! Reads the folder that `COUNTERSIGN_SUITES` names, and fails without it. What is expected comes from the suites
//! themselves or from a plain second reading (lines, the `tar` crate), never from the scanner.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a failing test may panic anywhere"
)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use oci::{Digest, ImageConfig, Manifest, media};
use sbom::{LayerInventory, PackageKind, ProblemKind};
use scanner::{Collector, EntryKind, Limits, merge, scan_layer};
use serde_json::Value;

fn suites(path: &str) -> PathBuf {
    let folder =
        std::env::var_os("COUNTERSIGN_SUITES").expect("COUNTERSIGN_SUITES names the unpacked data");
    let path = Path::new(&folder).join(path);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// The inventory of files given as (path, content).
fn collect<'a>(files: impl IntoIterator<Item = (String, &'a [u8])>) -> LayerInventory {
    let mut collector = Collector::new(&Limits::default());
    for (path, mut content) in files {
        collector
            .offer(&path, EntryKind::File, content.len() as u64, &mut content)
            .unwrap();
    }
    let digest = Digest::sha256(b"fixture");
    collector.finish(digest.clone(), digest)
}

fn collect_one(path: &str, content: &[u8]) -> LayerInventory {
    collect([(path.to_owned(), content)])
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

mod dpkg {
    use super::*;

    /// `name version` of every paragraph that has both and is installed.
    fn installed(text: &str) -> BTreeSet<String> {
        let installed = |paragraph: &&str| {
            field(paragraph, "Status").is_some_and(|status| status.ends_with(" installed"))
        };
        let name_version = |paragraph: &str| {
            Some(format!(
                "{} {}",
                field(paragraph, "Package").filter(|name| !name.is_empty())?,
                field(paragraph, "Version")?
            ))
        };
        text.split("\n\n")
            .filter(installed)
            .filter_map(name_version)
            .collect()
    }

    fn found(layer: &LayerInventory) -> BTreeSet<String> {
        let packages = layer
            .databases
            .iter()
            .flat_map(|database| &database.packages);
        packages
            .map(|package| format!("{} {}", package.name, package.version))
            .collect()
    }

    #[test]
    fn databases_hold_what_their_paragraphs_say() {
        let scalibr = "suites/osv-scalibr-fixtures/extractor/filesystem/os/dpkg/testdata/dpkg";
        let claircore = "suites/claircore-fixtures/dpkg/testdata";
        // How many packages grep finds, and whether the file is whole.
        let cases = [
            ("fixtures/dpkg-status/claircore-texlive.status".to_owned(), 357, true),
            ("fixtures/dpkg-status/syft-multiple".to_owned(), 2, false),
            (format!("{claircore}/debian-only.status"), 1, true),
            (format!("{claircore}/postgresql.status"), 3, true),
            (format!("{claircore}/texlive.status"), 357, true),
            // Its stanzas for features of a package have no version.
            (format!("{claircore}/vcpkg.status"), 14, false),
            (format!("{scalibr}/valid"), 7, true),
            (format!("{scalibr}/single"), 1, true),
            (format!("{scalibr}/trailingnewlines"), 1, true),
            (format!("{scalibr}/transitional"), 1, true),
            (format!("{scalibr}/empty"), 0, true),
            (format!("{scalibr}/noversion"), 2, false),
            (format!("{scalibr}/nopackage"), 2, false),
            (format!("{scalibr}/invalid"), 0, false),
            (format!("{scalibr}/statusfield"), 3, false),
            ("suites/syft-fixtures/syft/pkg/cataloger/debian/testdata/image-dpkg/var/lib/dpkg/status".to_owned(), 1, false),
        ];
        for (path, count, is_whole) in &cases {
            let bytes = fs::read(suites(path)).unwrap();
            let layer = collect_one("var/lib/dpkg/status", &bytes);
            assert_eq!(
                found(&layer),
                installed(&String::from_utf8_lossy(&bytes)),
                "{path}"
            );
            assert_eq!(found(&layer).len(), *count, "{path}");
            assert_eq!(
                layer.databases[0].problem.is_none(),
                *is_whole,
                "{path}: {:?}",
                layer.databases[0].problem
            );
        }
    }

    #[test]
    fn only_the_state_installed_counts() {
        let path =
            "suites/osv-scalibr-fixtures/extractor/filesystem/os/dpkg/testdata/dpkg/statusfield";
        let layer = collect_one("var/lib/dpkg/status", &fs::read(suites(path)).unwrap());
        let names: Vec<_> = layer.databases[0]
            .packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "wantinstall_installed",
                "wantdeinstall_installed",
                "wantpurge_installed"
            ]
        );
        assert!(
            layer.databases[0]
                .problem
                .as_deref()
                .unwrap()
                .contains("`wantnostatus`")
        );
    }

    #[test]
    fn root_file_systems_of_other_scanners() {
        let testdata = "suites/syft-fixtures/syft/pkg/cataloger/debian/testdata";
        for (image, expect, licences) in [
            ("image-dpkg", "libpam-runtime", 1),
            ("image-distroless-deb", "libsqlite3-0", 0),
        ] {
            let root = suites(&format!("{testdata}/{image}"));
            let files: Vec<_> = files_below(&root)
                .into_iter()
                .map(|file| (file.clone(), fs::read(&file).unwrap()))
                .collect();
            let relative = |path: &Path| {
                path.strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            };
            let layer = collect(
                files
                    .iter()
                    .map(|(path, bytes)| (relative(path), bytes.as_slice())),
            );
            let names: Vec<_> = layer
                .databases
                .iter()
                .flat_map(|database| &database.packages)
                .map(|package| &package.name)
                .collect();
            assert_eq!(names, [expect], "{image}");
            assert!(
                layer.os_licences.len() <= licences + 1,
                "{image}: {:?}",
                layer.os_licences
            );
        }
    }
}

mod archives {
    use super::*;

    /// Every header as the `tar` crate sees it: how many, and the normal paths of those that are no folders.
    fn second_reading(archive: &[u8]) -> (u64, BTreeSet<String>) {
        let mut count = 0;
        let mut others = BTreeSet::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let entry = entry.unwrap();
            count += 1;
            let path = entry
                .path()
                .unwrap()
                .to_string_lossy()
                .trim_start_matches("./")
                .trim_end_matches('/')
                .to_owned();
            if entry.header().entry_type() != tar::EntryType::Directory && !path.contains(".wh.") {
                others.insert(path);
            }
        }
        (count, others)
    }

    fn inner_layers(archive: &[u8]) -> Vec<Vec<u8>> {
        let mut layers = Vec::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            if (path.ends_with("layer.tar") && !bytes.is_empty()) || path.ends_with(".tar.gz") {
                layers.push(bytes);
            }
        }
        layers
    }

    fn plain(blob: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match blob.starts_with(&[0x1f, 0x8b]) {
            true => flate2::read::MultiGzDecoder::new(blob)
                .read_to_end(&mut bytes)
                .unwrap(),
            false => blob.to_vec().as_slice().read_to_end(&mut bytes).unwrap(),
        };
        bytes
    }

    fn scan(blob: &[u8]) -> LayerInventory {
        scan_layer(
            blob,
            &Digest::sha256(blob),
            None,
            media::OCI_LAYER_TAR,
            &Limits::default(),
        )
    }

    fn check(name: &str, blob: &[u8]) {
        let layer = scan(blob);
        let archive = plain(blob);
        let (count, others) = second_reading(&archive);
        assert_eq!(layer.problems, [], "{name}");
        assert_eq!(layer.entries, count, "{name}");
        assert_eq!(layer.diff_id, Digest::sha256(&archive), "{name}");
        let fingerprint = |path: &String| {
            u64::from_str_radix(&Digest::sha256(path.as_bytes()).hex()[..16], 16).unwrap()
        };
        let mut expect: Vec<_> = others.iter().map(fingerprint).collect();
        expect.sort_unstable();
        assert_eq!(layer.replaced, expect, "{name}: {others:?}");
    }

    #[test]
    fn every_archive_and_the_layers_inside() {
        // Entries as GNU tar lists them; the concatenated one replaces a link by a folder, so it is looked at apart.
        let mut layers = 0;
        let archives = files_below(&suites("fixtures/tar-edge"));
        assert_eq!(archives.len(), 20);
        for path in &archives {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = fs::read(path).unwrap();
            if name == "claircore-concat.tar" {
                assert_eq!(scan(&bytes).entries, 11);
                continue;
            }
            check(&name, &bytes);
            for (index, inner) in inner_layers(&bytes).iter().enumerate() {
                check(&format!("{name} layer {index}"), inner);
                layers += 1;
            }
        }
        assert_eq!(layers, 30);
    }

    #[test]
    fn whiteouts_of_other_scanners() {
        let read = |name: &str| {
            scan(
                &fs::read(suites(&format!(
                    "suites/claircore-fixtures/whiteout/testdata/{name}.layer"
                )))
                .unwrap(),
            )
        };
        assert_eq!(read("whiteout").whiteouts, ["etc/profile"]);
        assert_eq!(
            read("whiteout_advanced").whiteouts,
            ["a/a_file.txt", "a_root_file.txt", "b"]
        );
        let opaque = read("whiteout_opaque");
        assert_eq!(
            (opaque.opaques, opaque.whiteouts),
            (vec!["a".to_owned()], vec![])
        );
    }

    #[test]
    fn an_image_of_a_distribution_that_is_not_read_is_incomplete() {
        for name in ["5a1750b2-alpine-310.tar.gz", "80316622-alpine.tar.gz"] {
            let bytes =
                plain(&fs::read(suites(&format!("fixtures/alpine-images/{name}"))).unwrap());
            let layers: Vec<_> = inner_layers(&bytes)
                .iter()
                .map(|layer| scan(layer))
                .collect();
            let image = merge(&layers, None);
            assert_eq!(image.distro.unwrap().id, "alpine", "{name}");
            let kinds: Vec<_> = image.problems.iter().map(|problem| problem.kind).collect();
            assert_eq!(kinds, [ProblemKind::MissingDatabase], "{name}");
        }
    }
}

#[test]
fn image_layouts_have_the_diff_ids_of_their_configuration() {
    let mut images = 0;
    for file in files_below(&suites("fixtures/oci-layouts")) {
        let bytes = fs::read(&file).unwrap();
        let Ok(Manifest::Image(manifest)) = Manifest::parse(&bytes, None) else {
            continue;
        };
        let blob = |digest: &Digest| file.with_file_name(digest.hex());
        let Ok(config) = fs::read(blob(&manifest.config.digest)) else {
            continue;
        };
        let Ok(config) = ImageConfig::parse(&config) else {
            continue;
        };
        let layers: Vec<_> = manifest
            .layers
            .iter()
            .map(|layer| {
                let read = File::open(blob(&layer.digest)).unwrap();
                scan_layer(
                    read,
                    &layer.digest,
                    None,
                    &layer.media_type,
                    &Limits::default(),
                )
            })
            .collect();
        let image = merge(&layers, Some(&config));
        assert_eq!(image.problems, [], "{}", file.display());
        images += 1;
    }
    assert_eq!(images, 4);
}

mod metadata {
    use super::*;

    #[test]
    fn python_files_say_name_and_version() {
        let mut count = 0;
        let trivy = files_below(&suites(
            "suites/trivy-analyzers/pkg/dependency/parser/python/packaging/testdata",
        ));
        for file in trivy {
            let stem = file.file_name().unwrap().to_string_lossy().into_owned();
            // The file's name is the expectation: `zipp-3.12.1.METADATA`.
            let Some((name, version)) = stem
                .strip_suffix(".METADATA")
                .and_then(|stem| stem.split_once('-'))
            else {
                continue;
            };
            let layer = collect_one("x/unnamed.dist-info/METADATA", &fs::read(&file).unwrap());
            let [package] = layer.packages.as_slice() else {
                panic!("{stem}: {:?}", layer.problems)
            };
            assert_eq!(
                (sbom::pep503(&package.name), package.version.as_str()),
                (sbom::pep503(name), version),
                "{stem}"
            );
            count += 1;
        }
        assert_eq!(count, 7);
        let scalibr = suites(
            "suites/osv-scalibr-fixtures/extractor/filesystem/language/python/wheelegg/testdata",
        );
        for file in files_below(&scalibr) {
            let bytes = fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let layer = collect_one("x/unnamed.egg-info", &bytes);
            let expect = field(&text, "Name").zip(field(&text, "Version"));
            let found = layer
                .packages
                .first()
                .map(|package| (package.name.as_str(), package.version.as_str()));
            assert_eq!(found, expect, "{}", file.display());
            assert_eq!(
                layer.problems.is_empty(),
                expect.is_some(),
                "{}",
                file.display()
            );
            count += 1;
        }
        assert_eq!(count, 17);
    }

    #[test]
    fn python_folders_in_other_scanners_fixtures() {
        let mut count = 0;
        for suite in ["suites/syft-fixtures", "suites/trivy-analyzers"] {
            let root = suites(suite);
            for file in files_below(&root) {
                let path = file
                    .strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                let in_folder =
                    path.ends_with(".dist-info/METADATA") || path.ends_with(".egg-info/PKG-INFO");
                if !in_folder && !path.ends_with(".egg-info") {
                    continue;
                }
                let bytes = fs::read(&file).unwrap();
                let layer = collect_one(&path, &bytes);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some(expect) = field(&text, "Name").zip(field(&text, "Version")) {
                    let found = layer
                        .packages
                        .first()
                        .map(|package| (package.name.as_str(), package.version.as_str()));
                    assert_eq!(found, Some(expect), "{path}");
                }
                assert_eq!(layer.packages.len() + layer.problems.len(), 1, "{path}");
                count += 1;
            }
        }
        assert_eq!(count, 22);
    }

    #[test]
    fn installed_node_packages_are_those_with_name_and_version() {
        let mut count = 0;
        let root = suites("suites/trivy-analyzers");
        for file in files_below(&root) {
            let path = file
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if !path.contains("node_modules/") || !path.ends_with("/package.json") {
                continue;
            }
            let bytes = fs::read(&file).unwrap();
            let json: Value = serde_json::from_slice(&bytes).unwrap();
            let layer = collect_one(&path, &bytes);
            let found = layer
                .packages
                .first()
                .map(|package| (package.name.as_str(), package.version.as_str()));
            assert_eq!(
                found,
                json["name"].as_str().zip(json["version"].as_str()),
                "{path}"
            );
            if let (Some(package), Some(licence)) =
                (layer.packages.first(), json["license"].as_str())
            {
                assert_eq!(package.licences, [licence], "{path}");
                assert_eq!(package.kind, PackageKind::Npm);
            }
            count += 1;
        }
        assert_eq!(count, 33);
    }

    #[test]
    fn every_form_of_package_json_is_read_or_told() {
        let folders = [
            "suites/syft-fixtures/syft/pkg/cataloger/javascript/testdata/pkg-json",
            "suites/trivy-analyzers/pkg/dependency/parser/nodejs/packagejson/testdata",
            "suites/osv-scalibr-fixtures/extractor/filesystem/language/javascript/packagejson/testdata",
        ];
        let mut count = 0;
        for file in folders
            .iter()
            .flat_map(|folder| files_below(&suites(folder)))
        {
            let bytes = fs::read(&file).unwrap();
            let layer = collect_one("node_modules/a/package.json", &bytes);
            match serde_json::from_slice::<Value>(&bytes) {
                Ok(json) => {
                    let text = |key: &str| {
                        json[key]
                            .as_str()
                            .filter(|text| !text.is_empty() && !text.contains(' '))
                    };
                    let found = layer
                        .packages
                        .first()
                        .map(|package| (package.name.as_str(), package.version.as_str()));
                    assert_eq!(
                        found,
                        text("name").zip(text("version")),
                        "{}",
                        file.display()
                    );
                }
                Err(_) => assert_eq!(
                    layer.problems[0].kind,
                    ProblemKind::UnreadableMetadata,
                    "{}",
                    file.display()
                ),
            }
            count += 1;
        }
        assert!(count >= 40, "{count}");
    }

    #[test]
    fn distributions_are_those_that_another_scanner_expects() {
        let mut count = 0;
        for file in files_below(&suites("suites/claircore-fixtures/osrelease/testdata")) {
            let text = fs::read_to_string(&file).unwrap();
            let section = |name: &str| {
                let start = text.split_once(&format!("-- {name} --\n"))?.1;
                Some(start.split("\n-- ").next().unwrap_or(start).to_owned())
            };
            let (Some(content), Some(expect)) = (section("os-release"), section("Distribution"))
            else {
                continue;
            };
            let expect: Value = serde_json::from_str(&expect).unwrap();
            let layer = collect_one("etc/os-release", content.as_bytes());
            let (_, distro) = layer.os_release.first().unwrap();
            let expect = |key: &str| expect[key].as_str().unwrap_or_default();
            assert_eq!(
                (distro.id.as_str(), distro.version_id.as_str()),
                (expect("did"), expect("version_id")),
                "{}",
                file.display()
            );
            count += 1;
        }
        assert_eq!(count, 11);
    }
}
