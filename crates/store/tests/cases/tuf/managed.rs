//! Managed trust repositories: what signers vouch for is evidence with the update that brings it, and no evidence with the one that takes it;
//! which of their files count is in `files`, the list of releases in `releases`.

mod files;
mod releases;
mod standing;

use policy::verb::{Attach, DeleteEvidence, ManageKeys};
use policy::{Code, Decision, Outcome as Answer, PrincipalId};
use store::tuf::{self, Files, Outcome, RELEASE_TAGS, State};
use store::{Store, Writer, audit, evidence, jobs, signing_keys};
use trust::tuf::managed::{self, Fault, Rules};
use trust::tuf::publish::{self, Refusal};
use trust::tuf::{FileMeta, Key, RoleName, author};
use trust::{Algorithm, KeyId, PrivateKey};

use super::publisher::{GUN, Publisher, REPOSITORY, Update};
use crate::cases::audit::verify;
use crate::cases::world::{ADMIN, World, register, repository_id};
use crate::fixture::{Image, NOW, name, permit, permit_at, push_at, server_permit};

const POLICY: &str = "
version: 1
repositories: ['shop/**']
stages:
  review: {signers: [{team: qa}], threshold: 2}
gates:
  production: {holds-for: [{team: hosts}], require: [review]}
";

/// A shop whose policy covers a trust repository, which its owner has just initialised.
struct Shop {
    world: World,
    publisher: Publisher,
    /// Later with each update, so that no two say the same.
    now: i64,
}

impl Shop {
    async fn open() -> Shop {
        let world = World::new().await;
        world.apply(POLICY).await;
        let mut publisher = Publisher::begin_managed(world.store(), GUN).await;
        let first = publisher.repository.first_managed_files();
        let now = NOW;
        assert_eq!(post(&publisher, first, now).await, Ok(Outcome::Stored));
        publisher.follow().await;
        Shop {
            world,
            publisher,
            now,
        }
    }

    fn store(&self) -> &Store {
        self.world.store()
    }

    /// Sends an update that must be taken.
    async fn must(&mut self, update: Update) {
        let outcome = post(&self.publisher, update, self.now).await;
        assert_eq!(outcome, Ok(Outcome::Stored));
        self.publisher.follow().await;
        self.now += 1_000;
        self.publisher.repository.now = self.now;
    }

    /// A registered key of somebody.
    async fn key(&mut self, owner: PrincipalId) -> Key {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        register(self.store(), owner, &key, &["shop/**"], NOW)
            .await
            .unwrap();
        self.publisher.repository.bring(key)
    }

    /// A signer with a delegation of their own.
    async fn signer(&mut self, role: &str, owner: PrincipalId) -> KeyId {
        let key = self.key(owner).await;
        self.delegate(role, std::slice::from_ref(&key)).await;
        key.to_public_key().unwrap().id().clone()
    }

    /// Maria, with a delegation that either of two registered keys of hers signs.
    async fn signer_with_two_keys(&mut self) -> [Key; 2] {
        let maria = self.world.maria;
        let keys = [self.key(maria).await, self.key(maria).await];
        self.delegate("targets/maria", &keys).await;
        keys
    }

    async fn delegate(&mut self, role: &str, keys: &[Key]) {
        let update = self.publisher.repository.delegating_to(role, keys);
        self.must(vec![update]).await;
    }

    async fn sign(&mut self, role: &str, tag: &str, image: &Image) {
        let file = self.publisher.repository.signing(role, tag, &image.content);
        self.must(vec![file]).await;
    }

    async fn push(&self, tags: &[&str], seed: &str) -> Image {
        let image = Image::new(seed);
        push_at(self.store(), REPOSITORY, tags, &image, self.now).await;
        image
    }

    async fn decide(&self, image: &Image) -> Decision {
        self.world.decide(image, "production", self.now).await
    }

    async fn evidence(&self, image: &Image) -> Vec<policy::Evidence> {
        let id = repository_id(self.store(), &name(REPOSITORY)).await;
        evidence::for_image(self.store(), id, &image.digest)
            .await
            .unwrap()
    }

    /// How many pieces of evidence stand, and how many are withdrawn.
    async fn standing(&self, image: &Image) -> (usize, usize) {
        let all = self.evidence(image).await;
        let withdrawn = all.iter().filter(|one| one.withdrawn).count();
        (all.len() - withdrawn, withdrawn)
    }

