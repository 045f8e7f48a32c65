//! A server put together from its arguments, and what it does by itself while it runs.

use super::*;
use crate::anchors::testing::Authority;
use clap::Parser;
use std::fs;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: Serve,
}

async fn metrics(service: &Service) -> String {
    let address = service.metrics_address().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_running_server_takes_what_a_file_holds_later_and_shows_what_it_refuses() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (shop, path) = (Authority::new("shop"), folder.path().join("shop.crl"));
    let write = |bytes: &[u8]| {
        let new = path.with_extension("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, &path).unwrap();
    };
    write(&shop.list(10, false));
    let (data, shown) = (folder.path().join("data"), path.display().to_string());
    let line = Line::parse_from([
        "serve",
        "--listen=127.0.0.1:0",
        "--metrics-listen=127.0.0.1:0",
        &format!("--data={}", data.display()),
        &format!("--notation-crl={shown}"),
    ]);
    let file = ConfigurationFile::default();
    let (mut options, _) = line.serve.options(&file).unwrap();
    let files = options.anchors.take();
    options.anchors = files.map(|files| files.every(Duration::from_millis(10)));
    let service = Service::start(options).await.unwrap();
    let gauge = |value| format!("countersign_anchor_file_refused{{file=\"{shown}\"}} {value}\n");
    let seen = async |is_revoked: bool, refused: u8| {
        let gauge = gauge(refused);
        while shop.has_revoked(&service.store().anchors()) != is_revoked
            || !metrics(&service).await.contains(&gauge)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let story = async {
        seen(false, 0).await;
        write(&shop.list(11, true));
        seen(true, 0).await;
        write(b"<html>");
        seen(true, 1).await;
        write(&shop.list(10, false));
        seen(true, 1).await;
        write(&shop.list(12, false));
        seen(false, 0).await;
    };
    let told = tokio::time::timeout(Duration::from_secs(60), story).await;
    told.unwrap();
    service.stop().await.unwrap();
}
