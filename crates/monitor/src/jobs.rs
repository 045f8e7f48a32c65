//! Everything that happens by itself, as two tables: jobs that something asks for, and rounds that come by the clock.

use crate::{
    Context, Error, Result, collecting, deciding, delivering, indexing, matching, receipts,
    releasing, renewing, warning, witnessing,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Work that a change asks for; each kind is a row in the store's queue until it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// A new image: read its new layers, merge them, match what is new. Asked for by a push.
    IndexImage,
    /// Changed advisories: match the components under the keys that changed. Asked for by an import.
    Match,
    /// A changed fact: decide every gate of one manifest again, and sign automatic stages. Asked for by whatever changed it.
    Decide,
    /// An answer that wants another receipt than there is: sign it, or take the old one away. Asked for by whatever kept the answer.
    SignReceipts,
    /// A changed policy, team, key or account: decide everything that was decided. Asked for by the change.
    DecideAll,
    /// A new signing key, or files that certificates are judged by: look again at signatures that nobody stands behind, a page at a time.
    /// Asked for by the registration, and by whoever read the files.
    ReverifyEvidence,
    /// A tag, decision, policy or trust repository that changed: list anew what docker pulls with content trust. Asked for by the change.
    ReleaseTags,
    /// A trust repository of which a part is about to end: tell it. Asked for by whoever publishes, for the time when it comes near.
    WarnTrust,
}

impl Job {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::IndexImage,
        Self::Match,
        Self::Decide,
        Self::SignReceipts,
        Self::DecideAll,
        Self::ReverifyEvidence,
        Self::ReleaseTags,
        Self::WarnTrust,
    ];

    /// The kind's name in the queue.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::IndexImage => "index-image",
            Self::Match => "match",
            Self::Decide => "decide",
            Self::SignReceipts => store::receipts::SIGN_RECEIPTS,
            Self::DecideAll => "decide-all",
            Self::ReverifyEvidence => store::evidence::REVERIFY_EVIDENCE,
            Self::ReleaseTags => store::tuf::RELEASE_TAGS,
            Self::WarnTrust => store::tuf::WARN_TRUST,
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|job| job.kind() == kind)
    }

    /// Does the work once. Doing it twice gives the same state.
    pub(crate) async fn run(self, context: &Context, payload: &Value) -> Result<()> {
        match self {
            Self::IndexImage => indexing::index(context, &self.read(payload)?).await,
            Self::Match => matching::match_keys(context, &self.read(payload)?).await,
            Self::Decide => deciding::decide_one(context, &self.read(payload)?).await,
            Self::SignReceipts => deciding::sign_receipts(context, &self.read(payload)?).await,
            Self::DecideAll => deciding::decide_all(context).await,
            Self::ReverifyEvidence => {
                let (store, asked) = (&context.store, self.read(payload)?);
                if let Some(rest) = registry::reverify(store, &asked, context.now()).await? {
                    // Others have their turn first.
                    store::evidence::ask(store, &rest, context.now()).await?;
                }
                Ok(())
            }
            Self::ReleaseTags => releasing::release(context, &self.read(payload)?).await,
            Self::WarnTrust => warning::warn(context, &self.read(payload)?).await,
        }
    }

    fn read<T: DeserializeOwned>(self, payload: &Value) -> Result<T> {
        serde_json::from_value(payload.clone()).map_err(|error| Error::Payload {
            kind: self.kind(),
            why: error.to_string(),
        })
    }
}

