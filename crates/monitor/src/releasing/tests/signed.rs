//! A tag that somebody signed for is withdrawn by whatever turns its gate, with nothing done but what the monitor does: the end of a
//! signature, a revoked key, a closed account, a delegation that ends, another policy, and a critical finding after its grace.

use std::collections::BTreeSet;
use std::slice;

use advisories::{Advisory, Affected, Ecosystem, PackageKey, Range, Severity, Status};
use oci::Digest;
use policy::verb::{ManageAccounts, ManageAdvisories, ManageKeys};
use policy::{Pattern, PrincipalId};
use store::feeds::{self, Extent, NewSet};
use store::signing_keys::{self, Registration};
use testkit::trust_repository::DAY;
use trust::possession::Challenge;
use trust::tuf::Snapshot;
use trust::{Algorithm, KeyId, PrivateKey, Signer};

use super::*;
use crate::testing::person;

const ROLE: &str = "targets/maria";
const REVIEWED: &str = "
version: 1
repositories: ['shop/**']
stages:
  review: {signers: [{person: maria}, {person: jonas}], threshold: 1}
gates:
  production: {holds-for: everyone, except: [{person: admin}], require: [review]}
";
const SCANNED: &str = "
version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {vulnerabilities: {severity: critical, grace: 1h}}}
gates:
  production: {holds-for: everyone, except: [{person: admin}], require: [scan]}
";

/// A shop with one image, whose only tag is released because maria signed for it.
struct Shop {
    world: World,
    owner: TrustRepository,
    maria: PrincipalId,
    key: KeyId,
    image: Vec<u8>,
}

impl Shop {
    async fn open() -> Self {
        let world = World::new().await;
        let maria = person(&world.context, "maria").await;
        person(&world.context, "jonas").await;
        world.apply(REVIEWED).await;
        let signer = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let key = register(&world, maria, &signer).await;
        let mut owner = world.init().await;
        let delegated = owner.bring(signer);
        let mut shop = Self {
            world,
            owner,
            maria,
            key,
            image: Vec::new(),
        };
        shop.follow().await;
        let update = shop.owner.delegating_to(ROLE, slice::from_ref(&delegated));
        shop.post(update).await;
        let config = b"{}";
        let kind = media::OCI_LAYER_GZIP;
        shop.image = shop.world.push_image("1", config, kind, b"a layer").await;
        assert_eq!(shop.tags().await, [""; 0]);
        let update = shop.owner.signing(ROLE, "1", &shop.image);
        shop.post(update).await;
        assert_eq!(shop.tags().await, ["1"]);
        shop
    }

    async fn tags(&self) -> Vec<String> {
        let (_, tags) = self.world.released().await;
        tags
    }

    async fn post(&mut self, update: (RoleName, Vec<u8>)) {
        let now = self.world.context.now();
        let gun = Gun::parse(GUN).unwrap();
        let permit = permit::<Attach>(Role::Writer, Some("shop/web"), now);
        let registry = &self.world.context.registry;
        let taken = registry.publish_trust(&permit, &gun, vec![update], now);
        taken.await.unwrap();
        self.follow().await;
    }

    /// Keeps what is served now, for the next update.
    async fn follow(&mut self) {
        let snapshot = self.read(RoleName::Snapshot).await;
        let listed = Signed::<Snapshot>::parse(&RoleName::Snapshot, snapshot.1.clone()).unwrap();
        let mut served = vec![snapshot, self.read(RoleName::Timestamp).await];
        for role in listed.content().meta.keys() {
            served.push(self.read(role.clone()).await);
        }
        self.owner.follow(served);
        self.owner.now = self.world.context.now();
    }

    async fn read(&self, role: RoleName) -> (RoleName, Vec<u8>) {
        let permit = permit::<Pull>(Role::Reader, Some("shop/web"), self.world.context.now());
        let gun = Gun::parse(GUN).unwrap();
        let registry = &self.world.context.registry;
        let file = registry.trust_file(&permit, &gun, &role, Wanted::Current);
        let content = file.await.unwrap().unwrap().content;
        (role, content)
    }

    /// Maria signs for nothing new, and says when that ends.
    async fn renew(&mut self, end: i64) {
        let update = self.owner.next_targets(ROLE, |targets| {
            targets.expires = end;
        });
        self.post(update).await;
    }
}

async fn register(world: &World, owner: PrincipalId, key: &PrivateKey) -> KeyId {
    let (store, now) = (&world.context.store, world.context.now());
    let permit = permit::<ManageKeys>(Role::Security, None, now);
    let id = key.public_key().id().clone();
    let issued = signing_keys::challenge(store, &permit, owner, &id, now)
        .await
        .unwrap();
    let challenge = Challenge {
        server: "registry.example".to_owned(),
        nonce: issued.nonce,
        principal: issued.principal,
        key: id.clone(),
    };
    let signature = challenge.prove(key).unwrap();
    let registration = Registration {
        proof: challenge.verify(&signature, key.public_key()).unwrap(),
        public_key: key.public_key().clone().into(),
        name: "laptop".to_owned(),
        scope: vec![Pattern::everything()],
    };
    signing_keys::register(store, &permit, &registration, now)
        .await
        .unwrap();
    id
}

