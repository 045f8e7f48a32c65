//! `countersign trust`: trust repositories of Docker Content Trust for those who own one, with docker's own client or without it. What is
//! published is read and verified before anything is changed, and again after. Deliberately no signing of tags: `docker trust sign` and
//! `countersign sign` do that.

mod confirm;
mod delete;
mod ending;
mod form;
mod init;
mod keyring;
mod manage;
mod memory;
mod pen;
mod registered;
mod repository;
mod rotate;
mod signer;
mod status;

use crate::context::ServerFlags;
use crate::exit::{self, Exit};
use crate::output;
use anyhow::Result;
use clap::Subcommand;
use trust::tuf::Problem;

/// What to do about keys, in short; docs/content-trust.md says more.
pub(crate) const WHEN_A_KEY_IS_LOST: &str = "When a key is lost or stolen (REPO is the repository as its images are called):\n  \
    a signer's, stolen   countersign key revoke ID, then: countersign trust signer remove NAME REPO\n  \
    a signer's, lost     countersign trust signer remove NAME REPO, then: countersign trust signer add NAME --key NEW.pub REPO\n  \
    targets              countersign trust rotate targets REPO                    (needs the root key)\n  \
    root, stolen         countersign trust rotate root REPO, before the thief does; then rotate targets\n  \
    root, lost           countersign trust delete REPO --yes, then trust init REPO; every client has to forget the old root\n  \
    the server's, stolen countersign trust rotate timestamp REPO, rotate snapshot REPO, rotate releases REPO\n  \
    a password           as if its key were lost\n\
    docs/content-trust.md says at length what each means, under `Keys, and losing them`.\n\n\
    Examples:\n  countersign trust init registry.example:5000/shop/web\n  \
    countersign trust status registry.example:5000/shop/web";

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Begin a trust repository: make its keys and publish its first files.
    Init(init::Init),
    /// Show a trust repository: roles, keys, signers, what is released, and when each part ends. 3 if it cannot be believed.
    Status(status::Status),
    /// Turn a plain trust repository into a managed one, in which the server releases what its gates allow.
    Manage(manage::Manage),
    /// Signers of a managed repository.
    #[command(subcommand)]
    Signer(signer::Signer),
    /// Replace the key of a role.
    #[command(subcommand)]
    Rotate(rotate::Rotate),
    /// Delete all files of a trust repository: the last resort when its root key is lost.
    Delete(delete::Delete),
}

impl Trust {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let done = match self {
            Self::Init(init) => init.run(server).await,
            Self::Status(status) => status.run(server).await,
            Self::Manage(manage) => manage.run(server).await,
            Self::Signer(signer) => signer.run(server).await,
            Self::Rotate(rotate) => rotate.run(server).await,
            Self::Delete(delete) => delete.run(server).await,
        };
        match done {
            Ok(()) => Ok(Exit::Done),
            Err(error) if error.is::<Problem>() => {
                output::note(format!("countersign: {}", exit::describe(&error)));
                Ok(Exit::Refused)
            }
            Err(error) => Err(error),
        }
    }
}
