//! Files that change while somebody watches: what is known afterwards, and who is asked to read evidence again.

use super::testing::{Authority, ROOT};
use super::*;
use identity::Identity;
use registry::Registry;
use server::AppOptions;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use store::{Options, Store, jobs};
use tempfile::TempDir;

struct World {
    watch: Watch,
    shop: Authority,
    bazaar: Authority,
    folder: TempDir,
}

const FILES: [&str; 3] = ["trusted_root.json", "shop.crl", "bazaar.crl"];

impl World {
    /// A trusted root and two lists, which name nobody.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, bazaar) = (Authority::new("shop"), Authority::new("bazaar"));
        let [root, of_shop, of_bazaar] = FILES.map(|name| folder.path().join(name));
        fs::write(&root, ROOT).unwrap();
        fs::write(&of_shop, shop.list(10, false)).unwrap();
        fs::write(&of_bazaar, bazaar.list(10, false)).unwrap();
        let flags = AnchorFlags::of(root, vec![of_shop, of_bazaar]);
        let (files, anchors) = AnchorFiles::open(&flags).unwrap();
        let mut options = Options::embedded(folder.path().join("data"));
        // As if the server had been started without a root, so that one is seen to come.
        options.anchors = Arc::new(Anchors {
            sigstore: None,
            ..anchors
        });
        let store = Store::open(&options).await.unwrap();
        let registry = Registry::new(store.clone());
        let identity = Identity::new(store.clone(), identity::Options::default()).unwrap();
        let clock = Clock::System;
        let app = App::new(store, registry, identity, clock, AppOptions::default());
        Self {
            watch: Watch {
                files,
                app,
                clock: Clock::System,
                owes_reread: false,
            },
            shop,
            bazaar,
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn anchors(&self) -> Arc<Anchors> {
        self.watch.app.store().anchors()
    }

    /// Whether evidence is to be read again.
    async fn is_asked(&self) -> bool {
        let (kinds, now) = ([evidence::REVERIFY_EVIDENCE], Clock::System.now());
        let store = self.watch.app.store();
        let Some(job) = jobs::claim(store, &kinds, now, 60_000).await.unwrap() else {
            return false;
        };
        jobs::finish(store, &job).await.unwrap();
        true
    }
}

#[tokio::test]
async fn files_that_change_are_read_again_and_so_is_the_evidence() {
    let mut world = World::new().await;
    let known = |world: &World| world.anchors().sigstore.is_some();
    world.watch.turn().await;
    assert!(!known(&world) && !world.is_asked().await, "as it was");

    fs::write(world.path("trusted_root.json"), format!("{ROOT}\n")).unwrap();
    world.watch.turn().await;
    assert!(known(&world) && world.is_asked().await);
    world.watch.turn().await;
    assert!(known(&world) && !world.is_asked().await, "once");
}

#[tokio::test]
async fn a_bad_file_holds_back_no_other() {
    let mut world = World::new().await;
    fs::write(world.path("shop.crl"), world.shop.list(11, true)).unwrap();
    world.watch.turn().await;
    assert!(world.is_asked().await);
    for (name, wrong) in [
        ("shop.crl", Some("<html>")),
        ("shop.crl", None),
        ("trusted_root.json", Some("{")),
    ] {
        let path = world.path(name);
        match wrong {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        world.watch.turn().await;
        let anchors = world.anchors();
        assert!(world.shop.has_revoked(&anchors), "{name}: {wrong:?}");
        assert!(anchors.sigstore.is_some(), "{name}: {wrong:?}");
        assert!(!world.is_asked().await, "{name}: {wrong:?}");
    }
    assert!(!world.bazaar.has_revoked(&world.anchors()));
    fs::write(world.path("bazaar.crl"), world.bazaar.list(11, true)).unwrap();
    world.watch.turn().await;
    let anchors = world.anchors();
    assert!(world.bazaar.has_revoked(&anchors) && world.is_asked().await);
    assert!(world.shop.has_revoked(&anchors) && anchors.sigstore.is_some());
}

#[tokio::test]
async fn a_file_that_hangs_holds_back_no_other_and_no_stop() {
    let mut world = World::new().await;
    let path = world.path("shop.crl");
    fs::remove_file(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    world.watch.files = world.watch.files.patient(Duration::from_millis(100));
    fs::write(world.path("bazaar.crl"), world.bazaar.list(11, true)).unwrap();
    let taken = async {
        while !world.bazaar.has_revoked(&world.anchors()) {
            world.watch.turn().await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, taken).await.unwrap();

    let (files, app, stop) = (world.watch.files, world.watch.app, CancellationToken::new());
    let files = files.patient(patience).every(Duration::from_millis(1));
    let watching = watch(files, app.clone(), stop.clone());
    // Opened for writing once somebody reads: a look is under way, and does not end.
    let open = tokio::task::spawn_blocking(move || File::options().write(true).open(path));
    let _writer = open.await.unwrap().unwrap();
    stop.cancel();
    let stopped = tokio::time::timeout(patience / 2, watching).await;
    stopped.unwrap().unwrap();
    app.store().close().await;
}
