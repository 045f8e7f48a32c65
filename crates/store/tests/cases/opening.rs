//! Opening: what is made, who is kept out, what outlives a restart.

use policy::verb::ManageWebhooks;
use std::os::unix::fs::PermissionsExt;
use store::keys::{self, Purpose};
use store::{Error, Options, Store, outbox};
use trust::Signer;

use crate::fixture::{Fixture, NOW, server_permit};

#[tokio::test]
async fn a_new_store_is_private_and_opens_again() {
    let fixture = Fixture::new().await;
    for (name, mode) in [
        ("", 0o700),
        ("uploads", 0o700),
        ("blobs", 0o700),
        ("master.key", 0o600),
    ] {
        let metadata = std::fs::metadata(fixture.path(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
    store::condition::database(&fixture.store).await.unwrap();
    let notes = "SELECT CAST(COUNT(*) AS BIGINT) FROM schema_migrations";
    let made = fixture.number(notes).await;
    assert!(made > 0);
    let fixture = fixture.restart().await;
    store::condition::database(&fixture.store).await.unwrap();
    assert_eq!(fixture.number(notes).await, made, "each runs once");
}

#[tokio::test]
async fn two_servers_do_not_share_an_embedded_database() {
    let fixture = Fixture::new().await;
    let second = Store::open(&fixture.options).await;
    match fixture.options.database {
        None => assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}"),
        Some(_) => {
            second.unwrap();
            let embedded = Store::open(&Options::embedded(&fixture.options.data)).await;
            assert!(
                matches!(embedded, Err(Error::Locked { .. })),
                "processes on a server keep an embedded one out"
            );
        }
    }
    // When the first one is gone, the way is free.
    fixture.restart().await;
}

#[tokio::test]
async fn of_two_blobs_that_an_older_version_gave_one_piece_the_first_keeps_it() {
    let fixture = Fixture::new().await;
    let piece = "uploads/0123456789abcdef0123456789abcdef/00000000000000000000.01234567";
    fixture.edit("DROP INDEX blobs_by_piece").await;
    for (digest, location) in [
        (format!("sha256:{}", "a".repeat(64)), piece),
        (format!("sha512:{}", "b".repeat(128)), piece),
        (format!("sha256:{}", "c".repeat(64)), "elsewhere"),
        (format!("sha512:{}", "d".repeat(128)), "elsewhere"),
    ] {
        let text = format!(
            "INSERT INTO blobs (digest, size, stored_at, location) VALUES ('{digest}', 5, 0, '{location}')"
        );
        fixture.edit(&text).await;
    }
    // As it was before them: those that are missing are those behind the last one.
    for text in [
        "ALTER TABLE collections DROP COLUMN failed",
        "DELETE FROM schema_migrations WHERE version >= 7",
    ] {
        fixture.edit(text).await;
    }
    fixture.take_back_since_trust().await;
    let fixture = fixture.restart().await;
    for (condition, count) in [
        (
            format!("digest LIKE 'sha256:a%' AND location = '{piece}'"),
            1,
        ),
        ("digest LIKE 'sha512:b%' AND location IS NULL".to_owned(), 1),
        ("location = 'elsewhere'".to_owned(), 2),
    ] {
        let text = format!("SELECT CAST(COUNT(*) AS BIGINT) FROM blobs WHERE {condition}");
        assert_eq!(fixture.number(&text).await, count, "{condition}");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let fixture = Fixture::new().await;
    fixture
        .edit("INSERT INTO schema_migrations (version) VALUES (9999)")
        .await;
    fixture.store.close().await;
    let Fixture {
        store,
        options,
        folder: _folder,
        database: _database,
    } = fixture;
    drop(store);
    assert!(matches!(
        Store::open(&options).await,
        Err(Error::Corrupt { .. })
    ));
}

#[tokio::test]
async fn a_database_that_is_neither_is_refused_without_repeating_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        database: Some("mysql://root:secret@host/db".to_owned()),
        ..Options::embedded(folder.path())
    };
    let error = Store::open(&options).await.unwrap_err().to_string();
    assert!(
        error.contains("mysql") && !error.contains("secret"),
        "{error}"
    );
}

#[tokio::test]
async fn server_keys_are_made_once_and_outlive_a_restart() {
    let fixture = Fixture::new().await;
    let (a, b) = tokio::join!(
        keys::signer(&fixture.store, Purpose::Scan, NOW),
        keys::signer(&fixture.store, Purpose::Scan, NOW)
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.public_key().id(), b.public_key().id());
    let token = keys::signer(&fixture.store, Purpose::Token, NOW)
        .await
        .unwrap();
    assert_ne!(
        token.public_key().id(),
        a.public_key().id(),
        "one key, one purpose"
    );

    let fixture = fixture.restart().await;
    let again = keys::signer(&fixture.store, Purpose::Scan, NOW)
        .await
        .unwrap();
    assert_eq!(again.public_key().id(), a.public_key().id());
    let public = keys::public_keys(&fixture.store, Purpose::Scan)
        .await
        .unwrap();
    assert_eq!(public, [a.public_key().clone()]);
    public[0]
        .verify(b"message", &again.sign(b"message").unwrap())
        .unwrap();
}

#[tokio::test]
async fn a_sealed_key_moved_to_another_purpose_does_not_open() {
    let fixture = Fixture::new().await;
    keys::signer(&fixture.store, Purpose::Token, NOW)
        .await
        .unwrap();
    fixture
        .edit("UPDATE server_keys SET purpose = 'receipt'")
        .await;
    assert!(matches!(
        keys::signer(&fixture.store, Purpose::Receipt, NOW).await,
        Err(Error::Crypto { .. })
    ));
}

#[tokio::test]
async fn without_its_master_key_a_store_with_secrets_does_not_open() {
    let fixture = Fixture::new().await;
    let permit = server_permit::<ManageWebhooks>(1);
    outbox::create_webhook(
        &fixture.store,
        &permit,
        "hook",
        "https://example.org/",
        &vec![1; 32].into(),
        NOW,
    )
    .await
    .unwrap();
    fixture.store.close().await;
    let Fixture {
        store,
        options,
        folder: _folder,
        database: _database,
    } = fixture;
    drop(store);
    std::fs::remove_file(options.data.join("master.key")).unwrap();
    assert!(matches!(
        Store::open(&options).await,
        Err(Error::Crypto { .. })
    ));
    assert!(
        !options.data.join("master.key").exists(),
        "no new key hides the loss"
    );
}
