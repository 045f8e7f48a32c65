//! What receipts come to, for hosts with and without a policy of their own, and for those that remember.

use super::*;
use trust::{Algorithm, PrivateKey, Signer};

const NOW: i64 = 1_800_000_000_000;

fn receipt(gate: &str, policy: &str) -> Receipt {
    Receipt {
        image: Digest::sha256(b"a manifest"),
        repository: "shop/web".parse().unwrap(),
        gate: gate.into(),
        policy: policy.into(),
        policy_digest: Digest::sha256(policy.as_bytes()).hex().to_owned(),
        policies: vec![policy.into()],
        decided_at: NOW,
        valid_until: NOW + 1_000,
        sequence: 1,
        warnings: Vec::new(),
        inputs: Vec::new(),
    }
}

struct World {
    key: PrivateKey,
    found: Vec<Found>,
}

impl World {
    fn with(receipts: &[Receipt]) -> Self {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let found = |receipt: &Receipt| Found {
            name: format!("{}/{}", receipt.policy, receipt.gate),
            bundle: receipt.sign(&key).unwrap(),
        };
        let found = receipts.iter().map(found).collect();
        Self { key, found }
    }

    fn judge(&self, gates: &[&str], policies: &[&str], now: i64) -> Vec<Passage> {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let (gates, policies): (Vec<String>, Vec<String>) = (texts(gates), texts(policies));
        let asked = Asked {
            keys: std::slice::from_ref(self.key.public_key()),
            image: &Digest::sha256(b"a manifest"),
            repository: &"shop/web".parse().unwrap(),
            gates: &gates,
            policies: &policies,
            now,
        };
        judge(&self.found, &asked, None)
    }

    #[track_caller]
    fn check(&self, gates: &[&str], policies: &[&str], expected: Result<(), &str>) {
        let passages = self.judge(gates, policies, NOW);
        assert_eq!(verified(&passages), expected.is_ok(), "{passages:#?}");
        if let Err(code) = expected {
            let mut codes = passages.iter().flat_map(|passage| &passage.refused);
            assert!(codes.any(|refused| refused.code == code), "{passages:#?}");
        }
    }
}

#[test]
fn each_gate_needs_a_receipt_of_its_own() {
    let world = World::with(&[receipt("production", "shop"), receipt("staging", "shop")]);
    world.check(&["production"], &[], Ok(()));
    world.check(&["production", "staging"], &[], Ok(()));
    world.check(&[], &[], Ok(()));
    world.check(&["production", "vault"], &[], Err("receipt-of-other-gate"));
    World::with(&[]).check(&["production"], &[], Err("no-receipt"));
    World::with(&[]).check(&[], &[], Err("no-receipt"));
}

#[test]
fn all_policies_with_the_gate_have_to_have_answered() {
    let both = |policy: &str| Receipt {
        policies: vec!["base".into(), "shop".into()],
        ..receipt("production", policy)
    };
    let world = World::with(&[both("shop")]);
    world.check(&["production"], &[], Err("no-receipt"));
    let world = World::with(&[both("shop"), both("base")]);
    world.check(&["production"], &[], Ok(()));
}

#[test]
fn attack_a_receipt_of_another_policy_than_the_hosts() {
    let world = World::with(&[receipt("production", "shop")]);
    let mine = Digest::sha256(b"shop").hex().to_owned();
    let other = Digest::sha256(b"other").hex().to_owned();
    world.check(&["production"], &[&mine], Ok(()));
    world.check(&["production"], &[&other], Err("receipt-of-other-policy"));
    world.check(
        &["production"],
        &[&mine, &other],
        Err("receipt-of-other-policy"),
    );
}

#[test]
fn it_ends_with_the_receipt_and_not_before() {
    let world = World::with(&[receipt("production", "shop")]);
    assert!(verified(&world.judge(&["production"], &[], NOW + 999)));
    let over = world.judge(&["production"], &[], NOW + 1_000);
    assert_eq!(over[0].refused[0].code, "receipt-expired");
}

#[test]
fn attack_receipts_of_another_key() {
    let mut world = World::with(&[receipt("production", "shop")]);
    world.key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    world.check(&["production"], &[], Err("receipt-key"));
    world.check(&[], &[], Err("receipt-key"));
}

#[test]
fn attack_an_older_receipt_is_shown_again() {
    let older = receipt("production", "shop");
    let newer = Receipt {
        sequence: 2,
        valid_until: NOW + 500,
        ..older.clone()
    };
    let world = World::with(&[older, newer]);
    let (older, newer) = (&world.found[..1], &world.found[1..]);
    // What the gate says, by the code of the first refusal, to a host that remembers.
    let show = |found: &[Found], seen: &mut Sequences, now: i64| {
        let asked = Asked {
            keys: std::slice::from_ref(world.key.public_key()),
            image: &Digest::sha256(b"a manifest"),
            repository: &"shop/web".parse().unwrap(),
            gates: &["production".to_owned()],
            policies: &[],
            now,
        };
        let passage = judge(found, &asked, Some(seen)).remove(0);
        let refused = passage.refused.first().map(|refused| refused.code);
        assert_eq!(passage.verified, refused.is_none());
        refused
    };
    let mut seen = Sequences::default();
    assert_eq!(show(older, &mut seen, NOW), None);
    assert_eq!(show(older, &mut seen, NOW), None, "the same again");
    assert_eq!(show(newer, &mut seen, NOW), None);
    assert_eq!(show(older, &mut seen, NOW), Some("receipt-rolled-back"));
    assert_eq!(show(newer, &mut seen, NOW), None);
    // The newer one has ended: that does not bring the older one back, not even to a host that sees both for the first time.
    let both = &world.found;
    for seen in [&mut seen, &mut Sequences::default()] {
        assert_eq!(show(both, seen, NOW + 500), Some("receipt-rolled-back"));
        assert_eq!(show(both, seen, NOW), None);
    }
    // Whoever remembers nothing believes it until it ends.
    world.check(&["production"], &[], Ok(()));
}
