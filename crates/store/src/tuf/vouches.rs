//! What signers vouch for in trust repositories, kept as evidence of format `notary`: written with the update that brings it, withdrawn
//! with the one that takes the entry, its delegation or its key away. The file that was signed stays among the files; the evidence says
//! where in it, and ends when the file does. Deliberately no judgement: whether it counts is the gate's affair.

mod standing;

use std::collections::{BTreeMap, BTreeSet};

use oci::{Digest, RepositoryName};
use policy::{PrincipalId, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trust::KeyId;
use trust::tuf::managed::{self, Delegated, FORMAT, Vouch};
use trust::tuf::publish::{Accepted, Current, Uploaded};
use trust::tuf::{Gun, RoleName, Targets};

use self::standing::{Vouched, of_all, of_role, withdraw};
pub(super) use self::standing::{Withdrawn, are_there, withdraw_all};
use super::State;
use crate::batch::{self, markers};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::evidence::{self, NewEvidence};
use crate::facts;

/// An end that is nearer than this is shown to people, and told: whatever moves it on is a new fact.
const NEAR_MILLISECONDS: i64 = 90 * 24 * 60 * 60 * 1_000;
/// The most that stands in one trust repository, with all keys that signed each entry: one update may take all of it away, while everybody
/// else waits to write.
const STANDING_MAX: usize = 100_000;

/// Where a signature stands: what is kept as the raw bytes of such evidence.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) gun: String,
    pub(super) role: String,
    pub(super) version: i64,
    pub(super) tag: String,
    /// The registered key.
    key: KeyId,
    /// The SHA-256 of the signed text.
    signed: String,
}

/// What an update says on behalf of signers.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// What the files of `targets` and delegations that came list.
    listed: BTreeMap<RoleName, Targets>,
    /// The keys that signed each of them, by the ids that accounts know.
    signers: BTreeMap<RoleName, BTreeSet<KeyId>>,
    messages: Vec<Message>,
    /// What they vouch for; none where no policy covers the repository.
    said: Option<Vec<Said>>,
    /// Who signs from now on, where something is vouched for that this may end.
    delegations: Option<Delegations>,
}

/// Who signs after an update.
#[derive(Debug)]
struct Delegations {
    after: BTreeMap<RoleName, Delegated>,
    /// Whether others did before it.
    have_changed: bool,
}

/// A delegation's file by its signed text.
#[derive(Debug)]
struct Message {
    role: RoleName,
    sha256: String,
    key: String,
}

#[derive(Debug)]
struct Said {
    role: RoleName,
    tag: String,
    /// The file.
    carrier: Digest,
    /// When it ends, in milliseconds since the epoch.
    expires: i64,
    evidence: NewEvidence,
}

impl Spoken {
    pub(super) fn of(gun: &Gun, repository: &RepositoryName, accepted: &Accepted) -> Result<Self> {
        let mut spoken = Self::default();
        for uploaded in accepted.uploaded() {
            let role = &uploaded.file.role;
            let Some(targets) = &uploaded.targets else {
                continue;
            };
            spoken.listed.insert(role.clone(), targets.clone());
            let keys = uploaded.signers.iter();
            let keys = keys.filter_map(|key| Some(key.to_public_key().ok()?.id().clone()));
            spoken.signers.insert(role.clone(), keys.collect());
            if *role != RoleName::Targets {
                spoken.messages.extend(messages(uploaded));
            }
        }
        if let Some(vouches) = accepted.vouches() {
            let said: Result<Vec<Said>> = vouches
                .iter()
                .filter_map(|vouch| {
                    let mut uploaded = accepted.uploaded().iter();
                    let uploaded = uploaded.find(|one| one.file.role == vouch.role)?;
                    Some(said(gun, repository, uploaded, vouch))
                })
                .collect();
            spoken.said = Some(said?);
        }
        Ok(spoken)
    }

    /// Reads who signs before and after the update, for [`write`](Self::write): every file that delegates, so that it is not done while others
    /// wait to write.
    pub(super) fn read_delegations(&mut self, state: &State, after: &Current) -> Result<()> {
        if state.has_vouches && !self.listed.is_empty() {
            let read =
                |files| managed::delegated(files).map_err(Error::corrupt("trust_files.content"));
            let (before, after) = (read(&state.current)?, read(after)?);
            self.delegations = Some(Delegations {
                have_changed: before != after,
                after,
            });
        }
        Ok(())
    }

