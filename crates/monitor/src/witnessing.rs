//! Has witnesses sign the newest checkpoint of the audit log, with the proof that it grew from the last one that they signed. One that
//! refuses is told as an event: it may have seen a log that this one contradicts. One that does not answer is asked again, and keeps no
//! other waiting. C2SP `tlog-witness`.

use crate::{Context, Result};
use client::witness::{Reply, WitnessClient};
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::audit::{self, SignedCheckpoint};
use trust::checkpoint::{VerifierKey, verify_cosignature, with_signatures};
use trust::witness::AddCheckpoint;

/// Requests to one witness in a round: one to learn where it is, one with the proof from there, and one more if it was asked meanwhile.
const TRIES: usize = 3;
/// Characters of an answer that are told.
const TOLD_CHARACTERS_MAX: usize = 200;

/// A witness that has signed everything is asked again after this long, and when the server starts: whether it still agrees, and so that
/// its time is not old.
const AGAIN_MILLISECONDS: i64 = 60 * 60 * 1_000;

/// A witness of the audit log.
#[derive(Clone, Debug)]
pub struct Witness {
    url: String,
    key: VerifierKey,
    client: WitnessClient,
    /// When this process last had an answer with its signature, in milliseconds since the epoch.
    signed_at: Arc<AtomicI64>,
}

impl Witness {
    /// A witness whose addresses begin with `url`, as `https://other.example/witness`, and whose signatures verify with `key`.
    #[must_use]
    pub fn new(url: &str, key: VerifierKey, client: WitnessClient) -> Self {
        Self {
            url: url.to_owned(),
            key,
            client,
            signed_at: Arc::new(AtomicI64::new(0)),
        }
    }

    /// What its addresses begin with.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What its signatures verify with.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    fn is_due(&self, now: i64) -> bool {
        now.saturating_sub(self.signed_at.load(Ordering::Relaxed)) >= AGAIN_MILLISECONDS
    }
}

/// Asks every witness that has not signed the newest checkpoint.
pub(crate) async fn ask_all(context: &Context) -> Result<()> {
    let asked = context
        .witnesses
        .iter()
        .map(|witness| ask(context, witness));
    for outcome in join_all(asked).await {
        outcome?;
    }
    Ok(())
}

async fn ask(context: &Context, witness: &Witness) -> Result<()> {
    let store = &context.store;
    let mut old = audit::cosigned_size(store, &witness.key).await?;
    let mut is_due = witness.is_due(context.now());
    for _ in 0..TRIES {
        let Some(newest) = audit::newest(store).await? else {
            return Ok(());
        };
        if old == newest.size && !is_due {
            return Ok(());
        }
        // From here on it is asked, whatever it says.
        is_due = true;
        if old > newest.size {
            let message = format!(
                "it has signed a log of {old} entries, and this one has {}: the log was cut, or an old copy restored",
                newest.size
            );
            return tell(context, witness, &newest, "shrink", &message).await;
        }
        match send(context, witness, &newest, old).await? {
            Answer::Signed => return Ok(()),
            Answer::Has(size) => old = size,
            Answer::Refused { reason, message } => {
                return tell(context, witness, &newest, reason, &message).await;
            }
            Answer::Unreachable(why) => {
                tracing::warn!(
                    witness = witness.key.name(),
                    why,
                    "a witness of the audit log does not answer; it is asked again"
                );
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What became of a request.
enum Answer {
    Signed,
    /// It has signed another size last.
    Has(u64),
    Refused {
        reason: &'static str,
        message: String,
    },
    Unreachable(String),
}

async fn send(
    context: &Context,
    witness: &Witness,
    newest: &SignedCheckpoint,
    old: u64,
) -> Result<Answer> {
    let store = &context.store;
    let request = AddCheckpoint {
        old_size: old,
        proof: audit::consistency_proof(store, old, newest.size).await?,
        note: newest.note.clone(),
    };
    let reply = witness
        .client
        .add_checkpoint(&witness.url, request.to_text())
        .await;
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Ok(Answer::Unreachable(error.to_string())),
    };
    if reply.status != 200 {
        return Ok(refusal(&reply));
    }
    let signed = with_signatures(&newest.note, [reply.body.as_str()]);
    match verify_cosignature(&signed, &witness.key) {
        Ok(cosignature) => {
            audit::keep_cosignature(store, newest, &witness.key, &cosignature, context.now())
                .await?;
            witness.signed_at.store(context.now(), Ordering::Relaxed);
            Ok(Answer::Signed)
        }
        Err(error) => Ok(Answer::Refused {
            reason: "cosignature",
            message: format!("its signature is not to be believed: {error}"),
        }),
    }
}

/// tlog-witness "add-checkpoint": what each status means.
fn refusal(reply: &Reply) -> Answer {
    let reason = match reply.status {
        409 => {
            return match reply.body.trim_end_matches('\n').parse() {
                Ok(size) => Answer::Has(size),
                Err(_) => {
                    Answer::Unreachable("it does not say which size it has signed".to_owned())
                }
            };
        }
        400 => "form",
        403 => "signature",
        404 => "unknown-log",
        422 => "inconsistent",
        status => return Answer::Unreachable(format!("it answered {status}")),
    };
    let said = reply.body.chars().filter(|c| !c.is_control());
    Answer::Refused {
        reason,
        message: format!(
            "it answered {}: {}",
            reply.status,
            said.take(TOLD_CHARACTERS_MAX).collect::<String>()
        ),
    }
}

async fn tell(
    context: &Context,
    witness: &Witness,
    newest: &SignedCheckpoint,
    reason: &'static str,
    message: &str,
) -> Result<()> {
    tracing::error!(
        witness = witness.key.name(),
        reason,
        message,
        "a witness does not sign the audit log"
    );
    let (store, size, now) = (&context.store, newest.size, context.now());
    audit::tell_refusal(store, &witness.key, reason, message, size, now).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
