//! What the proofs in a bundle are worth to whoever holds the log's key: each has to be under one checkpoint of that log, and its entry has
//! to be about what it lies beside. What has no proof is named; what is proved otherwise than the file says is a fault.

use super::entry::{Entry, RECEIPT_SIGN};
use super::examine::{Question, Report};
use super::{Contents, Fault, Opened, blob_name};
use crate::output;
use crate::receipts::{Accepted, Passage};
use oci::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use trust::checkpoint::{VerifierKey, verify_cosignature};
use trust::log_proof::LogProof;

/// Manifests without a proof that are named one by one.
const NAMED_MAX: usize = 16;

/// What the log has of what lies beside the image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InLog {
    /// The log's name.
    pub(crate) origin: String,
    /// How many entries the log had.
    pub(crate) size: u64,
    pub(crate) proved: Vec<Proved>,
    /// The witnesses that were asked for, and when each signed, in milliseconds since the epoch.
    pub(crate) witnesses: BTreeMap<String, i64>,
}

/// An entry that was proved.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proved {
    pub(crate) manifest: Digest,
    pub(crate) act: String,
    pub(crate) index: u64,
    pub(crate) recorded_at: i64,
}

/// Looks into the proofs of a bundle. Without the log's key only whether each is a proof of what lies beside the image.
///
/// # Errors
/// The first one that contradicts the log, the file or a receipt; or that there is none, where a witness was named.
pub(super) fn look<R: Read + Seek>(
    bundle: &mut Opened<R>,
    contents: &Contents,
    question: &Question<'_>,
    report: &mut Report,
) -> Result<(), Fault> {
    let Some(log) = question.log else {
        for (manifest, digest) in &contents.proofs {
            let proof = parsed(bundle, digest)?;
            entry(contents, manifest, digest, &proof)?;
        }
        if !contents.proofs.is_empty() {
            report.not_proved.push(format!(
                "that {} of the signatures and receipts are in the server's log: their proofs are in the file, and no `--log-key` was given",
                contents.proofs.len()
            ));
        }
        return Ok(());
    };
    let mut under: Option<Under> = None;
    let mut proved = BTreeMap::new();
    for (manifest, digest) in &contents.proofs {
        let bad = |why: String| Fault::new(blob_name(digest), why);
        let proof = parsed(bundle, digest)?;
        let size = proof.verify(log).map_err(|error| bad(error.to_string()))?;
        let size = size.value().size;
        let first = under.get_or_insert_with(|| Under {
            note: proof.note.clone(),
            size,
            file: blob_name(digest),
        });
        if first.note != proof.note {
            return Err(bad(ANOTHER_CHECKPOINT.to_owned()));
        }
        let entry = entry(contents, manifest, digest, &proof)?;
        for (passage, receipt) in accepted(report, manifest) {
            same(passage, receipt, &entry).map_err(bad)?;
        }
        proved.insert(manifest, (entry, proof.index));
    }
    let without = unproved(contents, report, &proved);
    report.not_proved.extend(without);
    let Some(under) = under else {
        return nothing_to_witness(question.witnesses);
    };
    if let Some(witness) = question.witnesses.first() {
        each_receipt(report, &proved, witness)?;
    }
    let in_log = InLog {
        origin: log.name().to_owned(),
        size: under.size,
        witnesses: witnesses(&under, question.witnesses)?,
        proved: proved.into_iter().map(Proved::new).collect(),
    };
    report.found.push(in_log.said());
    report.not_proved.extend(in_log.not_proved());
    report.log = Some(in_log);
    Ok(())
}

fn parsed<R: Read + Seek>(bundle: &mut Opened<R>, digest: &Digest) -> Result<LogProof, Fault> {
    let bad = |why: String| Fault::new(blob_name(digest), why);
    let text = String::from_utf8(bundle.document(digest)?);
    let text = text.map_err(|_| bad("it is no text, and so no proof".to_owned()))?;
    LogProof::parse(&text).map_err(|error| bad(error.to_string()))
}

