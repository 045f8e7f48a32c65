//! Signatures as the verifier saw them. Whether one counts is for a gate to say.

use crate::asker::Asker;
use crate::error::ApiResult;
use client::api::image::Evidence;
use policy::{Directory, Verdict};
use store::catalogue::StoredManifest;

/// What is attached to a manifest, and to the indexes of its repository that list it.
pub(crate) async fn evidence(asker: &Asker, manifest: &StoredManifest) -> ApiResult<Vec<Evidence>> {
    let found =
        store::evidence::for_image(asker.store(), manifest.repository_id, &manifest.digest).await?;
    Ok(found
        .into_iter()
        .map(|each| shown(asker.directory(), each))
        .collect())
}

fn shown(directory: &Directory, evidence: policy::Evidence) -> Evidence {
    let signer = evidence
        .key
        .as_ref()
        .and_then(|key| directory.keys.get(key))
        .map(|key| key.principal);
    let principal = signer
        .and_then(|id| directory.principal(id))
        .map(|principal| principal.name.clone());
    let (verdict, why) = verdict(&evidence.verdict, evidence.key_hint.as_deref());
    Evidence {
        id: evidence.id,
        format: evidence.format,
        manifest: evidence.manifest,
        attached_to: evidence.attached_to,
        // What cannot be read speaks of nothing.
        subject: Some(evidence.subject)
            .filter(|_| !matches!(evidence.verdict, Verdict::Unreadable(_) | Verdict::NotRead)),
        stage: evidence.stage,
        predicate_type: evidence.predicate_type,
        repository: evidence.repository,
        key: evidence.key.map(|key| key.to_string()),
        principal,
        verdict: verdict.to_owned(),
        why,
        stored_at: evidence.stored_at,
        withdrawn: evidence.withdrawn,
    }
}

fn verdict(verdict: &Verdict, key: Option<&str>) -> (&'static str, Option<String>) {
    match verdict {
        Verdict::Verified => ("verified", None),
        Verdict::UnknownKey => {
            let hint = key.map_or_else(String::new, |key| format!(" (it names `{key}`)"));
            (
                "unknown-key",
                Some(format!("no registered key made it{hint}")),
            )
        }
        Verdict::BadSignature => {
            let named = key.map_or_else(String::new, |key| format!(" `{key}`"));
            (
                "bad-signature",
                Some(format!("the key{named} that it names did not make it")),
            )
        }
        Verdict::Unreadable(why) => ("unreadable", Some(why.clone())),
        Verdict::NotRead => {
            let why = "signatures of this format are kept, and not checked by this version";
            ("format-not-read", Some(why.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_word_and_all_but_one_a_reason() {
        let words = [
            Verdict::Verified,
            Verdict::UnknownKey,
            Verdict::BadSignature,
            Verdict::Unreadable("no JSON".into()),
            Verdict::NotRead,
        ]
        .map(|found| verdict(&found, Some("ab12")));
        assert_eq!(
            words.each_ref().map(|(word, _)| *word),
            [
                "verified",
                "unknown-key",
                "bad-signature",
                "unreadable",
                "format-not-read"
            ]
        );
        assert_eq!(
            words.each_ref().map(|(_, why)| why.is_some()),
            [false, true, true, true, true]
        );
        assert!(words[1].1.as_ref().unwrap().contains("`ab12`"));
    }
}
