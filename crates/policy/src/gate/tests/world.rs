//! A small shop: who works there, their keys, its policy, and one image, pushed by Dora and fine in every way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use advisories::Severity;
use oci::Digest;
use trust::KeyId;

use crate::decision::{Decision, Outcome};
use crate::facts::{
    AdvisoryState, Evidence, Facts, FindingFact, ImageFacts, InventoryState, LicenceFact, Matching,
    Target, Verdict,
};
use crate::file::{self, Policy};
use crate::gate;
use crate::pattern::Pattern;
use crate::principal::{Directory, Kind, Principal, PrincipalId, SigningKey};
use crate::reason::Code;

pub(crate) const DORA: PrincipalId = PrincipalId(1);
pub(crate) const MARIA: PrincipalId = PrincipalId(2);
pub(crate) const QUENTIN: PrincipalId = PrincipalId(3);
pub(crate) const RITA: PrincipalId = PrincipalId(4);
pub(crate) const OLAF: PrincipalId = PrincipalId(5);
pub(crate) const CI_SHOP: PrincipalId = PrincipalId(10);
pub(crate) const MARIA_BOT: PrincipalId = PrincipalId(11);
pub(crate) const HOST: PrincipalId = PrincipalId(12);

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const DAY: i64 = 24 * 60 * 60 * SECOND;
/// The day on which all stories play.
pub(crate) const TODAY: i64 = 20_000 * DAY;

pub(crate) const POLICY: &str = r#"
version: 1
repositories: ["shop/**"]
stages:
  ci:
    signers: [{robot: ci-shop}]
  scan:
    automatic: true
    limits:
      vulnerabilities: {severity: critical, fixable-only: true, grace: 7d}
      known-exploited: deny
      licences: {deny: [AGPL-3.0-only]}
  staging:
    signers: [{team: qa}, {person: maria}, {robot: maria-bot}]
    threshold: 2
    after: [ci, scan]
    except: [author]
gates:
  production:
    holds-for: [{team: production-hosts}]
    require: [ci, scan, staging]
    mode: enforce
"#;

static DEFAULT: LazyLock<Policy> = LazyLock::new(|| policy(POLICY));

pub(crate) fn key(number: u64) -> KeyId {
    format!("{number:064x}")
        .parse()
        .expect("64 hexadecimal digits are a key id")
}

/// The first key of a principal.
pub(crate) fn key_of(principal: PrincipalId) -> KeyId {
    key(u64::try_from(principal.0).expect("test principals are positive"))
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) directory: Directory,
    pub(crate) policy: Policy,
    pub(crate) facts: Facts,
    pub(crate) now: i64,
}

pub(crate) fn directory() -> Directory {
    let mut directory = Directory::default();
    let people = [
        (DORA, "dora"),
        (MARIA, "maria"),
        (QUENTIN, "quentin"),
        (RITA, "rita"),
        (OLAF, "olaf"),
    ];
    for (id, name) in people {
        let person = Principal {
            id,
            kind: Kind::Person,
            name: name.into(),
            owner: None,
            active: true,
        };
        directory.principals.insert(id, person);
    }
    for (id, name, owner) in [
        (CI_SHOP, "ci-shop", DORA),
        (MARIA_BOT, "maria-bot", MARIA),
        (HOST, "host", OLAF),
    ] {
        let owner = Some(owner);
        let robot = Principal {
            id,
            kind: Kind::Robot,
            name: name.into(),
            owner,
            active: true,
        };
        directory.principals.insert(id, robot);
    }
    directory
        .teams
        .insert("qa".into(), BTreeSet::from([QUENTIN, RITA]));
    directory
        .teams
        .insert("production-hosts".into(), BTreeSet::from([HOST]));
    for id in directory.principals.keys() {
        let scope = vec![Pattern::parse("shop/**").expect("a pattern")];
        let key = SigningKey {
            key_id: key_of(*id),
            principal: *id,
            scope,
            revoked_at: None,
            revoked_from: None,
        };
        directory.keys.insert(key.key_id.clone(), key);
    }
    directory
}

pub(crate) fn policy(text: &str) -> Policy {
    file::load(text, "shop").unwrap_or_else(|lints| {
        let lints: Vec<String> = lints.iter().map(ToString::to_string).collect();
        panic!("the policy has lints:\n{}", lints.join("\n"))
    })
}

pub(crate) fn clean_image() -> ImageFacts {
    ImageFacts {
        inventory: InventoryState::Complete,
        matching: Matching::default(),
        findings: Vec::new(),
        licences: vec![LicenceFact {
            purl: "pkg:pypi/django@3.2.0".into(),
            licences: vec!["BSD-3-Clause".into()],
        }],
    }
}