/// The entry that a proof is of, which has to be about what it lies beside.
fn entry(
    contents: &Contents,
    manifest: &Digest,
    digest: &Digest,
    proof: &LogProof,
) -> Result<Entry, Fault> {
    let bad = |why: String| Fault::new(blob_name(digest), why);
    let entry = Entry::parse(&proof.entry, proof.index)
        .ok_or_else(|| bad(format!("entry {} of the log is no act", proof.index)))?;
    about(contents, manifest, &entry).map_err(bad)?;
    Ok(entry)
}

/// Whoever could leave out the proofs could leave out the witness, who is asked for because others may hold the server's keys.
fn nothing_to_witness(witnesses: &[VerifierKey]) -> Result<(), Fault> {
    let Some(witness) = witnesses.first() else {
        return Ok(());
    };
    let why = format!(
        "it names no proof, and so there is no checkpoint of the log that the witness `{}` could have signed",
        witness.name()
    );
    Err(Fault::new(super::CONTENTS, why))
}

/// A receipt without a proof may be one that its server never recorded, whatever else in the file is proved.
fn each_receipt(
    report: &Report,
    proved: &BTreeMap<&Digest, (Entry, u64)>,
    witness: &VerifierKey,
) -> Result<(), Fault> {
    let is_signed = |receipt: &str| {
        let mut proved = proved.iter();
        proved
            .any(|(manifest, (entry, _))| manifest.as_str() == receipt && entry.act == RECEIPT_SIGN)
    };
    for passage in &report.gates {
        let unseen = passage
            .receipts
            .iter()
            .find(|receipt| !is_signed(&receipt.receipt));
        if let Some(unseen) = unseen {
            let why = format!(
                "it holds no proof that the receipt of gate {} of policy {}, {}, is in the log, which the witness `{}` could have signed: \
                 make the file again once the server has recorded it",
                passage.gate,
                unseen.policy,
                unseen.receipt,
                witness.name()
            );
            return Err(Fault::new(super::CONTENTS, why));
        }
    }
    Ok(())
}

/// The checkpoint that all proofs are under.
struct Under {
    note: String,
    size: u64,
    /// Where it was found first.
    file: String,
}

/// The receipts of a manifest that let the image pass.
fn accepted<'a>(
    report: &'a Report,
    manifest: &'a Digest,
) -> impl Iterator<Item = (&'a Passage, &'a Accepted)> {
    report.gates.iter().flat_map(move |passage| {
        let here = passage.receipts.iter();
        here.filter(move |receipt| receipt.receipt == manifest.as_str())
            .map(move |receipt| (passage, receipt))
    })
}

/// The entry has to be of this manifest, and of what it lies beside.
fn about(contents: &Contents, manifest: &Digest, entry: &Entry) -> Result<(), String> {
    let beside: Vec<&Digest> = contents
        .attached
        .iter()
        .filter(|attached| attached.manifest == *manifest)
        .map(|attached| &attached.to)
        .collect();
    let Some(first) = beside.first() else {
        return Err(format!(
            "it is a proof of {manifest}, which does not lie beside the image"
        ));
    };
    if !entry
        .records(&contents.repository)
        .contains(&manifest.as_str())
    {
        return Err(format!(
            "its entry of the log is `{}` of `{}`, and does not record {manifest} in {}",
            shown(&entry.act),
            shown(&entry.object),
            contents.repository
        ));
    }
    // One manifest may lie beside several, and was recorded at one of them first.
    if beside.iter().all(|to| entry.is_about_another(to)) {
        return Err(format!(
            "the log recorded {manifest} as one of another image than {first}, which it lies beside"
        ));
    }
    Ok(())
}

