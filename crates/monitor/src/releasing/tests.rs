//! Tags are released when the gates allow them and withdrawn when the gates turn, also by the clock alone, and nothing is written in between.

use oci::{Descriptor, Digest, ImageManifest, Manifest, Tag, media};
use policy::verb::{Attach, BreakGlass, Delete, ManagePolicy, Pull, Push};
use policy::{Permit, Role};
use registry::{DeletePermits, KeyRole, NewManifest, PushPermits, Wanted};
use secrecy::SecretString;
use store::break_glass::{self, Asked};
use store::{Writer, accounts, policies, tuf};
use tempfile::TempDir;
use testkit::trust_repository::{START, TrustRepository};
use trust::tuf::publish::Held;
use trust::tuf::{Gun, RoleName, Signed, Targets, author, managed};

use super::*;
use crate::Monitor;
use crate::testing::{Clock, HOUR, Server, database, guard, permit, permit_of, put_blob};

const GUN: &str = "registry.example/shop/web";

/// An image whose layer cannot be read passes as long as the exception lasts: until noon of the day after the beginning.
const POLICY: &str = "
version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {licences: {deny: [AGPL-3.0-only]}}}
gates:
  production: {holds-for: everyone, except: [{person: admin}], require: [scan]}
exceptions:
  - {rule: inventory, owner: admin, reason: 'a test', until: '2026-11-26T12:00:00Z'}
";

mod signed;

struct World {
    context: Context,
    monitor: Monitor,
    clock: Clock,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let Server {
            context,
            clock,
            folder,
        } = Server::at(START).await;
        let hash = SecretString::from("a hash");
        accounts::bootstrap(&context.store, System::job("test"), "admin", &hash, START)
            .await
            .unwrap();
        Self {
            monitor: Monitor::new(context.clone()),
            context,
            clock,
            folder,
        }
    }

    fn pass(&self, milliseconds: i64) {
        self.clock.pass(milliseconds);
    }

    async fn apply(&self, document: &str) {
        let now = self.context.now();
        let security = permit::<ManagePolicy>(Role::Security, None, now);
        policies::apply(&self.context.store, &security, "shop", document, now)
            .await
            .unwrap();
    }

    /// The owner initialises the trust repository for a policy.
    async fn init(&self) -> TrustRepository {
        let now = self.context.now();
        let (gun, registry) = (Gun::parse(GUN).unwrap(), &self.context.registry);
        let permit = permit::<Attach>(Role::Writer, Some("shop/web"), now);
        let key = |role| registry.trust_key(&permit, &gun, role, now);
        let mut owner = TrustRepository::empty(GUN);
        owner.now = now;
        owner.held = Held {
            snapshot: vec![key(KeyRole::Snapshot).await.unwrap()],
            timestamp: vec![key(KeyRole::Timestamp).await.unwrap()],
            releases: vec![key(KeyRole::Releases).await.unwrap()],
        };
        let update = owner.first_managed_files();
        registry
            .publish_trust(&permit, &gun, update, now)
            .await
            .unwrap();
        owner
    }

    async fn push(&self, tag: &str, layer: &[u8]) {
        let config =
            br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        self.push_image(tag, config, media::OCI_LAYER_GZIP, layer)
            .await;
    }

    /// Pushes an image of one layer; answers its manifest.
    async fn push_image(
        &self,
        tag: &str,
        config: &[u8],
        layer_type: &str,
        layer: &[u8],
    ) -> Vec<u8> {
        let now = self.context.now();
        let push = permit::<Push>(Role::Writer, Some("shop/web"), now);
        for blob in [config, layer] {
            put_blob(&self.context, "shop/web", blob).await;
        }
        let config = Descriptor::of(media::OCI_CONFIG, config);
        let layer = Descriptor::of(layer_type, layer);
        let manifest = Manifest::Image(ImageManifest::new(config, vec![layer]));
        let content = manifest.to_bytes();
        let permits = PushPermits {
            push: Some(push),
            attach: permit::<Attach>(Role::Writer, Some("shop/web"), now),
        };
        let new = NewManifest {
            reference: &oci::Reference::Tag(tag.parse().unwrap()),
            extra_tags: &[],
            content_type: Some(media::OCI_MANIFEST),
            content: content.clone().into(),
        };
        let registry = &self.context.registry;
        registry.put_manifest(&permits, new, now).await.unwrap();
        content
    }

    async fn delete(&self, tag: &str) {
        let now = self.context.now();
        let permits = DeletePermits {
            delete: permit::<Delete>(Role::Maintainer, Some("shop/web"), now),
            evidence: None,
        };
        let tag: Tag = tag.parse().unwrap();
        let registry = &self.context.registry;
        registry
            .delete_manifest(&permits, &oci::Reference::Tag(tag), now)
            .await
            .unwrap();
    }

    /// A permit to break the glass, of a new person with the role `security`.
    async fn guard(&self, name: &str) -> Permit<BreakGlass> {
        let who = guard(&self.context, name).await;
        permit_of(&self.context, who).await
    }

    /// The digest that a tag is on.
    async fn digest(&self, tag: &str) -> Digest {
        let repository = "shop/web".parse().unwrap();
        let tagged = tuf::tagged(&self.context.store, &repository, "", 10)
            .await
            .unwrap();
        let found = tagged.into_iter().find(|tagged| tagged.tag == tag);
        found.unwrap().digest
    }

    /// Does all that is due, and answers the list of releases with its version.
    async fn released(&self) -> (i64, Vec<String>) {
        self.monitor.drain().await.unwrap();
        let role = RoleName::releases();
        let permit = permit::<Pull>(Role::Reader, Some("shop/web"), self.context.now());
        let gun = Gun::parse(GUN).unwrap();
        let registry = &self.context.registry;
        let file = registry.trust_file(&permit, &gun, &role, Wanted::Current);
        let Some(file) = file.await.unwrap() else {
            return (0, Vec::new());
        };
        let signed = Signed::<Targets>::parse(&role, file.content).unwrap();
        let targets = signed.content();
        (targets.version, targets.targets.keys().cloned().collect())
    }
}

