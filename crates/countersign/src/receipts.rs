//! What receipts come to for a host that asks nobody: for each gate, the receipts that are worth something, and why the others are
//! not. Deliberately no network and no clock: bundles and the time are given.

mod words;

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

#[cfg(test)]
mod tests;
