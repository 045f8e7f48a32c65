//! Which signed files count: those that were signed for this repository and role, under one name of the server, once, and until they end.

use policy::verb::DeleteEvidence;
use policy::{Code, Outcome as Answer};
use store::audit;
use store::tuf::{self, Files, Outcome};
use testkit::trust_repository::DAY;
use trust::tuf::managed::{self, Fault};
use trust::tuf::publish::Refusal;
use trust::tuf::{FileMeta, Key, RoleName, author};

use super::{Shop, post};
use crate::cases::audit::verify;
use crate::cases::tuf::publisher::{GUN, Publisher, REPOSITORY};
use crate::cases::world::ADMIN;
use crate::fixture::{Image, permit};

impl Shop {
    /// The next file of a role, which lists what it did and ends at another time.
    async fn renew(&mut self, role: &str, keys: &[Key], end: i64) {
        let repository = &self.publisher.repository;
        let name: RoleName = role.parse().unwrap();
        let mut targets = repository.targets(role);
        targets.version += 1;
        targets.expires = end;
        let bytes = repository.sign(&targets, keys);
        self.must(vec![(name, bytes)]).await;
    }

    /// When each piece of evidence of an image ends, in the order of their rows.
    async fn ends(&self, image: &Image) -> Vec<Option<i64>> {
        let evidence = self.evidence(image).await;
        evidence.iter().map(|one| one.expires_at).collect()
    }
}

#[tokio::test]
async fn a_file_that_was_signed_for_another_repository_or_role_signs_nothing_here() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    let key = shop.key(shop.world.maria).await;
    let keys = std::slice::from_ref(&key);
    // She is a signer in a repository that no policy covers, under the same role and with the same key.
    let mut elsewhere = Publisher::begin(shop.store(), "localhost/shop/web").await;
    elsewhere
        .repository
        .bring_all_of(&shop.publisher.repository);
    elsewhere.first().await;
    elsewhere.delegate("targets/maria", &key).await;
    let theirs = elsewhere
        .repository
        .signing("targets/maria", "1", &image.content);
    elsewhere.must(vec![theirs.clone()]).await;
    for role in ["targets/maria", "targets/twice"] {
        shop.delegate(role, keys).await;
    }
    let outcome = post(&shop.publisher, vec![theirs.clone()], shop.now).await;
    let role: RoleName = "targets/maria".parse().unwrap();
    assert_eq!(outcome, Ok(Outcome::Known(role.clone())));
    // The same in other clothes: white space around it, and another signature over it.
    let value: serde_json::Value = serde_json::from_slice(&theirs.1).unwrap();
    let signed = shop
        .publisher
        .repository
        .sign_raw(value["signed"].clone(), keys);
    let pretty =
        serde_json::to_vec_pretty(&serde_json::from_slice::<serde_json::Value>(&signed).unwrap());
    let dressed = vec![(role.clone(), pretty.unwrap())];
    let outcome = post(&shop.publisher, dressed, shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Known(role.clone())));
    assert_eq!(shop.standing(&image).await, (0, 0));
    assert_eq!(
        shop.publisher
            .file("targets/maria", tuf::Wanted::Current)
            .await,
        None
    );

    // Her own file here, sent for her other role.
    let own = shop
        .publisher
        .repository
        .signing("targets/maria", "1", &image.content);
    shop.must(vec![own.clone()]).await;
    let twice: RoleName = "targets/twice".parse().unwrap();
    let outcome = post(&shop.publisher, vec![(twice.clone(), own.1)], shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Known(twice.clone())));
    assert_eq!(shop.standing(&image).await, (1, 0));
    let said = Refusal::NotManaged {
        fault: Fault::Known(twice),
        next: managed::Next::Sign(shop.publisher.gun.clone()),
    };
    assert!(said.to_string().contains("sign anew"), "{said}");
}

#[tokio::test]
async fn a_signature_ends_with_the_file_that_it_stands_in() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    shop.signer("targets/maria", shop.world.maria).await;
    shop.signer("targets/jonas", shop.world.jonas).await;
    for role in ["targets/maria", "targets/jonas"] {
        shop.sign(role, "1", &image).await;
    }
    let maria = shop.publisher.repository.keys_of("targets/maria");
    let end = shop.now + 10 * DAY;
    shop.renew("targets/maria", &maria, end).await;
    assert!(shop.ends(&image).await.contains(&Some(end)));
    let decision = shop.decide(&image).await;
    assert_eq!(decision.outcome, Answer::Allow, "{}", decision.sentence());
    assert_eq!(decision.holds_until, Some(end));

    let at = |now| shop.world.decide(&image, "production", now);
    assert_eq!(at(end - 1).await.outcome, Answer::Allow);
    let decision = at(end).await;
    assert_eq!(decision.outcome, Answer::Deny);
    let codes: Vec<Code> = decision.reasons().map(|reason| reason.code).collect();
    assert!(codes.contains(&Code::Expired), "{codes:?}");

    // A newer file lists it still, and says when that ends: nothing is signed anew, nor withdrawn.
    let first = shop.evidence(&image).await[0].stored_at;
    shop.now = end + DAY;
    let later = end + 365 * DAY;
    shop.renew("targets/maria", &maria, later).await;
    assert_eq!(shop.standing(&image).await, (2, 0));
    let decision = shop.decide(&image).await;
    assert_eq!(decision.outcome, Answer::Allow, "{}", decision.sentence());
    assert_eq!(decision.holds_until, Some(later));
    assert_eq!(shop.evidence(&image).await[0].stored_at, first);
    // An end far away that moves on changes no answer before it comes.
    shop.renew("targets/maria", &maria, later + DAY).await;
    assert_eq!(shop.decide(&image).await.holds_until, Some(later));
    let at = shop.world.decide(&image, "production", later).await;
    assert_eq!(at.outcome, Answer::Allow);
    assert_eq!(at.holds_until, Some(later + DAY));
    // One that comes nearer does.
    let soon = shop.now + DAY;
    shop.renew("targets/maria", &maria, soon).await;
    assert_eq!(shop.decide(&image).await.holds_until, Some(soon));

    let image_of_index = shop.evidence(&image).await;
    assert!(image_of_index.iter().all(|one| one.expires_at.is_some()));
    audit::seal(shop.store(), shop.now).await.unwrap();
    let fixture = &shop.world.fixture;
    assert!(verify(fixture).await.is_intact());
    for edit in ["+ 1", "- 1"] {
        let text = format!("UPDATE trust_vouches SET expires_at = expires_at {edit}");
        fixture.edit(&text).await;
        assert!(!verify(fixture).await.is_intact(), "{edit}");
        let undo = if edit == "+ 1" { "- 1" } else { "+ 1" };
        let text = format!("UPDATE trust_vouches SET expires_at = expires_at {undo}");
        fixture.edit(&text).await;
        assert!(verify(fixture).await.is_intact());
    }
}

