//! Trust repositories as Docker Content Trust has them: reading files, publishing updates, the server's keys, the change feed. An update
//! is judged outside of the transaction that stores it, against the state that it will follow, so that nobody waits for signatures to
//! be checked; if that state has changed meanwhile, it is judged again. Where a policy covers the repository, the judgement is stricter
//! (`judging`), and the server alone says what is released (`releasing`).

mod hosts;
mod judging;
mod releasing;
mod turns;

use std::sync::Arc;

use policy::Permit;
use policy::verb::{Attach, DeleteEvidence, ListCatalog, Pull};
use store::tuf::{self, Change, Changes, Due, Files, KeyRole, Outcome, Start, StoredFile, Wanted};
use store::{System, Writer};
use trust::tuf::managed::{Fault, Next};
use trust::tuf::publish::{self, Refusal};
use trust::tuf::{Gun, Key, Problem, RoleName};

pub use hosts::{HostError, Hosts};
pub use releasing::Released;
pub(crate) use turns::Turns;

use crate::Registry;
use crate::aside::aside;
use crate::error::{Error, Result};
use crate::pull::repository;

/// How often an update is judged again, because another process published meanwhile. Each time one of them succeeded.
const TRIES_MAX: usize = 64;
/// When a repository is looked at again whose part could not be signed.
const POSTPONED_MILLISECONDS: i64 = 60 * 60 * 1_000;

/// The files of an update by role, as they came.
pub type Update = Vec<(RoleName, Vec<u8>)>;

/// What became of a trust repository that was due.
#[derive(Debug)]
pub enum Renewal {
    /// The server's part is signed again, or somebody published meanwhile.
    Done,
    /// It could not be, for this reason, and is looked at again later.
    PutOff(Error),
}

impl Registry {
    /// A file of a trust repository; none where there is none.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn trust_file(
        &self,
        permit: &Permit<Pull>,
        gun: &Gun,
        role: &RoleName,
        wanted: Wanted<'_>,
    ) -> Result<Option<StoredFile>> {
        let repository = repository(permit.repository())?;
        Ok(tuf::file(&self.store, gun, repository, role, wanted).await?)
    }

    /// Takes an update: all of it, durable and visible to readers at once, or nothing.
    ///
    /// # Errors
    /// [`Error::Update`] says what is wrong with it, in notary-server's order.
    pub async fn publish_trust(
        &self,
        permit: &Permit<Attach>,
        gun: &Gun,
        update: Update,
        now: i64,
    ) -> Result<()> {
        let repository = repository(permit.repository())?;
        let writer = Writer::Attach(permit);
        let roles: Vec<RoleName> = update.iter().map(|(role, _)| role.clone()).collect();
        let update = Arc::new(update);
        let _turn = self.turns.take(gun).await;
        for _ in 0..TRIES_MAX {
            let judging = self.turns.judging().await;
            let state = tuf::state(&self.store, gun, repository, Files::Update(&roles)).await?;
            let (state, accepted) = judging::judge(gun, &update, state, now, judging).await?;
            let accepted = accepted.map_err(|refusal| Error::Update(Box::new(refusal)))?;
            let Some(state) = state else {
                // Nobody has asked for a key, so that no root can name one.
                let problem = Problem::TimestampKey { gun: gun.clone() };
                return Err(Error::Update(Box::new(Refusal::BadRoot(problem))));
            };
            match tuf::publish(&self.store, &writer, gun, &state, accepted, now).await? {
                Outcome::Stored => return Ok(()),
                Outcome::Moved => {}
                Outcome::Full(why) => return Err(full(why)),
                Outcome::Known(role) => {
                    let fault = Fault::Known(role);
                    let next = Next::Sign(gun.clone());
                    let refusal = Refusal::NotManaged { fault, next };
                    return Err(Error::Update(Box::new(refusal)));
                }
            }
        }
        Err(Error::Store(store::Error::Unavailable {
            what: "the trust repository",
            why: "too many publish to it at once".to_owned(),
        }))
    }

    /// The server's key for a role, for a publisher to put into a root. Asking twice gives the same.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn trust_key(
        &self,
        permit: &Permit<Attach>,
        gun: &Gun,
        role: KeyRole,
        now: i64,
    ) -> Result<Key> {
        Ok(tuf::offered_key(&self.store, permit, gun, role, now).await?)
    }

    /// The key that the server will sign a role with, once a root is published that names it.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn next_trust_key(
        &self,
        permit: &Permit<DeleteEvidence>,
        gun: &Gun,
        role: KeyRole,
        now: i64,
    ) -> Result<Key> {
        Ok(tuf::next_key(&self.store, permit, gun, role, now).await?)
    }

    /// Deletes all files of a trust repository; that there are none is no error.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn delete_trust(
        &self,
        permit: &Permit<DeleteEvidence>,
        gun: &Gun,
        now: i64,
    ) -> Result<()> {
        tuf::delete(&self.store, permit, gun, now).await?;
        Ok(())
    }

    /// What changed in one trust repository.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn trust_changes(
        &self,
        _permit: &Permit<Pull>,
        gun: &Gun,
        from: Start,
        limit: u32,
    ) -> Result<Vec<Change>> {
        let gun = Some(gun);
        Ok(tuf::changes(&self.store, &Changes { gun, from, limit }).await?)
    }

    /// What changed in all of them.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn all_trust_changes(
        &self,
        _permit: &Permit<ListCatalog>,
        from: Start,
        limit: u32,
    ) -> Result<Vec<Change>> {
        let gun = None;
        Ok(tuf::changes(&self.store, &Changes { gun, from, limit }).await?)
    }

    /// Signs the server's part of a trust repository again, if it is due. What cannot be signed is looked at again later.
    ///
    /// # Errors
    /// The store takes nothing, not even that it is put off: with the next one it would be the same.
    pub async fn renew_trust(&self, system: System, due: &Due, now: i64) -> Result<Renewal> {
        let Err(why) = self.renew(system, due, now).await else {
            return Ok(Renewal::Done);
        };
        let until = now.saturating_add(POSTPONED_MILLISECONDS);
        tuf::postpone(&self.store, &due.gun, until).await?;
        Ok(Renewal::PutOff(why))
    }

    async fn renew(&self, system: System, due: &Due, now: i64) -> Result<()> {
        let Due { gun, repository } = due;
        let writer = Writer::System(system, repository);
        for _ in 0..TRIES_MAX {
            let state = tuf::state(&self.store, gun, repository, Files::Above(&[])).await?;
            let Some(state) = state else { return Ok(()) };
            let of = gun.clone();
            let (state, accepted) = aside(move || {
                let accepted = publish::resign(&of, &state.current, &state.held, now);
                (state, accepted)
            })
            .await?;
            let accepted = accepted.map_err(|refusal| Error::Update(Box::new(refusal)))?;
            let Some(accepted) = accepted else {
                // Somebody published meanwhile, which set another time, or nothing is to be done here.
                let until = now.saturating_add(POSTPONED_MILLISECONDS);
                return Ok(tuf::postpone(&self.store, gun, until).await?);
            };
            match tuf::publish(&self.store, &writer, gun, &state, accepted, now).await? {
                Outcome::Stored => return Ok(()),
                Outcome::Full(why) => return Err(full(why)),
                Outcome::Moved | Outcome::Known(_) => {}
            }
        }
        Ok(())
    }
}

/// Publishers are told. What the server writes itself makes nothing of theirs larger, and always has room.
fn full(why: String) -> Error {
    Error::Update(Box::new(Refusal::Forbidden(why)))
}
