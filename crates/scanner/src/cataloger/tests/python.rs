//! Python metadata.

use super::*;

const PATH: &str = "usr/lib/python3/dist-packages/Django-3.2.dist-info/METADATA";

#[test]
fn name_and_version_come_from_the_header() {
    let check = |content: &str, expect: (&str, &str)| {
        let package = package(PATH, content);
        assert_eq!(
            (package.name.as_str(), package.version.as_str()),
            expect,
            "{content}"
        );
    };
    check(
        "Metadata-Version: 2.1\nName: jinja2\nVersion: 2.10\n\nName: body\n",
        ("jinja2", "2.10"),
    );
    check("name: httplib2\nversion: 1.0\n", ("httplib2", "1.0"));
    check("Name: a\nVersion: 1\nVersion: 2\nName: b\n", ("a", "1"));
    check(
        "Summary: x\n Name: folded\nName: a\nVersion: 1\n",
        ("a", "1"),
    );
    check("Name: a\r\nVersion: 1\r\n\r\n", ("a", "1"));
    // The folder's name knows what the header does not say.
    check("Name: django\n", ("django", "3.2"));
    check("", ("Django", "3.2"));
    check("no header at all\nName: a\nVersion: 1\n", ("Django", "3.2"));
    check("Name: a b\nVersion: 4.0\n", ("Django", "4.0"));
}

#[test]
fn every_kind_of_path_has_a_name_to_fall_back_on() {
    let check = |path: &str, expect: (&str, &str)| {
        let package = package(path, "");
        assert_eq!(
            (package.name.as_str(), package.version.as_str()),
            expect,
            "{path}"
        );
    };
    check(
        "a/typing_extensions-4.12.2.dist-info/METADATA",
        ("typing_extensions", "4.12.2"),
    );
    check(
        "a/setuptools-51.3.3-py3.8.egg-info/PKG-INFO",
        ("setuptools", "51.3.3"),
    );
    check("a/pycups-2.0.1.egg-info", ("pycups", "2.0.1"));
    check(
        "a/Foo-1.0-py2.7-linux-x86_64.egg/EGG-INFO/PKG-INFO",
        ("Foo", "1.0"),
    );
    check("a/zope-interface-5.0.egg-info", ("zope-interface", "5.0"));
    assert!(unread("a/nameless.egg-info", "").contains("without name or version"));
    assert!(unread("a/.dist-info/METADATA", "Name: a\n").contains("without name or version"));
}

#[test]
fn licences_as_declared() {
    let check = |fields: &str, expect: &[&str]| {
        let package = package(PATH, format!("Name: a\nVersion: 1\n{fields}"));
        assert_eq!(package.licences, expect, "{fields}");
    };
    let classifiers = "Classifier: License :: OSI Approved :: BSD License\nClassifier: License :: OSI Approved\n\
                       Classifier: License :: Public Domain\nClassifier: Topic :: License :: X\n";
    check("", &[]);
    check("License: BSD\n", &["BSD"]);
    check("License: UNKNOWN\n", &[]);
    check(classifiers, &["BSD License", "Public Domain"]);
    check(&format!("License: BSD\n{classifiers}"), &["BSD"]);
    check(
        &format!("License: UNKNOWN\n{classifiers}"),
        &["BSD License", "Public Domain"],
    );
    check(
        "License-Expression: MIT OR Apache-2.0\nLicense: MIT\n",
        &["MIT OR Apache-2.0"],
    );
    check(
        &format!("License: Copyright (c) me\n        Permission is granted\n{classifiers}"),
        &["BSD License", "Public Domain"],
    );
    check(&format!("License: {}\n", "long ".repeat(100)), &[]);
}
