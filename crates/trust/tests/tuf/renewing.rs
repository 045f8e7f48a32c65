//! The server's signatures are renewed before they end.

use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::publish::{Current, Refusal, due, resign};
use trust::tuf::{RoleName, author};

const GUN: &str = "registry.example/shop/web";

fn roles(files: &[trust::tuf::publish::File]) -> Vec<&str> {
    files.iter().map(|file| file.role.as_str()).collect()
}

#[test]
fn a_timestamp_is_renewed_after_half_of_its_life() {
    let mut repository = TrustRepository::new(GUN);
    assert_eq!(
        due(repository.current(), &repository.held),
        Some(START + 7 * DAY)
    );
    repository.now = START + 7 * DAY - 1;
    assert_eq!(repository.resign().unwrap(), []);
    repository.now += 1;
    let before = repository.snapshot();
    let files = repository.resign().unwrap();
    assert_eq!(roles(&files), ["timestamp"]);
    assert_eq!(files[0].version, 2);
    assert_eq!(files[0].expires, START + 21 * DAY);
    assert_eq!(repository.snapshot(), before);
    assert_eq!(repository.resign().unwrap(), [], "twice is once");
    assert_eq!(
        due(repository.current(), &repository.held),
        Some(START + 14 * DAY)
    );
}

#[test]
fn a_reader_never_meets_an_expired_file() {
    let mut repository = TrustRepository::new(GUN);
    repository.publish("targets", "1.4", b"an image");
    let mut reader = Reader::new(repository.gun());
    // Three years, less a day, looked at every third day.
    for _ in 0..364 {
        repository.now += 3 * DAY;
        repository.resign().unwrap();
        reader
            .read(&Mirror::of(&repository), repository.now)
            .unwrap();
    }
    let snapshots = repository.stored().iter();
    let snapshots = snapshots
        .filter(|file| file.role == RoleName::Snapshot)
        .count();
    assert_eq!(snapshots, 3, "initialised, published, renewed");
}

#[test]
fn a_snapshot_that_others_sign_is_left_alone() {
    let mut repository = TrustRepository::new(GUN);
    let key = repository.new_key(Algorithm::EcdsaP256);
    let keys = [key.clone()];
    let root = repository.next_root(|root| root.set_role(&RoleName::Snapshot, &keys, 1));
    let files = [(RoleName::Root, root.1.as_slice())];
    let snapshot = author::snapshot(Some(repository.snapshot()), &files, START);
    let snapshot = (RoleName::Snapshot, repository.sign(&snapshot, &keys));
    repository.post(vec![root, snapshot]).unwrap();

    repository.now = START + 3 * 365 * DAY - DAY;
    assert_eq!(
        due(repository.current(), &repository.held),
        Some(START + 7 * DAY)
    );
    let files = repository.resign().unwrap();
    assert_eq!(roles(&files), ["timestamp"]);
}

#[test]
fn an_expired_root_does_not_stop_the_server() {
    // Readers refuse it anyway; what they say then is about the root, not about a server that fell asleep.
    let mut repository = TrustRepository::new(GUN);
    repository.now = START + 11 * 365 * DAY;
    let files = repository.resign().unwrap();
    assert_eq!(roles(&files), ["snapshot", "timestamp"]);
}

#[test]
fn nothing_is_renewed_where_nothing_is() {
    let mut repository = TrustRepository::empty(GUN);
    assert_eq!(repository.resign().unwrap(), []);
    assert_eq!(due(repository.current(), &repository.held), None);
}

#[test]
fn a_server_that_lost_its_key_says_so() {
    let mut repository = TrustRepository::new(GUN);
    repository.held.timestamp.clear();
    repository.now += 8 * DAY;
    let refusal = repository.resign().unwrap_err();
    assert_eq!(refusal.name(), "ErrBadRoot");

    let mut damaged = Current::new();
    damaged.insert(RoleName::Root, b"damaged".to_vec());
    let (held, now) = (&repository.held, repository.now);
    let refusal = resign(repository.gun(), &damaged, held, now).unwrap_err();
    assert!(matches!(refusal, Refusal::Stored { .. }));
}
