//! Receipts through the monitor: one beside each image that its gate lets pass, none beside another, and a new one in time.

use oci::RepositoryName;
use policy::verb::ManagePolicy;
use policy::{Outcome, Role};
use store::break_glass::{self, Asked};
use store::decisions::GateName;
use store::jobs as queue;
use store::{Store, blobs};
use tempfile::TempDir;
use trust::PublicKey;
use trust::receipt::{Expected, verify};

use super::*;
use crate::Monitor;
use crate::jobs::{Job, Round};
use crate::testing::{Clock, HOUR, REPOSITORY, Server, guard, permit, permit_of, put_image};

const NOW: i64 = 1_800_000_000_000;
const POLICY: &str = "
version: 1
repositories: ['shop/**']
stages:
  review: {signers: [{person: anna}]}
gates:
  production: {holds-for: everyone, require: [review]}
  everybody: {holds-for: everyone, require: [review], mode: warn}
receipts: {valid-for: 2h}
";

struct World {
    context: Context,
    clock: Clock,
    folder: TempDir,
}

fn repository() -> RepositoryName {
    REPOSITORY.parse().unwrap()
}

impl World {
    async fn new() -> Self {
        let Server {
            context,
            clock,
            folder,
        } = Server::at(NOW).await;
        let world = Self {
            context,
            clock,
            folder,
        };
        guard(&world.context, "anna").await;
        world.apply("shop", POLICY).await;
        world
    }

    fn store(&self) -> &Store {
        &self.context.store
    }

    async fn apply(&self, name: &str, document: &str) {
        let permit = permit::<ManagePolicy>(Role::Security, None, NOW);
        policies::apply(self.store(), &permit, name, document, NOW)
            .await
            .unwrap();
    }

    async fn push(&self) -> StoredManifest {
        let reference = Reference::Digest(put_image(&self.context, b"a layer").await);
        catalogue::manifest(self.store(), &repository(), &reference)
            .await
            .unwrap()
            .unwrap()
    }

    /// Two people open the gate `production` for an image, for some time.
    async fn break_open(&self, image: &Digest, milliseconds: i64) {
        let now = self.context.now();
        let asked = Asked {
            digest: image,
            policy: "shop",
            gate: "production",
            lasts_milliseconds: milliseconds,
            lasts_milliseconds_max: None,
            reason: "the scanner is broken",
        };
        let first = guard(&self.context, "omar").await;
        let first = permit_of(&self.context, first).await;
        let second = guard(&self.context, "olga").await;
        let second = permit_of(&self.context, second).await;
        let asked = break_glass::ask(self.store(), &first, &asked, now)
            .await
            .unwrap();
        break_glass::confirm(self.store(), &second, asked.id, now)
            .await
            .unwrap();
    }

    /// All that is due is done.
    async fn decide(&self) {
        deciding::decide_all(&self.context).await.unwrap();
        self.drain().await.unwrap();
    }

    async fn drain(&self) -> Result<()> {
        Monitor::new(self.context.clone()).drain().await
    }

    /// How many receipts are asked for and not signed yet.
    async fn owed(&self) -> u64 {
        let backlog = queue::backlog(self.store()).await.unwrap();
        let mut receipts = backlog
            .iter()
            .filter(|kind| kind.kind == receipts::SIGN_RECEIPTS);
        receipts.next().map_or(0, |kind| kind.jobs)
    }

    /// Asks a gate as a pull does, which waits for no job.
    async fn pull(&self, image: &StoredManifest, gate: &str) -> Outcome {
        let (gate, now) = (GateName::new("shop", gate), self.context.now());
        let here = repository();
        let asked = store::decisions::decide(self.store(), &here, &image.digest, &gate, now);
        asked.await.unwrap().outcome
    }

    async fn pass(&self, milliseconds: i64) {
        self.clock.pass(milliseconds);
        Round::RenewReceipts.run(&self.context).await.unwrap();
    }

    async fn live(&self, image: &StoredManifest) -> Vec<Record> {
        receipts::of_image(self.store(), image.repository_id, &image.digest)
            .await
            .unwrap()
    }

    /// The digests of what is attached to an image.
    async fn referrers(&self, image: &StoredManifest) -> Vec<Digest> {
        let found = catalogue::referrers(self.store(), &repository(), &image.digest, None, None)
            .await
            .unwrap()
            .descriptors;
        found.into_iter().map(|found| found.digest).collect()
    }