#[tokio::test]
async fn nobody_makes_the_word_of_another_key_last_longer() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    let keys = shop.signer_with_two_keys().await;
    let mut first = author::first_targets(shop.now);
    let entry = author::image(FileMeta::of(&image.content).hashes.sha256.unwrap(), 7);
    first.targets.insert("1".to_owned(), entry);
    let end = shop.now + 100 * DAY;
    first.expires = end;
    let bytes = shop.publisher.repository.sign(&first, &keys[..1]);
    shop.must(vec![("targets/maria".parse().unwrap(), bytes)])
        .await;
    assert_eq!(shop.ends(&image).await, [Some(end)]);
    shop.renew("targets/maria", &keys[1..], end + DAY).await;
    assert_eq!(shop.ends(&image).await, [Some(end)], "it is not hers");
    shop.renew("targets/maria", &keys[1..], end - DAY).await;
    assert_eq!(shop.ends(&image).await, [Some(end - DAY)]);
    shop.renew("targets/maria", &keys[..1], end + DAY).await;
    assert_eq!(shop.ends(&image).await, [Some(end + DAY)]);
    audit::seal(shop.store(), shop.now).await.unwrap();
    let report = verify(&shop.world.fixture).await;
    assert!(report.is_intact(), "{report:#?}");
}

#[tokio::test]
async fn a_file_counts_under_one_name_of_the_server_and_once() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    let key = shop.key(shop.world.maria).await;
    let keys = std::slice::from_ref(&key);
    shop.delegate("targets/maria", keys).await;
    let own = shop
        .publisher
        .repository
        .signing("targets/maria", "1", &image.content);
    shop.must(vec![own.clone()]).await;
    let state = shop.publisher.state(Files::Above(&[])).await;
    assert_eq!(state.signed_elsewhere(), None);

    // Somebody opens a trust repository of the same repository under another name, with a root of their own, and delegates to her.
    let mut other = Publisher::begin_managed(shop.store(), "localhost:9/shop/web").await;
    other.repository.bring_all_of(&shop.publisher.repository);
    let first = other.repository.first_managed_files();
    let outcome = post(&other, first, shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Stored));
    other.follow().await;
    let update = other.repository.delegating_to("targets/maria", keys);
    let outcome = post(&other, vec![update], shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Stored));
    other.follow().await;
    let outcome = post(&other, vec![own.clone()], shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Known(own.0.clone())));
    let state = other.state(Files::Above(&[])).await;
    assert_eq!(state.signed_elsewhere(), Some(&shop.publisher.gun));
    assert_eq!(shop.standing(&image).await, (1, 0));

    // Nor is it taken again where it was, once that is deleted and begun anew; from the deletion on the other name is the first.
    let maintainer = permit::<DeleteEvidence>(ADMIN, REPOSITORY);
    tuf::delete(shop.store(), &maintainer, &shop.publisher.gun, shop.now)
        .await
        .unwrap();
    let state = other.state(Files::Above(&[])).await;
    assert_eq!(state.signed_elsewhere(), None);
    let mut again = Publisher::begin_managed(shop.store(), GUN).await;
    again.repository.bring_all_of(&shop.publisher.repository);
    let first = again.repository.first_managed_files();
    let outcome = post(&again, first, shop.now + 1).await;
    assert_eq!(outcome, Ok(Outcome::Stored));
    again.follow().await;
    let update = again.repository.delegating_to("targets/maria", keys);
    let outcome = post(&again, vec![update], shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Stored));
    again.follow().await;
    let outcome = post(&again, vec![own.clone()], shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Known(own.0)));
    assert_eq!(shop.standing(&image).await, (0, 1));
    let state = again.state(Files::Above(&[])).await;
    assert_eq!(state.signed_elsewhere(), Some(&other.gun));

    // Whoever is deleted and comes back comes last, with the same key: nobody who was first once takes the others' place.
    tuf::delete(shop.store(), &maintainer, &other.gun, shop.now)
        .await
        .unwrap();
    let mut back = Publisher::begin_managed(shop.store(), "localhost:9/shop/web").await;
    assert_eq!(
        back.repository.held.releases,
        other.repository.held.releases
    );
    let first = back.repository.first_managed_files();
    let outcome = post(&back, first, shop.now + 2).await;
    assert_eq!(outcome, Ok(Outcome::Stored));
    let state = again.state(Files::Above(&[])).await;
    assert_eq!(state.signed_elsewhere(), None);
    back.follow().await;
    let state = back.state(Files::Above(&[])).await;
    assert_eq!(state.signed_elsewhere(), Some(&again.gun));
}
