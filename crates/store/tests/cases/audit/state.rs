//! The state that the log accounts for, changed by hand: policies, grants, teams, accounts, keys, signatures.

use policy::verb::{Delete, DeleteEvidence, ManageAccounts};
use policy::{Grantee, PrincipalId, Role, Verdict};
use store::accounts::{self, NewGrant};
use store::audit::{self, ProblemKind};
use store::catalogue::{self, Deleter};
use store::evidence::NewEvidence;
use store::signing_keys;
use trust::{Algorithm, Bundle, KeyId, PrivateKey, Signer, StageStatement};

use super::super::succession::rotate;
use super::super::world::{ADMIN, SHOP, World, register};
use super::{only, sealed, verify};
use crate::fixture::{Image, NOW, name, permit, server_permit};

#[tokio::test]
async fn a_state_changed_by_sql_is_named() {
    for (edit, expect) in [
        (
            "UPDATE policies SET document = REPLACE(document, 'everyone', 'nobody_')",
            "policy `shop`",
        ),
        (
            "UPDATE policies SET current = 0",
            "policy `shop` is missing",
        ),
        ("UPDATE policies SET digest = 'x'", "policy `shop`"),
        ("DELETE FROM policies", "policy `shop` is missing"),
        ("UPDATE grants SET role = 'admin'", "was changed"),
        ("UPDATE grants SET pattern = 'shop/**'", "was changed"),
        ("DELETE FROM grants", "is missing"),
        (
            "INSERT INTO grants (grantee_kind, principal_id, role, pattern, created_at) VALUES ('principal', 2, 'writer', '**', 0)",
            "has no account",
        ),
        (
            "INSERT INTO team_members (team_id, principal_id, added_at) SELECT t.id, p.id, 0 FROM teams t, principals p WHERE p.name = 'omar'",
            "in team `qa` has no account",
        ),
        ("DELETE FROM team_members", "in team `qa` is missing"),
        (
            "UPDATE principals SET active = 0 WHERE name = 'omar'",
            "was changed",
        ),
        (
            "UPDATE principals SET owner_id = 1 WHERE name = 'omar'",
            "was changed",
        ),
        ("UPDATE first_pushes SET principal_id = 2", "first push of"),
    ] {
        let fixture = sealed().await;
        assert!(fixture.edit(edit).await > 0, "{edit}");
        let report = verify(&fixture).await;
        let named = report
            .problems
            .iter()
            .any(|p| p.kind == ProblemKind::StateChanged && p.what.contains(expect));
        assert!(named, "{edit}: {report:#?}");
    }
}

#[tokio::test]
async fn a_signing_key_changed_by_sql_is_named() {
    let fixture = sealed().await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let public = key.public_key();
    let text = format!(
        "INSERT INTO signing_keys (key_id, principal_id, name, public_pem, scope, registered_at) \
         VALUES ('{}', {}, 'planted', '{}', '[\"**\"]', 0)",
        public.id(),
        PrincipalId(1),
        public.to_pem()
    );
    fixture.edit(&text).await;
    let report = verify(&fixture).await;
    assert!(
        only(&report, ProblemKind::StateChanged)
            .what
            .contains(&format!("signing key `{}`", public.id()))
    );
}

fn key_id(key: &PrivateKey) -> &KeyId {
    key.public_key().id()
}