/// What the log says of a receipt has to be what the receipt says.
fn same(passage: &Passage, receipt: &Accepted, entry: &Entry) -> Result<(), String> {
    if entry.act != RECEIPT_SIGN {
        return Ok(());
    }
    let texts = [
        ("gate", passage.gate.as_str()),
        ("policy", receipt.policy.as_str()),
        ("policy_digest", receipt.policy_digest.as_str()),
    ];
    let numbers = [
        ("sequence", receipt.sequence),
        ("valid_until", receipt.valid_until_at),
    ];
    let another = |field: &str| {
        Err(format!(
            "the log recorded another `{field}` of the receipt {} than it has",
            receipt.receipt
        ))
    };
    for (field, value) in texts {
        if entry.text(field) != Some(value) {
            return another(field);
        }
    }
    for (field, value) in numbers {
        if entry.number(field) != Some(value) {
            return another(field);
        }
    }
    Ok(())
}

/// What the log is not proved to have, by name.
fn unproved(
    contents: &Contents,
    report: &Report,
    proved: &BTreeMap<&Digest, (Entry, u64)>,
) -> Vec<String> {
    let all: BTreeSet<&Digest> = contents
        .attached
        .iter()
        .map(|each| &each.manifest)
        .collect();
    let without: Vec<&Digest> = all
        .into_iter()
        .filter(|manifest| match proved.get(manifest) {
            // That somebody put a receipt there is not that the server signed it.
            Some((entry, _)) => {
                entry.act != RECEIPT_SIGN && accepted(report, manifest).next().is_some()
            }
            None => true,
        })
        .collect();
    let named = without.iter().take(NAMED_MAX).map(|manifest| {
        let what = match accepted(report, manifest).next() {
            Some((passage, receipt)) => format!(
                "the receipt of gate {} of policy {}, {manifest},",
                passage.gate, receipt.policy
            ),
            None => format!("{manifest}, which lies beside the image,"),
        };
        format!("that {what} is in the server's log: the file holds no proof of it")
    });
    let more = without.len().saturating_sub(NAMED_MAX);
    let more =
        (more > 0).then(|| format!("that {more} more of what lies beside the image is in the log"));
    named.chain(more).collect()
}

/// Each witness has to have signed.
fn witnesses(under: &Under, witnesses: &[VerifierKey]) -> Result<BTreeMap<String, i64>, Fault> {
    let mut signed = BTreeMap::new();
    for witness in witnesses {
        let seconds = match verify_cosignature(&under.note, witness) {
            Ok(cosignature) => i64::try_from(cosignature.time).unwrap_or(i64::MAX),
            Err(error) => {
                let why = format!(
                    "its checkpoint is not signed by the witness `{}`: {error}",
                    witness.name()
                );
                return Err(Fault::new(&under.file, why));
            }
        };
        signed.insert(witness.name().to_owned(), seconds.saturating_mul(1_000));
    }
    Ok(signed)
}

impl InLog {
    /// For people.
    fn said(&self) -> String {
        let signed: Vec<String> = self
            .witnesses
            .iter()
            .map(|(name, at)| format!("; `{name}` signed it at {}", output::instant(*at)))
            .collect();
        format!(
            "{} proofs under a checkpoint of {} entries of the log {}{}",
            self.proved.len(),
            self.size,
            self.origin,
            signed.concat()
        )
    }

    fn not_proved(&self) -> Vec<String> {
        let mut texts = vec![format!(
            "what the log says after its first {} entries: nobody was asked",
            self.size
        )];
        if self.witnesses.is_empty() {
            texts.push(
                "that the log shows everybody the same: no witness was named with `--witness`"
                    .to_owned(),
            );
        }
        texts
    }
}

impl Proved {
    fn new((manifest, (entry, index)): (&Digest, (Entry, u64))) -> Self {
        Self {
            manifest: manifest.clone(),
            act: entry.act,
            index,
            recorded_at: entry.happened_at,
        }
    }
}

/// What the log's key signed is still what somebody wrote.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

const ANOTHER_CHECKPOINT: &str = "it is under another checkpoint than the first proof, and nothing says that the log grew from one to the other";

#[cfg(test)]
mod tests;
