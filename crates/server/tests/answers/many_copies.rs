//! Copies of one signature, of which somebody makes many: all are looked at, and a part at a time, so that other work has its turn.

use super::*;
use store::evidence::Reread;

/// More than one call looks into.
const COPIES: usize = 70;
/// More than one copy is judged for.
const OTHERS: usize = 6;

#[tokio::test]
async fn attack_many_copies_hide_no_whole_one_and_hold_nothing_up() {
    let instance = sigstore::World::new();
    let demands = Demands {
        logs: 0,
        ..Demands::CERTIFICATE
    };
    let (world, digest) = demanding(&instance, demands).await;
    let signer = instance.certify(ALICE);
    let cosigned = Cosigned::new(&instance, &signer, &digest);
    let stripped = || {
        cosigned.without(&[
            "dev.sigstore.cosign/certificate",
            "dev.sigstore.cosign/rfc3161timestamp",
        ])
    };
    // The same beside other images first, and then beside its own, again and again.
    for number in 0..OTHERS {
        let other = Digest::sha256(number.to_string().as_bytes());
        attach(&world, &other, stripped()).await;
    }
    for number in 0..COPIES {
        let mut copy = stripped();
        copy.by_tag = false;
        copy.annotations["number"] = json!(number.to_string());
        attach(&world, &digest, copy).await;
    }
    attach(&world, &digest, cosigned.without(&[])).await;
    register(&world, &keyless(ISSUER, ALICE), "shop/**").await;

    let (mut parts, mut next) = (0, Some(Reread::default()));
    while let Some(asked) = next {
        parts += usize::from(asked.copies.is_some());
        next = registry::reverify(&world.store, &asked, NOW).await.unwrap();
    }
    assert!(parts > 0, "{COPIES} copies were looked at in one go");
    counts(&world, &digest).await;
    world.store.close().await;
}

/// A push that was judged by the keys of a moment ago, and stored after the new key was looked for.
#[tokio::test]
async fn what_was_stored_too_late_for_a_new_key_is_found_a_while_later() {
    let instance = sigstore::World::new();
    let (world, _) = trusting(&instance).await;
    register(&world, &keyless(ISSUER, ALICE), "shop/**").await;
    let kinds = [evidence::REVERIFY_EVIDENCE];
    let mut asked = Vec::new();
    for now in [NOW, NOW + 60_000] {
        while let Some(job) = jobs::claim(&world.store, &kinds, now, 60_000)
            .await
            .unwrap()
        {
            let reread: Reread = serde_json::from_value(job.payload.clone()).unwrap();
            asked.push((now - NOW, reread.key_id.is_some(), reread.late));
            jobs::finish(&world.store, &job).await.unwrap();
        }
    }
    assert_eq!(asked, [(0, true, false), (60_000, true, true)]);
    world.store.close().await;
}