#[tokio::test]
async fn a_long_life_of_changes_is_accounted_for() {
    let world = World::new().await;
    let store = world.store();
    let accounts = server_permit::<ManageAccounts>(ADMIN);
    world.apply(SHOP).await;
    world
        .apply(&SHOP.replace("threshold: 2", "threshold: 1"))
        .await;
    let (kept, revoked) = (world.key(world.maria).await, world.key(world.jonas).await);
    signing_keys::revoke(store, &server_permit(ADMIN), &revoked, None, NOW + 5)
        .await
        .unwrap();
    let (old, next) = (
        PrivateKey::generate(Algorithm::Ed25519).unwrap(),
        PrivateKey::generate(Algorithm::Ed25519).unwrap(),
    );
    register(store, world.maria, &old, &["shop/**"], NOW)
        .await
        .unwrap();
    rotate(&world, world.maria, &old, &next, NOW + 6)
        .await
        .unwrap();
    world.leave("qa", world.jonas, NOW).await;
    world.join("qa", world.jonas).await;
    let to = Grantee::Principal(world.maria);
    let grant = NewGrant {
        to,
        role: Role::Writer,
        pattern: "shop/**".parse().unwrap(),
    };
    let id = accounts::add_grant(store, &accounts, &grant, NOW)
        .await
        .unwrap();
    accounts::add_grant(
        store,
        &accounts,
        &NewGrant {
            to: Grantee::Anonymous,
            ..grant
        },
        NOW,
    )
    .await
    .unwrap();
    accounts::remove_grant(store, &accounts, id, NOW)
        .await
        .unwrap();
    accounts::create_team(store, &accounts, "cooks", NOW)
        .await
        .unwrap();
    world.join("cooks", world.maria).await;
    let cooks = NewGrant {
        to: Grantee::Team("cooks".to_owned()),
        role: Role::Writer,
        pattern: "shop/**".parse().unwrap(),
    };
    accounts::add_grant(store, &accounts, &cooks, NOW)
        .await
        .unwrap();
    accounts::delete_team(store, &accounts, "cooks", NOW)
        .await
        .unwrap();
    for active in [false, true, false] {
        accounts::set_principal_active(store, &accounts, world.jonas, active, NOW)
            .await
            .unwrap();
    }
    let image = Image::new("a");
    world.fixture.push("shop/web", &["1"], &image).await;
    let carrier = real_signature(
        &world,
        &image,
        "ci",
        &PrivateKey::generate(Algorithm::EcdsaP256).unwrap(),
    )
    .await;
    let delete = permit::<DeleteEvidence>(ADMIN, "shop/web");
    catalogue::delete_manifest(store, &Deleter::Evidence(&delete), &carrier.digest, NOW)
        .await
        .unwrap();
    let delete = permit::<Delete>(ADMIN, "shop/web");
    catalogue::delete_manifest(store, &Deleter::Image(&delete), &image.digest, NOW)
        .await
        .unwrap();
    world.fixture.push("shop/copy", &["1"], &image).await;
    world.apply(SHOP).await;
    audit::seal(store, NOW).await.unwrap();
    let report = verify(&world.fixture).await;
    assert!(report.is_intact(), "{report:#?}");
    for edit in [
        format!("UPDATE signing_keys SET revoked_at = NULL WHERE key_id = '{revoked}'"),
        // Trusted again from the beginning of time to a moment.
        format!(
            "UPDATE signing_keys SET revoked_from = 99, revoked_at = revoked_at WHERE key_id = '{revoked}'"
        ),
        format!(
            "UPDATE signing_keys SET succeeds = NULL WHERE key_id = '{}'",
            key_id(&next)
        ),
        format!("UPDATE signing_keys SET scope = '[\"**\"]' WHERE key_id = '{kept}'"),
        format!(
            "UPDATE signing_keys SET principal_id = {} WHERE key_id = '{kept}'",
            world.jonas
        ),
        format!(
            "UPDATE signing_keys SET public_pem = (SELECT public_pem FROM signing_keys WHERE key_id = '{revoked}') WHERE key_id = '{kept}'"
        ),
    ] {
        let key = match edit.as_str() {
            edit if edit.contains("revoked_at") => &revoked,
            edit if edit.contains("succeeds") => key_id(&next),
            _ => &kept,
        };
        world
            .fixture
            .edit("CREATE TABLE kept_keys AS SELECT * FROM signing_keys")
            .await;
        assert_eq!(world.fixture.edit(&edit).await, 1, "{edit}");
        let report = verify(&world.fixture).await;
        let named = report
            .problems
            .iter()
            .any(|p| p.what.contains(&format!("signing key `{key}` was changed")));
        assert!(named, "{edit}: {report:#?}");
        world.fixture.edit("DELETE FROM signing_keys").await;
        world
            .fixture
            .edit("INSERT INTO signing_keys SELECT * FROM kept_keys")
            .await;
        world.fixture.edit("DROP TABLE kept_keys").await;
        assert!(verify(&world.fixture).await.is_intact());
    }
}

/// Pushes a stage signature made with a key that is registered for maria.
async fn real_signature(world: &World, subject: &Image, stage: &str, key: &PrivateKey) -> Image {
    register(world.store(), world.maria, key, &["shop/**"], NOW)
        .await
        .unwrap();
    let said = StageStatement {
        stage: stage.to_owned(),
        repository: name("shop/web"),
        tag: None,
        nonce: None,
    };
    let bundle = Bundle::sign(&trust::stage::build(&subject.digest, &said).unwrap(), key)
        .unwrap()
        .to_json()
        .unwrap();
    let evidence = NewEvidence {
        attached_to: subject.digest.clone(),
        format: "stage".to_owned(),
        subject: Some(subject.digest.clone()),
        stage: Some(stage.to_owned()),
        predicate_type: None,
        named_repository: Some("shop/web".to_owned()),
        key: Some(key.public_key().id().clone()),
        key_hint: None,
        verdict: Verdict::Verified,
        raw: bundle.into_bytes(),
        signature: None,
        trusted_at: None,
        ends_at: None,
    };
    world.attach(subject, "shop/web", evidence, NOW).await
}

#[tokio::test]
async fn a_signature_made_up_in_the_database_is_named() {
    let world = World::new().await;
    let image = Image::new("a");
    world.fixture.push("shop/web", &["1"], &image).await;
    let (key, other) = (
        PrivateKey::generate(Algorithm::EcdsaP256).unwrap(),
        world.key(world.jonas).await,
    );
    real_signature(&world, &image, "ci", &key).await;
    audit::seal(world.store(), NOW).await.unwrap();
    let report = verify(&world.fixture).await;
    assert!(report.is_intact(), "{report:#?}");
    let own = key.public_key().id();
    for (edit, undo) in [
        ("stage = 'staging'".to_owned(), "stage = 'ci'".to_owned()),
        (
            "subject = 'sha256:0'".to_owned(),
            format!("subject = '{}'", image.digest),
        ),
        (
            "named_repository = 'shop/api'".to_owned(),
            "named_repository = 'shop/web'".to_owned(),
        ),
        (format!("key_id = '{other}'"), format!("key_id = '{own}'")),
        ("key_id = NULL".to_owned(), format!("key_id = '{own}'")),
        // Other bytes, in a way that either database understands.
        (
            "raw = (SELECT sealed FROM server_keys LIMIT 1)".to_owned(),
            String::new(),
        ),
    ] {
        assert_eq!(
            world
                .fixture
                .edit(&format!("UPDATE evidence SET {edit}"))
                .await,
            1,
            "{edit}"
        );
        let problem = only(&verify(&world.fixture).await, ProblemKind::StateChanged)
            .what
            .clone();
        assert!(
            problem.starts_with("evidence ") && problem.contains(image.digest.as_str()),
            "{edit}: {problem}"
        );
        if !undo.is_empty() {
            world
                .fixture
                .edit(&format!("UPDATE evidence SET {undo}"))
                .await;
        }
    }
}
