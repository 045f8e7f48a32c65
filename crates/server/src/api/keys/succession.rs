//! A new key in the place of one's own: `/keys/{id}/successor`. It takes the old key, the new one and a password, and no role: nothing is
//! gained by it that the old key did not give, and whoever has the role `security` is told. Of somebody else's key nobody learns that it
//! is there.

use super::{key, of_id, public_key, server_name};
use crate::api::{Call, Created, created};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::api::keys::{Challenge, Key, NewSuccessor, SuccessorProof};
use store::accounts::By;
use store::signing_keys::KeyRecord;
use store::succession::{self as successions, Rotation};
use trust::KeyId;
use trust::succession::Succession;

const NEXT: &str = "countersign key rotate --old FILE --new FILE --user NAME";

/// `POST /keys/{id}/successor/challenges`
pub(crate) async fn challenge(mut call: Call) -> Created<Challenge> {
    let old = own(&call.asker, call.name("id")?).await?;
    let new: NewSuccessor = call.json().await?;
    let asker = &call.asker;
    let new = public_key(&new.public_key_pem)?;
    if new.is_identity() {
        let message = "an identity in certificates cannot take a key's place: have it registered";
        return Err(ApiError::invalid(message));
    }
    let by = By::Oneself(asker.principal()?);
    let issued =
        successions::challenge(asker.store(), &by, &old.key_id, new.id(), asker.now()).await?;
    let statement = Succession {
        server: server_name(asker).to_owned(),
        nonce: issued.nonce.clone(),
        principal: issued.principal,
        old: old.key_id,
        new: issued.key,
    };
    created(Challenge {
        nonce: issued.nonce,
        statement: STANDARD.encode(statement.to_bytes()),
        expires_at: issued.expires_at,
    })
}

/// `POST /keys/{id}/successor`
pub(crate) async fn succeed(mut call: Call) -> Created<Key> {
    let old = own(&call.asker, call.name("id")?).await?;
    let proof: SuccessorProof = call.json().await?;
    let asker = &call.asker;
    let public_key = public_key(&proof.public_key_pem)?;
    let statement = Succession {
        server: server_name(asker).to_owned(),
        nonce: proof.nonce,
        principal: asker.name_of(old.principal),
        old: old.key_id,
        new: public_key.id().clone(),
    };
    let [by_old, by_new] = [&proof.old_signature, &proof.new_signature].map(|text| decoded(text));
    let verified = statement.verify(
        (&old.public_key, &by_old?),
        (&public_key, &by_new?),
        asker.now(),
    );
    let proof = verified.map_err(|error| {
        let message = format!("the succession does not hold: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, "no-proof", message).next(NEXT)
    })?;
    let id: KeyId = public_key.id().clone();
    let by = By::Oneself(asker.principal()?);
    let rotation = Rotation { proof, public_key };
    successions::rotate(asker.store(), &by, &rotation, asker.now()).await?;
    created(key(asker, of_id(asker, &id).await?))
}

/// The key of the path, which is the caller's or a robot's of theirs; they gave their password, so that a stolen token and a stolen key
/// are not enough.
async fn own(asker: &Asker, id: &str) -> ApiResult<KeyRecord> {
    asker.principal()?;
    if !asker.caller().used_password() {
        let message = "tokens cannot rotate keys: log in with your password for this call";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "password-required", message).next(NEXT));
    }
    let unknown = || ApiError::not_found(format!("you have no key `{}`", crate::error::shown(id)));
    let id = KeyId::parse(id).map_err(|_| unknown())?;
    let record = found(asker, &id).await?;
    record.ok_or_else(unknown)
}

async fn found(asker: &Asker, id: &KeyId) -> ApiResult<Option<KeyRecord>> {
    let mut records = store::signing_keys::list(asker.store()).await?;
    records.retain(|record| record.key_id == *id && asker.is_own(record.principal));
    Ok(records.pop())
}

fn decoded(text: &str) -> ApiResult<Vec<u8>> {
    let bytes = STANDARD.decode(text);
    bytes.map_err(|_| ApiError::invalid("the signature is not base64"))
}
