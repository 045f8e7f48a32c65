//! Telling people's programs: each webhook gets every event at least once, in order per image, with the event's own id on every
//! try. A receiver that is down delays its own events only.

use crate::{Context, Result};
use client::webhook::{CloudEvent, EventParts, Outcome, SigningSecret};
use futures_util::future::join_all;
use store::outbox::{self, Delivery};

/// Deliveries under way at a time.
const PARALLEL: u32 = 16;
const BACKOFF_MILLISECONDS: i64 = 500;
const BACKOFF_MILLISECONDS_MAX: i64 = 5 * 60 * 1_000;
/// Rounds that follow each other without a pause while there is something to send.
const ROUNDS_MAX: usize = 64;

/// Sends what is due; answers how many arrived.
pub(crate) async fn deliver_due(context: &Context) -> Result<usize> {
    let mut delivered = 0;
    for _ in 0..ROUNDS_MAX {
        let due = outbox::due_deliveries(&context.store, context.now(), PARALLEL).await?;
        if due.is_empty() {
            break;
        }
        for arrived in join_all(due.iter().map(|delivery| deliver(context, delivery))).await {
            delivered += usize::from(arrived?);
        }
    }
    Ok(delivered)
}

async fn deliver(context: &Context, delivery: &Delivery) -> Result<bool> {
    let outcome = match SigningSecret::from_bytes(delivery.secret.clone()) {
        Ok(secret) => {
            let event = cloud_event(&delivery.event);
            context
                .deliverer
                .deliver(&delivery.url, &secret, &event, context.now())
                .await
        }
        Err(error) => Outcome::Failed {
            why: error.to_string(),
            retry_after_seconds: None,
        },
    };
    let (why, wait) = match outcome {
        Outcome::Delivered => {
            outbox::delivered(&context.store, delivery, context.now()).await?;
            return Ok(true);
        }
        Outcome::Failed {
            why,
            retry_after_seconds,
        } => (why, retry_after_seconds.map(milliseconds)),
        // Nothing that is owed is dropped: an operator deletes the webhook.
        Outcome::Gone => (
            "the receiver is gone for good; delete the webhook".to_owned(),
            Some(BACKOFF_MILLISECONDS_MAX),
        ),
    };
    tracing::warn!(
        webhook = delivery.webhook,
        event = delivery.event.id,
        why,
        "a delivery failed; it is tried again"
    );
    let next_at = context.now() + wait.unwrap_or_default().max(backoff(delivery.attempts));
    outbox::failed(&context.store, delivery, &why, next_at).await?;
    Ok(false)
}

/// An event as receivers see it.
#[must_use]
pub fn cloud_event(event: &outbox::Event) -> CloudEvent {
    CloudEvent::new(EventParts {
        id: event.id.clone(),
        sequence: event.sequence,
        kind: event.kind.clone(),
        repository: event.repository.clone(),
        digest: event.digest.clone(),
        ordering_key: event.ordering_key.clone(),
        happened_at: event.happened_at,
        data: event.data.clone(),
    })
}

fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000)
        .min(BACKOFF_MILLISECONDS_MAX)
}

fn backoff(attempts: u32) -> i64 {
    BACKOFF_MILLISECONDS
        .saturating_mul(1_i64.checked_shl(attempts.min(20)).unwrap_or(i64::MAX))
        .min(BACKOFF_MILLISECONDS_MAX)
}
