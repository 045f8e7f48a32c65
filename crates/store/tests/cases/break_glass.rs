//! Break-glass: asked by one person, confirmed by another, over by itself; told and accounted for each time. What one is for is in `covering`.

mod covering;

use policy::access::Ceiling;
use policy::verb::BreakGlass;
use policy::{Decision, Grantee, Outcome, Permit, PrincipalId, Role, Who, access};
use store::break_glass::{self, Asked, How, Record, State};
use store::{Error, accounts, audit, decisions, outbox};

use super::world::{ADMIN, JOB, SHOP, World, grant, person, repository_id, robot};
use crate::fixture::{Image, NOW, name, permit, server_permit};

const HOUR: i64 = 60 * 60 * 1_000;
const WHY: &str = "the scanner is down, INC-42";

/// The shop with one image that nobody has indexed or signed; Anna and Omar have the role `security`, Olga too.
struct Shop {
    world: World,
    image: Image,
    anna: PrincipalId,
    omar: PrincipalId,
    olga: PrincipalId,
}

impl Shop {
    async fn new() -> Shop {
        let world = World::new().await;
        let store = world.store();
        let mut guards = Vec::new();
        for guard in ["anna", "omar", "olga"] {
            let id = person(store, guard).await;
            grant(store, Grantee::Principal(id), Role::Security, "shop/**").await;
            guards.push(id);
        }
        world.apply(SHOP).await;
        let image = Image::new("web");
        world.fixture.push("shop/web", &["1"], &image).await;
        Shop {
            world,
            image,
            anna: guards[0],
            omar: guards[1],
            olga: guards[2],
        }
    }

    /// What the server gives somebody who asks at `now`.
    async fn permit(&self, who: PrincipalId, now: i64) -> Permit<BreakGlass> {
        let directory = accounts::directory(self.world.store()).await.unwrap();
        let (who, repository) = (Who::Principal(who), name("shop/web"));
        access(
            &directory,
            &who,
            Some(&repository),
            &Ceiling::All,
            false,
            now,
        )
        .unwrap()
    }

    fn asked(&self, hours: i64) -> Asked<'_> {
        Asked {
            digest: &self.image.digest,
            policy: "shop",
            gate: "production",
            lasts_milliseconds: hours * HOUR,
            lasts_milliseconds_max: None,
            reason: WHY,
        }
    }

    async fn ask(&self, who: PrincipalId, now: i64) -> store::Result<Record> {
        let permit = self.permit(who, now).await;
        break_glass::ask(self.world.store(), &permit, &self.asked(4), now).await
    }

    async fn confirm(&self, who: PrincipalId, id: i64, now: i64) -> store::Result<Record> {
        let permit = self.permit(who, now).await;
        break_glass::confirm(self.world.store(), &permit, id, now).await
    }

    /// Asked by Anna, confirmed by Omar.
    async fn open(&self, now: i64) -> Record {
        let asked = self.ask(self.anna, now).await.unwrap();
        self.confirm(self.omar, asked.id, now).await.unwrap()
    }

    async fn decide(&self, now: i64) -> Decision {
        self.world.decide(&self.image, "production", now).await
    }

    /// The events about the image from here on that say something of a gate: their kind, and what they say of it.
    async fn told(&self) -> Vec<String> {
        let events = outbox::events(self.world.store(), 0, 1_000).await.unwrap();
        let told = events.into_iter().filter_map(|event| {
            let says = match event.kind.as_str() {
                "break-glass.ended" => event.data["end"].as_str().map(str::to_owned),
                "decision.changed" if event.data["gate"] == "production" => Some(format!(
                    "{} {}",
                    event.data["after"], event.data["breakGlass"]["id"]
                )),
                "break-glass.asked" => Some(event.data["askedBy"]["name"].to_string()),
                "break-glass.confirmed" => Some(event.data["confirmedBy"]["name"].to_string()),
                _ => None,
            };
            Some(format!("{} {}", event.kind, says?).replace('"', ""))
        });
        told.collect()
    }
}

/// Takes the role away from somebody.
async fn dismiss(shop: &Shop, who: PrincipalId) {
    let store = shop.world.store();
    let admin = server_permit(ADMIN);
    for record in accounts::grants(store, &admin, NOW).await.unwrap() {
        if record.grant.to == Grantee::Principal(who) {
            accounts::remove_grant(store, &admin, record.id, NOW)
                .await
                .unwrap();
        }
    }
}