fn list(version: i64, tags: &[&str]) -> (i64, Vec<String>) {
    (version, tags.iter().map(|tag| (*tag).to_owned()).collect())
}

#[tokio::test]
async fn tags_come_and_go_with_what_the_gates_say() {
    let world = World::new().await;
    world.apply(POLICY).await;
    world.init().await;
    assert_eq!(world.released().await, list(0, &[]));
    world.push("1", b"no layer at all").await;
    assert_eq!(world.released().await, list(1, &["1"]));
    assert_eq!(world.released().await, list(1, &["1"]), "nothing new");
    world.push("2", b"another").await;
    let both = world.released().await;
    assert_eq!(both, list(2, &["1", "2"]));
    // Until the new image was taken apart, nobody knows.
    world.push("2", b"moved").await;
    let (version, moved) = world.released().await;
    assert!(version > both.0);
    assert_eq!(moved, both.1);
    world.delete("1").await;
    assert_eq!(world.released().await, list(version + 1, &["2"]));
    // The exception is taken back.
    let (without, _) = POLICY.split_once("exceptions:").unwrap();
    world.apply(without).await;
    assert_eq!(world.released().await, list(version + 2, &[]));
    world.apply(POLICY).await;
    assert_eq!(world.released().await, list(version + 3, &["2"]));
}