    async fn keys(&self) -> Vec<PublicKey> {
        keys::public_keys(self.store(), Purpose::Receipt)
            .await
            .unwrap()
    }

    /// The receipt of a gate as a host would believe it.
    async fn believed(&self, image: &StoredManifest, gate: &str) -> Receipt {
        let live = self.live(image).await;
        let record = live
            .iter()
            .find(|record| record.receipt.gate.gate == gate)
            .unwrap();
        let bundle = blobs::open(self.store(), &record.receipt.bundle)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let policy = Digest::sha256(POLICY.as_bytes());
        let expected = Expected {
            image: &image.digest,
            repository: &repository(),
            gate,
            policy_digest: Some(policy.hex()),
            sequence: None,
        };
        let now = self.context.now();
        let receipt = verify(&bundle, &self.keys().await, &expected, now).unwrap();
        receipt.into_parts().0
    }
}

#[tokio::test]
async fn what_passes_with_a_warning_has_a_receipt_that_says_so_and_what_is_denied_has_none() {
    let world = World::new().await;
    let image = world.push().await;
    world.decide().await;
    let gates: Vec<String> = world
        .live(&image)
        .await
        .into_iter()
        .map(|record| record.receipt.gate.gate)
        .collect();
    assert_eq!(gates, ["everybody"]);
    let receipt = world.believed(&image, "everybody").await;
    assert_eq!(receipt.policies, ["shop"]);
    assert!(
        receipt
            .warnings
            .iter()
            .any(|text| text.contains("enforced, it would be deny")),
        "{:?}",
        receipt.warnings
    );
    assert_eq!(
        (receipt.decided_at, receipt.valid_until),
        (NOW, NOW + 2 * HOUR)
    );
}

#[tokio::test]
async fn deciding_again_makes_no_new_receipt_and_no_new_fact() {
    let world = World::new().await;
    let image = world.push().await;
    world.decide().await;
    let (live, attached) = (world.live(&image).await, world.referrers(&image).await);
    assert_eq!(attached.len(), 1);
    world.decide().await;
    world.decide().await;
    assert_eq!(world.live(&image).await, live);
    assert_eq!(world.referrers(&image).await, attached);
    let facts = store::decisions::gather(world.store(), &repository(), &image.digest, "shop")
        .await
        .unwrap();
    assert_eq!(facts.evidence.len(), 0, "a receipt is no evidence");
}

#[tokio::test]
async fn a_new_receipt_takes_the_place_of_the_old_one_long_before_its_end() {
    let world = World::new().await;
    let image = world.push().await;
    world.decide().await;
    let first = world.live(&image).await.remove(0);
    world.pass(HOUR - 1).await;
    assert_eq!(world.live(&image).await[0], first);
    world.pass(1).await;
    let second = world.live(&image).await.remove(0);
    assert!(second.receipt.sequence > first.receipt.sequence);
    assert_eq!(second.receipt.valid_until, NOW + 3 * HOUR);
    // One live referrer of the gate.
    assert_eq!(world.referrers(&image).await, [second.manifest]);
}

#[tokio::test]
async fn a_receipt_ends_with_the_decision_and_goes_when_the_gate_shuts() {
    let world = World::new().await;
    let image = world.push().await;
    world.break_open(&image.digest, HOUR / 2).await;
    world.decide().await;
    let receipt = world.believed(&image, "production").await;
    assert_eq!(
        receipt.valid_until,
        NOW + HOUR / 2,
        "holds_until comes before valid-for"
    );
    assert!(
        receipt.warnings[0].contains("by break-glass"),
        "{:?}",
        receipt.warnings
    );
    assert_eq!(world.referrers(&image).await.len(), 2);
    world.pass(HOUR / 2).await;
    let live = world.live(&image).await;
    assert_eq!(live.len(), 1, "{live:?}");
    assert_eq!(live[0].receipt.gate.gate, "everybody");
    assert_eq!(world.referrers(&image).await, [live[0].manifest.clone()]);
}

