//! The account: sealed rows verify, and each way of changing them or the state by hand is named. Every test here edits the
//! database or the files as somebody with full access would.

mod checkpoints;
mod rows;
mod state;
mod tiles;
mod unjudged;

use std::path::PathBuf;

use policy::verb::{ManageAccounts, ManagePolicy, ManageTeams};
use policy::{Grantee, Kind, Pattern, Role};
use store::accounts::{self, NewGrant, NewPrincipal, TeamPermits};
use store::audit::{self, Problem, ProblemKind, Report};
use store::{Error, policies};

use crate::fixture::{Fixture, Image, NOW, server_permit};

const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{person: maria}]}
gates:
  production: {holds-for: everyone, require: [ci]}
";

/// A store in which something was done, sealed in two checkpoints.
async fn sealed() -> Fixture {
    let fixture = Fixture::new().await;
    let (accounts, teams, policy) = (
        server_permit::<ManageAccounts>(1),
        server_permit::<ManageTeams>(1),
        server_permit::<ManagePolicy>(1),
    );
    let store = &fixture.store;
    let mut people = Vec::new();
    for name in ["maria", "omar"] {
        let new = NewPrincipal {
            kind: Kind::Person,
            name: name.to_owned(),
            owner: None,
            password_hash: None,
        };
        people.push(
            accounts::create_principal(store, &accounts, &new, NOW)
                .await
                .unwrap(),
        );
    }
    audit::seal(store, NOW).await.unwrap();
    accounts::create_team(store, &accounts, "qa", NOW)
        .await
        .unwrap();
    let permits = TeamPermits {
        accounts: Some(&accounts),
        teams: Some(&teams),
    };
    accounts::add_member(store, &permits, "qa", people[0], NOW)
        .await
        .unwrap();
    let to = Grantee::Team("qa".to_owned());
    let grant = NewGrant {
        to,
        role: Role::Reader,
        pattern: Pattern::everything(),
    };
    accounts::add_grant(store, &accounts, &grant, NOW)
        .await
        .unwrap();
    policies::apply(store, &policy, "shop", POLICY, NOW)
        .await
        .unwrap();
    fixture.push("shop/web", &["1"], &Image::new("a")).await;
    audit::seal(store, NOW).await.unwrap();
    fixture
}

pub(crate) async fn verify(fixture: &Fixture) -> Report {
    audit::verify(&fixture.options, None).await.unwrap()
}

fn checkpoints(fixture: &Fixture) -> PathBuf {
    fixture.path("checkpoints").join("audit")
}

/// The one problem of a kind.
fn only(report: &Report, kind: ProblemKind) -> &Problem {
    let found: Vec<_> = report
        .problems
        .iter()
        .filter(|problem| problem.kind == kind)
        .collect();
    assert_eq!(found.len(), 1, "{report:#?}");
    found[0]
}

#[tokio::test]
async fn what_nobody_touched_is_intact() {
    let fixture = sealed().await;
    let report = verify(&fixture).await;
    assert!(report.is_intact(), "{report:#?}");
    assert_eq!((report.checkpoints, report.unsealed), (2, 0));
    assert_eq!(
        report.sealed,
        u64::try_from(fixture.number("SELECT COUNT(*) FROM audit").await).unwrap()
    );
    let rows = audit::rows(&fixture.store, 0, 100).await.unwrap();
    assert!(
        rows.iter()
            .any(|row| row.act == "policy.apply" && row.actor == "principal:1")
    );

    // Nothing new, nothing signed; something new, one more checkpoint; a restart goes on where it was.
    assert_eq!(audit::seal(&fixture.store, NOW).await.unwrap().rows, 0);
    fixture.push("shop/web", &["2"], &Image::new("b")).await;
    assert_eq!(verify(&fixture).await.unsealed, 1);
    let fixture = fixture.restart().await;
    assert_eq!(audit::seal(&fixture.store, NOW).await.unwrap().rows, 1);
    let report = verify(&fixture).await;
    assert!(report.is_intact(), "{report:#?}");
    assert_eq!((report.checkpoints, report.unsealed), (3, 0));
}

#[tokio::test]
async fn rows_of_a_repository_are_of_no_other() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    for repository in ["shop/w_b", "shop/web", "shop/w_b/x"] {
        fixture.push(repository, &["1"], &image).await;
    }
    let of = async |after: i64, limit: u32| {
        let repository = "shop/w_b".parse().unwrap();
        audit::rows_of(&fixture.store, &repository, after, limit)
            .await
            .unwrap()
    };
    let rows = of(0, 100).await;
    assert!(rows.iter().any(|row| row.act == "manifest.push"));
    assert!(rows.iter().all(|row| row.object.starts_with("shop/w_b@")));
    assert_eq!(of(0, 1).await, rows[..1]);
    assert_eq!(of(rows[0].id, 100).await, rows[1..]);
}

#[tokio::test]
async fn a_folder_without_a_database_is_an_error_and_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let options = store::Options::embedded(folder.path());
    assert!(matches!(
        audit::verify(&options, None).await,
        Err(Error::NotFound { .. })
    ));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "verifying makes nothing"
    );
}

#[tokio::test]
async fn thousands_of_rows_are_sealed_in_one_go() {
    let fixture = sealed().await;
    for _ in 0..5 {
        let values = vec!["(1, 'principal:1', 'demo', 'x', '{}')"; 500].join(", ");
        fixture
            .edit(&format!(
                "INSERT INTO audit (happened_at, actor, act, object, detail) VALUES {values}"
            ))
            .await;
    }
    assert_eq!(audit::seal(&fixture.store, NOW).await.unwrap().rows, 2_500);
    let fixture = fixture.restart().await;
    assert_eq!(audit::seal(&fixture.store, NOW).await.unwrap().rows, 0);
    let report = verify(&fixture).await;
    assert!(report.is_intact(), "{report:#?}");
}