#[tokio::test]
async fn an_image_that_cannot_be_judged_is_withheld_and_keeps_no_other_back() {
    let world = World::new().await;
    world.apply(POLICY).await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    world.push("2", b"another").await;
    let (version, both) = world.released().await;
    assert_eq!(both, ["1", "2"]);
    let edit = "UPDATE manifests SET shape = 'nonsense', facts_revision = facts_revision + 1 WHERE digest = ?1";
    let first = world.digest("1").await;
    let edited = database(&world.folder).execute(edit, [first.as_str()]);
    assert_eq!(edited.unwrap(), 1);
    world.delete("2").await;
    assert_eq!(world.released().await, list(version + 1, &[]));
}

#[tokio::test]
async fn time_alone_takes_a_tag_back() {
    let world = World::new().await;
    world.apply(POLICY).await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    assert_eq!(world.released().await, list(1, &["1"]));
    world.pass(23 * HOUR);
    assert_eq!(world.released().await, list(1, &["1"]), "not yet");
    world.pass(HOUR);
    assert_eq!(world.released().await, list(2, &[]));
}

#[tokio::test]
async fn a_tag_is_released_by_break_glass_while_it_lasts() {
    let world = World::new().await;
    let (without, _) = POLICY.split_once("exceptions:").unwrap();
    world.apply(without).await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    world.push("2", b"another").await;
    assert_eq!(world.released().await, list(0, &[]));

    let (anna, omar) = (world.guard("anna").await, world.guard("omar").await);
    let (store, digest) = (&world.context.store, world.digest("1").await);
    let terms = Asked {
        digest: &digest,
        policy: "shop",
        gate: "production",
        lasts_milliseconds: 4 * HOUR,
        lasts_milliseconds_max: None,
        reason: "the scanner is broken",
    };
    let asked = break_glass::ask(store, &anna, &terms, START).await.unwrap();
    assert_eq!(world.released().await, list(0, &[]), "by one alone");
    break_glass::confirm(store, &omar, asked.id, START)
        .await
        .unwrap();
    assert_eq!(world.released().await, list(1, &["1"]), "the other is not");
    world.pass(4 * HOUR - 1);
    assert_eq!(world.released().await, list(1, &["1"]));
    world.pass(1);
    assert_eq!(world.released().await, list(2, &[]));

    // Ended before its time, it is withdrawn at once.
    let now = world.context.now();
    let (anna, omar) = (world.guard("ann").await, world.guard("oma").await);
    let again = break_glass::ask(store, &anna, &terms, now).await.unwrap();
    break_glass::confirm(store, &omar, again.id, now)
        .await
        .unwrap();
    assert_eq!(world.released().await, list(3, &["1"]));
    break_glass::withdraw(store, &anna, again.id, now)
        .await
        .unwrap();
    assert_eq!(world.released().await, list(4, &[]));
}

#[tokio::test]
async fn a_server_that_was_overtaken_releases_nothing_that_was_taken_back() {
    let world = World::new().await;
    world.apply(POLICY).await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    assert_eq!(world.released().await, list(1, &["1"]));
    let (without, _) = POLICY.split_once("exceptions:").unwrap();
    world.apply(without).await;
    assert_eq!(world.released().await, list(2, &[]));

    // Another server asked the gates before that, lost its lease, and writes only now.
    let (store, now) = (&world.context.store, world.context.now());
    let (gun, repository) = (Gun::parse(GUN).unwrap(), "shop/web".parse().unwrap());
    let files = tuf::Files::Above(&[]);
    let state = tuf::state(store, &gun, &repository, files).await.unwrap();
    let state = state.unwrap();
    let tagged = tuf::tagged(store, &repository, "", 10).await.unwrap();
    let entry = |one: &tuf::Tagged| author::image(one.sha256.unwrap(), one.length);
    let tags = tagged.iter().map(|one| (one.tag.clone(), entry(one)));
    let accepted = managed::release(&gun, &state.current, &state.held, tags.collect(), now);
    let writer = Writer::System(JOB, &repository);
    let accepted = accepted.unwrap().unwrap();
    let stored = tuf::publish(store, &writer, &gun, &state, accepted, now);
    assert_eq!(stored.await.unwrap(), tuf::Outcome::Stored);
    assert_eq!(world.released().await, list(4, &[]));
}

