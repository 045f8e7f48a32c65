//! Docker Content Trust with the real clients, docker 20.10 and 28 and notary: one script, run against Debian's `notary-server` and
//! against Countersign, and what comes of each step must be the same. At Countersign nobody names a trust server: its own
//! address is one, over TLS. What notary-server cannot do, repositories that a policy covers, is a story of its own.

mod crash;
mod docker;
mod managed;
mod notary;
mod owner;
mod side;

use self::side::Side;
use crate::harness::{Dockerd, docker_20, docker_28};
use std::path::Path;

/// Runs a script at both, and compares every step.
fn compared(script: impl Fn(&mut Side)) {
    let mut theirs = Side::notary_server();
    script(&mut theirs);
    let mut ours = Side::countersign();
    script(&mut ours);
    let (theirs, ours) = (theirs.steps(), ours.steps());
    for (theirs, ours) in theirs.iter().zip(ours) {
        println!("{:<52} {}", ours.0, ours.1);
        assert_eq!(theirs, ours, "notary-server, then Countersign");
    }
    assert_eq!(theirs.len(), ours.len());
}

fn with_docker(age: &str, docker: &'static Path) {
    let engine = Dockerd::start();
    compared(|side| docker::script(side, &engine, age, docker));
}

#[test]
fn docker_20_signs_and_pulls_alike_at_both() {
    with_docker("20", docker_20());
}

#[test]
fn docker_28_signs_and_pulls_alike_at_both() {
    with_docker("28", docker_28());
}

#[test]
fn docker_20_pulls_only_what_every_stage_has_signed() {
    managed::story(docker_20());
}

#[test]
fn docker_28_pulls_only_what_every_stage_has_signed() {
    managed::story(docker_28());
}

#[test]
fn notary_publishes_rotates_and_deletes_alike_at_both() {
    compared(notary::script);
}

#[test]
fn another_root_is_refused_alike_at_both() {
    compared(notary::another_root);
}

#[test]
fn two_publishers_at_once_end_alike_at_both() {
    compared(notary::two_publishers);
}

#[test]
fn a_client_reads_its_cache_while_the_server_is_away() {
    compared(notary::server_away);
}

#[test]
fn an_owner_goes_on_without_notary_and_notary_follows() {
    owner::goes_on_without_notary(&Side::countersign());
}

#[test]
fn notary_goes_on_with_keys_that_countersign_made_for_docker() {
    owner::hands_over_to_notary(&Side::countersign());
}