    /// Whether the list of releases is to be written anew; nobody asks for it after that.
    async fn is_release_asked_for(&self) -> bool {
        let job = jobs::claim(self.store(), &[RELEASE_TAGS], i64::MAX - 60_000, 60_000)
            .await
            .unwrap();
        let Some(job) = job else { return false };
        assert_eq!(job.payload["repository"], REPOSITORY);
        jobs::finish(self.store(), &job).await.unwrap()
    }
}

/// Judges an update as the server does where a policy covers the repository, and sends it.
async fn post(publisher: &Publisher, update: Update, now: i64) -> Result<Outcome, Refusal> {
    let roles: Vec<RoleName> = update.iter().map(|(role, _)| role.clone()).collect();
    let state = publisher.state(Files::Update(&roles)).await;
    judged(publisher, &state, update, now).await
}

async fn judged(
    publisher: &Publisher,
    state: &State,
    update: Update,
    now: i64,
) -> Result<Outcome, Refusal> {
    let (gun, current, held) = (&publisher.gun, &state.current, &state.held);
    let accepted = publish::validate(gun, update, current, held, now)?;
    let accepted = match state.covered_by() {
        None => accepted,
        Some(standing) => {
            let directory = &standing.directory;
            let rules = Rules {
                is_stage: &|stage| stage == "review",
                owner: &|key| {
                    let key = directory.keys.get(key)?;
                    Some(directory.describe(key.principal))
                },
            };
            managed::admit(gun, accepted, current, held, &rules, now)?
        }
    };
    let permit = permit_at::<Attach>(ADMIN, REPOSITORY, now);
    let writer = Writer::Attach(&permit);
    let stored = tuf::publish(&publisher.store, &writer, gun, state, accepted, now);
    Ok(stored.await.unwrap())
}

#[tokio::test]
async fn what_signers_vouch_for_counts_like_any_signature() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    let maria = shop.signer("targets/maria", shop.world.maria).await;
    shop.signer("targets/jonas", shop.world.jonas).await;
    assert_eq!(shop.decide(&image).await.outcome, Answer::Deny);
    shop.sign("targets/maria", "1", &image).await;
    assert_eq!(shop.decide(&image).await.outcome, Answer::Deny);
    let signed_at = shop.now;
    shop.sign("targets/jonas", "1", &image).await;
    let decision = shop.decide(&image).await;
    assert_eq!(decision.outcome, Answer::Allow, "{}", decision.sentence());
    let counted = &decision.stage("review").unwrap().counted;
    assert_eq!(counted.len(), 2);
    assert_eq!(counted[0].format, "notary");
    assert_eq!(counted[0].key, maria.to_string());
    assert_eq!(counted[1].stored_at, signed_at);

    let one = &shop.evidence(&image).await[0];
    assert_eq!(one.repository.as_deref(), Some(REPOSITORY));
    assert_eq!((one.stage.as_deref(), one.withdrawn), (None, false));
    let rows = audit::rows(shop.store(), 0, 1_000).await.unwrap();
    let row = rows.iter().rfind(|row| row.act == "trust.publish").unwrap();
    let vouches = &row.detail["vouches"][0];
    assert_eq!(vouches["role"], "targets/jonas");
    assert_eq!(vouches["digest"], image.digest.as_str());
}

#[tokio::test]
async fn one_signer_in_two_delegations_is_one_signer() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    shop.signer("targets/maria", shop.world.maria).await;
    shop.signer("targets/other", shop.world.maria).await;
    for role in ["targets/maria", "targets/other"] {
        shop.sign(role, "1", &image).await;
    }
    let decision = shop.decide(&image).await;
    assert_eq!(decision.outcome, Answer::Deny);
    let codes: Vec<Code> = decision.reasons().map(|reason| reason.code).collect();
    assert!(codes.contains(&Code::SamePrincipal), "{codes:?}");
    assert_eq!(shop.standing(&image).await, (2, 0));
}

#[tokio::test]
async fn a_stage_that_is_named_is_for_its_signers() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    let stranger = shop.world.ci;
    shop.signer("targets/review", stranger).await;
    shop.signer("targets/review/ci", stranger).await;
    shop.sign("targets/review/ci", "1", &image).await;
    let one = &shop.evidence(&image).await[0];
    assert_eq!(one.stage.as_deref(), Some("review"));
    let decision = shop.decide(&image).await;
    let codes: Vec<Code> = decision.reasons().map(|reason| reason.code).collect();
    assert!(codes.contains(&Code::NotASigner), "{codes:?}");
}

