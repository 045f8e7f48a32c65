//! What a registry does, without HTTP: push, pull, mount, delete, tags, referrers, trust repositories, and the gate at
//! the door of every read.
//!
//! It speaks the distribution specification's verbs and takes permits from `policy::access`; who asks and how errors look on the
//! wire is `server`'s business. It deliberately knows no scanner and no advisory: what an image holds reaches the gate as facts
//! through `store::decisions`.

mod aside;
mod bundle;
mod error;
mod evidence;
mod gatekeeper;
mod listing;
mod mount;
mod openpgp;
mod pull;
mod push;
mod receipt;
mod record;
mod tuf;
mod uploads;

use std::sync::Arc;

use store::Store;

pub use error::{Error, Refusal, Result};
pub use evidence::reverify;
pub use listing::{Names, PAGE_MAX};
pub use pull::Pulled;
pub use push::{DeletePermits, NewManifest, PushPermits, Stored};
pub use store::blobs::Content;
pub use store::catalogue::{Part, Referrers};
pub use store::tuf::{Change, ChangeKind, KeyRole, Start, StoredFile, Wanted};
pub use store::uploads::Session;
pub use tuf::{HostError, Hosts, Released, Renewal, Update};
pub use uploads::Upload;

/// A registry over one store; cloning it is cheap.
#[derive(Clone)]
pub struct Registry {
    store: Store,
    /// Who publishes to which trust repository.
    turns: Arc<tuf::Turns>,
    /// Where what is pushed is looked at.
    places: aside::Places,
}

impl Registry {
    /// Opens the registry on a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
            turns: Arc::default(),
            places: aside::Places::default(),
        }
    }
}
