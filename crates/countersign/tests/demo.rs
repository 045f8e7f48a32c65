//! The demo is the first thing that anybody runs: it ends with 0, every step is told, and nothing is left behind. What each step
//! asserts is in the demo itself.

use std::process::Command;

#[test]
fn every_step_goes_as_told_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["demo", "--exit"])
        .env("TMPDIR", folder.path())
        .env("HOME", folder.path())
        // What is on this machine is asked for directly, also where a proxy leads out of it.
        .env("http_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .output()
        .unwrap();
    let (said, complained) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{said}\n{complained}");
    assert_eq!(complained, "");
    for step in 1..=9 {
        assert!(
            said.lines()
                .any(|line| line.starts_with(&format!("{step}  "))),
            "step {step} is missing:\n{said}"
        );
    }
    assert!(said.contains("✓ Every step went as told"), "{said}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "the temporary folder is still there"
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["demo", "--exit", "--listen", &address])
        .output()
        .unwrap();
    let complained = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complained.contains("step 1") && complained.contains(&address),
        "{complained}"
    );
}
