//! A small company on a server: people, a robot, teams, keys, a policy; inventories and advisories to match. What the
//! monitor does by itself is done here by hand, with the same calls.

use std::collections::BTreeSet;

use advisories::{Advisory, Affected, Ecosystem, PackageKey, Range, Severity, Status};
use oci::{Digest, RepositoryName, Tag};
use policy::{Decision, Grantee, Kind, Pattern, PrincipalId, Role, Verdict};
use sbom::{Component, Distro, ImageInventory, Package, PackageKind, SourcePackage};
use secrecy::SecretString;
use store::accounts::{self, NewGrant, NewPrincipal, TeamPermits};
use store::catalogue::{self, PutManifest, put_manifest};
use store::decisions::{self, GateName};
use store::evidence::NewEvidence;
use store::feeds::{self, Extent, Imported, MATCH, MatchWork, NewSet};
use store::findings::{self, ImageFinding, Matched, Replaced};
use store::inventories::{self, Indexed, PutImage, StoredImage};
use store::signing_keys::{self, Registration};
use store::{Store, System, Writer, blobs, jobs, outbox, policies};
use trust::possession::Challenge;
use trust::{Algorithm, KeyId, PrivateKey, Signer};

use crate::fixture::{Fixture, Image, NOW, name, permit, server_permit};

/// The principal that `bootstrap` makes.
pub(crate) const ADMIN: i64 = 1;
/// The job that the tests act as.
pub(crate) const JOB: System = System::job("test");

/// The policy that most tests apply.
pub(crate) const SHOP: &str = "
version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{robot: ci-shop}]}
  scan:
    automatic: true
    limits:
      vulnerabilities: {severity: critical, grace: 1h}
      known-exploited: deny
  staging: {signers: [{team: qa}], threshold: 2, after: [ci], except: [author]}
gates:
  production: {holds-for: [{team: hosts}], require: [ci, scan, staging]}
  check: {holds-for: [{team: hosts}], require: [scan]}
";

/// A server with its people.
pub(crate) struct World {
    pub(crate) fixture: Fixture,
    pub(crate) maria: PrincipalId,
    pub(crate) jonas: PrincipalId,
    pub(crate) ci: PrincipalId,
}

