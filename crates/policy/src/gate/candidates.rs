//! One piece of evidence and one stage: is it a signature for that stage by someone who may sign?
//!
//! Order, authorship and distinctness are judged over all candidates together, in `signed.rs`. DESIGN §3 "What
//! counts".

use super::{Court, words};
use crate::facts::{Evidence, Facts, Target, Verdict};
use crate::file::Stage;
use crate::principal::{PrincipalId, SigningKey};
use crate::reason::Code;

/// What a piece of evidence is for a stage.
#[derive(Debug)]
pub(super) enum Standing<'a> {
    /// It is for another stage, and of no interest here.
    Elsewhere,
    /// It does not count, and why.
    Rejected {
        code: Code,
        message: String,
        /// Whom it would have counted for.
        identity: Option<PrincipalId>,
    },
    /// It is a signature for this stage by a signer of it.
    Acceptable(&'a SigningKey),
}

/// What a piece of evidence is by itself, whatever stage it is for.
#[derive(Debug)]
pub(super) enum Alone<'a> {
    /// It is no good, and why.
    Rejected { code: Code, message: String },
    /// It is a signature on this image, made with this key.
    Signs(&'a SigningKey),
}

/// Judges one piece of evidence for one stage.
pub(super) fn judge<'a>(
    court: &Court<'a>,
    evidence: &Evidence,
    name: &str,
    stage: &Stage,
) -> Standing<'a> {
    if !is_of_its_kind(evidence, stage) {
        return Standing::Elsewhere;
    }
    let may_be_meant = evidence.stage.as_deref().is_none_or(|named| named == name);
    match unattributable(court, evidence) {
        Ok(key) => attributed(court, evidence, key, name, stage),
        Err((code, message)) if may_be_meant => Standing::Rejected {
            code,
            message,
            identity: None,
        },
        Err(_) => Standing::Elsewhere,
    }
}

/// Whether the stage counts what the evidence is: attestations of one kind or type, or else signatures. An attestation says what it
/// says; it never vouches for a stage that wants signatures.
fn is_of_its_kind(evidence: &Evidence, stage: &Stage) -> bool {
    match (&stage.attestation, &evidence.predicate_type) {
        (None, None) => true,
        (Some(wanted), Some(found)) => wanted.covers(found),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Judges one piece of evidence by itself, also whether it has ended.
pub(super) fn alone<'a>(court: &Court<'a>, evidence: &Evidence) -> Alone<'a> {
    let refused = unattributable(court, evidence).and_then(|key| {
        let who = court.directory.describe(key.principal);
        match refused(court, evidence, key, &who).or_else(|| ended(court, evidence, &who)) {
            Some(refused) => Err(refused),
            None => Ok(key),
        }
    });
    match refused {
        Ok(key) => Alone::Signs(key),
        Err((code, message)) => Alone::Rejected { code, message },
    }
}

fn ended(court: &Court<'_>, evidence: &Evidence, who: &str) -> Option<(Code, String)> {
    let end = evidence.expires_at.filter(|end| *end <= court.now)?;
    let message = format!("the signature of {who} ended at {}", words::instant(end));
    Some((Code::Expired, message))
}

/// Why a signature that is good by itself is of no use to any stage of the policy.
pub(super) fn for_no_stage(
    court: &Court<'_>,
    evidence: &Evidence,
    key: &SigningKey,
) -> (Code, String) {
    let who = court.directory.describe(key.principal);
    let Some(named) = &evidence.stage else {
        let message = format!("{who} is not a signer of any stage");
        return (Code::NotASigner, message);
    };
    let signed = court.policy.stages.get(named);
    let unknown = match signed.is_none_or(Stage::is_automatic) {
        true => ", for which nobody signs",
        false => "",
    };
    let named = words::quoted(named);
    let message = format!("the signature of {who} is for stage {named}{unknown}");
    (Code::OtherStage, message)
}

