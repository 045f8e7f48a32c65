//! `kill -9` while two hundred signers publish to twenty repositories: what was acknowledged is served byte for byte, and every
//! repository can be read from its root to its last tag, by this program's reader and by notary.

use crate::harness::{ADMIN_PASSWORD, Actor, Notary, Server, ServerOptions, Wire, temporary};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use testkit::trust_repository::TrustRepository;
use trust::Algorithm;
use trust::tuf::client::{Anchor, Client, Remembered};
use trust::tuf::publish::Held;
use trust::tuf::{Gun, Key, KeyType, RoleName, author};

const REPOSITORIES: usize = 20;
const SIGNERS: usize = 10;
const ROUNDS: usize = 3;
/// Updates that must be acknowledged before the server is killed.
const ENOUGH: usize = 200;
const SECONDS_MAX: u64 = 120;
const BOUNDARY: &str = "a-boundary-of-updates";

#[test]
fn nothing_published_is_lost_by_a_kill() {
    let folder = temporary();
    let mut server = Server::start(ServerOptions::loopback(&folder.path().join("data")));
    let admin = Actor::person(
        "admin",
        ADMIN_PASSWORD,
        &server,
        &folder.path().join("homes"),
    );
    admin.does([
        "grant",
        "add",
        "--role",
        "maintainer",
        "--to",
        "admin",
        "**",
    ]);
    let places: Vec<Place> = (0..REPOSITORIES)
        .map(|number| Place::new(&server, &admin, number))
        .collect();
    let mut acknowledged = Vec::new();
    let mut cut = 0;
    for round in 0..ROUNDS {
        let (done, lost) = interrupted(&mut server, &places, round);
        cut += lost;
        server.restart();
        for update in &done {
            update.is_served(&server, &places);
        }
        acknowledged.extend(done);
        for place in &places {
            place.can_be_read(&server);
        }
    }
    for update in &acknowledged {
        update.is_served(&server, &places);
    }
    let notary = Notary::new(
        &server.url(),
        None,
        Some(admin.credentials()),
        folder.path().join("notary"),
    );
    for place in &places {
        let listed = notary.notary(["list", place.gun.as_str()]).ok();
        assert!(listed.contains("targets/"), "{listed}");
    }
    println!(
        "trust: {ROUNDS} kills, {} updates acknowledged and served, {cut} cut off",
        acknowledged.len()
    );
    assert!(cut > ROUNDS, "the kills did not come in the middle");
}

/// A trust repository with its owner, and a delegation for each signer.
struct Place {
    gun: Gun,
    authorization: String,
    owner: TrustRepository,
    key: Key,
}

/// An update that the server took.
struct Update {
    place: usize,
    path: String,
    bytes: Vec<u8>,
}

impl Update {
    fn is_served(&self, server: &Server, places: &[Place]) {
        let reply = places[self.place].get(server, &self.path);
        assert_eq!(
            reply.as_deref(),
            Some(self.bytes.as_slice()),
            "{}",
            self.path
        );
    }
}

impl Place {
    fn new(server: &Server, admin: &Actor, number: usize) -> Self {
        let gun = Gun::parse(&format!("{}/crash/{number}", server.host())).unwrap();
        let mut owner = TrustRepository::empty(gun.as_str());
        owner.now = now();
        let key = owner.new_key(Algorithm::EcdsaP256);
        let mut place = Self {
            authorization: session(server, admin, &gun),
            gun,
            owner,
            key,
        };
        place.owner.held = Held {
            snapshot: vec![place.server_key(server, "snapshot")],
            timestamp: vec![place.server_key(server, "timestamp")],
            ..Held::default()
        };
        let (root, targets) = place.owner.first_files();
        place.must(server, vec![root, targets]);
        let key = place.key.clone();
        let targets = place.owner.next_targets("targets", |targets| {
            for signer in 0..SIGNERS {
                let keys = std::slice::from_ref(&key);
                targets.delegations.set_role(role(signer), keys, 1, &[""]);
            }
        });
        place.must(server, vec![targets]);
        place
    }

    fn server_key(&self, server: &Server, role: &str) -> Key {
        let json = self.get(server, &format!("{role}.key")).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        let public = json["keyval"]["public"].as_str().unwrap();
        Key::new(KeyType::Ed25519, STANDARD.decode(public).unwrap())
    }

    /// The owner publishes, and keeps what was made of it.
    fn must(&mut self, server: &Server, update: Vec<(RoleName, Vec<u8>)>) {
        let mut wire = Wire::connect(&server.host()).unwrap();
        assert_eq!(self.post(&mut wire, &update), Some(200));
        let served = ["root", "targets", "snapshot", "timestamp"].map(|name| {
            let bytes = self.get(server, &format!("{name}.json")).unwrap();
            (name.parse().unwrap(), bytes)
        });
        self.owner.follow(served);
    }

