//! Signing keys: `/keys` and `/keys/challenges`. A key comes with a proof that its private half was at hand, and is registered by
//! a person who gave their password: a token that was stolen cannot make its thief a signer (DESIGN §3 "What counts"). What revoking
//! one hits is in `revocation`, how somebody changes their own in `succession`.

mod held;
mod revocation;
mod succession;

pub(crate) use self::held::{hold, rotate, sign};
pub(crate) use self::succession::{challenge as challenge_successor, succeed};

use crate::api::{Answer, Call, Created, DONE, Done, created};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult};
use axum::Json;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::api::Page;
use client::api::keys::{Challenge, Key, KeyRevocation, NewChallenge, NewKey, RevokeKey};
use policy::verb::{ManageKeys, ReadAudit};
use policy::{Pattern, Permit, PrincipalId};
use store::signing_keys::{self, KeyRecord, NewIdentity, Registration};
use trust::{End, KeyId, RegisteredKey, possession};

/// `GET /keys`: all of them for those who manage or audit, else one's own.
pub(crate) async fn list(call: Call) -> Answer<Page<Key>> {
    let asker = &call.asker;
    asker.principal()?;
    let sees_all = asker.may::<ManageKeys>().is_some() || asker.may::<ReadAudit>().is_some();
    let mut records = signing_keys::list(asker.store()).await?;
    records.retain(|record| sees_all || asker.is_own(record.principal));
    Ok(Json(Page::whole(
        records
            .into_iter()
            .map(|record| key(asker, record))
            .collect(),
    )))
}

/// `POST /keys/challenges`
pub(crate) async fn challenge(mut call: Call) -> Created<Challenge> {
    let permit = call.asker.permit::<ManageKeys>()?;
    let new: NewChallenge = call.json().await?;
    let asker = &call.asker;
    let public_key = public_key(&new.public_key_pem)?;
    if public_key.is_identity() {
        let message =
            "an identity in certificates has no private half to prove: register it without";
        return Err(ApiError::invalid(message));
    }
    let principal = whose(asker, new.principal.as_deref())?;
    let issued = signing_keys::challenge(
        asker.store(),
        &permit,
        principal,
        public_key.id(),
        asker.now(),
    )
    .await?;
    let statement = possession::challenge_bytes(
        server_name(asker),
        &issued.nonce,
        &issued.principal,
        &issued.key,
    );
    created(Challenge {
        nonce: issued.nonce,
        statement: STANDARD.encode(statement),
        expires_at: issued.expires_at,
    })
}

