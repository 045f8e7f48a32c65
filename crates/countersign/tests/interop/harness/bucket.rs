//! A bucket for one server: a prefix of its own at the service that `.ci/with-s3` started, and a proxy before it that knows what was
//! read with a link. A server signs its own requests in a header; a link has its signature in the address.

use super::{Shop, block_on};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::{Proxy, s3};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A part of a bucket that nobody else uses.
pub(crate) struct Bucket {
    proxy: Proxy,
    url: String,
}

impl Bucket {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let bucket = s3::variable("COUNTERSIGN_TEST_S3");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            proxy: block_on(Proxy::start(s3::server())).unwrap(),
            url: format!("{bucket}/interop-{}/{number}", std::process::id()),
        }
    }

    /// The service, as the server and whoever has a link reach it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.proxy.address())
    }

    /// Opens a shop whose blobs are here, with more flags. The server has the keys from the environment.
    pub(crate) fn shop(&self, flags: &[&str]) -> Shop {
        let endpoint = self.endpoint();
        let own = [
            "--blobs",
            &self.url,
            "--s3-endpoint",
            &endpoint,
            "--s3-path-style",
            "--s3-allow-http",
        ];
        Shop::open(&[&own[..], flags].concat())
    }

    /// The objects that were read with links since the last call.
    pub(crate) fn linked(&self) -> BTreeSet<String> {
        let seen = self.proxy.seen().into_iter();
        seen.filter_map(|seen| {
            let (path, query) = seen.target.split_once('?')?;
            query.contains("X-Amz-Signature=").then(|| path.to_owned())
        })
        .collect()
    }
}
