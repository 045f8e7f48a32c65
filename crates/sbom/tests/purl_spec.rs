//! The cases of the purl specification, for the types whose rules are implemented, and its general cases. Needs the
//! public suites: `COUNTERSIGN_SUITES=… cargo test -p sbom --features suites`.

#![expect(clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use sbom::Purl;
use serde::Deserialize;

/// The files that must pass, and how many cases each has at least. The types that are not here (brew,
/// chrome-extension, cpan, git, huggingface, julia, mlflow, otp, swift, vcpkg, vscode-extension) have rules of their own
/// that are not implemented: no component of such a type is ever made here.
const FILES: &[(&str, usize)] = &[
    ("spec/specification", 18),
    ("types/alpm", 9),
    ("types/apk", 6),
    ("types/bazel", 21),
    ("types/bitbucket", 7),
    ("types/bitnami", 12),
    ("types/cargo", 9),
    ("types/cocoapods", 12),
    ("types/composer", 9),
    ("types/conan", 17),
    ("types/conda", 7),
    ("types/cran", 16),
    ("types/deb", 19),
    ("types/docker", 13),
    ("types/gem", 10),
    ("types/generic", 9),
    ("types/github", 10),
    ("types/golang", 17),
    ("types/hackage", 16),
    ("types/hex", 12),
    ("types/luarocks", 9),
    ("types/maven", 61),
    ("types/npm", 17),
    ("types/nuget", 7),
    ("types/oci", 12),
    ("types/opam", 5),
    ("types/pub", 6),
    ("types/pypi", 16),
    ("types/qpkg", 6),
    ("types/rpm", 10),
    ("types/swid", 9),
    ("types/yocto", 1),
];

/// Cases that are not passed. The specification asks to lower the case of qualifier keys, and the cases of maven ask for
/// it; these two want the same refused.
const NOT_PASSED: &[&str] = &[
    "pkg:gem/jruby-launcher@1.1.2?Platform=java",
    "pkg:Rpm/fedora/curl@7.50.3-1.fc25?Arch=i386&Distro=fedora-25",
];

#[derive(Deserialize)]
struct Suite {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    description: String,
    test_type: String,
    input: Value,
    expected_output: Option<Value>,
    expected_failure: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Parts(Parts),
}

#[derive(Deserialize)]
struct Parts {
    r#type: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    version: Option<String>,
    qualifiers: Option<BTreeMap<String, String>>,
    subpath: Option<String>,
}

impl Parts {
    fn into_purl(self) -> Purl {
        Purl {
            kind: self.r#type.unwrap_or_default(),
            namespace: self.namespace,
            name: self.name.unwrap_or_default(),
            version: self.version,
            qualifiers: self.qualifiers.unwrap_or_default(),
            subpath: self.subpath,
        }
    }
}

fn run(file: &str, case: Case) {
    let about = format!("{file}: {} {}", case.test_type, case.description);
    let (input, found) = match case.input {
        Value::Text(text) => (Some(text.clone()), Purl::parse(&text)),
        Value::Parts(parts) => (None, parts.into_purl().build()),
    };
    if case.expected_failure && input.is_some_and(|text| NOT_PASSED.contains(&text.as_str())) {
        assert!(found.is_ok(), "{about}: passes now, take it off the list");
        return;
    }
    if case.expected_failure {
        assert!(found.is_err(), "{about}: accepted as {found:?}");
        return;
    }
    let found = found.unwrap_or_else(|error| panic!("{about}: {error}"));
    match case
        .expected_output
        .unwrap_or_else(|| panic!("{about}: nothing expected"))
    {
        Value::Text(text) => assert_eq!(found.to_string(), text, "{about}"),
        Value::Parts(parts) => assert_eq!(found, parts.into_purl(), "{about}"),
    }
}

#[test]
fn cases_of_the_specification() {
    let suites = std::env::var_os("COUNTERSIGN_SUITES")
        .expect("COUNTERSIGN_SUITES names the folder of the suites");
    let folder = PathBuf::from(suites).join("suites/purl-spec/tests");
    for (name, cases_min) in FILES {
        let path = folder.join(format!("{name}-test.json"));
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let suite: Suite =
            serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut executed = 0;
        for case in suite.tests {
            run(name, case);
            executed += 1;
        }
        assert!(executed >= *cases_min, "{name}: only {executed} cases");
    }
}
