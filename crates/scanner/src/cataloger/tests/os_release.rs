//! os-release files.

use super::*;

fn distro(content: &str) -> Distro {
    match read("etc/os-release", content) {
        Finding::Distro(distro) => distro,
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_are_those_of_a_shell_assignment() {
    let debian = distro(crate::testing::DEBIAN);
    assert_eq!(
        (debian.id.as_str(), debian.version_id.as_str()),
        ("debian", "12")
    );
    assert_eq!(debian.codename.as_deref(), Some("bookworm"));
    assert_eq!(debian.pretty_name, "Debian GNU/Linux 12 (bookworm)");
    let odd = distro(
        "# ID=no\n  ID='Ubuntu' \nID_LIKE=debian\nVERSION_ID=22.04\nPRETTY_NAME=\"a \\\"b\\\" \\$c\"\nVERSION_CODENAME=\n",
    );
    assert_eq!(
        (odd.id.as_str(), odd.version_id.as_str(), odd.codename),
        ("ubuntu", "22.04", None)
    );
    assert_eq!(odd.pretty_name, "a \"b\" $c");
    let sid = distro("NAME=Debian\nID=debian\nVERSION_CODENAME=sid\n");
    assert_eq!(
        (
            sid.version_id.as_str(),
            sid.codename.as_deref(),
            sid.pretty_name.as_str()
        ),
        ("", Some("sid"), "Debian")
    );
    assert_eq!(distro("ID=a\nID=b\n").id, "b");
    assert_eq!(distro("ID=\"unclosed").id, "unclosed");
}

#[test]
fn a_file_that_names_nothing_is_told() {
    for content in ["", "NAME=x\n", "ID=\n", "ID=\"\"\n", "ID=a b\n", "\0\0\0"] {
        assert_eq!(
            unread("etc/os-release", content),
            "it names no distribution",
            "{content:?}"
        );
    }
}
