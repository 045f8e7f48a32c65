//! A store with a data folder and a database of its own, actors with permits, and small images to push.

use std::path::PathBuf;

use oci::{
    Descriptor, Digest, ImageManifest, IndexManifest, Manifest, RepositoryName, Shape, Tag, media,
};
use policy::access::Ceiling;
use policy::verb::{
    Attach, BreakGlass, Delete, DeleteEvidence, ManageAccounts, ManageAdvisories, ManageKeys,
    ManagePolicy, ManageTeams, ManageWebhooks, Operate, Pull, Push,
};
use policy::{
    Directory, Grant, Grantee, Kind, Pattern, Permit, Principal, PrincipalId, Role, Verb, Who,
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use store::catalogue::{Put, PutManifest, put_manifest};
use store::{Options, Store, Writer, blobs};

use crate::database::Database;

/// When the tests take place: a morning of 2026, in milliseconds since the epoch.
pub(crate) const NOW: i64 = 1_780_000_000_000;

/// A store of one test.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database: Database,
}

impl Fixture {
    pub(crate) async fn new() -> Fixture {
        Fixture::with(|options| options).await
    }

    /// A store whose options somebody changes first.
    pub(crate) async fn with(change: impl FnOnce(Options) -> Options) -> Fixture {
        let (folder, database) = (tempfile::tempdir().unwrap(), Database::create().await);
        let options = change(Options {
            database: database.url(),
            blobs: database.blobs(),
            ..Options::embedded(folder.path().join("data"))
        });
        let store = Store::open(&options).await.unwrap();
        Fixture {
            store,
            options,
            folder,
            database,
        }
    }

    /// Closes the store and opens it again, as a restart does.
    pub(crate) async fn restart(mut self) -> Fixture {
        self.store.close().await;
        let Fixture {
            store,
            options,
            folder,
            database,
        } = self;
        drop(store);
        self = Fixture {
            store: Store::open(&options).await.unwrap(),
            options,
            folder,
            database,
        };
        self
    }

    /// A file of the data folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.options.data.join(name)
    }

    /// The file of a stored blob.
    pub(crate) async fn blob_path(&self, digest: &Digest) -> PathBuf {
        let mut raw = self.raw().await;
        let row = sqlx::query("SELECT location FROM blobs WHERE digest = $1")
            .bind(digest.as_str())
            .fetch_one(&mut raw)
            .await
            .unwrap();
        raw.close().await.unwrap();
        self.path("blobs").join(row.get::<String, _>(0))
    }

    /// The files below `blobs`.
    pub(crate) fn blob_files(&self) -> Vec<PathBuf> {
        let folders = |path: PathBuf| {
            std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        };
        folders(self.path("blobs"))
            .flat_map(folders)
            .flat_map(folders)
            .collect()
    }

    /// A connection of somebody who edits the database by hand.
    pub(crate) async fn raw(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.database.raw_url(&self.options.data))
            .await
            .unwrap()
    }

    /// Takes away what the files since number 9 made, as if they had never run.
    pub(crate) async fn take_back_since_trust(&self) {
        for text in [
            "DROP INDEX signing_keys_by_succession",
            "ALTER TABLE signing_keys DROP COLUMN succeeds",
            "DROP INDEX evidence_by_key",
            "ALTER TABLE signing_keys DROP COLUMN revoked_from",
            "ALTER TABLE evidence DROP COLUMN predicate_type",
            "ALTER TABLE evidence DROP COLUMN ends_at",
            "ALTER TABLE evidence DROP COLUMN trusted_at",
            "DROP TABLE trust_messages",
            "DROP TABLE trust_vouches",
            "DROP TABLE break_glass",
            "DROP TABLE held_keys",
            "DROP TABLE receipts",
            "DROP TABLE trust_files",
            "DROP TABLE trust_roles",
            "DROP TABLE trust_keys",
            "DROP TABLE trust_changes",
            "DROP TABLE trust_repositories",
            "DROP TABLE audit_nodes",
            "DROP TABLE audit_checkpoints",
            "DROP TABLE audit_cosignatures",
            "DROP TABLE witnessed_logs",
            "DELETE FROM revisions WHERE name IN ('trust', 'witness')",
        ] {
            self.edit(text).await;
        }
    }

    /// Runs one statement by hand; answers how many rows it changed.
    pub(crate) async fn edit(&self, text: &str) -> u64 {
        let mut raw = self.raw().await;
        let changed = sqlx::query(AssertSqlSafe(text.to_owned()))
            .execute(&mut raw)
            .await
            .unwrap()
            .rows_affected();
        raw.close().await.unwrap();
        changed
    }

    /// The number that a query answers.
    pub(crate) async fn number(&self, text: &str) -> i64 {
        let mut raw = self.raw().await;
        let row = sqlx::query(AssertSqlSafe(text.to_owned()))
            .fetch_one(&mut raw)
            .await
            .unwrap();
        raw.close().await.unwrap();
        row.try_get(0).unwrap()
    }

    /// Stores the blobs of an image and its manifest under tags, as one writer.
    pub(crate) async fn push(&self, repository: &str, tags: &[&str], image: &Image) -> Put {
        push(&self.store, repository, tags, image).await
    }
}