    /// For the account: who vouches for what.
    pub(super) fn detail(&self) -> Value {
        let said = self.said.iter().flatten();
        said.map(|said| {
            json!({
                "role": said.role.as_str(), "tag": said.tag, "digest": said.evidence.attached_to,
                "key_id": said.evidence.key,
            })
        })
        .collect()
    }

    /// Notes the signed texts. Answers the first role whose file was published before, where that is refused.
    pub(super) async fn note_messages(&self, tx: &mut Tx, now: i64) -> Result<Option<RoleName>> {
        for message in &self.messages {
            let noted = sqlx::query(
                "INSERT INTO trust_messages (message, key_id, first_at) VALUES ($1, $2, $3) ON CONFLICT (message, key_id) DO NOTHING",
            )
            .bind(message.sha256.as_str())
            .bind(message.key.as_str())
            .bind(now)
            .execute(tx.conn())
            .await?;
            if noted.rows_affected() == 0 && self.said.is_some() {
                return Ok(Some(message.role.clone()));
            }
        }
        Ok(None)
    }

    /// Withdraws what does not stand any more, moves the ends of what does, then keeps what is new. Answers what was withdrawn.
    ///
    /// # Errors
    /// An [`Error::Conflict`] of the kind [`NO_ROOM`] where more would stand than there is room for: one that adds nothing always has room.
    pub(super) async fn write(
        &self,
        tx: &mut Tx,
        state: &State,
        by: Option<PrincipalId>,
        now: i64,
    ) -> Result<Withdrawn> {
        let mut withdrawn = Withdrawn::default();
        if let Some(delegations) = &self.delegations {
            let (standing, ended) = self.divided(tx, state, delegations).await?;
            self.check_room(tx, state, ended.len()).await?;
            let gone: Vec<i64> = ended.iter().map(|vouched| vouched.evidence).collect();
            withdraw(tx, state.repository_id, &gone, now).await?;
            withdrawn = Withdrawn::of(&ended);
            self.move_ends(tx, state.repository_id, &standing, now)
                .await?;
        }
        for said in self.said.iter().flatten() {
            keep(tx, state, said, by, now).await?;
        }
        Ok(withdrawn)
    }

    async fn check_room(&self, tx: &mut Tx, state: &State, ended: usize) -> Result<()> {
        let new = self.said.as_ref().map_or(0, Vec::len);
        if new <= ended {
            return Ok(());
        }
        let before = standing::count(tx, state.id).await?;
        let after = before.saturating_sub(ended).saturating_add(new);
        match after > STANDING_MAX {
            false => Ok(()),
            // As an error, so that nothing of the update stays.
            true => Err(Error::Conflict {
                kind: NO_ROOM,
                name: state.repository.to_string(),
                why: "holds as many signatures as it may",
            }),
        }
    }

    /// What was vouched for and still is, and what is not any more: the entry is gone or another one, or its role may not list it, or
    /// its signer's key is not delegated to.
    async fn divided(
        &self,
        tx: &mut Tx,
        state: &State,
        delegations: &Delegations,
    ) -> Result<(Vec<Vouched>, Vec<Vouched>)> {
        let mut standing = Vec::new();
        if delegations.have_changed {
            standing = of_all(tx, state.id).await?;
        } else {
            for role in self.listed.keys() {
                standing.extend(of_role(tx, state.id, role).await?);
            }
        }
        let stands = |vouched: &Vouched| {
            let role = delegations.after.get(&vouched.role);
            role.is_some_and(|role| role.keys.contains(&vouched.key) && role.may_list(&vouched.tag))
                && self.still_lists(vouched)
        };
        Ok(standing.into_iter().partition(stands))
    }

