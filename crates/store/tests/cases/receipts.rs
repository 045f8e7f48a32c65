//! Receipts: one live one of each gate, only while its answer stands, never a fact, and nothing of the one before left.

use oci::{Digest, Reference};
use policy::verb::{Delete, DeleteEvidence, ManageAccounts};
use policy::{Decision, Grantee, Outcome, Role};
use store::accounts::{self, NewGrant};
use store::catalogue::{self, Deleter, PutManifest};
use store::decisions::GateName;
use store::receipts::{self, NewReceipt, Record, Wanted};
use store::{Writer, blobs, jobs, policies};
use trust::{Algorithm, PrivateKey, Signer};

use super::world::{ADMIN, JOB, World, repository_id};
use crate::fixture::{Image, NOW, name, permit, server_permit};

const HOUR: i64 = 60 * 60 * 1_000;
/// A gate that a signature opens.
const SIGNED: &str = "
version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{robot: ci-shop}]}
gates:
  production: {holds-for: [{team: hosts}], require: [ci]}
receipts: {valid-for: 1h}
";

/// The shop with an image that is allowed in production.
struct Shop {
    world: World,
    image: Image,
    policy_digest: String,
    says: String,
}

/// What the receipt of an answer has to say.
async fn says(world: &World, decision: &Decision) -> String {
    let policies = policies::current(world.store()).await.unwrap();
    Wanted::of(decision, &policies).unwrap().says()
}

impl Shop {
    async fn new() -> Shop {
        let world = World::new().await;
        world.apply(SIGNED).await;
        let image = Image::new("web");
        world.fixture.push("shop/web", &["1"], &image).await;
        let key = world.key(world.ci).await;
        world.sign(&image, "ci", &key, NOW).await;
        let decision = world.decide(&image, "production", NOW + 1).await;
        assert_eq!(decision.outcome, Outcome::Allow);
        let says = says(&world, &decision).await;
        Shop {
            world,
            image,
            policy_digest: decision.policy_digest,
            says,
        }
    }

    fn receipt(&self, sequence: i64) -> NewReceipt {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        NewReceipt {
            digest: self.image.digest.clone(),
            gate: GateName::new("shop", "production"),
            policy_digest: self.policy_digest.clone(),
            bundle: Digest::sha256(sequence.to_string().as_bytes()),
            key: key.public_key().id().clone(),
            says: self.says.clone(),
            sequence,
            valid_until: NOW + HOUR,
            renew_at: NOW + HOUR / 2,
        }
    }

    /// Stores a receipt; answers the manifest that carries it, if it is stored.
    async fn put(&self, new: &NewReceipt, now: i64) -> Option<Digest> {
        let store = self.world.store();
        let repository = name("shop/web");
        let carrier = Image::evidence(&self.image, &format!("receipt {}", new.sequence));
        let writer = Writer::System(JOB, &repository);
        for blob in &carrier.blobs {
            blobs::put(store, &writer, blob.clone(), now).await.unwrap();
        }
        let put = PutManifest {
            digest: &carrier.digest,
            content: &carrier.content,
            media_type: carrier.manifest.media_type(),
            manifest: &carrier.manifest,
            shape: carrier.shape,
            tags: &[],
            evidence: &[],
            stage_record: None,
        };
        let is_stored = receipts::put(store, JOB, &repository, &put, new, now)
            .await
            .unwrap();
        is_stored.then_some(carrier.digest)
    }

    async fn live(&self) -> Vec<Record> {
        let store = self.world.store();
        let id = repository_id(store, &name("shop/web")).await;
        receipts::of_image(store, id, &self.image.digest)
            .await
            .unwrap()
    }

    /// What is attached to the image besides the signature of `ci`.
    async fn attached(&self) -> Vec<Digest> {
        let store = self.world.store();
        let found = catalogue::referrers(store, &name("shop/web"), &self.image.digest, None, None)
            .await
            .unwrap();
        let all = found.descriptors.into_iter().map(|found| found.digest);
        let mut all: Vec<Digest> = all.collect();
        let facts = store::decisions::gather(store, &name("shop/web"), &self.image.digest, "shop")
            .await
            .unwrap();
        let mut evidence = facts.evidence;
        evidence.retain(|evidence| !evidence.withdrawn);
        assert_eq!(evidence.len(), 1, "no receipt is a fact");
        all.retain(|digest| *digest != evidence[0].manifest);
        all
    }
}

#[tokio::test]
async fn a_new_receipt_takes_the_place_of_the_old_one() {
    let shop = Shop::new().await;
    let first = shop.put(&shop.receipt(10), NOW + 2).await.unwrap();
    assert_eq!(shop.attached().await, [first]);
    let second = shop.put(&shop.receipt(11), NOW + 3).await.unwrap();
    assert_eq!(shop.attached().await, [second.clone()]);
    let live = shop.live().await;
    assert_eq!((live.len(), &live[0].manifest), (1, &second));
    assert_eq!(live[0].receipt.sequence, 11);
    assert_eq!(shop.world.acts("receipt.sign").await, 2);
}

