//! Tests of `licence`.

use super::{Licence, known_ids};

fn check(declared: &str, expect: Licence) {
    assert_eq!(Licence::read(declared), Some(expect), "{declared:?}");
}

#[test]
fn one_identifier() {
    check("MIT", Licence::Id("MIT"));
    check(" apache-2.0 ", Licence::Id("Apache-2.0"));
    check("GPL-2.0+", Licence::Id("GPL-2.0+"));
    for id in known_ids() {
        check(id, Licence::Id(id));
    }
}

#[test]
fn expressions_get_the_spelling_of_spdx() {
    for (declared, expect) in [
        ("MIT OR apache-2.0", "MIT OR Apache-2.0"),
        (
            "(MIT or Apache-2.0)  and ISC",
            "(MIT OR Apache-2.0) AND ISC",
        ),
        (
            "GPL-2.0-only WITH classpath-exception-2.0",
            "GPL-2.0-only WITH Classpath-exception-2.0",
        ),
        ("Apache-2.0+", "Apache-2.0+"),
        ("LicenseRef-Acme.1 OR MIT", "LicenseRef-Acme.1 OR MIT"),
        ("((MIT))", "((MIT))"),
    ] {
        check(declared, Licence::Expression(expect.to_owned()));
        check(expect, Licence::Expression(expect.to_owned()));
    }
}

#[test]
fn anything_else_is_a_name() {
    for declared in [
        "BSD",
        "MIT License",
        "Apache 2.0",
        "GPL-2",
        "SEE LICENSE IN LICENSE.txt",
        "MIT OR",
        "OR MIT",
        "MIT Or ISC",
        "MIT ISC",
        "(MIT",
        "MIT)",
        "()",
        "MIT WITH MIT",
        "MIT AND Proprietary",
        "LicenseRef-",
        "LicenseRef-a_b",
        "Licence\u{0}with\ncontrol",
    ] {
        check(declared, Licence::Name(declared.to_owned()));
    }
    assert_eq!(Licence::read(" \n\t"), None);
}

#[test]
fn nesting_and_length_are_bounded() {
    let deep = format!("{}MIT{}", "(".repeat(17), ")".repeat(17));
    check(&deep, Licence::Name(deep.clone()));
    let many = "(MIT) AND ".repeat(20) + "(MIT)";
    check(&many, Licence::Expression(many.clone()));
    let long = "MIT OR ".repeat(1_000) + "MIT";
    check(&long, Licence::Name(long.clone()));
}
