//! What an operator does with the program: deleting much, collecting garbage, checking, backing up and restoring; beside a
//! server that runs, and without one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic that it fails"
)]

#[path = "world/program.rs"]
mod world;

use client::distribution::Content;
use client::{Client, Error};
use oci::{Reference, RepositoryName, media};
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::runtime::Runtime;
use world::{Image, Server, json, program};

fn repository() -> RepositoryName {
    "shop/web".parse().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

async fn push(client: &Client, image: &Image, tags: &[&str]) {
    for (digest, bytes) in &image.blobs {
        let content = Content::from(bytes.clone());
        client
            .put_blob(&repository(), digest, content)
            .await
            .unwrap();
    }
    for tag in tags {
        let reference = Reference::Tag(tag.parse().unwrap());
        client
            .put_manifest(
                &repository(),
                &reference,
                media::OCI_MANIFEST,
                image.content.clone(),
            )
            .await
            .unwrap();
    }
}

async fn layer(client: &Client, image: &Image) -> Result<bytes::Bytes, Error> {
    let (digest, _) = &image.blobs[1];
    client
        .blob(&repository(), digest)
        .await?
        .bytes(4 << 20)
        .await
}

/// The file of the layer of an image.
fn file_of(data: &Path, image: &Image) -> PathBuf {
    let hex = image.blobs[1].0.hex();
    let shard = data.join("blobs/sha256").join(&hex[..2]);
    let mut found = std::fs::read_dir(shard)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    found
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(hex))
        .unwrap()
}

fn server_with_token(flags: &[&str]) -> (Server, Client, Runtime, String) {
    let server = Server::start(flags);
    let runtime = Runtime::new().unwrap();
    let token = server.token(&runtime);
    let client = server.client_with(&token);
    (server, client, runtime, token)
}

#[test]
fn tags_and_repositories_are_deleted_and_their_blobs_collected() {
    let (mut server, client, runtime, token) = server_with_token(&["--gc-grace", "0s"]);
    let ask = |arguments: &[&str]| {
        let url = server.url();
        let flags = ["--server", &url, "--token", &token];
        server.ask(&[&flags[..], arguments].concat())
    };
    let (kept, gone) = (Image::new("kept", &[1]), Image::new("gone", &[2]));
    runtime.block_on(async {
        push(&client, &kept, &["1.0", "pr-1", "pr-2", "qa"]).await;
        push(&client, &gone, &["pr-3"]).await;
    });
    let shown = ask(&[
        "tag",
        "delete",
        "shop/web",
        "pr-*",
        "--dry-run",
        "-o",
        "json",
    ]);
    assert_eq!(
        json(&shown)["tags"],
        serde_json::json!(["pr-1", "pr-2", "pr-3"])
    );
    let shown = ask(&["tag", "delete", "shop/web", "pr-*", "qa", "-o", "json"]);
    assert_eq!(
        json(&shown)["tags"].as_array().unwrap().len(),
        4,
        "{}",
        said(&shown)
    );
    let tags = runtime.block_on(client.tags(&repository())).unwrap();
    assert_eq!(tags, ["1.0".parse().unwrap()]);
    let reference = Reference::Digest(gone.digest.clone());
    runtime
        .block_on(client.delete_manifest(&repository(), &reference))
        .unwrap();
    let would = json(&ask(&["gc", "--dry-run", "-o", "json"]));
    assert_eq!(
        (&would["links"], &would["blobs"]),
        (&2.into(), &2.into()),
        "{would}"
    );
    let done = json(&ask(&["gc", "-o", "json"]));
    assert_eq!(
        (
            &done["links"],
            &done["blobs"],
            &done["files"],
            &done["bytes"]
        ),
        (&2.into(), &2.into(), &2.into(), &would["bytes"]),
        "{done}"
    );
    assert_eq!(done["askedBy"], "person admin");
    assert!(runtime.block_on(layer(&client, &kept)).is_ok());
    assert!(
        runtime
            .block_on(layer(&client, &gone))
            .unwrap_err()
            .is_not_found()
    );
    let refused = ask(&["repository", "delete", "shop/web"]);
    assert_eq!(refused.status.code(), Some(2), "not without --yes");
    let deleted = ask(&["repository", "delete", "shop/web", "--yes"]);
    assert!(
        said(&deleted).contains("Deleted 1 manifests and 1 tags"),
        "{}",
        said(&deleted)
    );

    let here = program(&["gc", "-o", "json"], server.data());
    assert_eq!(here.status.code(), Some(1), "a server uses the folder");
    assert!(
        said(&here).contains("leave `--data` out"),
        "{}",
        said(&here)
    );
    server.stop();
    let done = json(&program(
        &["gc", "--gc-grace", "0s", "-o", "json"],
        server.data(),
    ));
    assert_eq!(
        (&done["links"], &done["blobs"]),
        (&2.into(), &2.into()),
        "{done}"
    );
}

