//! Countersign and the programs that people really have: docker, podman, skopeo, buildah, containerd, umoci, oras, cosign, notary, curl,
//! and the code of Go's checksum database. Each test starts the binary on a free loopback port (with TLS: on an address of this
//! machine) and acts through its command line and these programs; a program that is missing fails the test. It needs root, and
//! lives behind a feature: `.ci/interop` runs it. What can be said without other programs is tested beside the code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests fail by panicking, and print what they measured"
)]

mod harness;

mod account;
mod around;
mod bucket;
mod copies;
mod cosign;
mod crash;
mod crowd;
mod durable;
mod formats;
mod full;
mod gate;
mod hostile;
mod inventory;
mod locked;
mod lookaside;
mod matrix;
mod one_gate;
mod openpgp;
mod receipts;
mod signing;
mod slow;
mod tlog;
mod tls;
mod token;
mod trust;
mod way;
mod webhooks;
