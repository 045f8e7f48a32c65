//! Stages that want attestations: which count, and that an attestation is never a signature.

use super::world::*;
use crate::facts::{Evidence, Verdict};
use crate::principal::PrincipalId;
use crate::reason::Code;

const TYPE: &str = "https://slsa.dev/provenance/v1";

/// What makes an attestation one that does not count.
type Spoil = fn(&mut Evidence);

fn wanting(attestation: &str) -> World {
    World::unsigned().with_policy(&format!(
        "version: 1\nrepositories: [\"shop/**\"]\nstages:\n  ci:\n    signers: [{{robot: ci-shop}}]\n  built:\n    \
         attestation: {attestation}\n    signers: [{{robot: ci-shop}}]\ngates:\n  production:\n    \
         holds-for: everyone\n    require: [built, ci]\n"
    ))
}

fn attest<'a>(world: &'a mut World, who: PrincipalId, predicate_type: &str) -> &'a mut Evidence {
    let evidence = world.sign(key_of(who), "", TODAY);
    evidence.format = "attestation".into();
    evidence.stage = None;
    evidence.predicate_type = Some(predicate_type.to_owned());
    evidence
}

#[test]
fn an_attestation_of_the_kind_or_the_type_by_a_signer_counts() {
    for wanted in ["provenance", TYPE] {
        let mut world = wanting(wanted);
        world.sign(key_of(CI_SHOP), "ci", TODAY);
        let denied = denies(&world, "built", Code::AttestationMissing);
        let reason = &denied.stage("built").expect("judged").reasons[0];
        assert_eq!(
            reason.message,
            format!("stage built has no attestation `{wanted}` (needs robot ci-shop)")
        );
        let next = reason.next.as_deref().expect("a step");
        let begin = format!("countersign attest --type {TYPE} --predicate FILE");
        assert!(next.starts_with(&begin), "{next}");
        attest(&mut world, CI_SHOP, TYPE);
        let allowed = allows(&world);
        let stage = allowed.stage("built").expect("judged");
        assert_eq!(stage.summary, "attested by robot ci-shop");
    }
}

#[test]
fn another_type_does_not_count_and_a_kind_has_versions() {
    let older = "https://slsa.dev/provenance/v0.2";
    for (wanted, given, counts) in [
        ("provenance", older, true),
        (TYPE, older, false),
        ("sbom", TYPE, false),
        ("provenance", "https://slsa.dev/provenance/v1/other", false),
        (
            "https://shop.example/review/v1",
            "https://shop.example/review/v1",
            true,
        ),
    ] {
        let mut world = wanting(wanted);
        world.sign(key_of(CI_SHOP), "ci", TODAY);
        attest(&mut world, CI_SHOP, given);
        match counts {
            true => drop(allows(&world)),
            false => {
                let denied = denies(&world, "built", Code::AttestationMissing);
                assert_eq!(codes(&denied, "built"), [Code::AttestationMissing]);
            }
        }
    }
}

#[test]
fn a_signature_is_no_attestation_and_an_attestation_no_signature() {
    let mut world = wanting("provenance");
    // That the robot signs for one stage and attests for another leaves no doubt which one a signature without a stage is for.
    world.sign(key_of(CI_SHOP), "ci", TODAY).stage = None;
    let denied = denies(&world, "built", Code::AttestationMissing);
    assert!(denied.stage("ci").expect("judged").satisfied);
    world.facts.evidence.clear();
    world.sign(key_of(CI_SHOP), "built", TODAY);
    denies(&world, "built", Code::AttestationMissing);
    world.facts.evidence.clear();
    attest(&mut world, CI_SHOP, TYPE);
    let denied = denies(&world, "ci", Code::StageNotSigned);
    assert!(denied.stage("built").expect("judged").satisfied);
    assert_eq!(codes(&denied, "ci"), [Code::StageNotSigned]);
    let alone = super::super::verify_alone(&world.facts, &world.directory, TODAY);
    assert!(!alone.verified, "{alone:?}");
}

#[test]
fn whoever_is_registered_attests_a_type_whatever_a_policy_wants() {
    let mut world = World::unsigned();
    world.sign(key_of(CI_SHOP), "ci", TODAY);
    let asked = |world: &World, kind: &str| {
        super::super::verify_attested(&world.facts, &world.directory, kind, TODAY)
    };
    let none = asked(&world, TYPE);
    assert!(!none.verified, "a signature attests nothing");
    let [reason] = none.rules[0].reasons.as_slice() else {
        panic!("one reason: {none:?}");
    };
    assert_eq!(reason.code, Code::AttestationMissing);
    let next = reason.next.as_deref().expect("a step");
    assert!(next.contains(&format!("attest --type {TYPE} ")), "{next}");

    attest(&mut world, CI_SHOP, TYPE);
    let found = asked(&world, TYPE);
    assert!(found.verified);
    assert_eq!(found.rules[0].summary, "attested by robot ci-shop");
    assert_eq!(found.rules[0].counted.len(), 1);
    assert!(!asked(&world, "https://slsa.dev/provenance/v0.2").verified);

    let key = world
        .directory
        .keys
        .get_mut(&key_of(CI_SHOP))
        .expect("there");
    key.revoked_at = Some(0);
    let revoked = asked(&world, TYPE);
    assert!(!revoked.verified);
    let codes: Vec<Code> = revoked.rules[0]
        .reasons
        .iter()
        .map(|reason| reason.code)
        .collect();
    assert_eq!(codes, [Code::AttestationMissing, Code::RevokedKey]);
}

#[test]
fn what_does_not_count_says_why() {
    let spoil: [(Code, Spoil); 6] = [
        (Code::UnknownKey, |evidence| {
            evidence.verdict = Verdict::UnknownKey
        }),
        (Code::BadSignature, |evidence| {
            evidence.verdict = Verdict::BadSignature
        }),
        (Code::OtherDigest, |evidence| {
            evidence.subject = digest("another image")
        }),
        (Code::OtherRepository, |evidence| {
            evidence.repository = Some("shop/api".into())
        }),
        (Code::Withdrawn, |evidence| evidence.withdrawn = true),
        (Code::NotASigner, |evidence| {
            evidence.key = Some(key_of(MARIA))
        }),
    ];
    for (code, spoil) in spoil {
        let mut world = wanting("provenance");
        spoil(attest(&mut world, CI_SHOP, TYPE));
        let denied = denies(&world, "built", code);
        assert_eq!(codes(&denied, "built"), [Code::AttestationMissing, code]);
    }
}
