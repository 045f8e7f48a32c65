//! Our judgement of updates beside that of a running notary-server, honest and hostile ones. Needs the feature `notary-server` and the
//! server's address in `COUNTERSIGN_NOTARY_SERVER` (`127.0.0.1:4442`; plain HTTP, storage in memory, trust service `local`); fails,
//! not skips, without it. Where we refuse more, the case says why.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests, whose helpers the lints do not recognise as such"
)]

mod notary_server {
    pub(super) mod cases;
    pub(super) mod hostile;
    pub(super) mod publisher;
    pub(super) mod server;
}

use notary_server::publisher::{Before, Parts, Publisher};
use notary_server::server::{Answer, Server};
use notary_server::{cases, hostile};
use trust::tuf::publish::{part_role, validate};

/// One update, and what both servers are to make of it.
pub(crate) struct Case {
    name: &'static str,
    before: Before,
    update: fn(&mut Publisher) -> Parts,
    expect: Expect,
}

/// How the two answers compare.
pub(crate) enum Expect {
    /// Both take it, or both refuse it with the same code and, where notary gives a reason, the same error.
    Same,
    /// Only notary-server takes it.
    WeRefuse(&'static str),
    /// Both refuse it, in different words.
    OtherWords(&'static str),
}

#[test]
fn every_update_is_judged_alike_or_there_is_a_reason() {
    let server = Server::from_environment();
    let mut complaints = Vec::new();
    let cases: Vec<Case> = cases::all().into_iter().chain(hostile::all()).collect();
    for case in &cases {
        complaints.extend(judge(&server, case));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(cases.len() > 80, "{}", cases.len());
}

fn judge(server: &Server, case: &Case) -> Option<String> {
    let mut publisher = Publisher::new(server, case.name, case.before);
    for update in publisher.prepare() {
        let theirs = server.post(publisher.gun(), &update);
        assert_eq!(theirs, Answer::Taken, "{}: what goes before", case.name);
    }
    let update = (case.update)(&mut publisher);
    let ours = ours(server, &publisher, &update);
    let theirs = server.post(publisher.gun(), &update);
    let agree = match (&case.expect, &ours, &theirs) {
        (Expect::Same, ours, theirs) => ours.is_as(theirs),
        (Expect::WeRefuse(_), Answer::Refused { .. }, Answer::Taken) => true,
        (Expect::OtherWords(_), Answer::Refused { .. }, Answer::Refused { .. }) => {
            !ours.is_as(&theirs)
        }
        _ => false,
    };
    let reason = match case.expect {
        Expect::Same => "the same",
        Expect::WeRefuse(reason) | Expect::OtherWords(reason) => reason,
    };
    let name = case.name;
    (!agree).then(|| format!("{name}: expected {reason}; ours {ours:?}, theirs {theirs:?}"))
}

/// What we say about an update over what notary-server serves now.
fn ours(server: &Server, publisher: &Publisher, update: &Parts) -> Answer {
    let current = server.current(publisher.gun());
    let judge = || {
        let roles = update.iter().map(|(name, bytes)| {
            let role = part_role(Some(name))?;
            Ok((role, bytes.clone()))
        });
        let update = roles.collect::<Result<_, _>>()?;
        let (held, now) = (&publisher.repository.held, publisher.repository.now);
        validate(publisher.gun(), update, &current, held, now)
    };
    match judge() {
        Ok(_) => Answer::Taken,
        Err(refusal) => Answer::Refused {
            code: refusal.code().into(),
            name: Some(refusal.name().into()),
        },
    }
}
