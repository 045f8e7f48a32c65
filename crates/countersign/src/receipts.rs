//! What receipts come to for a host that asks nobody: for each gate, the receipts that are worth something, and why the others are
//! not. Deliberately no network and no clock: bundles and the time are given.

use crate::output;
use crate::sequences::Sequences;
use oci::{Digest, RepositoryName};
use serde::Serialize;
use std::collections::BTreeSet;
use trust::receipt::{self, Expected, Receipt, ReceiptError};
use trust::{KeyId, PublicKey};

/// What is asked.
pub(crate) struct Asked<'a> {
    /// The keys of the server's receipts.
    pub(crate) keys: &'a [PublicKey],
    /// The image.
    pub(crate) image: &'a Digest,
    /// The repository that it has to be allowed in, without a host.
    pub(crate) repository: &'a RepositoryName,
    /// The gates that it has to pass; none for all of which there is a receipt.
    pub(crate) gates: &'a [String],
    /// The SHA-256 of the policies that have to have answered, in hexadecimal; none for those that the receipts name.
    pub(crate) policies: &'a [String],
    /// In milliseconds since the epoch.
    pub(crate) now: i64,
}

/// A receipt as it was found, and what it is called.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) bundle: Vec<u8>,
}

/// What the receipts come to at one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Passage {
    pub(crate) gate: String,
    pub(crate) verified: bool,
    pub(crate) receipts: Vec<Accepted>,
    pub(crate) refused: Vec<Refused>,
}

/// A receipt that is worth something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted {
    pub(crate) receipt: String,
    pub(crate) policy: String,
    pub(crate) policy_digest: String,
    pub(crate) decided_at: i64,
    pub(crate) valid_until_at: i64,
    pub(crate) sequence: i64,
    pub(crate) warnings: Vec<String>,
    pub(crate) inputs: Vec<Digest>,
}

/// What stands against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refused {
    /// Which receipt; empty where one is missing.
    pub(crate) receipt: String,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// A receipt that one of the keys signed.
struct Read<'a> {
    name: &'a str,
    receipt: Receipt,
    key: KeyId,
}

/// Judges all receipts at all gates. Without gates to ask for, there has to be a receipt at least. With what is remembered, none counts
/// that is older than one that was seen, now or before.
pub(crate) fn judge(
    found: &[Found],
    asked: &Asked<'_>,
    mut seen: Option<&mut Sequences>,
) -> Vec<Passage> {
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for each in found {
        match receipt::read(&each.bundle, asked.keys) {
            Ok(verified) => {
                let (receipt, key) = verified.into_parts();
                if let Some(seen) = &mut seen
                    && receipt.image == *asked.image
                    && receipt.repository == *asked.repository
                {
                    seen.see(&key, &receipt);
                }
                let name = each.name.as_str();
                read.push(Read { name, receipt, key });
            }
            Err(error) => unread.push(refused(&each.name, &error)),
        }
    }
    let named: BTreeSet<&str> = match asked.gates {
        [] => read.iter().map(|read| read.receipt.gate.as_str()).collect(),
        gates => gates.iter().map(String::as_str).collect(),
    };
    if named.is_empty() {
        return vec![Passage::without("", unread)];
    }
    named
        .into_iter()
        .map(|gate| at_gate(gate, &read, unread.clone(), asked, seen.as_deref()))
        .collect()
}

/// Whether the image may be run.
pub(crate) fn verified(passages: &[Passage]) -> bool {
    !passages.is_empty() && passages.iter().all(|passage| passage.verified)
}