/// The registered key that verifiably signed this very attachment, or why there is none.
fn unattributable<'a>(
    court: &Court<'a>,
    evidence: &Evidence,
) -> Result<&'a SigningKey, (Code, String)> {
    let format = words::quoted(&evidence.format);
    match &evidence.verdict {
        Verdict::Unreadable(why) => {
            return Err((
                Code::Unreadable,
                format!(
                    "evidence of format {format} cannot be read or believed: {}",
                    words::plain(why)
                ),
            ));
        }
        Verdict::BadSignature => {
            return Err((
                Code::BadSignature,
                format!(
                    "the {format} signature is not by the key that it names{}",
                    hint(evidence)
                ),
            ));
        }
        Verdict::NotRead => {
            return Err((
                Code::FormatNotRead,
                format!("a signature of format {format} is kept, and not checked by this version"),
            ));
        }
        Verdict::UnknownKey => return Err(unknown_key(evidence)),
        Verdict::Verified => {}
    }
    registered(court, evidence).ok_or_else(|| unknown_key(evidence))
}

/// The registered key that the evidence is said to be made with.
pub(super) fn registered<'a>(court: &Court<'a>, evidence: &Evidence) -> Option<&'a SigningKey> {
    court.directory.keys.get(evidence.key.as_ref()?)
}

fn unknown_key(evidence: &Evidence) -> (Code, String) {
    let format = words::quoted(&evidence.format);
    (
        Code::UnknownKey,
        format!(
            "the {format} signature is not by a key that is registered here{}",
            hint(evidence)
        ),
    )
}

fn hint(evidence: &Evidence) -> String {
    said_to_be_by(evidence).map_or_else(String::new, |who| format!(" ({who})"))
}

/// Whoever is said to have signed: a key, or somebody's name in a certificate.
pub(super) fn said_to_be_by(evidence: &Evidence) -> Option<String> {
    let key = evidence.key.as_ref().map(|key| key.to_string());
    let hint = key.or_else(|| evidence.key_hint.clone())?;
    Some(match is_sentence(&hint) {
        true => words::plain(&hint),
        false => format!("key {}", words::short_key(&hint)),
    })
}

/// Whether it is somebody's name in a certificate that is not known here, and no key.
pub(super) fn names_somebody(evidence: &Evidence) -> bool {
    evidence.key.is_none() && evidence.key_hint.as_deref().is_some_and(is_sentence)
}

/// No key's id has a space.
fn is_sentence(hint: &str) -> bool {
    hint.contains(' ')
}

/// Evidence whose signer is known.
fn attributed<'a>(
    court: &Court<'a>,
    evidence: &Evidence,
    key: &'a SigningKey,
    name: &str,
    stage: &Stage,
) -> Standing<'a> {
    let who = court.directory.describe(key.principal);
    let is_signer = signs_for(court, stage, key.principal);
    if let Some(standing) = about_the_stage(court, evidence, key, name, is_signer, &who) {
        return standing;
    }
    match refused(court, evidence, key, &who) {
        Some((code, message)) => {
            let identity = Some(court.directory.identity_of(key.principal));
            Standing::Rejected {
                code,
                message,
                identity,
            }
        }
        None => Standing::Acceptable(key),
    }
}

/// Whether the stage that the signature names, or does not name, leaves it to this one.
fn about_the_stage(
    court: &Court<'_>,
    evidence: &Evidence,
    key: &SigningKey,
    name: &str,
    is_signer: bool,
    who: &str,
) -> Option<Standing<'static>> {
    let identity = Some(court.directory.identity_of(key.principal));
    let rejected = |code, message| {
        Some(Standing::Rejected {
            code,
            message,
            identity,
        })
    };
    let not_a_signer = || format!("{who} is not a signer of stage {name}");
    if evidence.predicate_type.is_some() {
        // An attestation names no stage: its predicate type says which one it is for.
        return match is_signer {
            true => None,
            false => rejected(Code::NotASigner, not_a_signer()),
        };
    }
    match evidence.stage.as_deref() {
        Some(named) if named == name && !is_signer => rejected(Code::NotASigner, not_a_signer()),
        Some(named) if named == name => None,
        // For someone who could have signed for this stage, the other name may be a slip.
        Some(named) if is_signer => rejected(
            Code::OtherStage,
            format!(
                "the signature of {who} is for stage {}",
                words::quoted(named)
            ),
        ),
        Some(_) => Some(Standing::Elsewhere),
        None => match stages_of(court, key.principal) {
            0 => rejected(Code::NotASigner, not_a_signer()),
            _ if !is_signer => Some(Standing::Elsewhere),
            1 => None,
            several => rejected(
                Code::StageNotNamed,
                format!("{who} may sign for {several} stages, and the signature names none"),
            ),
        },
    }
}