fn why(refused: store::Result<Record>) -> String {
    match refused {
        Err(Error::Refused { why, .. }) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn it_opens_the_gate_when_a_second_person_confirms_it_and_ends_by_itself() {
    let shop = Shop::new().await;
    let closed = shop.decide(NOW + 1).await;
    assert_eq!(closed.outcome, Outcome::Deny);
    let asked = shop.ask(shop.anna, NOW + 2).await.unwrap();
    assert_eq!(asked.state(NOW + 2), State::Asked);
    assert_eq!(
        shop.decide(NOW + 3).await,
        closed,
        "nothing changes, and nothing is decided again"
    );

    let confirmed = shop.confirm(shop.omar, asked.id, NOW + 4).await.unwrap();
    let until = NOW + 4 + 4 * HOUR;
    assert_eq!(
        (confirmed.state(NOW + 4), confirmed.until_at),
        (State::InForce, until)
    );
    let open = shop.decide(NOW + 5).await;
    assert_eq!(
        (open.outcome, open.would_be),
        (Outcome::Allow, Some(Outcome::Deny))
    );
    assert_eq!(open.holds_until, Some(until));
    assert_eq!(shop.decide(until - 1).await, open, "kept until then");
    // Nobody has written down the end: the gate does not wait for that.
    let after = shop.decide(until).await;
    assert_eq!((after.outcome, after.break_glass), (Outcome::Deny, None));
    let store = shop.world.store();
    assert_eq!(
        break_glass::end_due(store, JOB, until - 1).await.unwrap(),
        0
    );
    assert_eq!(break_glass::end_due(store, JOB, until).await.unwrap(), 1);
    assert_eq!(
        break_glass::end_due(store, JOB, until + 1).await.unwrap(),
        0,
        "told once"
    );
    let ended = break_glass::get(store, asked.id).await.unwrap();
    assert_eq!(
        ended.ended.as_ref().map(|it| (it.how, it.at, it.by)),
        Some((How::Over, until, None))
    );
    assert_eq!(
        shop.told().await,
        [
            "decision.changed deny null",
            "break-glass.asked anna",
            "break-glass.confirmed omar",
            &format!("decision.changed allow {}", asked.id),
            "decision.changed deny null",
            "break-glass.ended over",
        ]
    );
    for act in ["break-glass.ask", "break-glass.confirm", "break-glass.end"] {
        assert_eq!(shop.world.acts(act).await, 1, "{act}");
    }
}

#[tokio::test]
async fn what_is_decided_by_itself_turns_at_the_end() {
    let shop = Shop::new().await;
    let confirmed = shop.open(NOW).await;
    let store = shop.world.store();
    let id = repository_id(store, &name("shop/web")).await;
    let refresh = |now| decisions::refresh(store, id, &shop.image.digest, now);
    let decided = refresh(NOW + 1).await.unwrap().unwrap();
    let outcomes: Vec<(&str, Outcome)> = decided
        .iter()
        .map(|it| (it.gate.as_str(), it.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [("check", Outcome::NotReady), ("production", Outcome::Allow)],
        "one gate alone"
    );
    assert!(
        decisions::due(store, confirmed.until_at - 1, 0, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let due = decisions::due(store, confirmed.until_at, 0, 10)
        .await
        .unwrap();
    assert_eq!(
        due.iter().map(|it| &it.digest).collect::<Vec<_>>(),
        [&shop.image.digest]
    );
    let decided = refresh(confirmed.until_at).await.unwrap().unwrap();
    assert!(decided.iter().all(|decision| !decision.outcome.passes()));
}

#[tokio::test]
async fn nobody_opens_a_gate_alone_and_no_machine_does() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let asked = shop.ask(shop.anna, NOW).await.unwrap();
    assert!(why(shop.confirm(shop.anna, asked.id, NOW).await).contains("person anna asked for it"));
    let bot = robot(store, "anna-bot", shop.anna).await;
    grant(store, Grantee::Principal(bot), Role::Security, "**").await;
    assert!(why(shop.confirm(bot, asked.id, NOW).await).contains("robot anna-bot is no person"));
    assert!(why(shop.ask(bot, NOW).await).contains("robot anna-bot is no person"));
    // A permit of before is not enough: the role is looked at in the act's own transaction.
    let maria = permit::<BreakGlass>(shop.world.maria.0, "shop/web");
    let refused = break_glass::confirm(store, &maria, asked.id, NOW).await;
    assert!(why(refused).contains("person maria does not have the role"));
    let refused = break_glass::ask(store, &maria, &shop.asked(1), NOW).await;
    assert!(why(refused).contains("person maria does not have the role"));
    let refused = break_glass::withdraw(store, &maria, asked.id, NOW).await;
    assert!(why(refused).contains("person maria does not have the role"));
    // Nor has whoever asked it any more.
    dismiss(&shop, shop.anna).await;
    assert!(
        why(shop.confirm(shop.omar, asked.id, NOW).await)
            .contains("person anna does not have the role")
    );
    let late = permit::<BreakGlass>(shop.omar.0, "shop/web");
    let ended = break_glass::confirm(store, &late, asked.id, NOW + HOUR).await;
    assert!(why(ended).contains("permit has ended"));
    assert_eq!(shop.decide(NOW + 1).await.outcome, Outcome::Deny);
    assert_eq!(shop.world.acts("break-glass.confirm").await, 0);
}

#[tokio::test]
async fn what_two_people_opened_stays_open_when_one_of_them_loses_the_role() {
    let shop = Shop::new().await;
    let confirmed = shop.open(NOW).await;
    dismiss(&shop, shop.omar).await;
    accounts::set_principal_active(
        shop.world.store(),
        &server_permit(ADMIN),
        shop.anna,
        false,
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(shop.decide(NOW + 1).await.outcome, Outcome::Allow);
    // Anybody else with the role closes it.
    let permit = shop.permit(shop.olga, NOW + 2).await;
    let store = shop.world.store();
    let ended = break_glass::withdraw(store, &permit, confirmed.id, NOW + 2)
        .await
        .unwrap();
    let end = ended.ended.clone().unwrap();
    assert_eq!(
        (end.how, end.at, end.by),
        (How::Withdrawn, NOW + 2, Some(shop.olga))
    );
    assert_eq!(shop.decide(NOW + 2).await.outcome, Outcome::Deny);
    assert_eq!(
        break_glass::withdraw(store, &permit, confirmed.id, NOW + 3)
            .await
            .unwrap(),
        ended
    );
    assert_eq!(
        break_glass::end_due(store, JOB, NOW + 24 * HOUR)
            .await
            .unwrap(),
        0
    );
    assert_eq!(shop.world.acts("break-glass.end").await, 1);
}

#[tokio::test]
async fn what_nobody_confirms_lapses_after_a_day() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let asked = shop.ask(shop.anna, NOW).await.unwrap();
    let lapse = NOW + 24 * HOUR;
    assert_eq!(asked.until_at, lapse);
    let late = shop.confirm(shop.omar, asked.id, lapse).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    assert_eq!(shop.decide(lapse).await.outcome, Outcome::Deny);
    // Asking again does not wait for the job either.
    let again = shop.ask(shop.omar, lapse).await.unwrap();
    let lapsed = break_glass::get(store, asked.id).await.unwrap();
    assert_eq!(
        lapsed.ended.map(|it| (it.how, it.at)),
        Some((How::Lapsed, lapse))
    );
    assert_eq!(
        break_glass::end_due(store, JOB, lapse + 24 * HOUR)
            .await
            .unwrap(),
        1
    );
    let lapsed = break_glass::get(store, again.id).await.unwrap();
    assert_eq!(lapsed.ended.map(|it| it.how), Some(How::Lapsed));
    let at_the_last_moment = shop.ask(shop.anna, lapse).await.unwrap();
    let confirmed = shop
        .confirm(shop.omar, at_the_last_moment.id, lapse + 24 * HOUR - 1)
        .await
        .unwrap();
    assert_eq!(
        confirmed.until_at,
        lapse + 28 * HOUR - 1,
        "its time begins when it is confirmed"
    );
}

#[tokio::test]
async fn of_two_at_once_one_is_first() {
    let shop = Shop::new().await;
    let (a, b) = tokio::join!(shop.ask(shop.anna, NOW), shop.ask(shop.olga, NOW));
    let (mut made, refused): (Vec<_>, Vec<_>) = [a, b].into_iter().partition(Result::is_ok);
    assert!(
        matches!(refused.as_slice(), [Err(Error::Conflict { .. })]),
        "{refused:?}"
    );
    let asked = made.pop().unwrap().unwrap();
    let other = if asked.asked_by == shop.anna {
        shop.olga
    } else {
        shop.anna
    };
    let (a, b) = tokio::join!(
        shop.confirm(shop.omar, asked.id, NOW),
        shop.confirm(other, asked.id, NOW)
    );
    assert_eq!(
        [&a, &b].iter().filter(|outcome| outcome.is_ok()).count(),
        1,
        "{a:?} {b:?}"
    );
    assert_eq!(shop.world.acts("break-glass.confirm").await, 1);
    // While it is in force another can be asked for, so that it need not end in the middle.
    let longer = shop.ask(shop.omar, NOW + HOUR / 2).await.unwrap();
    let longer = shop
        .confirm(shop.anna, longer.id, NOW + HOUR / 2)
        .await
        .unwrap();
    assert_eq!(
        shop.decide(NOW + HOUR).await.holds_until,
        Some(longer.until_at)
    );
    let open = break_glass::open(shop.world.store(), None, 10, NOW + HOUR)
        .await
        .unwrap();
    assert_eq!(
        open.iter().map(|it| it.id).collect::<Vec<_>>(),
        [longer.id, asked.id]
    );
    let store = shop.world.store();
    assert_eq!(
        break_glass::open(store, Some(longer.id), 10, NOW + HOUR)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(break_glass::list(store, None, 1).await.unwrap(), [longer]);
}

#[tokio::test]
async fn every_row_is_accounted_for_and_a_planted_one_is_named() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let over = shop.open(NOW).await;
    break_glass::end_due(store, JOB, over.until_at)
        .await
        .unwrap();
    let asked = shop.ask(shop.anna, NOW).await.unwrap();
    let permit = shop.permit(shop.omar, NOW).await;
    break_glass::withdraw(store, &permit, asked.id, NOW)
        .await
        .unwrap();
    let in_force = shop.open(NOW).await;
    let waiting = shop.ask(shop.olga, NOW).await.unwrap();
    audit::seal(store, NOW).await.unwrap();
    let fixture = &shop.world.fixture;
    let report = audit::verify(&fixture.options, None).await.unwrap();
    assert!(report.is_intact(), "{report:#?}");
    for (id, edit) in [
        (in_force.id, "until_at = until_at + 1"),
        (in_force.id, "gate = 'check'"),
        (in_force.id, "confirmed_by = 1"),
        (waiting.id, "confirmed_by = 1, confirmed_at = 0"),
        (over.id, "ended_at = NULL"),
        (over.id, "reason = 'nothing'"),
    ] {
        fixture
            .edit("CREATE TABLE kept AS SELECT * FROM break_glass")
            .await;
        let text = format!("UPDATE break_glass SET {edit} WHERE id = {id}");
        assert_eq!(fixture.edit(&text).await, 1, "{edit}");
        let report = audit::verify(&fixture.options, None).await.unwrap();
        let expected = format!("break-glass {id} was changed");
        assert!(
            report.problems.iter().any(|it| it.what.contains(&expected)),
            "{edit}: {report:#?}"
        );
        fixture.edit("DELETE FROM break_glass").await;
        fixture
            .edit("INSERT INTO break_glass SELECT * FROM kept")
            .await;
        fixture.edit("DROP TABLE kept").await;
    }
    fixture
        .edit(&format!("DELETE FROM break_glass WHERE id = {}", over.id))
        .await;
    fixture
        .edit(&format!(
            "INSERT INTO break_glass (repository_id, digest, policy, gate, lasts_milliseconds, reason, asked_by, asked_at, until_at) \
             SELECT repository_id, digest, policy, 'check', 1, 'planted', 1, 0, 1 FROM break_glass WHERE id = {}",
            in_force.id
        ))
        .await;
    let report = audit::verify(&fixture.options, None).await.unwrap();
    for expected in [
        &format!("break-glass {} is missing", over.id),
        "has no account",
    ] {
        assert!(
            report.problems.iter().any(|it| it.what.contains(expected)),
            "{expected}: {report:#?}"
        );
    }
}
