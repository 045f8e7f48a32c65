//! What is inside: the SBOM at the API soon after `docker push`, the same packages as the image's own tools list, each blamed on
//! its layer and instruction, and the findings that an independent script computes from the same advisories.

use crate::harness::{Program, curl, pypa, suites, tracker, venv_python, within};
use crate::way::{IMAGE, REPOSITORY, Way};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How soon after the push the SBOM must be there.
const SBOM_WITHIN: Duration = Duration::from_secs(2);

/// The script that knows nothing of us.
fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/independent.py")
}

/// Pushes with docker, and measures how soon the SBOM is there. Answers the digest that docker printed.
pub(crate) fn pushed_and_indexed(way: &Way) -> String {
    let docker = way.docker("dora");
    let said = docker.does(["push", &way.reference()]);
    let pushed = Instant::now();
    let sbom = format!("{}/api/v1/image/sbom?ref={IMAGE}", way.shop.server.url());
    within(60, "the SBOM is at the API", || {
        (curl(&sbom).user(way.shop.actor("admin")).ask().status == 200).then_some(())
    });
    let latency = pushed.elapsed();
    println!("sbom: at the API {} ms after the push", latency.as_millis());
    assert!(latency < SBOM_WITHIN, "the SBOM took {latency:?}");
    let digest = said
        .split_whitespace()
        .skip_while(|word| *word != "digest:")
        .nth(1)
        .expect("docker prints the digest");
    let repository = docker.does([
        "image",
        "inspect",
        "--format",
        "{{index .RepoDigests 0}}",
        &way.reference(),
    ]);
    assert!(repository.trim().ends_with(digest), "{repository}");
    digest.to_owned()
}

/// The SBOM is valid CycloneDX, holds what the image's own tools list and nothing else, and blames the right layer.
pub(crate) fn holds_what_the_image_holds(way: &Way) {
    let summary = way.shop.wait_for_inventory(IMAGE);
    assert_eq!(summary["inventory"]["state"], "complete", "{summary:#}");
    let sbom = way.shop.api(&format!("image/sbom?ref={IMAGE}"));
    let file = way.shop.file("sbom.json", &sbom.to_string());
    let schema = suites().join("suites/cyclonedx/schema");
    Program::new(venv_python())
        .arg(script())
        .arg("validate")
        .arg(&file)
        .arg(&schema)
        .ok();

    let components = sbom["components"].as_array().unwrap();
    let ours = |kind: &str| -> BTreeSet<(String, String)> {
        let prefix = format!("pkg:{kind}/");
        let of_kind = components
            .iter()
            .filter(|each| plain(&each["purl"]).starts_with(&prefix));
        of_kind
            .map(|each| {
                (
                    text(each, "name").to_owned(),
                    text(each, "version").to_owned(),
                )
            })
            .collect()
    };
    let installed = dpkg_query(way);
    assert!(
        installed.len() > 80,
        "dpkg-query lists {} packages",
        installed.len()
    );
    assert_eq!(ours("deb"), installed);
    let theirs = inventory_by_script(way);
    let distributions = theirs["python"].as_array().unwrap().iter();
    let distributions: BTreeSet<_> = distributions
        .map(|each| (normal(text(each, "name")), text(each, "version").to_owned()))
        .collect();
    let python: BTreeSet<_> = ours("pypi")
        .into_iter()
        .map(|(name, version)| (normal(&name), version))
        .collect();
    assert_eq!(python, distributions);
    println!(
        "sbom: {} Debian packages and {} Python distributions, as the image's own tools say",
        installed.len(),
        python.len()
    );
    blames_the_layer_of_pip(way, components);
}

/// What `dpkg-query` shows as installed when it runs in the image.
fn dpkg_query(way: &Way) -> BTreeSet<(String, String)> {
    let format = "${db:Status-Abbrev} ${binary:Package} ${Version}\\n";
    let docker = way.docker("dora");
    let said = docker.does([
        "run",
        "--rm",
        "--network",
        "none",
        &way.reference(),
        "dpkg-query",
        "-W",
        "-f",
        format,
    ]);
    let installed = said.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (status, package, version) = (words.next()?, words.next()?, words.next()?);
        // `libc6:amd64` where several architectures may be installed at once.
        let package = package.split(':').next()?;
        status[1..]
            .starts_with('i')
            .then(|| (package.to_owned(), version.to_owned()))
    });
    installed.collect()
}