/// Work that the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Orders new audit rows as leaves of the Merkle log and signs a checkpoint.
    SealAudit,
    /// Has the newest checkpoint of the audit log signed by witnesses.
    AskWitnesses,
    /// Sends what webhooks are owed.
    DeliverWebhooks,
    /// Decides again what time alone may have changed (`holds_until`).
    DecideDue,
    /// Writes down and tells which break-glasses ended. Gates do not wait for it.
    EndBreakGlass,
    /// Ends uploads that nobody finishes.
    ExpireUploads,
    /// Signs receipts again that come to their end.
    RenewReceipts,
    /// Signs the server's part of trust repositories again, long before it ends.
    RenewTrust,
    /// Tells of registered keys, and of the trusted root, what is about to end.
    WarnOfEnds,
    /// Removes blobs that nothing needs: each hour, and when somebody asks; one process at a time.
    CollectGarbage,
    /// Takes from whoever commits what an embedded database has to do for its log.
    WriteBack,
}

impl Round {
    /// Every round.
    pub const ALL: &'static [Self] = &[
        Self::SealAudit,
        Self::AskWitnesses,
        Self::DeliverWebhooks,
        Self::DecideDue,
        Self::EndBreakGlass,
        Self::ExpireUploads,
        Self::RenewReceipts,
        Self::RenewTrust,
        Self::WarnOfEnds,
        Self::CollectGarbage,
        Self::WriteBack,
    ];

    /// The round's name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SealAudit => "seal-audit",
            Self::AskWitnesses => "ask-witnesses",
            Self::DeliverWebhooks => "deliver-webhooks",
            Self::DecideDue => "decide-due",
            Self::EndBreakGlass => "end-break-glass",
            Self::ExpireUploads => "expire-uploads",
            Self::RenewReceipts => "renew-receipts",
            Self::RenewTrust => "renew-trust",
            Self::WarnOfEnds => "warn-of-ends",
            Self::CollectGarbage => "collect-garbage",
            Self::WriteBack => "write-back",
        }
    }

    /// The pause between two.
    #[must_use]
    pub fn period(self) -> Duration {
        match self {
            Self::SealAudit => Duration::from_secs(1),
            Self::AskWitnesses => Duration::from_secs(10),
            Self::DeliverWebhooks | Self::DecideDue | Self::WriteBack => Duration::from_millis(250),
            Self::ExpireUploads => Duration::from_secs(600),
            Self::RenewReceipts => Duration::from_secs(5),
            Self::RenewTrust => Duration::from_secs(60),
            // Ends are told weeks before; each look checks what binds the OpenPGP keys.
            Self::WarnOfEnds => Duration::from_secs(3_600),
            Self::EndBreakGlass => Duration::from_secs(1),
            // A look whether it is time, or whether somebody asked.
            Self::CollectGarbage => Duration::from_secs(1),
        }
    }

    /// Whether it may take long and can be cut off anywhere: the next one goes on.
    pub(crate) fn may_be_cut(self) -> bool {
        matches!(
            self,
            Self::AskWitnesses
                | Self::ExpireUploads
                | Self::RenewReceipts
                | Self::RenewTrust
                | Self::CollectGarbage
        )
    }

    /// Goes round once.
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::SealAudit => Ok(store::audit::seal(&context.store, context.now())
                .await
                .map(drop)?),
            Self::AskWitnesses => witnessing::ask_all(context).await,
            Self::DeliverWebhooks => delivering::deliver_due(context).await.map(drop),
            Self::DecideDue => deciding::decide_due(context).await,
            Self::EndBreakGlass => deciding::end_break_glass(context).await,
            Self::ExpireUploads => {
                const AGE_MILLISECONDS: i64 = 24 * 3_600 * 1_000;
                store::uploads::expire(&context.store, context.now() - AGE_MILLISECONDS)
                    .await
                    .map(drop)?;
                Ok(())
            }
            Self::RenewReceipts => receipts::renew_due(context).await,
            Self::RenewTrust => renewing::renew_due(context).await,
            Self::WarnOfEnds => warning::warn_of_ends(context).await,
            Self::CollectGarbage => collecting::collect(context).await,
            Self::WriteBack => Ok(context.store.write_back().await.map(drop)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_unique_and_read_back() {
        for job in Job::ALL {
            assert_eq!(Job::of(job.kind()), Some(*job));
        }
        assert_eq!(Job::of("dance"), None);
    }
}
