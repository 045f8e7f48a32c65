//! Node.js metadata.

use super::*;

const PATH: &str = "srv/app/node_modules/ms/package.json";

#[test]
fn installed_packages_have_their_own_folder() {
    let is_package = |path: &str| {
        matches!(
            read(path, r#"{"name":"a","version":"1"}"#),
            Finding::Package(_)
        )
    };
    assert!(is_package("node_modules/a/package.json"));
    assert!(is_package("x/node_modules/@s/a/package.json"));
    assert!(is_package("x/node_modules/a/node_modules/b/package.json"));
    assert!(is_package(
        "x/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json"
    ));
    assert!(!is_package("x/node_modules/a/lib/package.json"));
    assert!(!is_package("x/node_modules/package.json"));
    assert!(!is_package("x/node_modules/@s/package.json"));
    assert!(!is_package("x/node_modules/.cache/package.json"));
    assert!(!is_package("x/node_modules/@s/a/b/package.json"));
    assert!(!is_package("srv/app/package.json"));
    assert!(!is_package("my_node_modules/a/package.json"));
}

#[test]
fn name_version_and_licence_in_every_form() {
    let check = |content: &str, expect: (&str, &str, &[&str])| {
        let package = package(PATH, content);
        let licences: Vec<_> = package.licences.iter().map(String::as_str).collect();
        assert_eq!(
            (
                package.name.as_str(),
                package.version.as_str(),
                licences.as_slice()
            ),
            expect,
            "{content}"
        );
    };
    check(
        r#"{"name":"@types/node","version":"1.2.3"}"#,
        ("@types/node", "1.2.3", &[]),
    );
    check(
        "\u{feff}{\"name\":\"a\",\"version\":\"1\",\"license\":\"MIT\"}",
        ("a", "1", &["MIT"]),
    );
    check(
        r#"{"name":"a","version":"1","license":{"type":"MIT","url":"http://x"}}"#,
        ("a", "1", &["MIT"]),
    );
    check(
        r#"{"name":"a","version":"1","licenses":[{"type":"MIT"},{"name":"BSD"},"ISC","MIT"]}"#,
        ("a", "1", &["MIT", "BSD", "ISC"]),
    );
    check(
        r#"{"name":"a","version":"1","license":["MIT",{"type":"BSD"}]}"#,
        ("a", "1", &["MIT", "BSD"]),
    );
    check(
        r#"{"name":"a","version":"1","license":null,"licenses":7}"#,
        ("a", "1", &[]),
    );
    check(
        r#"{"name":"a","version":"1","license":true,"licenses":"X"}"#,
        ("a", "1", &["X"]),
    );
    check(
        r#"{"name":"a","name":"b","version":"1","version":"2"}"#,
        ("b", "2", &[]),
    );
    check(
        r#"{"version":"1","author":{"name":"someone"},"name":"a"}"#,
        ("a", "1", &[]),
    );
    check(
        r#"{"name":"a","version":"1","author":"\ud800 half a surrogate"}"#,
        ("a", "1", &[]),
    );
    let latin: Vec<u8> = br#"{"name":"a","version":"1","author":"Jos?"}"#.iter().map(|b| if *b == b'?' { 0xe9 } else { *b }).collect();
    assert_eq!(package(PATH, latin).name, "a");
}

#[test]
fn what_has_no_name_or_version_is_no_package() {
    for content in [
        r#"{"type":"module"}"#,
        r#"{"name":"a"}"#,
        r#"{"version":"1"}"#,
        r#"{"name":1,"version":"1"}"#,
        r#"{"name":"","version":""}"#,
    ] {
        assert_eq!(read(PATH, content), Finding::Nothing, "{content}");
    }
}

#[test]
fn what_is_no_json_object_is_told() {
    for content in [
        "",
        "{",
        "[]",
        "null",
        "\"a\"",
        "{\"name\":\"a\",}",
        "\0\0\0",
    ] {
        assert!(
            unread(PATH, content).starts_with("not a JSON object"),
            "{content:?}"
        );
    }
    let deep = format!("{{\"license\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
    assert!(unread(PATH, deep).contains("recursion limit"));
    let large = format!(
        "{{\"name\":\"a\",\"version\":\"1\",\"x\":\"{}\"}}",
        "x".repeat(20_000)
    );
    let Finding::Unread { kind, .. } = read(PATH, large) else {
        panic!()
    };
    assert_eq!(kind, ProblemKind::LimitExceeded);
    assert_eq!(read("srv/app/package.json", "{broken"), Finding::Nothing);
}

#[test]
fn what_a_store_holds_is_not_installed() {
    let content = r#"{"name":"a","version":"1"}"#;
    for path in [
        "root/.local/share/pnpm/store/v10/files/3f/0a1b",
        "root/.bun/install/cache/a@1/package.json",
    ] {
        assert!(matches!(read(path, content), Finding::Stored(_)), "{path}");
        assert_eq!(read(path, "export const a = 1"), Finding::Nothing);
        assert_eq!(read(path, "{ return }"), Finding::Nothing);
    }
}