/// What the script sees when it runs in the image.
fn inventory_by_script(way: &Way) -> Value {
    let run = [
        "run",
        "--rm",
        "--interactive",
        "--network",
        "none",
        &way.reference(),
        "python3",
        "-",
        "inventory",
    ];
    let said = way
        .docker("dora")
        .docker(run)
        .stdin(std::fs::read(script()).unwrap())
        .ok();
    way.shop.file("inventory.json", &said);
    serde_json::from_str(&said).unwrap()
}

fn blames_the_layer_of_pip(way: &Way, components: &[Value]) {
    let url = format!(
        "{}/v2/{REPOSITORY}/manifests/{}",
        way.shop.server.url(),
        way.digest
    );
    let accept = "Accept: application/vnd.docker.distribution.manifest.v2+json";
    let manifest = curl(&url)
        .user(way.shop.actor("dora"))
        .flags(["--header", accept])
        .ask()
        .json();
    let layers = manifest["layers"].as_array().unwrap();
    // Above pip's layer there is one more, of the last RUN.
    let of_pip = text(&layers[layers.len() - 2], "digest");
    for name in ["Django", "Jinja2"] {
        let component = components
            .iter()
            .find(|each| text(each, "name").eq_ignore_ascii_case(name))
            .unwrap();
        assert_eq!(property(component, "layer"), of_pip, "{name}");
        assert!(
            property(component, "instruction").contains("pip install"),
            "{component:#}"
        );
    }
    let base = components
        .iter()
        .find(|each| text(each, "name") == "base-files")
        .unwrap();
    assert_eq!(property(base, "layer"), text(&layers[0], "digest"));
}

/// The findings at the API are those that the script computes, with the same fixed versions.
pub(crate) fn findings_are_what_a_script_finds(way: &Way) {
    let theirs = Program::new(venv_python())
        .arg(script())
        .arg("findings")
        .arg(way.shop.folder().join("inventory.json"))
        .arg(pypa())
        .arg(tracker())
        .ok();
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    let theirs: BTreeSet<Vec<String>> = theirs
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_array().unwrap().iter().map(plain).collect())
        .collect();
    let answer = way.shop.api(&format!("image/findings?ref={IMAGE}"));
    assert_eq!(answer["advisoriesReady"], true);
    let ours = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let kind = text(finding, "purl")
                .trim_start_matches("pkg:")
                .split('/')
                .next()
                .unwrap()
                .to_owned();
            let name = if kind == "pypi" {
                normal(text(finding, "package"))
            } else {
                text(finding, "package").to_owned()
            };
            vec![
                kind,
                name,
                text(finding, "version").to_owned(),
                text(finding, "id").to_owned(),
                plain(&finding["fixedVersion"]),
            ]
        });
    let ours: BTreeSet<Vec<String>> = ours.collect();
    let of = |kind: &str| theirs.iter().filter(|row| row[0] == kind).count();
    println!(
        "findings: {} for Debian packages, {} for Python, as the script finds",
        of("deb"),
        of("pypi")
    );
    assert!(
        of("deb") > 0 && of("pypi") > 20,
        "the script finds too little to say anything"
    );
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let surplus: Vec<_> = ours.difference(&theirs).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing {missing:#?}\nsurplus {surplus:#?}"
    );
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no `{key}` in {value}"))
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn property<'a>(component: &'a Value, name: &str) -> &'a str {
    let name = format!("countersign:{name}");
    let properties = component["properties"].as_array().unwrap();
    let found = properties.iter().find(|property| property["name"] == name);
    text(
        found.unwrap_or_else(|| panic!("no `{name}` in {component}")),
        "value",
    )
}

/// A Python project's name, normalised. PEP 503.
fn normal(name: &str) -> String {
    let parts: Vec<&str> = name
        .split(['-', '_', '.'])
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("-").to_ascii_lowercase()
}