/// A critical, fixable finding that this server has held since before the grace.
pub(crate) fn finding(group: &str) -> FindingFact {
    FindingFact {
        package: "pkg:pypi/django@3.2.0".into(),
        name: "django".into(),
        version: "3.2.0".into(),
        group: group.into(),
        ids: vec![group.into(), format!("GHSA-{group}")],
        severity: Severity::Critical,
        fixed_version: Some("3.2.5".into()),
        known_exploited: false,
        first_held_at: TODAY - 100 * DAY,
    }
}

impl World {
    /// The image was pushed and indexed, the scan stage recorded, and nobody has signed.
    pub(crate) fn unsigned() -> Self {
        World {
            directory: directory(),
            policy: DEFAULT.clone(),
            facts: Facts {
                repository: "shop/web".parse().expect("a repository"),
                digest: digest("the image"),
                tag: None,
                first_pushed_by: Some(DORA),
                subject: Target::Image(clean_image()),
                evidence: Vec::new(),
                listed_by: BTreeSet::new(),
                advisories: AdvisoryState {
                    ready: true,
                    snapshot: "snapshot".into(),
                },
                stage_records: BTreeMap::from([("scan".to_owned(), TODAY - 2 * DAY)]),
                break_glass: Vec::new(),
            },
            now: TODAY,
        }
    }

    /// As above, and signed by CI.
    pub(crate) fn built() -> Self {
        let mut world = World::unsigned();
        world.sign(key_of(CI_SHOP), "ci", TODAY - 3 * DAY);
        world
    }

    /// As above, and signed for staging by Quentin; one more signature is missing.
    pub(crate) fn half_approved() -> Self {
        let mut world = World::built();
        world.sign(key_of(QUENTIN), "staging", TODAY - DAY);
        world
    }

    /// Everything is there.
    pub(crate) fn approved() -> Self {
        let mut world = World::half_approved();
        world.sign(key_of(RITA), "staging", TODAY - DAY + 1);
        world
    }

    pub(crate) fn with_policy(mut self, text: &str) -> Self {
        self.policy = policy(text);
        self
    }

    /// Adds a verified signature for this image, made with our own format.
    pub(crate) fn sign(&mut self, key: KeyId, stage: &str, stored_at: i64) -> &mut Evidence {
        let id = i64::try_from(self.facts.evidence.len()).expect("few") + 1;
        self.facts.evidence.push(Evidence {
            id,
            format: "stage".into(),
            manifest: digest(&format!("evidence {id}")),
            subject: self.facts.digest.clone(),
            attached_to: self.facts.digest.clone(),
            key_hint: Some(key.to_string()),
            key: Some(key),
            stage: Some(stage.into()),
            predicate_type: None,
            repository: Some("shop/web".into()),
            stored_at,
            trusted_at: None,
            expires_at: None,
            verdict: Verdict::Verified,
            withdrawn: false,
        });
        self.facts.evidence.last_mut().expect("just pushed")
    }

    /// Rita's signature for staging, which would complete a half-approved image.
    pub(crate) fn last_signature(&mut self) -> &mut Evidence {
        self.sign(key_of(RITA), "staging", TODAY - DAY + 1)
    }

    pub(crate) fn image(&mut self) -> &mut ImageFacts {
        match &mut self.facts.subject {
            Target::Image(image) => image,
            other => panic!("not an image: {other:?}"),
        }
    }

    pub(crate) fn decide(&self) -> Decision {
        self.decide_at(self.now)
    }

    pub(crate) fn decide_at(&self, now: i64) -> Decision {
        gate::evaluate(
            &self.facts,
            &self.policy,
            "production",
            &self.directory,
            now,
        )
    }
}

/// Asserts the outcome.
#[track_caller]
pub(crate) fn allows(world: &World) -> Decision {
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::Allow, "{}", decision.tree());
    decision
}

/// Asserts a refusal in which a stage has a reason with this code.
#[track_caller]
pub(crate) fn denies(world: &World, stage: &str, code: Code) -> Decision {
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::Deny, "{}", decision.tree());
    assert!(
        codes(&decision, stage).contains(&code),
        "no {code} in:\n{}",
        decision.tree()
    );
    decision
}

pub(crate) fn codes(decision: &Decision, stage: &str) -> Vec<Code> {
    let rule = decision
        .stage(stage)
        .unwrap_or_else(|| panic!("no stage {stage}"));
    rule.reasons.iter().map(|reason| reason.code).collect()
}