#[tokio::test]
async fn an_entry_that_goes_or_changes_takes_its_evidence_along() {
    let mut shop = Shop::open().await;
    let (image, other) = (
        shop.push(&["1"], "web").await,
        shop.push(&["2"], "api").await,
    );
    shop.signer("targets/maria", shop.world.maria).await;
    shop.sign("targets/maria", "1", &image).await;
    shop.sign("targets/maria", "2", &image).await;
    assert_eq!(shop.standing(&image).await, (2, 0));
    // Tag 2 is another image now: of what was said about the first, tag 1 is left.
    shop.sign("targets/maria", "2", &other).await;
    assert_eq!(shop.standing(&image).await, (1, 1));
    assert_eq!(shop.standing(&other).await, (1, 0));
    let back = shop
        .publisher
        .repository
        .next_targets("targets/maria", |targets| {
            targets.targets.remove("1");
        });
    shop.must(vec![back]).await;
    assert_eq!(shop.standing(&image).await, (0, 2));
    assert_eq!(shop.standing(&other).await, (1, 0));
    // Signed anew it is a new signature, with a time of its own.
    let again_at = shop.now;
    shop.sign("targets/maria", "1", &image).await;
    assert_eq!(shop.standing(&image).await, (1, 2));
    let evidence = shop.evidence(&image).await;
    let stands = evidence.iter().find(|one| !one.withdrawn).unwrap();
    assert_eq!(stands.stored_at, again_at);
}

#[tokio::test]
async fn a_delegation_or_key_that_goes_takes_its_evidence_along() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    let keys = shop.signer_with_two_keys().await;
    shop.signer("targets/jonas", shop.world.jonas).await;
    shop.sign("targets/maria", "1", &image).await;
    shop.sign("targets/jonas", "1", &image).await;
    assert_eq!(shop.standing(&image).await, (3, 0), "each key a piece");
    shop.delegate("targets/maria", &keys[..1]).await;
    assert_eq!(shop.standing(&image).await, (2, 1));
    assert_eq!(shop.decide(&image).await.outcome, Answer::Allow);
    let update = shop
        .publisher
        .repository
        .next_targets("targets", |targets| {
            let jonas = "targets/jonas".parse().unwrap();
            targets.delegations.remove_role(&jonas);
        });
    shop.must(vec![update]).await;
    assert_eq!(shop.standing(&image).await, (1, 2));
    assert_eq!(shop.decide(&image).await.outcome, Answer::Deny);
    tuf::delete(
        shop.store(),
        &permit::<DeleteEvidence>(ADMIN, REPOSITORY),
        &shop.publisher.gun,
        shop.now,
    )
    .await
    .unwrap();
    assert_eq!(shop.standing(&image).await, (0, 3));
}

#[tokio::test]
async fn evidence_outlives_the_policy_as_long_as_it_stands() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    shop.signer("targets/maria", shop.world.maria).await;
    shop.sign("targets/maria", "1", &image).await;
    let (store, security) = (shop.store().clone(), server_permit(ADMIN));
    store::policies::remove(&store, &security, "shop", NOW)
        .await
        .unwrap();
    // Nothing new is heard, and what is taken back is gone.
    shop.sign("targets/maria", "2", &image).await;
    assert_eq!(shop.standing(&image).await, (1, 0));
    let back = shop
        .publisher
        .repository
        .next_targets("targets/maria", |targets| {
            targets.targets.clear();
        });
    shop.must(vec![back]).await;
    assert_eq!(shop.standing(&image).await, (0, 1));
}

#[tokio::test]
async fn a_plain_repository_vouches_for_nothing() {
    let world = World::new().await;
    let image = Image::new("web");
    world.fixture.push(REPOSITORY, &["1"], &image).await;
    let mut publisher = Publisher::begin(world.store(), GUN).await;
    publisher.first().await;
    let key = publisher.key();
    publisher.delegate("targets/maria", &key).await;
    let file = publisher
        .repository
        .signing("targets/maria", "1", &image.content);
    publisher.must(vec![file]).await;
    let id = repository_id(world.store(), &name(REPOSITORY)).await;
    let found = evidence::for_image(world.store(), id, &image.digest).await;
    assert_eq!(found.unwrap(), []);
    let job = jobs::claim(world.store(), &[RELEASE_TAGS], i64::MAX - 60_000, 60_000).await;
    assert_eq!(job.unwrap(), None);
}

