//! What the server makes of a signature that was just pushed: whoever signs for a stage that nobody asks for, or with a key that nobody
//! registered, hears it now, and not from whoever is refused. Deliberately no part of signing: what was signed is signed, another
//! program's registry has no word on it, and to ask in vain is no failure.

use super::Signed;
use client::{Client, Refused};
use oci::{ImageReference, RepositoryName};
use policy::decision::{Mark, Node, NodeKind};
use std::collections::BTreeSet;

/// What keeps it from counting for the stage, each with what to do about it; nothing where it counts, or the server does not say.
pub(super) async fn objections(
    client: &Client,
    repository: &RepositoryName,
    signed: &Signed,
    stage: &str,
) -> Vec<String> {
    let image = ImageReference {
        host: None,
        repository: repository.clone(),
        tag: None,
        digest: Some(signed.subject.clone()),
    };
    match client.verify(&image.to_string(), &[stage.to_owned()]).await {
        Ok(answer) => {
            let roots = answer.explanation.into_iter();
            // One that a newer server words in another way is no answer.
            let roots = roots.filter_map(|root| serde_json::from_value(root).ok());
            of(&roots.collect::<Vec<Node>>(), signed)
        }
        Err(error) => {
            let refused = error.refused().filter(|refused| is_ours(refused));
            refused
                .map(|refused| format!("It counts for nothing: {}.", refused.message))
                .into_iter()
                .collect()
        }
    }
}

/// Whether a server like this one says that nobody asks for the stage. Any registry says that something is not found; that it named the
/// request, only one that understood it.
fn is_ours(refused: &Refused) -> bool {
    refused.code == "not-found" && refused.request_id.is_some()
}

/// The stage wants attestations, say.
const UNMENTIONED: &str =
    "The server does not say that it counts: `countersign verify IMAGE` shows what does.";

/// Once each, whatever number of policies say it.
fn of(roots: &[Node], signed: &Signed) -> Vec<String> {
    let all = roots.iter().flat_map(|root| by_policy(root, signed));
    Vec::from_iter(all.collect::<BTreeSet<String>>())
}

/// A manifest may carry several signatures; one that counts is enough.
fn by_policy(root: &Node, signed: &Signed) -> Vec<String> {
    let mut objections = Vec::new();
    let mut nodes = vec![(root, false)];
    while let Some((node, is_met)) = nodes.pop() {
        let is_met = is_met || (node.kind == NodeKind::Rule && node.mark == Mark::Pass);
        nodes.extend(node.children.iter().map(|child| (child, is_met)));
        let candidate = node.candidate.as_ref();
        let candidate = candidate.filter(|candidate| candidate.manifest == signed.manifest);
        match candidate.map(|candidate| candidate.counts) {
            Some(true) => return Vec::new(),
            Some(false) => objections.push(objection(node, is_met)),
            None => {}
        }
    }
    if objections.is_empty() {
        objections.push(UNMENTIONED.to_owned());
    }
    objections
}

/// Why it does not count, and what would help the stage, if it needs help.
fn objection(node: &Node, is_met: bool) -> String {
    let code = node.code.map(|code| format!(" [{code}]"));
    let next = node.next.as_ref().filter(|_| !is_met);
    let next = next.map(|next| format!("\n  next: {next}"));
    let (code, next) = (code.unwrap_or_default(), next.unwrap_or_default());
    format!("It {}{code}{next}", node.text)
}
