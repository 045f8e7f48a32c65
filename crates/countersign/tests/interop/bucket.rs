//! Blobs in a bucket, as clients see it: whoever may pull has them from the server, or is sent to the bucket where the operator wants
//! that; whoever may not is not told where they are. What the server makes of a service that fails is tested in `store`.

use crate::harness::{Answer, Bucket, block_on, client_of, curl, name};
use crate::matrix::ground::Ground;
use crate::matrix::sample::Sample;
use crate::matrix::{self, Daemons};
use bytes::Bytes;
use oci::Digest;

const REDIRECT: &str = "--blob-redirect";
/// A part of a layer, as curl asks for it, and where it is.
const RANGE: [&str; 2] = ["--range", "1000-1999"];
const PART: std::ops::Range<usize> = 1000..2000;
const BLOB_BYTES_MAX: u64 = 1 << 20;

#[test]
fn every_client_pushes_to_a_bucket_and_pulls_from_it() {
    let bucket = Bucket::new();
    let mut ground = Ground::of(bucket.shop(&[]));
    let daemons = Daemons::start(&ground);
    every_client(&ground, &daemons, &bucket, "through", 0);
    ground.shop.server.restart_with(REDIRECT);
    // The configuration and the layer.
    every_client(&ground, &daemons, &bucket, "sent", 2);
}

/// Each pushes an image of its own, and pulls one that it has never seen, with so many links.
fn every_client(ground: &Ground, daemons: &Daemons, bucket: &Bucket, label: &str, links: usize) {
    let sample = |name: &str| {
        let name = format!("{label}-{name}");
        Sample::new(ground.shop.folder(), &name, "amd64")
    };
    let common = sample("common");
    let image = ground.free(label, "common:1");
    ground.push(&common.image, &image);
    for (number, client) in matrix::clients(ground, daemons).iter().enumerate() {
        client.log_in(ground.shop.actor("dora"));
        let own = ground.free(label, &format!("{number}:1"));
        matrix::arrives(ground, client.as_ref(), &sample(&number.to_string()), &own);
        bucket.linked();
        let pulled = client.pull(&image);
        let linked = bucket.linked();
        println!("bucket: {}, {label}: {linked:?}", client.name());
        assert_eq!(pulled.file, common.file, "{}", client.name());
        assert_eq!(linked.len(), links, "{}: {linked:?}", client.name());
    }
}

/// A server that sends whoever may have a layer to the bucket.
struct Sending {
    ground: Ground,
    bucket: Bucket,
    digest: Digest,
    bytes: Bytes,
}

#[test]
fn whoever_may_pull_is_sent_to_the_bucket_and_nobody_else() {
    let sending = Sending::open();
    sending.leads_to_the_layer("dora");
    sending.leads_to_the_layer("olaf");
    our_own_client_follows(&sending);
    what_is_not_a_whole_blob_is_answered_here(&sending);
    no_link_for(&sending, "host");
    no_link_without_a_log_in(&sending);
    sending.ground.sign_held();
    sending.leads_to_the_layer("host");
}

impl Sending {
    /// An image is pushed, twice: whoever pushes has to do with the server alone.
    fn open() -> Self {
        let bucket = Bucket::new();
        let ground = Ground::of(bucket.shop(&[REDIRECT]));
        let held = Sample::new(ground.shop.folder(), "held", "amd64");
        ground.push_held(&held.image);
        ground.push(&held.image, &ground.held());
        assert!(bucket.linked().is_empty());
        let (digest, bytes) = held.image.blobs[0].clone();
        Self {
            ground,
            bucket,
            digest,
            bytes,
        }
    }

    /// Where the layer is at the server.
    fn url(&self) -> String {
        let image = self.ground.held();
        self.ground.url(&image, "blobs", self.digest.as_str())
    }

    /// Asks the server for the layer, and goes nowhere else.
    fn ask<const N: usize>(&self, who: &str, method: &str, flags: [&str; N]) -> Answer {
        curl(&self.url())
            .user(self.ground.shop.actor(who))
            .method(method)
            .flags(flags)
            .ask()
    }

    /// Somebody is sent to the bucket, and finds the same bytes there, whole and in part, without an account.
    fn leads_to_the_layer(&self, who: &str) {
        let sent = self.ask(who, "GET", []);
        assert_eq!(sent.status, 307, "{who}: {sent:?}");
        assert_eq!(sent.headers["cache-control"], "no-store", "{who}");
        assert_eq!(
            sent.headers["docker-content-digest"],
            self.digest.as_str(),
            "{who}"
        );
        assert_eq!(sent.body, "", "{who}");
        let link = &sent.headers["location"];
        assert!(link.starts_with(&self.bucket.endpoint()), "{who}: {link}");
        let whole = curl(link).ask();
        assert_eq!(whole.status, 200, "{who}: {}", whole.body);
        assert_eq!(Digest::sha256(&whole.bytes), self.digest, "{who}");
        let part = curl(link).flags(RANGE).ask();
        assert_eq!(part.status, 206, "{who}: {}", part.body);
        assert_eq!(part.bytes, self.bytes[PART], "{who}");
    }
}

fn our_own_client_follows(sending: &Sending) {
    let shop = &sending.ground.shop;
    let client = client_of(shop.actor("dora"), &shop.server);
    sending.bucket.linked();
    let pulled = block_on(async {
        let blob = client.blob(&name("shop/held"), &sending.digest).await;
        blob.unwrap().bytes(BLOB_BYTES_MAX).await.unwrap()
    });
    assert_eq!(Digest::sha256(&pulled), sending.digest);
    assert_eq!(sending.bucket.linked().len(), 1);
}

/// HEAD, a range, and whoever has the blob already.
fn what_is_not_a_whole_blob_is_answered_here(sending: &Sending) {
    let head = sending.ask("dora", "HEAD", []);
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(
        head.headers["content-length"],
        sending.bytes.len().to_string()
    );
    let part = sending.ask("dora", "GET", RANGE);
    assert_eq!(part.status, 206, "{}", part.body);
    assert_eq!(part.bytes, sending.bytes[PART]);
    let held = format!("If-None-Match: {}", head.headers["etag"]);
    let unchanged = sending.ask("dora", "GET", ["--header", &held]);
    assert_eq!(unchanged.status, 304, "{unchanged:?}");
    for answer in [head, part, unchanged] {
        assert!(!answer.headers.contains_key("location"), "{answer:?}");
    }
}

/// The gate holds them.
fn no_link_for(sending: &Sending, who: &str) {
    let whole = sending.ask(who, "GET", []);
    whole.is_refused(who, &["stage-not-signed"]);
    let part = sending.ask(who, "GET", RANGE);
    let head = sending.ask(who, "HEAD", []);
    for answer in [whole, part, head] {
        assert_eq!(answer.status, 403, "{who}: {answer:?}");
        assert!(
            !answer.headers.contains_key("location"),
            "{who}: {answer:?}"
        );
    }
}

fn no_link_without_a_log_in(sending: &Sending) {
    let answer = curl(&sending.url()).ask();
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(!answer.headers.contains_key("location"), "{answer:?}");
}