/// Stores the blobs of an image and its manifest under tags, as principal 1.
pub(crate) async fn push(store: &Store, repository: &str, tags: &[&str], image: &Image) -> Put {
    push_at(store, repository, tags, image, NOW).await
}

/// The same at an instant.
pub(crate) async fn push_at(
    store: &Store,
    repository: &str,
    tags: &[&str],
    image: &Image,
    now: i64,
) -> Put {
    let permit = permit::<Push>(1, repository);
    let writer = Writer::Push(&permit);
    for blob in &image.blobs {
        blobs::put(store, &writer, blob.clone(), now).await.unwrap();
    }
    put_at(store, &writer, tags, image, now).await.unwrap()
}

/// Stores the manifest of an image alone.
pub(crate) async fn put(
    store: &Store,
    writer: &Writer<'_>,
    tags: &[&str],
    image: &Image,
) -> store::Result<Put> {
    put_at(store, writer, tags, image, NOW).await
}

/// The same at an instant.
pub(crate) async fn put_at(
    store: &Store,
    writer: &Writer<'_>,
    tags: &[&str],
    image: &Image,
    now: i64,
) -> store::Result<Put> {
    let tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
    let put = PutManifest {
        digest: &image.digest,
        content: &image.content,
        media_type: image.manifest.media_type(),
        manifest: &image.manifest,
        shape: image.shape,
        tags: &tags,
        evidence: &[],
        stage_record: None,
    };
    put_manifest(store, writer, &put, now).await
}

/// A repository name.
pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

/// A tag.
pub(crate) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// A verb with the role that allows it.
pub(crate) trait Allowed: Verb {
    const ROLE: Role;
}

macro_rules! allowed {
    ($($verb:ident: $role:ident),* $(,)?) => { $(impl Allowed for $verb { const ROLE: Role = Role::$role; })* };
}

allowed!(
    Pull: Reader, Push: Writer, Attach: Signer, Delete: Maintainer, DeleteEvidence: Maintainer, ManageAccounts: Admin,
    ManageWebhooks: Admin, Operate: Admin, ManagePolicy: Security, BreakGlass: Security, ManageKeys: Security, ManageTeams: Security, ManageAdvisories: Security,
);

/// A permit for a principal in a repository, valid for an hour from `NOW`.
pub(crate) fn permit<V: Allowed>(principal: i64, repository: &str) -> Permit<V> {
    permit_at::<V>(principal, repository, NOW)
}

/// The same, at another time.
pub(crate) fn permit_at<V: Allowed>(principal: i64, repository: &str, now: i64) -> Permit<V> {
    grant::<V>(principal, Some(&name(repository)), now)
}

/// A permit for a principal on the server as a whole.
pub(crate) fn server_permit<V: Allowed>(principal: i64) -> Permit<V> {
    grant::<V>(principal, None, NOW)
}

fn grant<V: Allowed>(principal: i64, repository: Option<&RepositoryName>, now: i64) -> Permit<V> {
    let id = PrincipalId(principal);
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
        role: V::ROLE,
        pattern: Pattern::everything(),
    });
    policy::access::<V>(
        &directory,
        &Who::Principal(id),
        repository,
        &Ceiling::All,
        false,
        now,
    )
    .unwrap()
}