#[tokio::test]
async fn rules_that_changed_meanwhile_have_an_update_judged_again() {
    let mut shop = Shop::open().await;
    let key = shop.key(shop.world.maria).await;
    let update = || {
        let keys = std::slice::from_ref(&key);
        vec![
            shop.publisher
                .repository
                .delegating_to("targets/maria", keys),
        ]
    };
    let state = shop
        .publisher
        .state(Files::Update(&[RoleName::Targets]))
        .await;
    shop.world.apply(&format!("{POLICY}# once more\n")).await;
    let outcome = judged(&shop.publisher, &state, update(), shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Moved));
    let state = shop
        .publisher
        .state(Files::Update(&[RoleName::Targets]))
        .await;
    let id = key.to_public_key().unwrap().id().clone();
    let security = server_permit::<ManageKeys>(ADMIN);
    signing_keys::revoke(shop.store(), &security, &id, None, shop.now)
        .await
        .unwrap();
    let outcome = judged(&shop.publisher, &state, update(), shop.now).await;
    assert_eq!(outcome, Ok(Outcome::Moved));
    let update = update();
    shop.must(update).await;
}

#[tokio::test]
async fn a_vouch_made_up_in_the_database_is_named() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    let own = shop.signer("targets/maria", shop.world.maria).await;
    let other = shop.signer("targets/jonas", shop.world.jonas).await;
    shop.sign("targets/maria", "1", &image).await;
    audit::seal(shop.store(), shop.now).await.unwrap();
    let fixture = &shop.world.fixture;
    let report = verify(fixture).await;
    assert!(report.is_intact(), "{report:#?}");
    for (edit, undo) in [
        ("stage = 'review'".to_owned(), "stage = NULL".to_owned()),
        (
            format!("subject = 'sha256:{}'", "0".repeat(64)),
            format!("subject = '{}'", image.digest),
        ),
        (
            "named_repository = 'shop/api'".to_owned(),
            format!("named_repository = '{REPOSITORY}'"),
        ),
        (format!("key_id = '{other}'"), format!("key_id = '{own}'")),
    ] {
        let change = async |set: &str| {
            let text = format!("UPDATE evidence SET {set}");
            fixture.edit(&text).await
        };
        assert_eq!(change(&edit).await, 1, "{edit}");
        let report = verify(fixture).await;
        assert!(!report.is_intact(), "{edit}");
        change(&undo).await;
        assert!(verify(fixture).await.is_intact(), "{undo}");
    }
    let changed = "UPDATE trust_files SET content = (SELECT content FROM trust_files WHERE role = 'root' LIMIT 1) WHERE role = 'targets/maria'";
    fixture.edit(changed).await;
    assert!(!verify(fixture).await.is_intact());
}

#[tokio::test]
async fn what_a_delegation_may_list_no_more_is_withdrawn() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1", "2"], "web").await;
    shop.signer("targets/maria", shop.world.maria).await;
    for tag in ["1", "2"] {
        shop.sign("targets/maria", tag, &image).await;
    }
    // No policy covers it for a while, and its owner gives her some tags only.
    let (store, security) = (shop.store().clone(), server_permit(ADMIN));
    store::policies::remove(&store, &security, "shop", NOW)
        .await
        .unwrap();
    let keys = shop.publisher.repository.keys_of("targets/maria");
    let narrow = shop
        .publisher
        .repository
        .next_targets("targets", |targets| {
            let name = "targets/maria".parse().unwrap();
            targets.delegations.set_role(name, &keys, 1, &["2"]);
        });
    shop.must(vec![narrow]).await;
    assert_eq!(shop.standing(&image).await, (1, 1));
    // What she lists outside of that, then or later, is no evidence.
    shop.world.apply(POLICY).await;
    let outside = shop
        .publisher
        .repository
        .signing("targets/maria", "1.1", &image.content);
    let refused = post(&shop.publisher, vec![outside], shop.now).await;
    let fault = Fault::Paths("targets/maria".parse().unwrap());
    assert!(
        matches!(&refused, Err(Refusal::NotManaged { fault: found, .. }) if *found == fault),
        "{refused:?}"
    );
    assert_eq!(shop.standing(&image).await, (1, 1));
}

#[tokio::test]
async fn nobody_hides_others_behind_many_signatures() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    shop.signer("targets/maria", shop.world.maria).await;
    shop.signer("targets/jonas", shop.world.jonas).await;
    let entry = author::image(FileMeta::of(&image.content).hashes.sha256.unwrap(), 7);
    // More than a decision looks at.
    for part in 0..3 {
        let repository = &shop.publisher.repository;
        let update = repository.next_targets("targets/maria", |targets| {
            let tags = (0..700).map(|n| (format!("{part}.{n}"), entry.clone()));
            targets.targets.extend(tags);
        });
        shop.must(vec![update]).await;
    }
    shop.sign("targets/jonas", "1", &image).await;
    let decision = shop.decide(&image).await;
    assert_eq!(decision.outcome, Answer::Allow, "{}", decision.sentence());
}
