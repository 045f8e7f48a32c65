//! Stories of indexes and the images they list.

use super::world::{
    CI_SHOP, DAY, QUENTIN, RITA, TODAY, World, allows, clean_image, codes, denies, digest, finding,
    key_of,
};
use crate::decision::Outcome;
use crate::facts::{Child, ImageFacts, InventoryState, Target};
use crate::reason::Code;

fn child(platform: &str, facts: Option<ImageFacts>) -> Child {
    Child {
        digest: digest(platform),
        platform: Some(platform.into()),
        runnable: true,
        facts,
    }
}

fn vulnerable() -> ImageFacts {
    let mut image = clean_image();
    image.findings.push(finding("CVE-2021-35042"));
    image
}

fn index(children: Vec<Child>) -> World {
    let mut world = World::approved();
    world.facts.subject = Target::Index(children);
    world
}

#[test]
fn one_runnable_image_within_the_limits_is_enough_for_the_index() {
    let world = index(vec![
        child("linux/arm64", Some(vulnerable())),
        child("linux/amd64", Some(clean_image())),
    ]);
    let decision = allows(&world);
    assert!(
        decision
            .stage("scan")
            .expect("judged")
            .summary
            .contains("linux/amd64")
    );
    assert!(
        decision
            .warnings
            .iter()
            .any(|warning| warning.contains("linux/arm64"))
    );
}

#[test]
fn an_index_without_its_signatures_is_refused_however_clean_its_images() {
    let mut world = index(vec![child("linux/amd64", Some(clean_image()))]);
    world.facts.evidence.clear();
    denies(&world, "ci", Code::StageNotSigned);
}

#[test]
fn an_index_whose_images_all_violate_the_limits_has_no_runnable_child() {
    let world = index(vec![
        child("linux/arm64", Some(vulnerable())),
        child("linux/amd64", Some(vulnerable())),
    ]);
    let decision = denies(&world, "scan", Code::NoRunnableChild);
    assert_eq!(
        codes(&decision, "scan"),
        [
            Code::NoRunnableChild,
            Code::VulnerabilityLimit,
            Code::VulnerabilityLimit
        ]
    );
}

#[test]
fn an_index_with_no_runnable_child_is_refused() {
    let mut attestation = child("unknown/unknown", Some(clean_image()));
    attestation.runnable = false;
    denies(&index(vec![attestation]), "scan", Code::NoRunnableChild);
    denies(&index(Vec::new()), "scan", Code::NoRunnableChild);
}

#[test]
fn while_one_image_is_not_indexed_an_index_is_not_ready() {
    let mut not_indexed = clean_image();
    not_indexed.inventory = InventoryState::NotIndexed;
    for waiting in [None, Some(not_indexed)] {
        let world = index(vec![
            child("linux/arm64", Some(vulnerable())),
            child("linux/amd64", waiting),
        ]);
        let decision = world.decide();
        assert_eq!(decision.outcome, Outcome::NotReady, "{}", decision.tree());
        assert_eq!(codes(&decision, "scan"), [Code::NotIndexed]);
    }
}

#[test]
fn an_index_signature_covers_the_child_that_it_lists() {
    let mut world = World::approved();
    let index = digest("the index");
    for evidence in &mut world.facts.evidence {
        (evidence.subject, evidence.attached_to) = (index.clone(), index.clone());
    }
    world.facts.listed_by.insert(index.clone());
    allows(&world);
    // The same signatures on an index of elsewhere, or on one that does not list it, cover nothing.
    world.facts.listed_by.clear();
    denies(&world, "ci", Code::OtherDigest);
}

#[test]
fn a_signature_on_an_index_about_something_else_does_not_cover_the_child() {
    let mut world = World::approved();
    let index = digest("the index");
    world.facts.listed_by.insert(index.clone());
    world.facts.evidence[0].attached_to = index;
    denies(&world, "ci", Code::OtherDigest);
}

#[test]
fn the_signatures_of_a_child_do_not_cover_the_index() {
    let mut world = index(vec![child("linux/amd64", Some(clean_image()))]);
    world.facts.evidence.clear();
    for (principal, stage, at) in [
        (CI_SHOP, "ci", 3),
        (QUENTIN, "staging", 1),
        (RITA, "staging", 1),
    ] {
        let signature = world.sign(key_of(principal), stage, TODAY - at * DAY);
        (signature.subject, signature.attached_to) = (digest("linux/amd64"), digest("linux/amd64"));
    }
    let decision = denies(&world, "ci", Code::OtherDigest);
    let said = "it covers that image, and not the index";
    assert!(decision.tree().contains(said), "{}", decision.tree());
}

#[test]
fn the_platform_image_under_a_refused_index_is_judged_by_itself() {
    let mut world = World::unsigned();
    world.facts.listed_by.insert(digest("the index"));
    denies(&world, "ci", Code::StageNotSigned);
}

#[test]
fn signatures_of_the_child_and_of_its_index_count_together_but_once_a_person() {
    let mut world = World::half_approved();
    let index = digest("the index");
    world.facts.listed_by.insert(index.clone());
    let same = world.sign(key_of(QUENTIN), "staging", TODAY - DAY + 1);
    (same.subject, same.attached_to) = (index.clone(), index.clone());
    denies(&world, "staging", Code::SamePrincipal);
    let other = world.sign(key_of(RITA), "staging", TODAY - DAY + 2);
    (other.subject, other.attached_to) = (index.clone(), index);
    allows(&world);
}
