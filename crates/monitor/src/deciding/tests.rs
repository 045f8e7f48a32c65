//! What time alone changes: a gate that was broken open shuts by itself, and is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use oci::{Descriptor, ImageManifest, Manifest, RepositoryName, media};
use policy::access::{Ceiling, access};
use policy::verb::{BreakGlass, ManageAccounts, ManagePolicy, Push};
use policy::{
    Directory, Grant, Grantee, Kind, Outcome, Pattern, Permit, Principal, PrincipalId, Role, Verb,
    Who,
};
use registry::Registry;
use scanner::Limits;
use store::accounts::{self, NewGrant, NewPrincipal};
use store::break_glass::Asked;
use store::catalogue::{PutManifest, put_manifest};
use store::decisions::GateName;
use store::{Options, Store, Writer, blobs, outbox, policies};
use tempfile::TempDir;

use super::*;
use crate::jobs::Round;

const NOW: i64 = 1_800_000_000_000;
const HOUR: i64 = 60 * 60 * 1_000;
const POLICY: &str = "
version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {known-exploited: deny}}
gates:
  production: {holds-for: everyone, require: [scan]}
";

struct World {
    context: Context,
    now: Arc<AtomicI64>,
    folder: TempDir,
}

/// A permit of principal 1, whose roles nobody looks up.
fn permit<V: Verb>(role: Role, repository: Option<&RepositoryName>) -> Permit<V> {
    let id = PrincipalId(1);
    let mut directory = Directory::default();
    let person = Principal {
        id,
        kind: Kind::Person,
        name: "someone".to_owned(),
        owner: None,
        active: true,
    };
    directory.principals.insert(id, person);
    directory.grants.push(Grant {
        to: Grantee::Principal(id),
        role,
        pattern: Pattern::everything(),
    });
    let who = Who::Principal(id);
    access(&directory, &who, repository, &Ceiling::All, false, NOW).unwrap()
}

fn repository() -> RepositoryName {
    "shop/web".parse().unwrap()
}

impl World {
    async fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::embedded(folder.path()))
            .await
            .unwrap();
        let now = Arc::new(AtomicI64::new(NOW));
        let clock = Arc::clone(&now);
        let context = Context::new(
            store.clone(),
            Registry::new(store),
            Arc::new(move || clock.load(Ordering::SeqCst)),
            Limits::default(),
            client::webhook::Deliverer::new(&[]).unwrap(),
        );
        Self {
            context,
            now,
            folder,
        }
    }

    /// A person with the role `security`.
    async fn guard(&self, name: &str) -> PrincipalId {
        let permit = permit::<ManageAccounts>(Role::Admin, None);
        let new = NewPrincipal {
            kind: Kind::Person,
            name: name.to_owned(),
            owner: None,
            password_hash: None,
        };
        let store = &self.context.store;
        let id = accounts::create_principal(store, &permit, &new, NOW)
            .await
            .unwrap();
        let new = NewGrant {
            to: Grantee::Principal(id),
            role: Role::Security,
            pattern: Pattern::everything(),
        };
        accounts::add_grant(store, &permit, &new, NOW)
            .await
            .unwrap();
        id
    }

    async fn permit_of(&self, who: PrincipalId) -> Permit<BreakGlass> {
        let directory = accounts::directory(&self.context.store).await.unwrap();
        let (who, here) = (Who::Principal(who), repository());
        access(&directory, &who, Some(&here), &Ceiling::All, false, NOW).unwrap()
    }

    async fn apply_policy(&self) {
        let permit = permit::<ManagePolicy>(Role::Security, None);
        policies::apply(&self.context.store, &permit, "shop", POLICY, NOW)
            .await
            .unwrap();
    }

    /// Edits the database by hand.
    fn edit(&self, text: &str) {
        let path = self.folder.path().join("countersign.db");
        let database = rusqlite::Connection::open(path).unwrap();
        assert_eq!(database.execute(text, []).unwrap(), 1);
    }

    /// An image that no scanner ever reads.
    async fn push(&self, layer: &[u8]) -> Digest {
        let permit = permit::<Push>(Role::Writer, Some(&repository()));
        let writer = Writer::Push(&permit);
        let (config, layer) = (b"{}".to_vec(), layer.to_vec());
        let manifest = ImageManifest::new(
            Descriptor::of(media::OCI_CONFIG, &config),
            vec![Descriptor::of(media::OCI_LAYER_TAR, &layer)],
        );
        for blob in [config, layer] {
            blobs::put(&self.context.store, &writer, blob, NOW)
                .await
                .unwrap();
        }
        let manifest = Manifest::Image(manifest);
        let content = manifest.to_bytes();
        let put = PutManifest {
            digest: &Digest::sha256(&content),
            content: &content,
            media_type: manifest.media_type(),
            manifest: &manifest,
            shape: manifest.shape(),
            tags: &[],
            evidence: &[],
            stage_record: None,
        };
        put_manifest(&self.context.store, &writer, &put, NOW)
            .await
            .unwrap();
        Digest::sha256(&content)
    }

    async fn outcome(&self, digest: &Digest) -> Outcome {
        let gate = GateName::new("shop", "production");
        let store = &self.context.store;
        decisions::decide(store, &repository(), digest, &gate, self.context.now())
            .await
            .unwrap()
            .outcome
    }

    async fn told(&self) -> Vec<String> {
        let events = outbox::events(&self.context.store, 0, 1_000).await.unwrap();
        let told = events.iter().filter_map(|event| {
            let says = event.data["end"]
                .as_str()
                .or(event.data["after"].as_str())?;
            Some(format!("{} {says}", event.kind))
        });
        told.collect()
    }
}