#[tokio::test]
async fn a_signature_that_ends_takes_its_tag_back_by_itself() {
    let mut shop = Shop::open().await;
    shop.renew(START + 10 * DAY).await;
    assert_eq!(shop.tags().await, ["1"]);
    shop.world.pass(9 * DAY);
    assert_eq!(shop.tags().await, ["1"]);
    // Renewed in time it lasts, with nobody deciding anything anew in between.
    shop.renew(START + 20 * DAY).await;
    shop.world.pass(DAY);
    assert_eq!(shop.tags().await, ["1"], "the first end");
    shop.world.pass(10 * DAY - 1);
    assert_eq!(shop.tags().await, ["1"]);
    shop.world.pass(1);
    assert_eq!(shop.tags().await, [""; 0], "the second");
    shop.renew(START + 30 * DAY).await;
    assert_eq!(shop.tags().await, ["1"], "renewed too late, and good again");
}

#[tokio::test]
async fn a_revoked_key_takes_its_tag_back_and_signs_nothing_more() {
    let mut shop = Shop::open().await;
    let now = shop.world.context.now();
    let security = permit::<ManageKeys>(Role::Security, None, now);
    signing_keys::revoke(&shop.world.context.store, &security, &shop.key, None, now)
        .await
        .unwrap();
    assert_eq!(shop.tags().await, [""; 0]);
    // Whoever has the key takes the entry back and signs it again.
    let update = shop.owner.next_targets(ROLE, |targets| {
        targets.targets.clear();
    });
    shop.post(update).await;
    let update = shop.owner.signing(ROLE, "1", &shop.image);
    shop.post(update).await;
    assert_eq!(shop.tags().await, [""; 0]);
}

#[tokio::test]
async fn a_closed_account_takes_its_tag_back() {
    let shop = Shop::open().await;
    let (store, now) = (&shop.world.context.store, shop.world.context.now());
    let admin = permit::<ManageAccounts>(Role::Admin, None, now);
    for (active, tags) in [(false, &[][..]), (true, &["1"][..])] {
        accounts::set_principal_active(store, &admin, shop.maria, active, now)
            .await
            .unwrap();
        assert_eq!(shop.tags().await, tags);
    }
}

#[tokio::test]
async fn a_delegation_that_ends_takes_its_tag_back() {
    let mut shop = Shop::open().await;
    let update = shop.owner.next_targets("targets", |targets| {
        let role = ROLE.parse().unwrap();
        targets.delegations.remove_role(&role);
    });
    shop.post(update).await;
    assert_eq!(shop.tags().await, [""; 0]);
}

#[tokio::test]
async fn another_policy_takes_a_tag_back() {
    let shop = Shop::open().await;
    for (signers, tags) in [("[", &[][..]), ("[{person: maria}, ", &["1"][..])] {
        let document = REVIEWED.replace("[{person: maria}, ", signers);
        shop.world.apply(&document).await;
        assert_eq!(shop.tags().await, tags);
    }
    let more = REVIEWED.replace("threshold: 1", "threshold: 2");
    shop.world.apply(&more).await;
    assert_eq!(shop.tags().await, [""; 0]);
}

#[tokio::test]
async fn a_new_critical_finding_takes_a_tag_back_after_its_grace() {
    let world = World::new().await;
    world.apply(SCANNED).await;
    world.init().await;
    import(&world, advisory("PYSEC-1", "flask")).await;
    let layer = layer();
    let diff_id = Digest::sha256(&layer);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    );
    let kind = media::OCI_LAYER_TAR;
    world.push_image("1", config.as_bytes(), kind, &layer).await;
    assert_eq!(world.released().await, list(1, &["1"]));
    world.pass(HOUR);
    import(&world, advisory("PYSEC-2", "django")).await;
    assert_eq!(world.released().await, list(1, &["1"]), "in its grace");
    world.pass(HOUR - 1);
    assert_eq!(world.released().await, list(1, &["1"]));
    world.pass(1);
    assert_eq!(world.released().await, list(2, &[]));
}

/// A layer that installs a version of Django.
fn layer() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let metadata = b"Metadata-Version: 2.1\nName: Django\nVersion: 3.0\nLicense: BSD\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(metadata.len() as u64);
    header.set_mode(0o644);
    let path = "usr/lib/python3/dist-packages/Django-3.0.dist-info/METADATA";
    archive
        .append_data(&mut header, path, &metadata[..])
        .unwrap();
    archive.into_inner().unwrap()
}

/// Every version of a package below 4 is critically weak.
fn advisory(id: &str, package: &str) -> Advisory {
    Advisory {
        id: id.to_owned(),
        source: "pypa".to_owned(),
        severity: Severity::Critical,
        summary: format!("{package} is weak"),
        affected: vec![Affected {
            package: PackageKey::new(Ecosystem::PyPi, package),
            ranges: vec![Range {
                introduced: None,
                fixed: Some("4.0".to_owned()),
                last_affected: None,
            }],
            versions: Vec::new(),
            status: Status::Affected,
        }],
        modified_at: Some(START),
        ..Advisory::default()
    }
}

async fn import(world: &World, advisory: Advisory) {
    let now = world.context.now();
    let permit = permit::<ManageAdvisories>(Role::Security, None, now);
    let set = NewSet {
        source: "pypa".to_owned(),
        advisories: vec![advisory],
        known_exploited: BTreeSet::new(),
        extent: Extent::Part,
        allow_older: false,
    };
    feeds::import(&world.context.store, &permit, &set, now)
        .await
        .unwrap();
}