    /// The status; none when the connection ended first.
    fn post(&self, wire: &mut Wire, update: &[(RoleName, Vec<u8>)]) -> Option<u16> {
        let mut body = Vec::new();
        for (role, bytes) in update {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [
            ("Authorization", self.authorization.as_str()),
            ("Content-Type", kind.as_str()),
        ];
        let reply = wire.ask("POST", &self.path(""), &headers, &body).ok()?;
        Some(reply.status)
    }

    fn get(&self, server: &Server, file: &str) -> Option<Vec<u8>> {
        let mut wire = Wire::connect(&server.host()).unwrap();
        let headers = [("Authorization", self.authorization.as_str())];
        let reply = wire.ask("GET", &self.path(file), &headers, &[]).unwrap();
        (reply.status == 200).then_some(reply.body)
    }

    fn path(&self, file: &str) -> String {
        format!("/v2/{}/_trust/tuf/{file}", self.gun)
    }

    fn can_be_read(&self, server: &Server) {
        let mut client = Client::new(
            self.gun.clone(),
            Anchor::FirstUse,
            Remembered::default(),
            now(),
        )
        .unwrap();
        while let Some(fetch) = client.next() {
            let answer = self.get(server, &fetch.path);
            client
                .feed(answer)
                .unwrap_or_else(|problem| panic!("{}: {}: {problem}", self.gun, fetch.path));
        }
        let believed = client.finish().unwrap();
        assert!(
            believed.disregarded().is_empty(),
            "{:?}",
            believed.disregarded()
        );
    }

    /// One version of a signer's file.
    fn file(&self, signer: usize, version: i64) -> (RoleName, Vec<u8>) {
        let mut targets = author::first_targets(now());
        targets.version = version;
        let image = author::image([u8::try_from(signer).unwrap(); 32], 523);
        targets.targets.insert(format!("v{version}"), image);
        (
            role(signer),
            self.owner.sign(&targets, std::slice::from_ref(&self.key)),
        )
    }
}

/// Everybody publishes one version after the other until the server is killed. Answers what was acknowledged, and how many updates were
/// cut off.
fn interrupted(server: &mut Server, places: &[Place], round: usize) -> (Vec<Update>, usize) {
    let (acknowledged, cut) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let (count, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let host = server.host();
    std::thread::scope(|scope| {
        for signer in 0..REPOSITORIES * SIGNERS {
            let (acknowledged, cut, count, is_over, host) =
                (&acknowledged, &cut, &count, &is_over, &host);
            let place = signer / SIGNERS;
            let signs = move || {
                let Ok(mut wire) = Wire::connect(host) else {
                    return;
                };
                // Versions of a round are higher than all of the rounds before.
                let first = i64::try_from(round * 100_000 + 1).unwrap();
                for version in first.. {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let file = places[place].file(signer % SIGNERS, version);
                    let path = format!("{version}.{}.json", file.0);
                    let bytes = file.1.clone();
                    match places[place].post(&mut wire, &[file]) {
                        Some(200) => {
                            acknowledged
                                .lock()
                                .unwrap()
                                .push(Update { place, path, bytes });
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                        Some(status) => panic!("{path}: {status}"),
                        None => {
                            cut.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                    }
                }
            };
            let thread = std::thread::Builder::new().stack_size(512 * 1024);
            thread.spawn_scoped(scope, signs).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(SECONDS_MAX);
        while count.load(Ordering::SeqCst) < ENOUGH {
            assert!(Instant::now() < deadline, "too few updates were taken");
            std::thread::yield_now();
        }
        server.kill();
        is_over.store(true, Ordering::SeqCst);
    });
    (acknowledged.into_inner().unwrap(), cut.into_inner())
}

fn role(signer: usize) -> RoleName {
    format!("targets/s{signer}").parse().unwrap()
}

fn session(server: &Server, who: &Actor, gun: &Gun) -> String {
    let mut wire = Wire::connect(&server.host()).unwrap();
    let basic = format!("Basic {}", STANDARD.encode(who.credentials()));
    let path = format!("/token?service=countersign&scope=repository:{gun}:push,pull");
    let reply = wire
        .ask("GET", &path, &[("Authorization", &basic)], &[])
        .unwrap();
    let reply: Value = serde_json::from_slice(&reply.body).unwrap();
    format!("Bearer {}", reply["token"].as_str().unwrap())
}

fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(elapsed.as_millis()).unwrap()
}