#[tokio::test]
async fn a_receipt_names_every_policy_with_a_gate_of_its_name() {
    let world = World::new().await;
    let image = world.push().await;
    world.decide().await;
    let first = world.live(&image).await.remove(0);
    world
        .apply(
            "base",
            &POLICY.replace(
                "  production: {holds-for: everyone, require: [review]}\n",
                "",
            ),
        )
        .await;
    world.decide().await;
    let live = world.live(&image).await;
    assert_eq!(live.len(), 2, "one of each policy");
    let shop = live
        .iter()
        .find(|record| record.receipt.gate.policy == "shop");
    assert_ne!(shop.unwrap().receipt.says, first.receipt.says);
}

#[tokio::test]
async fn a_receipt_whose_answer_has_changed_meanwhile_is_not_stored() {
    let world = World::new().await;
    let image = world.push().await;
    world.decide().await;
    let decided = store::decisions::refresh(world.store(), image.repository_id, &image.digest, NOW);
    let decided = decided.await.unwrap().unwrap();
    // The policy is another one by now, and nobody has asked its gates yet.
    world.apply("shop", &POLICY.replace("2h", "3h")).await;
    let before = world.live(&image).await;
    reconcile(&world.context, image.repository_id, &image.digest, &decided)
        .await
        .unwrap();
    assert_eq!(world.live(&image).await, before);
}

#[tokio::test]
async fn a_grant_between_the_answer_and_its_first_receipt_does_not_lose_the_receipt() {
    let world = World::new().await;
    let image = world.push().await;
    let kinds: Vec<&str> = Job::ALL.iter().map(|job| job.kind()).collect();
    let claim = async || {
        queue::claim(world.store(), &kinds, NOW, HOUR)
            .await
            .unwrap()
    };
    // Nobody but this job looks at the image.
    while let Some(job) = claim().await {
        queue::finish(world.store(), &job).await.unwrap();
    }
    let decided = deciding::refresh(&world.context, image.repository_id, &image.digest);
    let decided = decided.await.unwrap();
    let mut job = claim().await.unwrap();
    while job.kind != receipts::SIGN_RECEIPTS {
        queue::finish(world.store(), &job).await.unwrap();
        job = claim().await.unwrap();
    }
    guard(&world.context, "eve").await;
    while let Some(other) = claim().await {
        queue::finish(world.store(), &other).await.unwrap();
    }
    reconcile(&world.context, image.repository_id, &image.digest, &decided)
        .await
        .unwrap();
    queue::finish(world.store(), &job).await.unwrap();
    assert_eq!(world.live(&image).await, []);
    world.drain().await.unwrap();
    assert_eq!(world.live(&image).await.len(), 1);
    assert_eq!(world.owed().await, 0);
}

#[tokio::test]
async fn where_no_policy_asks_for_receipts_nothing_is_signed_or_stored() {
    let world = World::new().await;
    let silent = POLICY.replace("receipts: {valid-for: 2h}\n", "");
    world.apply("shop", &silent).await;
    let image = world.push().await;
    world.decide().await;
    assert_eq!(world.pull(&image, "everybody").await, Outcome::Warn);
    world.pass(HOUR).await;
    assert_eq!(world.live(&image).await, []);
    assert_eq!(world.referrers(&image).await, [] as [Digest; 0]);
    assert_eq!(world.owed().await, 0);
    assert_eq!(world.keys().await, [], "nor is a key made for it");
    // Asked for, and no longer.
    world.apply("shop", POLICY).await;
    world.decide().await;
    assert_eq!(world.live(&image).await.len(), 1);
    world.apply("shop", &silent).await;
    world.decide().await;
    assert_eq!(world.live(&image).await, []);
    assert_eq!(world.referrers(&image).await, [] as [Digest; 0]);
}

#[tokio::test]
async fn where_one_policy_asks_for_receipts_of_a_gate_the_others_with_it_sign_too() {
    let world = World::new().await;
    let silent = POLICY.replace("receipts: {valid-for: 2h}\n", "");
    world.apply("base", &silent).await;
    let image = world.push().await;
    world.decide().await;
    let live = world.live(&image).await;
    let of: Vec<&str> = live
        .iter()
        .map(|record| record.receipt.gate.policy.as_str())
        .collect();
    assert_eq!(of, ["base", "shop"]);
    assert!(
        live.iter()
            .all(|record| record.receipt.valid_until == NOW + 2 * HOUR)
    );
}