    /// What a newer file lists still ends with that one. Only a key that signed it makes its own word last longer; whoever else may write
    /// the file can but shorten it.
    async fn move_ends(
        &self,
        tx: &mut Tx,
        repository_id: i64,
        standing: &[Vouched],
        now: i64,
    ) -> Result<()> {
        let mut moved: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for vouched in standing {
            let Some(targets) = self.listed.get(&vouched.role) else {
                continue;
            };
            let signers = self.signers.get(&vouched.role);
            let end = match signers.is_some_and(|keys| keys.contains(&vouched.key)) {
                true => targets.expires,
                false => targets.expires.min(vouched.expires),
            };
            if end == vouched.expires {
                continue;
            }
            moved.entry(end).or_default().push(vouched.evidence);
            // Answers that were kept hold until the old end, and are given anew then. One far away is not worth deciding everything
            // again that somebody ever signed.
            let is_near = vouched.expires.saturating_sub(now) <= NEAR_MILLISECONDS;
            if end < vouched.expires || is_near {
                facts::touch(tx, repository_id, &vouched.image, now).await?;
            }
        }
        for (end, evidence) in moved {
            for evidence in evidence.chunks(batch::LIST_MAX) {
                let text = format!(
                    "UPDATE trust_vouches SET expires_at = $1 WHERE evidence_id IN ({})",
                    markers(2, evidence.len())
                );
                let mut query = batch::query(text).bind(end);
                for evidence in evidence {
                    query = query.bind(*evidence);
                }
                query.execute(tx.conn()).await?;
            }
        }
        Ok(())
    }

    fn still_lists(&self, vouched: &Vouched) -> bool {
        let Some(targets) = self.listed.get(&vouched.role) else {
            return true;
        };
        let file = targets.targets.get(&vouched.tag);
        let sha256 = file.and_then(|file| file.sha256_hex());
        sha256.is_some_and(|sha256| sha256 == vouched.image.hex())
    }
}

/// By the bare key: in a certificate it has another id.
fn messages(uploaded: &Uploaded) -> impl Iterator<Item = Message> {
    let keys = uploaded.signers.iter();
    keys.map(|key| Message {
        role: uploaded.file.role.clone(),
        sha256: hex::encode(uploaded.message_sha256),
        key: key
            .canonical_id()
            .unwrap_or_else(|| key.id().clone())
            .to_string(),
    })
}

async fn keep(
    tx: &mut Tx,
    state: &State,
    said: &Said,
    by: Option<PrincipalId>,
    now: i64,
) -> Result<()> {
    let evidence = std::slice::from_ref(&said.evidence);
    let id = state.repository_id;
    evidence::attach(tx, id, &said.carrier, evidence, by, now).await?;
    sqlx::query(
        "INSERT INTO trust_vouches (evidence_id, trust_id, role, tag, expires_at) \
         SELECT id, $4, $5, $6, $7 FROM evidence WHERE repository_id = $1 AND attached_to = $2 AND fingerprint = $3 \
         ON CONFLICT (evidence_id) DO NOTHING",
    )
    .bind(id)
    .bind(said.evidence.attached_to.as_str())
    .bind(said.evidence.fingerprint().as_str())
    .bind(state.id)
    .bind(said.role.to_string())
    .bind(said.tag.as_str())
    .bind(said.expires)
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn said(
    gun: &Gun,
    repository: &RepositoryName,
    uploaded: &Uploaded,
    vouch: &Vouch,
) -> Result<Said> {
    let place = Place {
        gun: gun.to_string(),
        role: vouch.role.to_string(),
        version: uploaded.file.version,
        tag: vouch.tag.clone(),
        key: vouch.key.clone(),
        signed: hex::encode(uploaded.message_sha256),
    };
    let image = digest(&vouch.sha256)?;
    let raw = serde_json::to_vec(&place).map_err(Error::corrupt("evidence.raw"))?;
    Ok(Said {
        role: vouch.role.clone(),
        tag: vouch.tag.clone(),
        carrier: digest(&uploaded.file.sha256)?,
        expires: uploaded.file.expires,
        evidence: NewEvidence {
            attached_to: image.clone(),
            format: FORMAT.to_owned(),
            subject: Some(image),
            stage: vouch.stage().map(str::to_owned),
            predicate_type: None,
            named_repository: Some(repository.to_string()),
            key: Some(vouch.key.clone()),
            key_hint: None,
            verdict: Verdict::Verified,
            raw,
            signature: None,
            trusted_at: None,
            ends_at: None,
        },
    })
}

pub(super) fn digest(sha256: &[u8; 32]) -> Result<Digest> {
    let text = format!("sha256:{}", hex::encode(sha256));
    Digest::parse(&text).map_err(Error::corrupt("trust_files.sha256"))
}

/// What the store's own error for too much is called on its way out of the transaction.
pub(super) const NO_ROOM: &str = "room for signatures";
/// What publishers are told of it.
pub(super) fn no_room() -> String {
    format!(
        "limit exceeded: at most {STANDING_MAX} signatures stand in a trust repository, one for each tag, image and key: take tags out of \
         delegations first, as with `docker trust revoke`"
    )
}