impl World {
    /// Admin, maria and jonas (both in `qa`), the robot ci-shop of maria's, an empty team `hosts`; no policy.
    pub(crate) async fn new() -> World {
        let fixture = Fixture::new().await;
        let store = &fixture.store;
        let hash = SecretString::from("a hash");
        let admin = accounts::bootstrap(store, JOB, "admin", &hash, NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(admin, PrincipalId(ADMIN));
        let maria = person(store, "maria").await;
        let jonas = person(store, "jonas").await;
        let ci = robot(store, "ci-shop", PrincipalId(ADMIN)).await;
        for team in ["qa", "hosts"] {
            accounts::create_team(store, &server_permit(ADMIN), team, NOW)
                .await
                .unwrap();
        }
        let world = World {
            fixture,
            maria,
            jonas,
            ci,
        };
        world.join("qa", maria).await;
        world.join("qa", jonas).await;
        world
    }

    pub(crate) fn store(&self) -> &Store {
        &self.fixture.store
    }

    pub(crate) async fn join(&self, team: &str, principal: PrincipalId) {
        let (a, t) = (server_permit(ADMIN), server_permit(ADMIN));
        let permits = TeamPermits {
            accounts: Some(&a),
            teams: Some(&t),
        };
        accounts::add_member(self.store(), &permits, team, principal, NOW)
            .await
            .unwrap();
    }

    pub(crate) async fn leave(&self, team: &str, principal: PrincipalId, now: i64) {
        let (a, t) = (server_permit(ADMIN), server_permit(ADMIN));
        let permits = TeamPermits {
            accounts: Some(&a),
            teams: Some(&t),
        };
        accounts::remove_member(self.store(), &permits, team, principal, now)
            .await
            .unwrap();
    }

    /// Applies a policy under the name `shop`.
    pub(crate) async fn apply(&self, document: &str) {
        policies::apply(self.store(), &server_permit(ADMIN), "shop", document, NOW)
            .await
            .unwrap();
    }

    /// Registers a new key of a principal for `shop/**`.
    pub(crate) async fn key(&self, principal: PrincipalId) -> KeyId {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        register(self.store(), principal, &key, &["shop/**"], NOW)
            .await
            .unwrap();
        key.public_key().id().clone()
    }

    /// Attaches a verified signature to an image, as its signer's tool would push it.
    pub(crate) async fn sign(&self, subject: &Image, stage: &str, key: &KeyId, now: i64) -> Image {
        let evidence = signature(&subject.digest, stage, key);
        self.attach(subject, "shop/web", evidence, now).await
    }

    /// Pushes a manifest that carries a piece of evidence.
    pub(crate) async fn attach(
        &self,
        subject: &Image,
        repository: &str,
        evidence: NewEvidence,
        now: i64,
    ) -> Image {
        let carrier = Image::evidence(subject, &format!("{:?}", evidence.raw));
        self.carry(&carrier, repository, &[], &[evidence], now)
            .await;
        carrier
    }

    /// Pushes a manifest, in which this evidence was found, under some tags.
    pub(crate) async fn carry(
        &self,
        carrier: &Image,
        repository: &str,
        tags: &[Tag],
        evidence: &[NewEvidence],
        now: i64,
    ) {
        let push = permit(ADMIN, repository);
        let writer = Writer::Push(&push);
        for blob in &carrier.blobs {
            blobs::put(self.store(), &writer, blob.clone(), now)
                .await
                .unwrap();
        }
        let put = PutManifest {
            digest: &carrier.digest,
            content: &carrier.content,
            media_type: carrier.manifest.media_type(),
            manifest: &carrier.manifest,
            shape: carrier.shape,
            tags,
            evidence,
            stage_record: None,
        };
        put_manifest(self.store(), &writer, &put, now)
            .await
            .unwrap();
    }

    /// Keeps what an image holds.
    pub(crate) async fn index(&self, image: &Image, packages: &[Package]) -> PutImage {
        put(self.store(), image, &inventory(packages), NOW).await
    }

    /// What is known of an image in the first repository that holds it; where none does, in none.
    pub(crate) async fn stored(&self, image: &Image) -> Option<StoredImage> {
        let id = self.holder(image).await;
        inventories::image(self.store(), id, &image.digest)
            .await
            .unwrap()
    }

    /// The findings of an image in the first repository that holds it.
    pub(crate) async fn findings(&self, image: &Image) -> Vec<ImageFinding> {
        let id = self.holder(image).await;
        findings::for_image(self.store(), id, &image.digest)
            .await
            .unwrap()
    }

    async fn holder(&self, image: &Image) -> i64 {
        let holders = catalogue::holders(self.store(), &image.digest)
            .await
            .unwrap();
        holders.first().map_or(0, |holder| holder.repository_id)
    }

    /// Imports records from source `pypa`.
    pub(crate) async fn import(&self, advisories: Vec<Advisory>) -> Imported {
        self.import_at(advisories, NOW).await
    }

    pub(crate) async fn import_at(&self, advisories: Vec<Advisory>, now: i64) -> Imported {
        feeds::import(self.store(), &server_permit(ADMIN), &part(advisories), now)
            .await
            .unwrap()
    }

    /// What the job `match` does, until none is due.
    pub(crate) async fn run_matches(&self, now: i64) -> Replaced {
        let mut total = Replaced::default();
        while let Some(job) = jobs::claim(self.store(), &[MATCH], now, 60_000)
            .await
            .unwrap()
        {
            let work: MatchWork = serde_json::from_value(job.payload.clone()).unwrap();
            let replaced = rematch(self.store(), &work.keys, now).await.unwrap();
            total.new += replaced.new;
            total.changed += replaced.changed;
            total.retracted += replaced.retracted;
            assert!(jobs::finish(self.store(), &job).await.unwrap());
        }
        total
    }

    pub(crate) async fn decide(&self, image: &Image, gate: &str, now: i64) -> Decision {
        let gate = GateName::new("shop", gate);
        decisions::decide(self.store(), &name("shop/web"), &image.digest, &gate, now)
            .await
            .unwrap()
    }

    /// The kinds of all events about one image, in order.
    pub(crate) async fn events(&self, image: &Image) -> Vec<String> {
        let events = outbox::events(self.store(), 0, 1_000).await.unwrap();
        let digest = Some(image.digest.to_string());
        let mine = events
            .into_iter()
            .filter(|event| event.digest.as_ref().map(ToString::to_string) == digest);
        mine.map(|event| event.kind).collect()
    }

    /// How often an act is in the audit log.
    pub(crate) async fn acts(&self, act: &str) -> usize {
        let rows = store::audit::rows(self.store(), 0, 1_000).await.unwrap();
        rows.iter().filter(|row| row.act == act).count()
    }
}

pub(crate) async fn person(store: &Store, name: &str) -> PrincipalId {
    let new = NewPrincipal {
        kind: Kind::Person,
        name: name.to_owned(),
        owner: None,
        password_hash: None,
    };
    accounts::create_principal(store, &server_permit(ADMIN), &new, NOW)
        .await
        .unwrap()
}

pub(crate) async fn robot(store: &Store, name: &str, owner: PrincipalId) -> PrincipalId {
    let new = NewPrincipal {
        kind: Kind::Robot,
        name: name.to_owned(),
        owner: Some(owner),
        password_hash: None,
    };
    accounts::create_principal(store, &server_permit(ADMIN), &new, NOW)
        .await
        .unwrap()
}

pub(crate) async fn grant(store: &Store, to: Grantee, role: Role, pattern: &str) -> i64 {
    let new = NewGrant {
        to,
        role,
        pattern: Pattern::parse(pattern).unwrap(),
    };
    accounts::add_grant(store, &server_permit(ADMIN), &new, NOW)
        .await
        .unwrap()
}

/// Asks for a challenge, proves it and registers the key.
pub(crate) async fn register(
    store: &Store,
    principal: PrincipalId,
    key: &PrivateKey,
    scope: &[&str],
    now: i64,
) -> store::Result<()> {
    let permit = server_permit(ADMIN);
    let issued =
        signing_keys::challenge(store, &permit, principal, key.public_key().id(), now).await?;
    let registration = registration(key, &issued.nonce, &issued.principal, scope);
    signing_keys::register(store, &permit, &registration, now).await
}

/// A proof for a nonce, as a client makes it.
pub(crate) fn registration(
    key: &PrivateKey,
    nonce: &str,
    principal: &str,
    scope: &[&str],
) -> Registration {
    let challenge = Challenge {
        server: "registry.example.org".to_owned(),
        nonce: nonce.to_owned(),
        principal: principal.to_owned(),
        key: key.public_key().id().clone(),
    };
    let signature = challenge.prove(key).unwrap();
    Registration {
        proof: challenge.verify(&signature, key.public_key()).unwrap(),
        public_key: key.public_key().clone().into(),
        name: "laptop".to_owned(),
        scope: scope
            .iter()
            .map(|pattern| Pattern::parse(pattern).unwrap())
            .collect(),
    }
}

/// A verified stage statement about a digest.
pub(crate) fn signature(subject: &Digest, stage: &str, key: &KeyId) -> NewEvidence {
    NewEvidence {
        attached_to: subject.clone(),
        format: "stage".to_owned(),
        subject: Some(subject.clone()),
        stage: Some(stage.to_owned()),
        predicate_type: None,
        named_repository: Some("shop/web".to_owned()),
        key: Some(key.clone()),
        key_hint: None,
        verdict: Verdict::Verified,
        raw: format!("{stage} {subject} {key}").into_bytes(),
        signature: None,
        trusted_at: None,
        ends_at: None,
    }
}

/// A package of the Python index.
pub(crate) fn python(name: &str, version: &str) -> Package {
    Package {
        kind: PackageKind::PyPi,
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: None,
        source: None,
        licences: vec!["BSD-3-Clause".to_owned()],
        path: format!("usr/lib/python3/site-packages/{name}-{version}.dist-info/METADATA"),
        owner: None,
    }
}

/// A package of Debian, built from a source package of the same version.
pub(crate) fn debian(name: &str, source: &str, version: &str) -> Package {
    Package {
        kind: PackageKind::Deb,
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: Some("amd64".to_owned()),
        source: Some(SourcePackage {
            name: source.to_owned(),
            version: version.to_owned(),
        }),
        licences: Vec::new(),
        path: "var/lib/dpkg/status".to_owned(),
        owner: None,
    }
}

/// A complete inventory of Debian 12 with these packages, each in a layer of its own.
pub(crate) fn inventory(packages: &[Package]) -> ImageInventory {
    let distro = Distro {
        id: "debian".to_owned(),
        version_id: "12".to_owned(),
        codename: Some("bookworm".to_owned()),
        pretty_name: "Debian GNU/Linux 12 (bookworm)".to_owned(),
    };
    let components = packages
        .iter()
        .enumerate()
        .map(|(layer_index, package)| Component {
            package: package.clone(),
            purl: package.purl(Some(&distro)),
            layer: Digest::sha256(format!("layer {layer_index}").as_bytes()),
            layer_index,
            instruction: Some(format!("RUN install {}", package.name)),
        });
    ImageInventory {
        components: components.collect(),
        distro: Some(distro),
        problems: Vec::new(),
    }
}

pub(crate) async fn put(
    store: &Store,
    image: &Image,
    inventory: &ImageInventory,
    now: i64,
) -> PutImage {
    inventories::put_image(
        store,
        JOB,
        &image.digest,
        &Indexed::Inventory(inventory.clone()),
        1,
        now,
    )
    .await
    .unwrap()
}

/// A record that calls versions of a Python package below `fixed` affected.
pub(crate) fn advisory(
    id: &str,
    aliases: &[&str],
    package: &str,
    fixed: &str,
    severity: Severity,
) -> Advisory {
    Advisory {
        id: id.to_owned(),
        source: "pypa".to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        severity,
        summary: format!("{package} is weak"),
        affected: vec![Affected {
            package: PackageKey::new(Ecosystem::PyPi, package),
            ranges: vec![Range {
                introduced: None,
                fixed: Some(fixed.to_owned()),
                last_affected: None,
            }],
            versions: Vec::new(),
            status: Status::Affected,
        }],
        modified_at: Some(NOW - 1_000_000),
        ..Advisory::default()
    }
}

/// Some records of source `pypa`.
pub(crate) fn part(advisories: Vec<Advisory>) -> NewSet {
    let source = "pypa".to_owned();
    NewSet {
        source,
        advisories,
        known_exploited: BTreeSet::new(),
        extent: Extent::Part,
        allow_older: false,
    }
}

/// All records of source `pypa`.
pub(crate) fn full(advisories: Vec<Advisory>) -> NewSet {
    NewSet {
        extent: Extent::Full,
        ..part(advisories)
    }
}

pub(crate) fn django() -> PackageKey {
    PackageKey::new(Ecosystem::PyPi, "django")
}

/// What the job `match` does for some keys.
pub(crate) async fn rematch(
    store: &Store,
    keys: &[PackageKey],
    now: i64,
) -> store::Result<Replaced> {
    let components = findings::components_under(store, keys).await?;
    let matchable = feeds::for_keys(store, keys).await?;
    let generation = matchable.generation;
    let index = matchable.into_index();
    let matched: Vec<Matched> = components
        .iter()
        .map(|component| Matched {
            component_id: component.id,
            matches: index.matches(&component.key, &component.version),
        })
        .collect();
    findings::replace(store, JOB, &matched, generation, now).await
}

/// The number of a repository.
pub(crate) async fn repository_id(store: &Store, repository: &RepositoryName) -> i64 {
    store::catalogue::repository(store, repository)
        .await
        .unwrap()
        .unwrap()
}
