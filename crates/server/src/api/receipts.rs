//! Receipts: `/receipts`, the live ones of an image, and `/receipt-keys`, what they are checked with. A denial has none: it is
//! what `/gate` answers.

use crate::api::{Answer, Call};
use crate::error::ApiResult;
use crate::view;
use axum::Json;
use client::api::Page;
use client::api::receipts::{Receipt, ReceiptKey};
use store::blobs;
use store::keys::{self, Purpose};
use store::receipts::{self, Record};
use trust::receipt;

/// `GET /receipts?ref`
pub(crate) async fn list(call: Call) -> Answer<Page<Receipt>> {
    let asker = &call.asker;
    let manifest = view::find(asker, call.required("ref")?).await?;
    let store = asker.store();
    let found = receipts::of_image(store, manifest.repository_id, &manifest.digest).await?;
    let mut items = Vec::with_capacity(found.len());
    for record in found {
        items.extend(shown(store, record, asker.now()).await?);
    }
    Ok(Json(Page::whole(items)))
}

/// `GET /receipt-keys`
pub(crate) async fn public_keys(call: Call) -> Answer<Page<ReceiptKey>> {
    let asker = &call.asker;
    asker.principal()?;
    let store = asker.store();
    // There is one from the first question on: whoever sets a host up need not wait for a first receipt.
    keys::signer(store, Purpose::Receipt, asker.now()).await?;
    let found = keys::public_keys(store, Purpose::Receipt).await?;
    let shown = |key: &trust::PublicKey| ReceiptKey {
        id: key.id().to_string(),
        verifier: receipt::verifier_id(key.id()),
        public_key_pem: key.to_pem(),
    };
    Ok(Json(Page::whole(found.iter().map(shown).collect())))
}

/// None for one that has ended, or whose bundle was deleted by hand: it comes back with the next one.
async fn shown(store: &store::Store, record: Record, now: i64) -> ApiResult<Option<Receipt>> {
    let stored = record.receipt;
    if stored.valid_until <= now {
        return Ok(None);
    }
    let bundle = match blobs::open(store, &stored.bundle).await {
        Ok(content) => content.bytes().await?,
        Err(store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Ok(bundle) = String::from_utf8(bundle) else {
        return Ok(None);
    };
    Ok(Some(Receipt {
        repository: record.repository,
        digest: stored.digest,
        policy: stored.gate.policy,
        gate: stored.gate.gate,
        manifest: record.manifest,
        key: stored.key.to_string(),
        sequence: stored.sequence,
        issued_at: record.issued_at,
        valid_until_at: stored.valid_until,
        bundle,
    }))
}