/// All that keeps a signature by a known principal from counting, whatever it is for and whoever else signed.
fn refused(
    court: &Court<'_>,
    evidence: &Evidence,
    key: &SigningKey,
    who: &str,
) -> Option<(Code, String)> {
    let facts = court.facts;
    let repository = &facts.repository;
    if evidence.withdrawn {
        return Some((
            Code::Withdrawn,
            format!("the signature of {who} was deleted"),
        ));
    }
    let is_here =
        evidence.attached_to == facts.digest || facts.listed_by.contains(&evidence.attached_to);
    if !is_here || evidence.subject != evidence.attached_to {
        let message = format!(
            "the signature of {who} is about {}{}",
            evidence.subject,
            of_an_image(facts, evidence)
        );
        return Some((Code::OtherDigest, message));
    }
    if let Some(refused) = refused_key(court, evidence, key, who) {
        return Some(refused);
    }
    let other = evidence
        .repository
        .as_deref()
        .filter(|named| *named != repository.as_str());
    other.map(|named| {
        let named = words::quoted(named);
        let message = format!("the signature of {who} is for repository {named}");
        (Code::OtherRepository, message)
    })
}

/// What to add where somebody has signed an image of the index instead of the index.
fn of_an_image(facts: &Facts, evidence: &Evidence) -> &'static str {
    match &facts.subject {
        Target::Index(children)
            if children.iter().any(|child| {
                child.digest == evidence.attached_to && child.digest == evidence.subject
            }) =>
        {
            ", which this index lists: it covers that image, and not the index"
        }
        _ => "",
    }
}

/// What is wrong with a key and whoever holds it, whatever else it signed.
fn refused_key(
    court: &Court<'_>,
    evidence: &Evidence,
    key: &SigningKey,
    who: &str,
) -> Option<(Code, String)> {
    let repository = &court.facts.repository;
    let name = words::short_key(key.key_id.as_str());
    if key.is_distrusted(evidence.known_at(), court.now) {
        let since = key.revoked_from.map_or_else(String::new, |from| {
            format!(
                " for what it signed since {}; this signature came at {}",
                words::instant(from),
                words::instant(evidence.known_at())
            )
        });
        let message = format!("key {name} of {who} is revoked{since}");
        return Some((Code::RevokedKey, message));
    }
    if !court.directory.is_active(key.principal) {
        return Some((
            Code::InactivePrincipal,
            closed_account(court, key.principal, who),
        ));
    }
    if !key.covers(repository) {
        let message = format!("key {name} of {who} is not registered for {repository}");
        return Some((Code::OutOfScope, message));
    }
    None
}

fn closed_account(court: &Court<'_>, id: PrincipalId, who: &str) -> String {
    let is_active = court
        .directory
        .principal(id)
        .is_some_and(|found| found.active);
    if !is_active {
        return format!("the account of {who} is closed");
    }
    let owner = court.directory.describe(court.directory.identity_of(id));
    format!("the account of {owner}, who owns {who}, is closed")
}

fn signs_for(court: &Court<'_>, stage: &Stage, id: PrincipalId) -> bool {
    stage
        .signers
        .iter()
        .any(|party| party.signs_as(court.directory, id))
}

/// For how many stages of the policy the principal may sign; to attest is no signing.
fn stages_of(court: &Court<'_>, id: PrincipalId) -> usize {
    court
        .policy
        .stages
        .values()
        .filter(|stage| stage.attestation.is_none() && signs_for(court, stage, id))
        .count()
}