#[tokio::test]
async fn numbers_never_go_back() {
    let shop = Shop::new().await;
    let kept = shop.put(&shop.receipt(10), NOW + 2).await.unwrap();
    for sequence in [9, 10] {
        assert_eq!(shop.put(&shop.receipt(sequence), NOW + 3).await, None);
    }
    assert_eq!(shop.attached().await, [kept]);
}

#[tokio::test]
async fn a_receipt_raises_no_facts_and_leaves_the_answer_standing() {
    let shop = Shop::new().await;
    let before = shop.world.decide(&shop.image, "production", NOW + 2).await;
    shop.put(&shop.receipt(10), NOW + 3).await.unwrap();
    let after = shop.world.decide(&shop.image, "production", NOW + 4).await;
    assert_eq!(after, before, "the kept answer, with the time it was made");
}

#[tokio::test]
async fn attack_a_receipt_that_was_signed_while_the_gate_turned() {
    let shop = Shop::new().await;
    let late = shop.receipt(10);
    // Another policy is in force before the receipt is stored.
    shop.world
        .apply(&SIGNED.replace("require: [ci]", "require: [ci], mode: warn"))
        .await;
    assert_eq!(shop.put(&late, NOW + 2).await, None, "nobody was asked yet");
    shop.world.decide(&shop.image, "production", NOW + 3).await;
    assert_eq!(
        shop.put(&late, NOW + 4).await,
        None,
        "it is of the other policy"
    );
    assert_eq!(shop.attached().await, [] as [Digest; 0]);
}

#[tokio::test]
async fn attack_a_receipt_of_an_answer_that_was_replaced_by_another_that_passes() {
    let mut shop = Shop::new().await;
    let late = shop.receipt(10);
    // The signature that it names is withdrawn, and another one counts in its place, under the same policy.
    let (store, here) = (shop.world.store(), name("shop/web"));
    let facts = store::decisions::gather(store, &here, &shop.image.digest, "shop").await;
    let first = facts.unwrap().evidence[0].manifest.clone();
    let key = shop.world.key(shop.world.ci).await;
    shop.world.sign(&shop.image, "ci", &key, NOW + 2).await;
    let delete = permit::<DeleteEvidence>(ADMIN, "shop/web");
    let deleter = Deleter::Evidence(&delete);
    catalogue::delete_manifest(store, &deleter, &first, NOW + 3)
        .await
        .unwrap();
    let decision = shop.world.decide(&shop.image, "production", NOW + 4).await;
    assert_eq!(
        (decision.outcome, &decision.policy_digest),
        (Outcome::Allow, &late.policy_digest)
    );
    assert_eq!(shop.put(&late, NOW + 5).await, None);
    assert_eq!(shop.attached().await, [] as [Digest; 0]);
    shop.says = says(&shop.world, &decision).await;
    let carrier = shop.put(&shop.receipt(11), NOW + 6).await.unwrap();
    assert_eq!(shop.attached().await, [carrier]);
}

#[tokio::test]
async fn one_that_is_withdrawn_is_gone_and_its_successor_stays() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    shop.put(&shop.receipt(10), NOW + 2).await.unwrap();
    let first = shop.live().await.remove(0);
    let second = shop.put(&shop.receipt(11), NOW + 3).await.unwrap();
    receipts::withdraw(store, JOB, &first, NOW + 4)
        .await
        .unwrap();
    assert_eq!(shop.attached().await, [second], "another one by now");
    let live = shop.live().await.remove(0);
    for now in [NOW + 5, NOW + 6] {
        receipts::withdraw(store, JOB, &live, now).await.unwrap();
    }
    assert_eq!(shop.attached().await, [] as [Digest; 0]);
    assert_eq!(shop.live().await, []);
    assert_eq!(shop.world.acts("receipt.withdraw").await, 1);
}

#[tokio::test]
async fn those_that_come_to_their_end_are_due() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    shop.put(&shop.receipt(10), NOW + 2).await.unwrap();
    for (now, expected) in [(NOW + HOUR / 2 - 1, 0), (NOW + HOUR / 2, 1)] {
        let due = receipts::due(store, now, 10).await.unwrap();
        assert_eq!(due.len(), expected);
        assert!(due.iter().all(|due| due.digest == shop.image.digest));
    }
}

#[tokio::test]
async fn what_is_owed_is_asked_for_with_the_answer() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let owed = || async {
        let backlog = jobs::backlog(store).await.unwrap();
        let mut kinds = backlog.into_iter();
        kinds.any(|kind| kind.kind == receipts::SIGN_RECEIPTS)
    };
    assert!(owed().await, "the answer of `new` wants a receipt");
    let kinds = [receipts::SIGN_RECEIPTS];
    let job = jobs::claim(store, &kinds, NOW + 1, HOUR).await.unwrap();
    let job = job.unwrap();
    assert_eq!(job.payload["digest"], shop.image.digest.as_str());
    jobs::finish(store, &job).await.unwrap();
    // An answer that is kept asks for nothing.
    shop.world.decide(&shop.image, "production", NOW + 2).await;
    assert!(!owed().await);
    // No receipt says what the next answer wants.
    shop.world
        .apply(&SIGNED.replace("valid-for: 1h", "valid-for: 2h"))
        .await;
    shop.world.decide(&shop.image, "production", NOW + 3).await;
    assert!(owed().await);
}

