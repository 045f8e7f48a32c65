//! One file that changes for the better and for the worse.

use super::super::testing::{Authority, FEBRUARY};
use super::*;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

struct World {
    shop: Authority,
    file: AnchorFile,
    folder: TempDir,
}

impl World {
    /// A file with the shop's list of the tenth, which names nobody.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, path) = (Authority::new("shop"), folder.path().join("shop.crl"));
        fs::write(&path, shop.list(10, false)).unwrap();
        let file = AnchorFile::open(AnchorKind::List, &path).unwrap();
        Self { shop, file, folder }
    }

    /// Looks so many milliseconds after the first of February.
    async fn look(&mut self, after: i64) -> Looked {
        self.file.look(FEBRUARY + after).await
    }

    fn write(&self, bytes: impl AsRef<[u8]>) {
        fs::write(self.file.path(), bytes).unwrap();
    }

    async fn refused(&mut self, after: i64, part: &str) {
        let looked = self.look(after).await;
        let Looked::Refused(why) = &looked else {
            panic!("{looked:?}")
        };
        assert!(why.contains(part), "{why}");
        assert!(self.file.is_refused());
    }

    fn revoked(&self) -> usize {
        match self.file.held() {
            Anchor::List(list) => list.revoked(),
            Anchor::Root(_) => panic!("a list"),
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_once_and_every_hour_and_takes_nothing_away() {
    let mut world = World::new();
    let good = world.shop.list(11, true);
    world.write(&good);
    assert_eq!(world.look(0).await, Looked::Taken);
    assert_eq!(world.look(0).await, Looked::Quiet);
    world.write("<html>");
    world.refused(0, "not a revocation list").await;
    assert_eq!(world.look(HOUR - 1).await, Looked::Quiet);
    assert!(world.file.is_refused(), "while it lasts");
    world.refused(HOUR, "not a revocation list").await;
    // Something else is wrong, and is said at once.
    fs::remove_file(world.file.path()).unwrap();
    world.refused(HOUR, "No such file").await;
    assert_eq!(world.look(HOUR + MINUTE).await, Looked::Quiet);
    assert_eq!(world.revoked(), 1);
    // The very bytes that it had.
    world.write(&good);
    assert_eq!(world.look(2 * HOUR).await, Looked::Righted);
    assert!(!world.file.is_refused());
    assert_eq!(world.look(2 * HOUR).await, Looked::Quiet);
    assert_eq!(world.revoked(), 1);
}

#[tokio::test]
async fn bytes_that_could_not_be_taken_are_not_remembered_as_taken() {
    let mut world = World::new();
    let parse = world.file.parse;
    world.file.parse = |_, _| anyhow::bail!("not now");
    world.write(world.shop.list(11, true));
    world.refused(0, "not now").await;
    world.file.parse = parse;
    assert_eq!(world.look(MINUTE).await, Looked::Quiet);
    assert_eq!(world.look(HOUR).await, Looked::Taken);
    assert_eq!(world.revoked(), 1);
}

#[tokio::test]
async fn a_file_that_could_not_be_read_is_read_at_the_next_look() {
    let mut world = World::new();
    let path = world.file.path().to_owned();
    // The same link, and the same bytes behind it: only the reading fails.
    let (link, real) = (path.with_extension("link"), path.with_extension("real"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    fs::rename(&link, &path).unwrap();
    world.refused(0, "No such file").await;
    fs::write(&real, world.shop.list(11, true)).unwrap();
    assert_eq!(world.look(MINUTE).await, Looked::Taken);
}

#[tokio::test]
async fn a_fault_in_a_parser_is_the_files_affair() {
    let mut world = World::new();
    let parse = world.file.parse;
    world.file.parse = |_, _| panic!("a fault that is meant");
    world.write("strange");
    world.refused(0, "a fault in the server").await;
    assert_eq!(world.look(MINUTE).await, Looked::Quiet);
    world.file.parse = parse;
    world.write(world.shop.list(11, true));
    assert_eq!(world.look(MINUTE).await, Looked::Taken);
}

#[tokio::test]
async fn a_list_does_not_go_back_and_does_not_become_anothers() {
    let mut world = World::new();
    world.write(world.shop.list(12, true));
    assert_eq!(world.look(0).await, Looked::Taken);
    world.write(world.shop.list(11, false));
    world.refused(0, "older than the one that is known").await;
    // Nor by way of another issuer's.
    world.write(Authority::new("bazaar").list(13, false));
    world.refused(0, "of another issuer").await;
    world.write(world.shop.list(11, false));
    world.refused(0, "older than the one that is known").await;
    assert_eq!(world.revoked(), 1);
    world.write(world.shop.list(13, false));
    assert_eq!(world.look(0).await, Looked::Taken);
    assert_eq!(world.revoked(), 0);
}

#[tokio::test]
async fn a_list_of_tomorrow_is_taken_tomorrow() {
    let mut world = World::new();
    // The eleventh of January, at midnight.
    let due = -21 * 24 * HOUR;
    world.write(world.shop.list(11, true));
    world.refused(due - 90 * MINUTE, "not valid yet").await;
    assert_eq!(world.look(due - 31 * MINUTE).await, Looked::Quiet);
    world.refused(due - MINUTE, "not valid yet").await;
    // The same bytes, as soon as they are due.
    assert_eq!(world.look(due).await, Looked::Taken);
}

#[tokio::test]
async fn a_file_that_hangs_is_said_and_goes_on_when_it_does() {
    let mut world = World::new();
    let (path, other) = (world.file.path(), world.folder.path().join("fifo"));
    let made = Command::new("mkfifo").arg(&other).status();
    assert!(made.unwrap().success());
    fs::remove_file(path).unwrap();
    fs::hard_link(&other, path).unwrap();
    world.file.patience = Duration::from_millis(1);
    world.refused(0, "still being read").await;
    assert_eq!(world.look(MINUTE).await, Looked::Quiet);
    world.refused(HOUR, "still being read").await;
    fs::write(&other, world.shop.list(11, true)).unwrap();
    let looked = loop {
        match world.look(HOUR).await {
            Looked::Quiet => tokio::task::yield_now().await,
            looked => break looked,
        }
    };
    assert_eq!(looked, Looked::Taken);
    assert!(!world.file.is_refused());
}
