//! What people do with notary's own client: delegations, rotations of every key, deletion; and what it refuses.

use super::side::Side;
use crate::harness::{Notary, Program, self_signed};
use std::fs;

/// Somebody with a trust repository and a file to publish.
struct Owner {
    notary: Notary,
    gun: String,
}

impl Owner {
    fn new(side: &Side, who: &str, repository: &str) -> Self {
        let notary = side.notary_user(who);
        fs::write(notary.home().join("file"), repository).unwrap();
        Self {
            notary,
            gun: side.name(repository),
        }
    }

    fn run<const N: usize>(&self, words: [&str; N]) -> Program {
        self.notary.notary(words)
    }

    fn add(&self, target: &str) -> Program {
        self.run(["add", "-p", &self.gun, target, "file"])
    }

    fn init(&self, side: &mut Side) {
        side.does("notary: init", self.run(["init", "-p", &self.gun]));
    }

    /// What somebody sees who has read before, or not.
    fn list(&self, side: &mut Side, step: &str, reader: &Notary) {
        let out = reader.notary(["list", &self.gun]).ok();
        side.note(step, listed(&out));
    }
}

/// The names and roles of a table of targets.
fn listed(out: &str) -> String {
    let mut rows: Vec<String> = out
        .lines()
        .skip_while(|line| !line.starts_with("----"))
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some(format!("{} in {}", words.first()?, words.last()?))
        })
        .collect();
    rows.sort();
    rows.join(", ")
}

/// The whole script.
pub(super) fn script(side: &mut Side) {
    let owner = Owner::new(side, "owner", "dct/notary");
    owner.init(side);
    side.does("notary: add with a snapshot of one's own", owner.add("v1"));
    // Reads now, and next after everything was rotated.
    let old = side.notary_user("old");
    owner.list(side, "notary: list by somebody new", &old);
    for role in ["snapshot", "timestamp"] {
        let rotate = owner.run(["key", "rotate", &owner.gun, role, "-r"]);
        side.does(&format!("notary: key rotate {role} to the server"), rotate);
    }
    side.does("notary: add with the server's snapshot", owner.add("v2"));
    for role in ["snapshot", "timestamp"] {
        let rotate = owner.run(["key", "rotate", &owner.gun, role, "-r"]);
        side.does(&format!("notary: key rotate {role} at the server"), rotate);
    }
    for role in ["targets", "root"] {
        let rotate = owner.run(["key", "rotate", &owner.gun, role]);
        side.does(&format!("notary: key rotate {role}"), rotate);
    }
    let back = owner.run(["key", "rotate", &owner.gun, "snapshot"]);
    side.does("notary: key rotate snapshot back to its owner", back);
    side.does("notary: add after all rotations", owner.add("v3"));
    owner.list(side, "notary: list by somebody with the first root", &old);
    delegations(side, &owner);
    deletion(side, &owner, &old);
}

fn delegations(side: &mut Side, owner: &Owner) {
    let keys = side.home("keys");
    for name in ["ci", "staging"] {
        let (key, certificate) = (
            keys.join(format!("{name}.key")),
            keys.join(format!("{name}.crt")),
        );
        self_signed("127.0.0.1", &key, &certificate);
        let role = format!("targets/{name}");
        let certificate = certificate.to_str().unwrap();
        let add = [
            "delegation",
            "add",
            "-p",
            &owner.gun,
            &role,
            certificate,
            "--all-paths",
        ];
        side.does(&format!("notary: delegation add {role}"), owner.run(add));
        let import = ["key", "import", key.to_str().unwrap(), "--role", &role];
        side.does(&format!("notary: key import for {role}"), owner.run(import));
        let target = format!("by-{name}");
        let add = ["add", "-p", &owner.gun, &target, "file", "--roles", &role];
        side.does(&format!("notary: add to {role}"), owner.run(add));
    }
    let reader = side.notary_user("reader of delegations");
    owner.list(side, "notary: list with delegations", &reader);
    let remove = ["delegation", "remove", "-p", "-y", &owner.gun, "targets/ci"];
    side.does("notary: delegation remove targets/ci", owner.run(remove));
    owner.list(side, "notary: list without a delegation", &reader);
}