#[tokio::test]
async fn a_receipt_that_comes_too_late_is_asked_for_again_where_the_answer_is_another_one() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let kinds = [receipts::SIGN_RECEIPTS];
    let run = async |now| {
        let job = jobs::claim(store, &kinds, now, HOUR).await.unwrap();
        match &job {
            Some(job) => jobs::finish(store, job).await.unwrap(),
            None => false,
        }
    };
    assert!(run(NOW + 1).await, "the answer of `new` wants a receipt");
    // What raises the facts of every image has not every image decided anew.
    let grant = NewGrant {
        to: Grantee::Anonymous,
        role: Role::Reader,
        pattern: "elsewhere/**".parse().unwrap(),
    };
    let may = server_permit::<ManageAccounts>(ADMIN);
    accounts::add_grant(store, &may, &grant, NOW + 2)
        .await
        .unwrap();
    assert!(!run(NOW + 2).await);
    assert_eq!(shop.put(&shop.receipt(10), NOW + 3).await, None);
    assert!(run(NOW + 3).await);
    // The gate is asked, as that job does, and the receipt is stored; an older one is not, and asks for nothing.
    shop.world.decide(&shop.image, "production", NOW + 4).await;
    assert!(run(NOW + 4).await);
    let carrier = shop.put(&shop.receipt(11), NOW + 5).await.unwrap();
    assert_eq!(shop.put(&shop.receipt(10), NOW + 6).await, None);
    assert!(!run(NOW + 6).await);
    assert_eq!(shop.attached().await, [carrier]);
}

#[tokio::test]
async fn a_policy_that_asks_for_none_owes_none() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let kinds = [receipts::SIGN_RECEIPTS];
    let job = jobs::claim(store, &kinds, NOW + 1, HOUR).await.unwrap();
    jobs::finish(store, &job.unwrap()).await.unwrap();
    shop.world
        .apply(&SIGNED.replace("receipts: {valid-for: 1h}\n", ""))
        .await;
    let decision = shop.world.decide(&shop.image, "production", NOW + 3).await;
    assert_eq!(decision.outcome, Outcome::Allow);
    let job = jobs::claim(store, &kinds, NOW + 4, HOUR).await.unwrap();
    assert_eq!(job, None);
}

#[tokio::test]
async fn receipts_go_with_their_image() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let carrier = shop.put(&shop.receipt(10), NOW + 2).await.unwrap();
    let delete = permit::<Delete>(ADMIN, "shop/web");
    let deleter = Deleter::Image(&delete);
    catalogue::delete_manifest(store, &deleter, &shop.image.digest, NOW + 3)
        .await
        .unwrap();
    assert_eq!(shop.live().await, []);
    let carrier = Reference::Digest(carrier);
    let carrier = catalogue::manifest(store, &name("shop/web"), &carrier).await;
    assert!(carrier.unwrap().is_none());
    // One that was signed meanwhile comes too late.
    assert_eq!(shop.put(&shop.receipt(11), NOW + 4).await, None);
}

#[tokio::test]
async fn one_that_somebody_deletes_is_due_again_and_deletes_no_other() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let carrier = shop.put(&shop.receipt(10), NOW + 2).await.unwrap();
    assert_eq!(receipts::due(store, NOW + 3, 10).await.unwrap(), []);
    let delete = permit::<DeleteEvidence>(ADMIN, "shop/web");
    let deleter = Deleter::Evidence(&delete);
    catalogue::delete_manifest(store, &deleter, &carrier, NOW + 3)
        .await
        .unwrap();
    assert_eq!(shop.attached().await, [] as [Digest; 0]);
    let due = receipts::due(store, NOW + 4, 10).await.unwrap();
    assert_eq!(due[0].digest, shop.image.digest);
    let next = shop.put(&shop.receipt(11), NOW + 5).await.unwrap();
    assert_eq!(shop.attached().await, [next]);
    assert_eq!(receipts::due(store, NOW + 6, 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_was_superseded_is_collected_with_its_bytes() {
    const DAY: i64 = 24 * HOUR;
    let shop = Shop::new().await;
    let store = shop.world.store();
    let carriers = [10, 11].map(|sequence| {
        let carrier = Image::evidence(&shop.image, &format!("receipt {sequence}"));
        carrier
            .blobs
            .last()
            .map(|blob| Digest::sha256(blob))
            .unwrap()
    });
    shop.put(&shop.receipt(10), NOW + 2).await.unwrap();
    shop.put(&shop.receipt(11), NOW + 3).await.unwrap();
    // The first collection after a long pause waits.
    for now in [NOW + 3 * DAY, NOW + 3 * DAY + 2 * HOUR, NOW + 4 * DAY] {
        super::garbage::collect(store, now).await;
    }
    let held =
        carriers.map(|blob| async move { super::garbage::holds(store, "shop/web", &blob).await });
    let [old, new] = held;
    assert_eq!((old.await, new.await), (false, true));
}