#[test]
fn a_rotten_blob_is_named_not_served_and_healed_by_a_push() {
    let (server, client, runtime, _) = server_with_token(&[]);
    let image = Image::new("a", &[1]);
    runtime.block_on(push(&client, &image, &["1"]));
    let whole = program(&["check"], server.data());
    assert!(whole.status.success(), "{}", said(&whole));
    let path = file_of(server.data(), &image);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let found = program(&["check"], server.data());
    assert_eq!(found.status.code(), Some(3), "{}", said(&found));
    let digest = image.blobs[1].0.to_string();
    assert!(
        said(&found).contains(&digest) && said(&found).contains("shop/web:1"),
        "{}",
        said(&found)
    );
    let refused = runtime.block_on(layer(&client, &image)).unwrap_err();
    let refused = refused.refused().unwrap().clone();
    assert_eq!(refused.status, 500);
    assert!(refused.message.contains("push it again"), "{refused}");
    // Whoever pushes is told to send it.
    let head = runtime.block_on(client.head_blob(&repository(), &image.blobs[1].0));
    assert_eq!(head.unwrap(), None);
    runtime.block_on(push(&client, &image, &["1"]));
    assert_eq!(
        runtime.block_on(layer(&client, &image)).unwrap(),
        image.blobs[1].1
    );
    assert!(program(&["check"], server.data()).status.success());
}

#[test]
fn a_backup_of_a_running_server_is_restored_elsewhere() {
    let (server, client, runtime, _) = server_with_token(&[]);
    let image = Image::new("a", &[1, 2]);
    runtime.block_on(push(&client, &image, &["1"]));
    let folder = tempfile::tempdir().unwrap();
    let (backups, data) = (folder.path().join("backups"), folder.path().join("data"));
    let taken = program(&["backup", backups.to_str().unwrap()], server.data());
    assert!(taken.status.success(), "{}", said(&taken));
    assert!(
        said(&taken).contains("keys are not in it"),
        "{}",
        said(&taken)
    );
    let from = backups.to_str().unwrap();
    let occupied = program(&["restore", from], server.data());
    assert_eq!(occupied.status.code(), Some(1), "{}", said(&occupied));
    let restored = program(&["restore", from], &data);
    assert!(restored.status.success(), "{}", said(&restored));
    assert!(
        said(&restored).contains("next: put `master.key` into"),
        "{}",
        said(&restored)
    );
    assert!(!data.join("master.key").exists());
    for command in [&["check"][..], &["audit", "verify"]] {
        let checked = program(command, &data);
        assert!(checked.status.success(), "{command:?}: {}", said(&checked));
    }
    std::fs::copy(server.data().join("master.key"), data.join("master.key")).unwrap();
    let second = Server::on(&data, &[]);
    let client = second.client();
    assert_eq!(
        runtime.block_on(layer(&client, &image)).unwrap(),
        image.blobs[1].1
    );
}