fn deletion(side: &mut Side, owner: &Owner, old: &Notary) {
    side.does(
        "notary: delete",
        owner.run(["delete", &owner.gun, "--remote"]),
    );
    side.does(
        "notary: delete again",
        owner.run(["delete", &owner.gun, "--remote"]),
    );
    let reader = side.notary_user("somebody new");
    let texts = ["does not have trust data"];
    side.is_refused(
        "notary: list what was deleted",
        reader.notary(["list", &owner.gun]),
        &texts,
    );
    let root = side.ask(&format!("/v2/{}/_trust/tuf/1.root.json", owner.gun));
    side.note(
        "notary: an old root after the deletion",
        root.status.to_string(),
    );
    let feed = side.ask(&format!(
        "/v2/{}/_trust/changefeed?change_id=-1&records=1",
        owner.gun
    ));
    let newest = feed.json()["records"][0]["Category"].clone();
    side.note("notary: the newest change", newest.to_string());
    owner.init(side);
    let again = owner.run(["add", "-p", &owner.gun, "v1", "file"]);
    side.does("notary: add after a new beginning", again);
    let texts = [
        "could not rotate trust",
        "failed to validate",
        "trust pinning",
    ];
    side.is_refused(
        "notary: list by somebody with the deleted root",
        old.notary(["list", &owner.gun]),
        &texts,
    );
}

/// Somebody replaces a repository on the server: whoever knew it refuses the new one.
pub(super) fn another_root(side: &mut Side) {
    let owner = Owner::new(side, "owner", "dct/replaced");
    owner.init(side);
    side.does("notary: add", owner.add("v1"));
    let reader = side.notary_user("reader");
    owner.list(side, "notary: list before", &reader);
    let thief = Owner::new(side, "thief", "dct/replaced");
    side.does(
        "notary: delete by somebody else",
        thief.run(["delete", &thief.gun, "--remote"]),
    );
    thief.init(side);
    side.does("notary: add by somebody else", thief.add("v1"));
    let texts = [
        "could not rotate trust",
        "failed to validate",
        "trust pinning",
    ];
    side.is_refused(
        "notary: list after",
        reader.notary(["list", &owner.gun]),
        &texts,
    );
    let texts = [
        "could not rotate trust",
        "failed to validate",
        "trust pinning",
    ];
    side.is_refused("notary: add by the first owner", owner.add("v2"), &texts);
}

/// The same keys in two places, published from at the same moment.
pub(super) fn two_publishers(side: &mut Side) {
    const ROUNDS: usize = 4;
    let one = Owner::new(side, "one", "dct/both");
    one.init(side);
    side.does(
        "notary: key rotate snapshot",
        one.run(["key", "rotate", &one.gun, "snapshot", "-r"]),
    );
    let other = Owner {
        notary: one.notary.twin(side.home("places").join("other")),
        gun: one.gun.clone(),
    };
    for round in 0..ROUNDS {
        let publishers = [(&one, "one"), (&other, "other")];
        for (publisher, name) in publishers {
            let target = format!("{name}-{round}");
            publisher.run(["add", &one.gun, &target, "file"]).ok();
        }
        std::thread::scope(|scope| {
            for (publisher, _) in publishers {
                let publish = move || publisher.run(["publish", &publisher.gun]).run();
                scope.spawn(move || {
                    // Whoever is refused is told so, and the same command succeeds then.
                    let refused = publish();
                    if refused.code != Some(0) {
                        let again = publish();
                        assert_eq!(again.code, Some(0), "{}\n{}", refused.all(), again.all());
                    }
                });
            }
        });
    }
    let reader = side.notary_user("reader");
    one.list(side, "notary: list after both published", &reader);
}

/// What was read before can still be read without the server.
pub(super) fn server_away(side: &mut Side) {
    let owner = Owner::new(side, "owner", "dct/away");
    owner.init(side);
    side.does("notary: add", owner.add("v1"));
    let reader = side.notary_user("reader");
    owner.list(side, "notary: list with the server", &reader);
    let stranger = side.notary_user("stranger");
    side.stop_trust();
    owner.list(side, "notary: list without the server", &reader);
    side.is_refused(
        "notary: list by somebody new",
        stranger.notary(["list", &owner.gun]),
        &["offline", "no such"],
    );
    side.is_refused(
        "notary: add without the server",
        owner.add("v2"),
        &["offline", "unable"],
    );
}
