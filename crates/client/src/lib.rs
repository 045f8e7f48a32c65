//! Speaks to registries and to Countersign servers over HTTP, and holds the wire types of `/api/v1`.
//!
//! - [`Client`] is one server as one caller sees it: the distribution API of any registry (with docker's token
//!   protocol), and our own API.
//! - [`api`] are the wire types; the server uses the same ones.
//! - [`webhook`] signs, verifies and delivers notifications.
//! - [`lookaside`] reads the signatures that podman and skopeo keep beside a registry.
//! - [`witness`] asks another server to sign a checkpoint of the audit log.
//! - [`docker_config`] reads the log-ins that docker keeps; reading and writing files is deliberately left to the binary.
//!
//! It decides nothing: what an answer means for a gate or a policy is said elsewhere. Passwords and tokens go over TLS
//! or to loopback and to nowhere else, no redirect carries them to another host, and every answer has a limit of size.
//! The program that uses it installs a TLS provider first (`aws_lc_rs`).
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! use client::{Client, ClientOptions, Credentials};
//!
//! let options = ClientOptions::new("https://registry.example")?
//!     .with_credentials(Credentials::Basic { user: "maria".into(), password: "…".into() });
//! let client = Client::new(options)?;
//! println!("logged in as {}", client.whoami().await?.name);
//! # Ok(())
//! # }
//! ```

pub mod api;
mod calls;
mod client;
pub mod distribution;
pub mod docker_config;
mod error;
mod limits;
pub mod lookaside;
mod options;
mod text;
mod transport;
pub mod webhook;
pub mod witness;

pub use calls::PageRequest;
pub use client::Client;
pub use error::{Error, Refused};
pub use options::{ClientOptions, Credentials};