fn at_gate(
    gate: &str,
    read: &[Read<'_>],
    unread: Vec<Refused>,
    asked: &Asked<'_>,
    seen: Option<&Sequences>,
) -> Passage {
    let any = [None];
    let named: Vec<Option<&str>> = asked
        .policies
        .iter()
        .map(|text| Some(text.as_str()))
        .collect();
    let policies: &[Option<&str>] = if named.is_empty() { &any } else { &named };
    let mut passage = Passage {
        gate: gate.to_owned(),
        verified: true,
        receipts: Vec::new(),
        refused: Vec::new(),
    };
    let mut together = BTreeSet::new();
    for policy_digest in policies {
        let mut refusals = Vec::new();
        let before = passage.receipts.len();
        for Read { name, receipt, key } in read {
            let expected = Expected {
                image: asked.image,
                repository: asked.repository,
                gate,
                policy_digest: *policy_digest,
                sequence: seen.and_then(|seen| seen.highest(key, receipt)),
            };
            match receipt.check(&expected, asked.now) {
                Ok(()) => {
                    together.extend(receipt.policies.iter().cloned());
                    passage.receipts.push(accepted(name, receipt));
                }
                Err(error) => refusals.push(refused(name, &error)),
            }
        }
        if passage.receipts.len() == before {
            passage.verified = false;
            passage.refused.extend(refusals);
        }
    }
    if asked.policies.is_empty() {
        passage.ask_all(&together);
    }
    if !passage.verified {
        passage.refused.extend(unread);
        passage.say_missing();
    }
    passage
}

impl Passage {
    fn without(gate: &str, refused: Vec<Refused>) -> Self {
        let mut passage = Self {
            gate: gate.to_owned(),
            verified: false,
            receipts: Vec::new(),
            refused,
        };
        passage.say_missing();
        passage
    }

    /// All policies with a gate of this name hold: each has to have answered.
    fn ask_all(&mut self, policies: &BTreeSet<String>) {
        for policy in policies {
            if self
                .receipts
                .iter()
                .any(|receipt| receipt.policy == *policy)
            {
                continue;
            }
            self.verified = false;
            self.refused.push(Refused {
                receipt: String::new(),
                code: "no-receipt",
                message: format!(
                    "policy `{policy}` has a gate `{}` here too, and there is no receipt of it",
                    self.gate
                ),
            });
        }
    }

    fn say_missing(&mut self) {
        if self.refused.is_empty() {
            self.refused.push(Refused {
                receipt: String::new(),
                code: "no-receipt",
                message: "there is no receipt: the gate does not allow the image or has not been asked yet, or its policy asks for none \
                          (`receipts: {valid-for: 24h}`)"
                    .to_owned(),
            });
        }
    }

    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let gate = match self.gate.as_str() {
            "" => "any gate".to_owned(),
            gate => format!("gate {gate}"),
        };
        let mut lines = Vec::new();
        if self.verified {
            lines.push(format!("✓ {gate}: allowed by receipt"));
        } else {
            lines.push(format!("✗ {gate}: not allowed by receipt"));
        }
        for receipt in &self.receipts {
            lines.push(format!(
                "  ✓ receipt {} of policy {} ({}), signed {}, valid until {}",
                receipt.sequence,
                receipt.policy,
                receipt.policy_digest.get(..12).unwrap_or_default(),
                output::instant(receipt.decided_at),
                output::instant(receipt.valid_until_at)
            ));
            let warnings = receipt.warnings.iter();
            lines.extend(warnings.map(|warning| format!("    · {}", one_line(warning))));
        }
        for refused in &self.refused {
            let receipt = match refused.receipt.as_str() {
                "" => String::new(),
                name => format!("receipt {name}: "),
            };
            lines.push(format!(
                "  ✗ {receipt}{} [{}]",
                refused.message, refused.code
            ));
        }
        lines
    }

    /// What no receipt can prove to somebody who asks nobody.
    pub(crate) fn not_proved(&self) -> Vec<String> {
        let each = |receipt: &Accepted| {
            format!(
                "that gate {} of policy {} still says so: it was asked at {}; what was revoked or found since then stops this image \
                 here at {}, when the receipt ends",
                self.gate,
                receipt.policy,
                output::instant(receipt.decided_at),
                output::instant(receipt.valid_until_at)
            )
        };
        self.receipts.iter().map(each).collect()
    }
}

fn accepted(name: &str, receipt: &Receipt) -> Accepted {
    Accepted {
        receipt: name.to_owned(),
        policy: receipt.policy.clone(),
        policy_digest: receipt.policy_digest.clone(),
        decided_at: receipt.decided_at,
        valid_until_at: receipt.valid_until,
        sequence: receipt.sequence,
        warnings: receipt.warnings.clone(),
        inputs: receipt.inputs.clone(),
    }
}

fn refused(name: &str, error: &ReceiptError) -> Refused {
    Refused {
        receipt: name.to_owned(),
        code: error.code(),
        message: error.to_string(),
    }
}

/// A warning holds what people wrote, such as the reason of a break-glass.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
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
}
