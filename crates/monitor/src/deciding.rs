//! Deciding again: what a change or the time may have changed, so that people are told and automatic stages are signed. Pulls do not
//! wait for it: they ask `store::decisions` themselves.

mod unjudged;

use crate::runner::chain;
use crate::{Context, Error, Result, receipts, stages};
use oci::Digest;
use policy::Decision;
use serde::Deserialize;
use store::{System, break_glass, decisions};

pub(crate) use unjudged::Unjudged;

/// Manifests that are looked at in one piece.
const PIECE: u32 = 500;
/// The most that one run names in the log, each of them once an hour: where the database itself fails, it may be all of them.
const NAMED_MAX: usize = 20;

/// Payload of the jobs: which manifest of which repository.
#[derive(Debug, Deserialize)]
pub(crate) struct Subject {
    repository_id: i64,
    digest: Digest,
}

/// Decides every gate of one manifest again.
pub(crate) async fn decide_one(context: &Context, subject: &Subject) -> Result<()> {
    refresh(context, subject.repository_id, &subject.digest)
        .await
        .map(drop)
}

/// Brings the receipts of one manifest in line with its gates.
pub(crate) async fn sign_receipts(context: &Context, subject: &Subject) -> Result<()> {
    receipts::sign(context, subject.repository_id, &subject.digest).await
}

/// Decides everything in stock again. What cannot be judged keeps nothing else waiting, and is tried again with the job.
pub(crate) async fn decide_all(context: &Context) -> Result<()> {
    let (mut after, mut failures) = (None, Failures::default());
    loop {
        let stock = decisions::stock(&context.store, after.as_ref(), PIECE).await?;
        failures.refresh(context, &stock).await;
        match stock.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return failures.outcome(),
        }
    }
}

/// Decides what time alone may have changed.
pub(crate) async fn decide_due(context: &Context) -> Result<()> {
    decide_due_of(context, PIECE).await
}

/// Decides about `piece` of them, the earliest first. What could not be judged of late stays due, and is passed over for a while, so that
/// it takes nobody's place. It is an error only where there is something new to say of it.
async fn decide_due_of(context: &Context, piece: u32) -> Result<()> {
    let (now, mut failures) = (context.now(), Failures::default());
    context.unjudged.forget_old(now);
    let (mut due, mut listed) = (Vec::new(), 0_u32);
    loop {
        let page = decisions::due(&context.store, now, listed, piece).await?;
        let length = u32::try_from(page.len()).unwrap_or(u32::MAX);
        listed = listed.saturating_add(length);
        due.extend(
            page.into_iter()
                .filter(|subject| !context.unjudged.is_put_off(subject, now)),
        );
        if length < piece || u32::try_from(due.len()).is_ok_and(|found| found >= piece) {
            break;
        }
    }
    failures.refresh(context, &due).await;
    match failures.named {
        0 => Ok(()),
        _ => failures.outcome(),
    }
}

/// What could not be judged on the way.
#[derive(Default)]
struct Failures {
    count: usize,
    named: usize,
    first: Option<(String, Error)>,
}

impl Failures {
    /// Decides one after the other, and names those in the log that cannot be and were not named of late.
    async fn refresh(&mut self, context: &Context, subjects: &[decisions::Subject]) {
        for subject in subjects {
            let refreshed = refresh(context, subject.repository_id, &subject.digest).await;
            let Err(error) = refreshed else {
                context.unjudged.judged(subject);
                continue;
            };
            let image = format!("{}@{}", subject.repository, subject.digest);
            self.count = self.count.saturating_add(1);
            let has_room = self.named < NAMED_MAX;
            if context.unjudged.failed(subject, context.now(), has_room) {
                self.named = self.named.saturating_add(1);
                tracing::error!(image, error = chain(&error), "an image cannot be judged");
            }
            self.first.get_or_insert((image, error));
        }
    }

    fn outcome(self) -> Result<()> {
        let Some((first, source)) = self.first else {
            return Ok(());
        };
        Err(Error::Undecided {
            count: self.count,
            first,
            source: Box::new(source),
        })
    }
}

/// Tells which break-glasses ended, and decides again what they opened.
pub(crate) async fn end_break_glass(context: &Context) -> Result<()> {
    const JOB: System = System::job("end-break-glass");
    break_glass::end_due(&context.store, JOB, context.now())
        .await
        .map(drop)?;
    Ok(())
}

/// Asks every gate, whose answers it gives; none where the manifest is gone. A stage that is signed now is a new fact, which asks
/// for the same job again. A receipt is none: it has a job of its own, written with the answer.
pub(crate) async fn refresh(
    context: &Context,
    repository_id: i64,
    digest: &Digest,
) -> Result<Vec<Decision>> {
    let now = context.now();
    let decided = decisions::refresh(&context.store, repository_id, digest, now).await?;
    if let Some(decided) = &decided {
        stages::sign_automatic(context, repository_id, digest, decided).await?;
    }
    Ok(decided.unwrap_or_default())
}

#[cfg(test)]
mod tests;
