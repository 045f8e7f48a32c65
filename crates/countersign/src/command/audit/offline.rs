//! `countersign audit verify --proof`: a file of proof, the log's key, and nothing else. Entries are proved by C2SP `tlog-proof`; growth by
//! the text that witnesses are asked with, C2SP `tlog-witness`, and a checkpoint that was kept.

use super::{Findings, Verify};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use trust::checkpoint::VerifierKey;
use trust::log_proof::{LOG_PROOF_BYTES_MAX, LogProof};
use trust::merkle::verify_consistency;
use trust::witness::AddCheckpoint;

/// How a proof of growth begins.
const GROWTH_START: &str = "old ";

/// What a file proves.
pub(super) fn verify(path: &Path, log: &VerifierKey, options: &Verify) -> Result<Findings> {
    let length = fs::metadata(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?
        .len();
    if usize::try_from(length).map_or(true, |length| length > LOG_PROOF_BYTES_MAX) {
        bail!("`{}` is too long for a proof", path.display());
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut findings = Findings::default();
    if text.starts_with(GROWTH_START) {
        growth(&text, log, options, &mut findings)?;
    } else {
        inclusion(&text, log, options, &mut findings);
    }
    Ok(findings)
}

fn inclusion(text: &str, log: &VerifierKey, options: &Verify, findings: &mut Findings) {
    let proof = match LogProof::parse(text) {
        Ok(proof) => proof,
        Err(error) => return findings.fails(error.to_string()),
    };
    match proof.verify(log) {
        Ok(checkpoint) => {
            findings.size = checkpoint.value().size;
            findings.holds(format!(
                "entry {} is in the log of {} entries: {}",
                proof.index,
                checkpoint.value().size,
                String::from_utf8_lossy(&proof.entry)
            ));
            findings.witnesses(&proof.note, &options.witnesses);
        }
        Err(error) => findings.fails(error.to_string()),
    }
}

fn growth(text: &str, log: &VerifierKey, options: &Verify, findings: &mut Findings) -> Result<()> {
    let Some(kept) = &options.checkpoint else {
        bail!(
            "this proves that the log grew: give the checkpoint that it grew from, with `--checkpoint FILE`"
        );
    };
    let proof = match AddCheckpoint::parse(text.as_bytes()) {
        Ok(proof) => proof,
        Err(error) => {
            findings.fails(error.to_string());
            return Ok(());
        }
    };
    let new = match store::audit::believe(&proof.note, log.key()) {
        Ok(new) => new,
        Err(why) => {
            findings.fails(why);
            return Ok(());
        }
    };
    findings.size = new.size;
    let kept = store::audit::notes(kept)?;
    let mut believed = kept
        .iter()
        .filter_map(|note| store::audit::believe(note, log.key()).ok());
    let Some(old) = believed.rfind(|old| old.size == proof.old_size) else {
        findings.fails(format!(
            "no checkpoint that was kept is of {} entries and of this log",
            proof.old_size
        ));
        return Ok(());
    };
    match verify_consistency((old.size, &old.root), (new.size, &new.root), &proof.proof) {
        Ok(()) => findings.holds(format!(
            "the log of {} entries grew from the one of {}",
            new.size, old.size
        )),
        Err(error) => findings.fails(error.to_string()),
    }
    findings.witnesses(&proof.note, &options.witnesses);
    Ok(())
}
