//! Keys that the server holds: `/keys/held`. Making one takes what registering one takes; using one takes being who it is held for, and
//! the right to attach what comes of it.

use super::{by_password, key, of_id, patterns, whose};
use crate::api::{Call, Created, created};
use crate::error::ApiError;
use client::api::keys::{HeldSignature, Key, NewHeldKey, NewHeldSignature};
use oci::{Reference, RepositoryName, Tag};
use policy::verb::Attach;
use store::{catalogue, held_keys};

/// `POST /keys/held`
pub(crate) async fn hold(mut call: Call) -> Created<Key> {
    let permit = by_password(&call.asker, "countersign key hold --user NAME")?;
    let new: NewHeldKey = call.json().await?;
    let asker = &call.asker;
    let new = held_keys::NewHeldKey {
        principal: whose(asker, new.principal.as_deref())?,
        name: new.name,
        stage: new.stage,
        scope: patterns(&new.scope)?,
    };
    let id = held_keys::hold(asker.store(), &permit, &new, asker.now()).await?;
    created(key(asker, of_id(asker, &id).await?))
}

/// `POST /keys/held/{name}/signatures`
pub(crate) async fn sign(mut call: Call) -> Created<HeldSignature> {
    call.asker.principal()?;
    let new: NewHeldSignature = call.json().await?;
    let asker = &call.asker;
    let invalid = |why: String| ApiError::invalid(why);
    let repository: RepositoryName = new
        .repository
        .parse()
        .map_err(|error| invalid(format!("{error}")))?;
    let tag = new.tag.as_deref().map(str::parse::<Tag>).transpose();
    let tag = tag.map_err(|error| invalid(format!("{error}")))?;
    let permit = asker.permit_in::<Attach>(&repository)?;
    let reference = Reference::Digest(new.digest.clone());
    let found = catalogue::manifest(asker.store(), &repository, &reference).await?;
    if found.is_none() {
        let message = format!("there is no image `{repository}@{}`", new.digest);
        return Err(ApiError::not_found(message));
    }
    let asked = held_keys::Asked {
        name: call.name("name")?.to_owned(),
        stage: new.stage,
        digest: new.digest,
        tag,
    };
    let signature = held_keys::sign(asker.store(), &permit, &asked, asker.now()).await?;
    created(HeldSignature {
        key: signature.key_id.to_string(),
        bundle: signature.bundle,
    })
}

/// `POST /keys/held/{name}/rotation`
pub(crate) async fn rotate(call: Call) -> Created<Key> {
    let permit = by_password(&call.asker, "countersign key rotate --user NAME")?;
    let asker = &call.asker;
    let name = call.name("name")?;
    let id = held_keys::rotate(asker.store(), &permit, name, asker.now()).await?;
    created(key(asker, of_id(asker, &id).await?))
}