#[tokio::test]
async fn a_gate_that_was_broken_open_shuts_by_itself_and_is_told() {
    let world = World::new().await;
    let store = &world.context.store;
    let (anna, omar) = (world.guard("anna").await, world.guard("omar").await);
    world.apply_policy().await;
    let digest = world.push(b"a layer").await;
    let asked = Asked {
        digest: &digest,
        policy: "shop",
        gate: "production",
        lasts_milliseconds: 4 * HOUR,
        lasts_milliseconds_max: None,
        reason: "the scanner is broken",
    };
    let asked = break_glass::ask(store, &world.permit_of(anna).await, &asked, NOW)
        .await
        .unwrap();
    decide_all(&world.context).await.unwrap();
    assert_eq!(world.told().await, ["decision.changed not-ready"]);
    break_glass::confirm(store, &world.permit_of(omar).await, asked.id, NOW)
        .await
        .unwrap();
    decide_all(&world.context).await.unwrap();
    assert_eq!(world.outcome(&digest).await, Outcome::Allow);

    let rounds = [Round::DecideDue, Round::EndBreakGlass];
    for (passed, expected) in [
        (4 * HOUR - 1, &[][..]),
        (1, &["decision.changed not-ready", "break-glass.ended over"]),
        (HOUR, &[]),
    ] {
        world.now.fetch_add(passed, Ordering::SeqCst);
        let before = world.told().await.len();
        for round in rounds {
            round.run(&world.context).await.unwrap();
        }
        assert_eq!(world.told().await[before..], *expected, "{passed}");
    }
    assert_eq!(world.outcome(&digest).await, Outcome::NotReady);
}

#[tokio::test]
async fn an_image_that_cannot_be_judged_keeps_no_other_waiting() {
    let world = World::new().await;
    world.apply_policy().await;
    let mut images = [world.push(b"a layer").await, world.push(b"another").await];
    images.sort();
    let [first, _] = &images;
    world.edit(&format!(
        "UPDATE manifests SET shape = 'nonsense' WHERE digest = '{first}'"
    ));
    decide_all(&world.context).await.unwrap_err();
    assert_eq!(world.told().await, ["decision.changed not-ready"]);
}
