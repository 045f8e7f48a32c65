//! What happened: `/events` as CloudEvents, the same that webhooks get; `/webhooks`; and `/audit` to look at (to prove, there is
//! `countersign audit verify`).

use crate::api::{Answer, Call, Created, DONE, Done, created};
use crate::error::ApiError;
use axum::Json;
use client::api::audit::AuditRow;
use client::api::events::{CloudEvent, EventParts};
use client::api::webhooks::{CreatedWebhook, NewWebhook, Webhook};
use client::api::{Page, Secret};
use client::webhook::{SigningSecret, check_url};
use oci::RepositoryName;
use policy::verb::{ManageWebhooks, ReadAudit, ReadEvents};
use policy::{Directory, PrincipalId};
use store::audit;
use store::outbox::{self, EVENTS_MAX, Event};

const PAGE_DEFAULT: u32 = 100;

/// `GET /events?after&limit`
pub(crate) async fn list(call: Call) -> Answer<Page<CloudEvent>> {
    let asker = &call.asker;
    asker.permit::<ReadEvents>()?;
    let paging = call.paging(PAGE_DEFAULT, EVENTS_MAX)?;
    let events = outbox::events(asker.store(), paging.after_number()?, paging.limit).await?;
    let next = paging.next(&events, |event| event.sequence.to_string());
    Ok(Json(Page {
        items: events.into_iter().map(cloud_event).collect(),
        next,
    }))
}

/// An event as every receiver sees it.
fn cloud_event(event: Event) -> CloudEvent {
    CloudEvent::new(EventParts {
        id: event.id,
        sequence: event.sequence,
        kind: event.kind,
        repository: event.repository,
        digest: event.digest,
        ordering_key: event.ordering_key,
        happened_at: event.happened_at,
        data: event.data,
    })
}

/// `GET /webhooks`
pub(crate) async fn webhooks(call: Call) -> Answer<Page<Webhook>> {
    let asker = &call.asker;
    asker.permit::<ManageWebhooks>()?;
    let progress = outbox::progress(asker.store()).await?;
    let receivers = outbox::webhooks(asker.store()).await?;
    let shown = receivers.into_iter().map(|receiver| {
        let stands = progress
            .iter()
            .find(|progress| progress.webhook == receiver.name);
        let waiting = stands.map_or(0, |progress| progress.pending);
        webhook(
            receiver,
            waiting,
            stands.and_then(|progress| progress.last_error.clone()),
        )
    });
    Ok(Json(Page::whole(shown.collect())))
}

/// `POST /webhooks`
pub(crate) async fn create_webhook(mut call: Call) -> Created<CreatedWebhook> {
    let permit = call.asker.permit::<ManageWebhooks>()?;
    let new: NewWebhook = call.json().await?;
    let asker = &call.asker;
    check_url(&new.url).map_err(|error| ApiError::invalid(error.to_string()))?;
    let secret = SigningSecret::random().map_err(|error| ApiError::internal(&error))?;
    let made = outbox::create_webhook(
        asker.store(),
        &permit,
        &new.name,
        &new.url,
        secret.as_bytes(),
        asker.now(),
    )
    .await?;
    created(CreatedWebhook {
        secret: Secret::from(secret.to_text()),
        about: webhook(made, 0, None),
    })
}

/// `DELETE /webhooks/{id}`
pub(crate) async fn delete_webhook(call: Call) -> Done {
    let asker = &call.asker;
    let permit = asker.permit::<ManageWebhooks>()?;
    let id = call.number("id")?;
    let receivers = outbox::webhooks(asker.store()).await?;
    let receiver = receivers.into_iter().find(|receiver| receiver.id == id);
    let receiver = receiver.ok_or_else(|| store::Error::not_found("webhook", id))?;
    outbox::delete_webhook(asker.store(), &permit, &receiver.name, asker.now()).await?;
    Ok(DONE)
}

fn webhook(receiver: outbox::Webhook, waiting: u64, last_error: Option<String>) -> Webhook {
    Webhook {
        id: receiver.id,
        name: receiver.name,
        url: receiver.url,
        active: receiver.active,
        created_at: receiver.created_at,
        waiting,
        last_error,
    }
}

/// `GET /audit?after&limit&repository`
pub(crate) async fn audit(call: Call) -> Answer<Page<AuditRow>> {
    let asker = &call.asker;
    asker.permit::<ReadAudit>()?;
    let paging = call.paging(PAGE_DEFAULT, audit::ROWS_MAX)?;
    let after = paging.after_number()?;
    let rows = match call.parsed::<RepositoryName>("repository")? {
        Some(repository) => audit::rows_of(asker.store(), &repository, after, paging.limit).await?,
        None => audit::rows(asker.store(), after, paging.limit).await?,
    };
    let next = paging.next(&rows, |row| row.id.to_string());
    Ok(Json(Page {
        items: rows
            .into_iter()
            .map(|row| audit_row(asker.directory(), row))
            .collect(),
        next,
    }))
}

fn audit_row(directory: &Directory, row: audit::Row) -> AuditRow {
    AuditRow {
        id: row.id,
        happened_at: row.happened_at,
        actor: actor(directory, &row.actor),
        act: row.act,
        object: row.object,
        detail: row.detail,
        leaf_index: row.leaf_index,
    }
}

/// Who acted, by name: `principal:7` becomes `person maria`. Names are never given to someone else.
pub(super) fn actor(directory: &Directory, text: &str) -> String {
    let number = text
        .strip_prefix("principal:")
        .and_then(|number| number.parse().ok());
    number.map_or_else(
        || text.to_owned(),
        |number| directory.describe(PrincipalId(number)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::{Kind, Principal};

    #[test]
    fn actors_are_told_by_name() {
        let id = PrincipalId(7);
        let maria = Principal {
            id,
            kind: Kind::Person,
            name: "maria".to_owned(),
            owner: None,
            active: true,
        };
        let directory = Directory {
            principals: [(id, maria)].into(),
            ..Directory::default()
        };
        for (text, expected) in [
            ("principal:7", "person maria"),
            ("principal:8", "unknown principal 8"),
            ("anonymous", "anonymous"),
            ("system:decide", "system:decide"),
        ] {
            assert_eq!(actor(&directory, text), expected);
        }
    }
}