/// Something to push.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) blobs: Vec<Vec<u8>>,
    pub(crate) manifest: Manifest,
    pub(crate) content: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) shape: Shape,
}

impl Image {
    pub(crate) fn of(blobs: Vec<Vec<u8>>, manifest: Manifest) -> Image {
        let content = manifest.to_bytes();
        Image {
            digest: Digest::sha256(&content),
            shape: manifest.shape(),
            blobs,
            manifest,
            content,
        }
    }

    /// An image whose bytes follow from its name.
    pub(crate) fn new(seed: &str) -> Image {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},"x":"{seed}"}}"#
        );
        let blobs = vec![config.into_bytes(), format!("layer of {seed}").into_bytes()];
        let config = Descriptor::of(media::OCI_CONFIG, &blobs[0]);
        let layer = Descriptor::of(media::OCI_LAYER_GZIP, &blobs[1]);
        Image::of(
            blobs,
            Manifest::Image(ImageManifest::new(config, vec![layer])),
        )
    }

    /// An image of these layers; its configuration follows from its name.
    pub(crate) fn with_layers(seed: &str, layers: &[&[u8]]) -> Image {
        let config = format!(r#"{{"architecture":"amd64","os":"linux","x":"{seed}"}}"#);
        let mut blobs = vec![config.into_bytes()];
        blobs.extend(layers.iter().map(|layer| layer.to_vec()));
        let mut descriptors = blobs[1..]
            .iter()
            .map(|layer| Descriptor::of(media::OCI_LAYER_GZIP, layer));
        let layers = descriptors.by_ref().collect();
        let config = Descriptor::of(media::OCI_CONFIG, &blobs[0]);
        let manifest = ImageManifest::new(config, layers);
        Image::of(blobs, Manifest::Image(manifest))
    }

    /// An index that lists layers, as caches do.
    pub(crate) fn index_of_layers(layers: &[&[u8]]) -> Image {
        let manifests = layers
            .iter()
            .map(|layer| Descriptor::of(media::OCI_LAYER_GZIP, layer));
        let manifest = IndexManifest {
            media_type: media::OCI_INDEX.to_owned(),
            artifact_type: None,
            manifests: manifests.collect(),
            subject: None,
            annotations: Default::default(),
        };
        Image::of(Vec::new(), Manifest::Index(manifest))
    }

    /// A signature bundle attached to a subject.
    pub(crate) fn evidence(subject: &Image, seed: &str) -> Image {
        Self::evidences(subject, &[seed])
    }

    /// Several in one manifest, in this order.
    pub(crate) fn evidences(subject: &Image, seeds: &[&str]) -> Image {
        let bundles = seeds.iter().map(|seed| format!(r#"{{"bundle":"{seed}"}}"#));
        let blobs: Vec<Vec<u8>> = std::iter::once("{}".to_owned())
            .chain(bundles)
            .map(String::into_bytes)
            .collect();
        let seed = seeds.concat();
        let config = Descriptor::of(media::OCI_EMPTY, &blobs[0]);
        let bundle = |blob: &Vec<u8>| Descriptor::of(media::SIGSTORE_BUNDLE_V03, blob);
        let mut manifest = ImageManifest::new(config, blobs[1..].iter().map(bundle).collect());
        manifest.artifact_type = Some(media::SIGSTORE_BUNDLE_V03.to_owned());
        manifest.subject = Some(subject.descriptor());
        manifest.annotations.insert("seed".to_owned(), seed);
        Image::of(blobs, Manifest::Image(manifest))
    }

    /// An index of images.
    pub(crate) fn index(children: &[&Image]) -> Image {
        let manifest = IndexManifest {
            media_type: media::OCI_INDEX.to_owned(),
            artifact_type: None,
            manifests: children.iter().map(|child| child.descriptor()).collect(),
            subject: None,
            annotations: Default::default(),
        };
        Image::of(Vec::new(), Manifest::Index(manifest))
    }

    /// How others refer to it.
    pub(crate) fn descriptor(&self) -> Descriptor {
        let mut descriptor = Descriptor::of(self.manifest.media_type(), &self.content);
        descriptor.artifact_type = self.manifest.artifact_type().map(str::to_owned);
        descriptor
    }
}
