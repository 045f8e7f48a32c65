//! What the server makes of a signature that was just pushed: whoever signs for a stage that nobody asks for, or with a key that nobody
//! registered, hears it now, and not from whoever is refused. Deliberately no part of signing: what was signed is signed, another
//! program's registry has no word on it, and to ask in vain is no failure.

use super::Signed;
use client::Client;
use oci::{ImageReference, RepositoryName};
use policy::decision::{Candidate, Node};
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
            let refused = error
                .refused()
                .filter(|refused| refused.code == NOBODY_ASKS);
            refused
                .map(|refused| format!("It counts for nothing: {}.", refused.message))
                .into_iter()
                .collect()
        }
    }
}

/// The server's code where the stage, or the whole question, is not known there. Other registries answer in other words.
const NOBODY_ASKS: &str = "not-found";

/// Once each, whatever number of policies say it.
fn of(roots: &[Node], signed: &Signed) -> Vec<String> {
    let mut found = BTreeSet::new();
    for root in roots {
        let mut nodes = vec![root];
        let mut objections = Vec::new();
        let mut counts = false;
        while let Some(node) = nodes.pop() {
            nodes.extend(&node.children);
            match &node.candidate {
                Some(Candidate {
                    counts: is_counted,
                    manifest,
                    ..
                }) if *manifest == signed.manifest => match is_counted {
                    true => counts = true,
                    false => objections.push(objection(node)),
                },
                _ => {}
            }
        }
        // A manifest may carry several.
        if !counts {
            found.extend(objections);
        }
    }
    found.into_iter().collect()
}

fn objection(node: &Node) -> String {
    let code = node
        .code
        .map_or_else(String::new, |code| format!(" [{code}]"));
    let next = node.next.as_ref();
    let next = next.map_or_else(String::new, |next| format!("\n  next: {next}"));
    format!("It {}{code}{next}", node.text)
}