/// `POST /keys`
pub(crate) async fn register(mut call: Call) -> Created<Key> {
    let permit = by_password(&call.asker, "countersign key register --user NAME")?;
    let new: NewKey = call.json().await?;
    let asker = &call.asker;
    let public_key = public_key(&new.public_key_pem)?;
    let scope = patterns(&new.scope)?;
    if public_key.is_identity() {
        if !new.nonce.is_empty() || !new.signature.is_empty() {
            let message =
                "an identity in certificates has no private half: leave nonce and signature out";
            return Err(ApiError::invalid(message));
        }
        let id = public_key.id().clone();
        let identity = NewIdentity {
            principal: whose(asker, new.principal.as_deref())?,
            identity: public_key,
            name: new.name,
            scope,
        };
        signing_keys::register_identity(asker.store(), &permit, &identity, asker.now()).await?;
        return created(key(asker, of_id(asker, &id).await?));
    }
    let challenge = possession::Challenge {
        server: server_name(asker).to_owned(),
        nonce: new.nonce,
        principal: asker.name_of(whose(asker, new.principal.as_deref())?),
        key: public_key.id().clone(),
    };
    let signature = STANDARD
        .decode(&new.signature)
        .map_err(|_| ApiError::invalid("the signature is not base64"))?;
    let proof = challenge.verify_any(&signature, &public_key, asker.now());
    let proof = proof.map_err(|error| {
        let message = format!("the proof of possession is not one: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, "no-proof", message)
            .next("countersign key prove --key FILE CHALLENGE.json")
    })?;
    let id = public_key.id().clone();
    let registration = Registration {
        proof,
        public_key,
        name: new.name,
        scope,
    };
    signing_keys::register(asker.store(), &permit, &registration, asker.now()).await?;
    created(key(asker, of_id(asker, &id).await?))
}

/// `DELETE /keys/{id}`
pub(crate) async fn revoke(call: Call) -> Done {
    let asker = &call.asker;
    let permit = asker.permit::<ManageKeys>()?;
    let id =
        KeyId::parse(call.name("id")?).map_err(|error| ApiError::invalid(format!("{error}")))?;
    signing_keys::revoke(asker.store(), &permit, &id, None, asker.now()).await?;
    Ok(DONE)
}

/// `POST /keys/{id}/revocation`
pub(crate) async fn revoke_from(mut call: Call) -> Answer<KeyRevocation> {
    let permit = call.asker.permit::<ManageKeys>()?;
    let RevokeKey { from, dry_run } = call.json().await?;
    let asker = &call.asker;
    let id =
        KeyId::parse(call.name("id")?).map_err(|error| ApiError::invalid(format!("{error}")))?;
    if dry_run {
        return Ok(Json(revocation::hits(asker, &id, from).await?));
    }
    signing_keys::revoke(asker.store(), &permit, &id, from, asker.now()).await?;
    Ok(Json(KeyRevocation {
        revoked: true,
        from,
        images: Vec::new(),
        complete: true,
    }))
}

/// Who makes a key count gave their password: a stolen token gives nobody a signature.
fn by_password(asker: &Asker, next: &'static str) -> ApiResult<Permit<ManageKeys>> {
    let permit = asker.permit::<ManageKeys>()?;
    if asker.caller().used_password() {
        return Ok(permit);
    }
    let message = "tokens cannot register keys: log in with your password for this call";
    Err(ApiError::new(StatusCode::FORBIDDEN, "password-required", message).next(next))
}

fn patterns(scope: &[String]) -> ApiResult<Vec<Pattern>> {
    let read = scope.iter().map(|text| Pattern::parse(text));
    let read: Result<Vec<Pattern>, _> = read.collect();
    read.map_err(|error| ApiError::invalid(format!("{error}")))
}

/// This server in what a key's owner signs. Not the request's `Host`: a proof may be made at one of the server's names and
/// handed in at another.
fn server_name(asker: &Asker) -> &str {
    asker
        .app()
        .options()
        .public_url
        .as_deref()
        .unwrap_or(identity::SERVICE)
}

fn public_key(text: &str) -> ApiResult<RegisteredKey> {
    RegisteredKey::parse(text)
        .map_err(|error| ApiError::invalid(format!("the public key cannot be read: {error}")))
}

fn whose(asker: &Asker, name: Option<&str>) -> ApiResult<PrincipalId> {
    match name {
        Some(name) => Ok(asker.named(name)?.id),
        None => asker.principal(),
    }
}

async fn of_id(asker: &Asker, id: &KeyId) -> ApiResult<KeyRecord> {
    let records = signing_keys::list(asker.store()).await?;
    let found = records.into_iter().find(|record| record.key_id == *id);
    found.ok_or_else(|| store::Error::not_found("key", id).into())
}

fn key(asker: &Asker, record: KeyRecord) -> Key {
    let ends = record.public_key.ends(asker.now());
    Key {
        id: record.key_id.to_string(),
        name: record.name,
        principal: asker.name_of(record.principal),
        public_key_pem: record.public_key.to_text(),
        scope: record
            .scope
            .iter()
            .map(|pattern| pattern.as_str().to_owned())
            .collect(),
        registered_at: record.registered_at,
        revoked_at: record.revoked_at,
        revoked_from: record.revoked_from,
        held_for: record.held_for,
        ends_at: End::next(&ends, asker.now()).map(|end| end.at),
        succeeds: record.succeeds.map(|key| key.to_string()),
    }
}
