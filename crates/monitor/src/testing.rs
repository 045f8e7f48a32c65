//! What the tests of jobs begin with: a server in a folder of its own whose clock they set, permits whose roles nobody looks up, people, and
//! what is pushed. Deliberately no policy and no story: these are each test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use oci::{Descriptor, Digest, ImageManifest, Manifest, RepositoryName, media};
use policy::access::{Ceiling, access};
use policy::verb::{BreakGlass, ManageAccounts, Push};
use policy::{
    Directory, Grant, Grantee, Kind, Pattern, Permit, Principal, PrincipalId, Role, Verb, Who,
};
use registry::Registry;
use scanner::Limits;
use store::accounts::{self, NewGrant, NewPrincipal};
use store::catalogue::{PutManifest, put_manifest};
use store::{Options, Store, Writer, blobs};
use tempfile::TempDir;

use crate::{Context, Now};

pub(crate) const HOUR: i64 = 60 * 60 * 1_000;
/// Where most of it happens.
pub(crate) const REPOSITORY: &str = "shop/web";

/// A store that ends with its folder, and what jobs work with.
pub(crate) struct Server {
    pub(crate) context: Context,
    pub(crate) clock: Clock,
    pub(crate) folder: TempDir,
}

impl Server {
    /// Starts at `now`, in milliseconds since the epoch.
    pub(crate) async fn at(now: i64) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::embedded(folder.path()))
            .await
            .unwrap();
        let clock = Clock(Arc::new(AtomicI64::new(now)));
        Self {
            context: context(store, clock.now()),
            clock,
            folder,
        }
    }
}

/// A clock that stands still until it is told to go on.
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn pass(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    fn now(&self) -> Now {
        let clock = Arc::clone(&self.0);
        Arc::new(move || clock.load(Ordering::SeqCst))
    }
}

pub(crate) fn context(store: Store, now: Now) -> Context {
    let registry = Registry::new(store.clone());
    let deliverer = client::webhook::Deliverer::new(&[]).unwrap();
    Context::new(store, registry, now, Limits::default(), deliverer)
}

/// The database of a server, to be edited by hand.
pub(crate) fn database(folder: &TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.path().join("countersign.db")).unwrap()
}

/// A permit of principal 1, whose roles nobody looks up.
pub(crate) fn permit<V: Verb>(role: Role, repository: Option<&str>, now: i64) -> Permit<V> {
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
    let repository: Option<RepositoryName> = repository.map(|name| name.parse().unwrap());
    let (who, ceiling) = (Who::Principal(id), Ceiling::All);
    access(&directory, &who, repository.as_ref(), &ceiling, false, now).unwrap()
}

pub(crate) async fn person(context: &Context, name: &str) -> PrincipalId {
    let now = context.now();
    let admin = permit::<ManageAccounts>(Role::Admin, None, now);
    let new = NewPrincipal {
        kind: Kind::Person,
        name: name.to_owned(),
        owner: None,
        password_hash: None,
    };
    accounts::create_principal(&context.store, &admin, &new, now)
        .await
        .unwrap()
}

/// A person with the role `security`.
pub(crate) async fn guard(context: &Context, name: &str) -> PrincipalId {
    let id = person(context, name).await;
    let now = context.now();
    let admin = permit::<ManageAccounts>(Role::Admin, None, now);
    let new = NewGrant {
        to: Grantee::Principal(id),
        role: Role::Security,
        pattern: Pattern::everything(),
    };
    accounts::add_grant(&context.store, &admin, &new, now)
        .await
        .unwrap();
    id
}

/// What somebody's own roles give them, to open a gate of [`REPOSITORY`].
pub(crate) async fn permit_of(context: &Context, who: PrincipalId) -> Permit<BreakGlass> {
    let directory = accounts::directory(&context.store).await.unwrap();
    let (who, ceiling) = (Who::Principal(who), Ceiling::All);
    let (here, now) = (REPOSITORY.parse().unwrap(), context.now());
    access(&directory, &who, Some(&here), &ceiling, false, now).unwrap()
}

pub(crate) async fn put_blob(context: &Context, repository: &str, content: &[u8]) {
    let now = context.now();
    let permit = permit::<Push>(Role::Writer, Some(repository), now);
    let writer = Writer::Push(&permit);
    blobs::put(&context.store, &writer, content.to_vec(), now)
        .await
        .unwrap();
}

/// Stores a manifest under no tag, whether its blobs are there or not.
pub(crate) async fn put(context: &Context, repository: &str, manifest: &Manifest) -> Digest {
    let (content, now) = (manifest.to_bytes(), context.now());
    let digest = Digest::sha256(&content);
    let put = PutManifest {
        digest: &digest,
        content: &content,
        media_type: manifest.media_type(),
        manifest,
        shape: manifest.shape(),
        tags: &[],
        evidence: &[],
        stage_record: None,
    };
    let permit = permit::<Push>(Role::Writer, Some(repository), now);
    put_manifest(&context.store, &Writer::Push(&permit), &put, now)
        .await
        .unwrap();
    digest
}

/// Stores an image of one layer in [`REPOSITORY`] that no scanner ever reads.
pub(crate) async fn put_image(context: &Context, layer: &[u8]) -> Digest {
    let config = b"{}".as_slice();
    for blob in [config, layer] {
        put_blob(context, REPOSITORY, blob).await;
    }
    let manifest = ImageManifest::new(
        Descriptor::of(media::OCI_CONFIG, config),
        vec![Descriptor::of(media::OCI_LAYER_TAR, layer)],
    );
    put(context, REPOSITORY, &Manifest::Image(manifest)).await
}
