//! Evidence that the tables call verified, read again from its raw bytes: the key that is named must have signed exactly
//! what the columns say. So a signature that was made up by hand in the database is named.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use trust::RegisteredKey;
use trust::evidence::{
    Anchors, Checks, Claim, NotationTerms, Reading, Signers, Untrusted, read_any_bundle,
    read_any_layer, read_attestation, read_bundle, read_notation,
};
use trust::notation::Format;
use trust::openpgp::read_openpgp_document;
use trust::tuf::managed;

use super::unjudged::{self, Unjudged};
use crate::db::RowExt;
use crate::error::Result;
use crate::tuf::{Claimed, Rereader};

/// How many pieces are read at a time; each may have a megabyte.
const PAGE_ROWS: i64 = 50;

/// What was found out about the evidence, one line for each piece.
#[derive(Default)]
pub(super) struct Found {
    /// Not what they are said to be.
    pub(super) changed: Vec<String>,
    /// By certificates under an authority that the trusted root has no longer, and what they say is what the log says.
    pub(super) unjudged: Vec<String>,
}

/// What is wrong with a piece.
enum Fault {
    Changed(&'static str),
    /// What today's root lacks.
    Unjudged(String),
}

/// The pieces that are not what they are said to be, and those of which the root that is trusted today cannot say so.
pub(super) async fn contradictions(conn: &mut AnyConnection, anchors: &Anchors) -> Result<Found> {
    let (mut found, mut after) = (Found::default(), 0_i64);
    let mut unjudged = Vec::new();
    let mut files = Rereader::default();
    loop {
        let rows = sqlx::query(
            "SELECT e.id, r.name AS repository, e.format, e.attached_to, e.subject, e.stage, e.predicate_type, e.named_repository, e.key_id, e.raw, e.signature, e.stored_at, \
             COALESCE(k.public_pem, s.public_pem) AS public_pem FROM evidence e JOIN repositories r ON r.id = e.repository_id \
             LEFT JOIN signing_keys k ON k.key_id = e.key_id LEFT JOIN server_keys s ON s.key_id = e.key_id \
             WHERE e.verdict = 'verified' AND e.withdrawn_at IS NULL AND e.id > $1 ORDER BY e.id LIMIT $2",
        )
        .bind(after)
        .bind(PAGE_ROWS)
        .fetch_all(&mut *conn)
        .await?;
        for row in &rows {
            after = row.int("id")?;
            match contradiction(conn, &mut files, row, anchors).await? {
                None => {}
                Some(Fault::Changed(why)) => {
                    let of = row.text("attached_to")?;
                    let line = format!("evidence {after} of `{of}` was changed: {why}");
                    found.changed.push(line);
                }
                Some(Fault::Unjudged(why)) => unjudged.push(Unjudged::of(row, why)?),
            }
        }
        if rows.is_empty() {
            break;
        }
    }
    let accounted = unjudged::accounted(conn, &unjudged).await?;
    for piece in unjudged {
        match accounted.contains(&piece.id) {
            true => found.unjudged.push(piece.line()),
            false => found.changed.push(format!(
                "evidence {} of `{}` was changed: the log does not say that it was verified, and the trusted root cannot",
                piece.id, piece.attached_to
            )),
        }
    }
    Ok(found)
}

async fn contradiction(
    conn: &mut AnyConnection,
    files: &mut Rereader,
    row: &AnyRow,
    anchors: &Anchors,
) -> Result<Option<Fault>> {
    let key_id = row.opt_text("key_id")?.unwrap_or_default();
    let pem = row.opt_text("public_pem")?.unwrap_or_default();
    let key = RegisteredKey::parse(&pem).ok();
    let Some(key) = key.filter(|key| key.id().as_str() == key_id) else {
        return Ok(Some(Fault::Changed(
            "the key that verified it is not registered",
        )));
    };
    let raw = row.bytes("raw")?;
    let at = row.int("stored_at")?;
    let signature = row.opt_text("signature")?;
    // There is one key to try.
    let checks = Checks::unlimited();
    let key = match key {
        RegisteredKey::Plain(key) => key,
        RegisteredKey::Sigstore(identity) => {
            if anchors.sigstore.is_none() {
                return Ok(Some(Fault::Changed(
                    "a certificate made it, and no trusted root is named to judge that by: `sigstore-root` of the configuration",
                )));
            }
            let signers = Signers {
                keys: &[],
                identities: &[*identity],
                anchors,
                checks: &checks,
            };
            let read = match signature {
                Some(signature) => read_any_layer(&raw, &signature, signers, at),
                None => read_any_bundle(&raw, signers, at),
            };
            return by_certificate(row, &read.reading);
        }
        RegisteredKey::Notation(identity) => {
            // What was revoked since was not when it was judged.
            let terms = NotationTerms {
                manifest: None,
                lists: None,
                at,
            };
            let read = read_notation(Format::of_bytes(&raw), &raw, &[*identity], terms);
            return agreed(row, &read.reading);
        }
        // Whether it was good is judged at the time at which it came, as it was then.
        RegisteredKey::OpenPgp(key) => {
            let read = read_openpgp_document(&raw, &[*key], at);
            return agreed(row, &read.reading);
        }
    };
    if row.text("format")? == managed::FORMAT {
        let (subject, stage) = (row.opt_text("subject")?, row.opt_text("stage")?);
        let repository = row.opt_text("named_repository")?;
        let claimed = Claimed {
            evidence: row.int("id")?,
            subject: subject.as_deref(),
            stage: stage.as_deref(),
            repository: repository.as_deref(),
        };
        let is_so = files.is_so(conn, &raw, &key, &claimed).await?;
        let why = "the file that it stands in does not say so";
        return Ok((!is_so).then_some(Fault::Changed(why)));
    }
    let keys = [key];
    if row.opt_text("predicate_type")?.is_some() {
        let about = row.digest("attached_to")?;
        return agreed(row, &read_attestation(&raw, &keys, &about));
    }
    let signers = Signers {
        keys: &keys,
        identities: &[],
        anchors,
        checks: &checks,
    };
    let reading = match signature {
        Some(signature) => read_any_layer(&raw, &signature, signers, at).reading,
        None => read_bundle(&raw, &keys),
    };
    agreed(row, &reading)
}

/// The same of what a certificate made: a root that drops an authority takes back nothing that was verified under it.
fn by_certificate(row: &AnyRow, reading: &Reading) -> Result<Option<Fault>> {
    match reading {
        Reading::Unverified {
            claim,
            why: Untrusted::Sigstore(refusal),
        } if refusal.is_of_root() => Ok(Some(match says(row, claim)? {
            true => Fault::Unjudged(refusal.to_string()),
            false => Fault::Changed(SAYS_ANOTHER),
        })),
        reading => agreed(row, reading),
    }
}

/// What is wrong with the columns, where the bytes say something else.
fn agreed(row: &AnyRow, reading: &Reading) -> Result<Option<Fault>> {
    let Reading::Verified(verified) = reading else {
        return Ok(Some(Fault::Changed("its key did not sign it")));
    };
    Ok(match says(row, verified.value())? {
        true => None,
        false => Some(Fault::Changed(SAYS_ANOTHER)),
    })
}

fn says(row: &AnyRow, claim: &Claim) -> Result<bool> {
    Ok(
        row.opt_text("subject")?.as_deref() == Some(claim.subject.as_str())
            && row.opt_text("stage")? == claim.stage
            && row.opt_text("predicate_type")? == claim.predicate_type
            && row.opt_text("named_repository")?.as_deref()
                == claim.repository.as_ref().map(|name| name.as_str()),
    )
}

const SAYS_ANOTHER: &str = "what was signed says something else";
