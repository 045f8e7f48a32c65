//! Signing with a key that the server holds: it makes the statement and the signature, and what it answers is attached here.

use super::Signed;
use crate::attach::Subject;
use anyhow::{Result, ensure};
use client::Client;
use client::api::keys::NewHeldSignature;
use oci::{ImageReference, media};
use trust::evidence::{Reading, read_bundle};
use trust::stage;

/// Has the server sign what the reference stands for now, and pushes the signature beside it. Answers the key's id as well.
pub(super) async fn sign(
    client: &Client,
    image: &ImageReference,
    stage: &str,
    name: &str,
) -> Result<(Signed, String)> {
    let subject = Subject::find(client, image).await?;
    let asked = NewHeldSignature {
        repository: image.repository.to_string(),
        digest: subject.digest().clone(),
        tag: image.tag.as_ref().map(ToString::to_string),
        stage: stage.to_owned(),
    };
    let made = client.sign_with_held_key(name, &asked).await?;
    // What is attached is about this image: whether the signature is the key's, the server says that counts it.
    let Reading::Unverified { claim, .. } = read_bundle(made.bundle.as_bytes(), &[]) else {
        anyhow::bail!("the server answered something else than a signature");
    };
    ensure!(
        claim.subject == asked.digest && claim.stage.as_deref() == Some(stage),
        "the server signed something else than what it was asked for; nothing was attached"
    );
    let annotations = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        ("dev.sigstore.bundle.predicateType", stage::PREDICATE_TYPE),
    ];
    let manifest = subject
        .attach(
            media::SIGSTORE_BUNDLE_V03,
            made.bundle.as_bytes(),
            &annotations,
        )
        .await?;
    let signed = Signed {
        subject: asked.digest,
        manifest,
    };
    Ok((signed, made.key))
}