#[tokio::test]
async fn what_a_pull_decided_first_has_its_receipt_signed_and_taken_away_all_the_same() {
    let world = World::new().await;
    let image = world.push().await;
    world.drain().await.unwrap();
    world.break_open(&image.digest, HOUR / 2).await;
    // The server ends here, before anything of its own has looked: what is owed is written with the answer.
    assert_eq!(world.pull(&image, "production").await, Outcome::Allow);
    assert!(world.owed().await > 0);
    world.drain().await.unwrap();
    assert_eq!(world.live(&image).await.len(), 2);
    world.clock.pass(HOUR / 2);
    assert_eq!(world.pull(&image, "production").await, Outcome::Deny);
    assert_eq!(world.live(&image).await.len(), 2, "nobody has looked yet");
    world.drain().await.unwrap();
    let live = world.live(&image).await;
    assert_eq!(live.len(), 1, "{live:?}");
    assert_eq!(world.referrers(&image).await, [live[0].manifest.clone()]);
}

#[tokio::test]
async fn a_receipt_that_could_not_be_written_is_written_later_and_once() {
    let world = World::new().await;
    let image = world.push().await;
    world.drain().await.unwrap();
    let before = world.referrers(&image).await;
    // The disk that holds blobs is away.
    let (blobs, away) = (
        world.folder.path().join("blobs"),
        world.folder.path().join("away"),
    );
    std::fs::rename(&blobs, &away).unwrap();
    std::fs::write(&blobs, "").unwrap();
    let wider = POLICY.replace(
        "require: [review]}\n  every",
        "require: [review], mode: warn}\n  every",
    );
    world.apply("shop", &wider).await;
    for _ in 0..3 {
        world.drain().await.unwrap_err();
        world.clock.pass(HOUR / 60);
    }
    assert_eq!(world.referrers(&image).await, before, "the old one stays");
    assert_eq!(world.owed().await, 1);
    std::fs::remove_file(&blobs).unwrap();
    std::fs::rename(&away, &blobs).unwrap();
    world.clock.pass(HOUR / 60);
    world.drain().await.unwrap();
    let live = world.live(&image).await;
    let of: Vec<&str> = live
        .iter()
        .map(|record| record.receipt.gate.gate.as_str())
        .collect();
    assert_eq!(of, ["everybody", "production"]);
    let mut carriers: Vec<Digest> = live.into_iter().map(|record| record.manifest).collect();
    let mut attached = world.referrers(&image).await;
    carriers.sort();
    attached.sort();
    assert_eq!(attached, carriers);
    assert_eq!(world.owed().await, 0);
}

#[tokio::test]
async fn a_renewal_that_fails_stays_due() {
    let world = World::new().await;
    let image = world.push().await;
    world.drain().await.unwrap();
    let first = world.live(&image).await.remove(0);
    let (blobs, away) = (
        world.folder.path().join("blobs"),
        world.folder.path().join("away"),
    );
    std::fs::rename(&blobs, &away).unwrap();
    std::fs::write(&blobs, "").unwrap();
    world.clock.pass(HOUR);
    Round::RenewReceipts.run(&world.context).await.unwrap_err();
    assert_eq!(world.live(&image).await, std::slice::from_ref(&first));
    std::fs::remove_file(&blobs).unwrap();
    std::fs::rename(&away, &blobs).unwrap();
    world.pass(0).await;
    let second = world.live(&image).await.remove(0);
    assert!(second.receipt.sequence > first.receipt.sequence);
    assert_eq!(world.referrers(&image).await, [second.manifest]);
}

#[tokio::test]
async fn signing_receipts_asks_for_nothing_more() {
    let world = World::new().await;
    let image = world.push().await;
    world.decide().await;
    let backlog = queue::backlog(world.store()).await.unwrap();
    assert!(
        backlog
            .iter()
            .all(|kind| kind.oldest_at > world.context.now()),
        "{backlog:?}"
    );
    let here = repository();
    let seen = || store::decisions::gather(world.store(), &here, &image.digest, "shop");
    let before = seen().await.unwrap();
    world.pass(HOUR).await;
    assert_eq!(world.owed().await, 0, "a renewal is no new answer");
    assert_eq!(seen().await.unwrap(), before);
}
