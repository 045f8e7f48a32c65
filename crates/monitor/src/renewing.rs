//! Signs again what the server signed of trust repositories, before it ends: timestamps with a week to go, snapshots with three months.
//! notary-server waits until somebody asks for what has ended. One that cannot be signed is said in the log and keeps no other waiting.

use crate::{Context, Result};
use registry::Renewal;
use store::System;
use store::tuf;

/// Trust repositories that are looked for at a time.
const PAGE: u32 = 100;
const JOB: System = System::job("renew-trust");

/// Renews whatever is due. Where nothing can be stored, the round ends: those that are due stay so.
pub(crate) async fn renew_due(context: &Context) -> Result<()> {
    loop {
        let due = tuf::due(&context.store, context.now(), PAGE).await?;
        let is_last = due.len() < PAGE as usize;
        for one in &due {
            let renewed = context
                .registry
                .renew_trust(JOB, one, context.now())
                .await?;
            if let Renewal::PutOff(error) = renewed {
                tracing::warn!(
                    gun = one.gun.as_str(),
                    %error,
                    "a trust repository could not be signed again; the next try is in an hour"
                );
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