#[tokio::test]
async fn another_name_that_cannot_be_written_to_keeps_nothing_back() {
    const OTHER: &str = "another.example/shop/web";
    let world = World::new().await;
    let (now, registry) = (world.context.now(), &world.context.registry);
    let permit = permit::<Attach>(Role::Writer, Some("shop/web"), now);
    // Before a policy covers it, somebody delegates the releases to the server and keeps the snapshots for themselves.
    let gun = Gun::parse(OTHER).unwrap();
    let mut other = TrustRepository::empty(OTHER);
    other.now = now;
    let own = other.held.snapshot.clone();
    let key = |role| registry.trust_key(&permit, &gun, role, now);
    other.held.timestamp = vec![key(KeyRole::Timestamp).await.unwrap()];
    other.held.releases = vec![key(KeyRole::Releases).await.unwrap()];
    let mut update = other.first_managed_files();
    let files: Vec<(RoleName, &[u8])> = update
        .iter()
        .map(|(role, bytes)| (role.clone(), bytes.as_slice()))
        .collect();
    let snapshot = author::snapshot(None, &files, now);
    update.push((RoleName::Snapshot, other.sign(&snapshot, &own)));
    registry
        .publish_trust(&permit, &gun, update, now)
        .await
        .unwrap();

    world.apply(POLICY).await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    assert_eq!(world.released().await, list(1, &["1"]));
    world.delete("1").await;
    assert_eq!(world.released().await, list(2, &[]));
}

#[tokio::test]
async fn a_tag_that_comes_has_no_other_decided_again() {
    let world = World::new().await;
    world.apply(POLICY).await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    world.push("2", b"nor this one").await;
    assert_eq!(world.released().await.1, ["1", "2"]);
    // Whoever asks about one of them alone finds no answer that can be read, and writes another.
    let database = database(&world.folder);
    let blotted = database.execute("UPDATE decisions SET decision = ''", []);
    assert_eq!(blotted.unwrap(), 2);
    world.push("3", b"and not this").await;
    assert_eq!(world.released().await.1, ["1", "2", "3"]);
    let still = "SELECT COUNT(*) FROM decisions WHERE decision = ''";
    let still: i64 = database.query_row(still, [], |row| row.get(0)).unwrap();
    assert_eq!(still, 2);
}

#[tokio::test]
async fn without_a_gate_that_enforces_nothing_is_released() {
    let world = World::new().await;
    world
        .apply(&POLICY.replace("require: [scan]", "require: [scan], mode: warn"))
        .await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    assert_eq!(world.released().await, list(0, &[]));
    world.apply(POLICY).await;
    assert_eq!(world.released().await, list(1, &["1"]));
}

#[tokio::test]
async fn what_was_released_stays_when_no_policy_covers_it_any_more() {
    let world = World::new().await;
    world.apply(POLICY).await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    assert_eq!(world.released().await, list(1, &["1"]));
    let now = world.context.now();
    let security = permit::<ManagePolicy>(Role::Security, None, now);
    policies::remove(&world.context.store, &security, "shop", now)
        .await
        .unwrap();
    world.delete("1").await;
    assert_eq!(world.released().await, list(1, &["1"]));
}

#[tokio::test]
async fn a_job_that_runs_twice_or_for_nothing_changes_nothing() {
    let world = World::new().await;
    world.apply(POLICY).await;
    world.init().await;
    world.push("1", b"no layer at all").await;
    assert_eq!(world.released().await, list(1, &["1"]));
    for repository in ["shop/web", "shop/none"] {
        let payload = Repository {
            repository: repository.parse().unwrap(),
        };
        for _ in 0..2 {
            release(&world.context, &payload).await.unwrap();
        }
    }
    assert_eq!(world.released().await, list(1, &["1"]));
}
