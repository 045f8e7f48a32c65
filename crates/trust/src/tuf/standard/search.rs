//! TUF 5.6.7: the pre-order search for a target through delegations. A delegation that has to be read and cannot be believed ends the search
//! with its reason: whoever holds it back, or damages it, must not make somebody else's word count.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::believed::Believed;
use super::metadata::{Targets, parse_targets};
use super::{ROLES_MAX, quote, verify};
use crate::tuf::client::Fetch;
use crate::tuf::key::Key;
use crate::tuf::metadata::FileMeta;
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::verify::{Trusted, not_expired};

/// A search on its way.
#[derive(Debug)]
pub struct Search<'a> {
    believed: &'a mut Believed,
    target: Target,
    /// What is still to be visited, the next one last.
    waiting: Vec<Visit>,
    visited: BTreeSet<RoleName>,
    state: State,
}

/// A target by its name.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// Its SHA-256 in hexadecimal, which some delegations share targets by.
    pub(super) hash: String,
}

/// A role, and who delegates to it; nobody for `targets`.
#[derive(Debug, Clone)]
struct Visit {
    role: RoleName,
    parent: Option<RoleName>,
}

#[derive(Debug, Clone)]
enum State {
    Searching,
    Found(RoleName),
    NotFound,
    Failed(Problem),
}

/// A target as the repository describes it.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// Who describes it.
    pub role: &'a RoleName,
    /// Its length and hashes.
    pub file: &'a FileMeta,
    /// The distinct keys that signed the role's file.
    pub signers: &'a [Key],
    /// Where it lies below the repository's targets, as it stands there: not quoted, and not safe as the name of a local file.
    pub path: String,
}

impl<'a> Search<'a> {
    pub(super) fn new(believed: &'a mut Believed, name: &str) -> Self {
        let target = Target {
            name: name.to_owned(),
            hash: hex::encode(Sha256::digest(name)),
        };
        let mut search = Self {
            believed,
            target,
            waiting: vec![Visit {
                role: RoleName::Targets,
                parent: None,
            }],
            visited: BTreeSet::new(),
            state: State::Searching,
        };
        if let Err(problem) = search.advance() {
            search.state = State::Failed(problem);
        }
        search
    }

    /// The file of a delegation that is needed now. `None`: the search is over.
    #[must_use]
    pub fn next(&self) -> Option<Fetch> {
        if !matches!(self.state, State::Searching) {
            return None;
        }
        let role = &self.waiting.last()?.role;
        let listed = self.believed.snapshot.content().meta.get(role)?;
        Some(quote::fetch(self.believed.root.content(), role, listed))
    }

    /// Takes the answer: the file, or `None` if there is none of this name.
    ///
    /// # Errors
    /// It is not believed, and the search is over.
    pub fn feed(&mut self, answer: Option<Vec<u8>>) -> Result<(), Problem> {
        if let State::Failed(problem) = &self.state {
            return Err(problem.clone());
        }
        let fed = self.take(answer);
        if let Err(problem) = &fed {
            self.state = State::Failed(problem.clone());
        }
        fed
    }

    /// The target; `None` if nobody who may describes it.
    ///
    /// # Errors
    /// A delegation was not believed, or is still missing.
    pub fn finish(self) -> Result<Option<Found<'a>>, Problem> {
        let role = match self.state {
            State::Found(role) => role,
            State::NotFound => return Ok(None),
            State::Failed(problem) => return Err(problem),
            State::Searching => {
                let role = self.waiting.last().map(|visit| visit.role.clone());
                let role = role.unwrap_or(RoleName::Targets);
                return Err(Problem::Missing { role });
            }
        };
        let believed: &'a Believed = self.believed;
        let consistent = believed.root.content().consistent_snapshot;
        let (role, trusted) = match believed.delegations.get_key_value(&role) {
            Some((role, delegated)) => (role, &delegated.file),
            None => (&RoleName::Targets, &believed.targets),
        };
        let file = trusted.content().targets.get(&self.target.name);
        Ok(file.map(|file| Found {
            role,
            file,
            signers: trusted.signers(),
            path: path(&self.target.name, file, consistent),
        }))
    }

    fn take(&mut self, answer: Option<Vec<u8>>) -> Result<(), Problem> {
        let Some(fetch) = self.next() else {
            return Ok(());
        };
        let bytes = fetch.within(answer)?;
        let Some(visit) = self.waiting.last().cloned() else {
            return Ok(());
        };
        self.read(&visit, bytes.clone())?;
        let kept = &mut self.believed.remembered.targets;
        kept.insert(visit.role, bytes);
        self.advance()
    }

    /// Visits one role after the other, until a file is missing or the search is over.
    fn advance(&mut self) -> Result<(), Problem> {
        while let Some(visit) = self.waiting.last().cloned() {
            if self.visited.contains(&visit.role) {
                self.waiting.pop();
                continue;
            }
            if self.visited.len() + self.waiting.len() > ROLES_MAX {
                return Err(Problem::TooMany {
                    what: "roles in one search",
                    max: ROLES_MAX,
                });
            }
            if !self.is_read(&visit)? {
                return Ok(());
            }
            self.waiting.pop();
            self.visited.insert(visit.role.clone());
            if self.visit(&visit.role) {
                self.state = State::Found(visit.role);
                return Ok(());
            }
        }
        self.state = State::NotFound;
        Ok(())
    }

    /// True if the role describes the target. Otherwise those to whom it delegates the target wait, the first of them on top.
    fn visit(&mut self, role: &RoleName) -> bool {
        let Some(targets) = self.believed.file(role).map(Trusted::content) else {
            return false;
        };
        if targets.targets.contains_key(&self.target.name) {
            return true;
        }
        let (mut children, mut terminated) = (Vec::new(), false);
        for delegated in &targets.delegations.roles {
            if !delegated.scope.allows(&self.target) {
                continue;
            }
            children.push(Visit {
                role: delegated.name.clone(),
                parent: Some(role.clone()),
            });
            if delegated.terminating {
                terminated = true;
                break;
            }
        }
        if terminated {
            // TUF 5.6.7.2.1: nobody who would come later is asked.
            self.waiting.clear();
        }
        self.waiting.extend(children.into_iter().rev());
        false
    }

    /// True if the role's file is there and believed by way of this parent; what was kept from before is as good as what is fetched.
    fn is_read(&mut self, visit: &Visit) -> Result<bool, Problem> {
        let Some(parent) = &visit.parent else {
            return Ok(true);
        };
        let read = self.believed.delegations.get(&visit.role);
        if read.is_some_and(|delegated| delegated.by == *parent) {
            return Ok(true);
        }
        let snapshot = self.believed.snapshot.content();
        let Some(listed) = snapshot.meta.get(&visit.role) else {
            let role = visit.role.clone();
            return Err(Problem::Unlisted { role });
        };
        let Some(kept) = self.believed.remembered.targets.get(&visit.role).cloned() else {
            return Ok(false);
        };
        let is_version = parse_targets(&visit.role, kept.clone())
            .is_ok_and(|signed| signed.content().version == listed.version);
        if !is_version || !listed.matches(&kept) {
            return Ok(false);
        }
        // Signed by others than are asked for now: what the repository has may be signed anew.
        Ok(self.read(visit, kept).is_ok())
    }

    /// TUF 5.6.2 to 5.6.5, for a delegation.
    fn read(&mut self, visit: &Visit, bytes: Vec<u8>) -> Result<(), Problem> {
        let (role, by) = (&visit.role, &RoleName::Snapshot);
        let snapshot = self.believed.snapshot.content();
        let listed = snapshot.meta.get(role);
        let listed = listed.ok_or_else(|| Problem::Unlisted { role: role.clone() })?;
        listed.is_of(&bytes, role, by)?;
        let trusted = self.verify(visit, bytes)?;
        listed.is_version(trusted.content().version, role, by)?;
        not_expired(role, trusted.content().expires, self.believed.now)?;
        let keys = &trusted.content().delegations.keys;
        self.believed.names.add(keys)?;
        if let Some(parent) = visit.parent.clone() {
            self.believed.insert(role.clone(), parent, trusted);
        }
        Ok(())
    }

    fn verify(&self, visit: &Visit, bytes: Vec<u8>) -> Result<Trusted<Targets>, Problem> {
        let parent = visit.parent.clone().unwrap_or(RoleName::Root);
        let above = self.believed.file(&parent);
        let above = above.map(|file| &file.content().delegations);
        let delegated = above.and_then(|above| Some((above, above.role(&visit.role)?)));
        let Some((above, delegated)) = delegated else {
            return Err(Problem::NotDelegated {
                role: visit.role.clone(),
                parent,
            });
        };
        verify::delegation(delegated, above, bytes)
    }
}

/// TUF 5.7.3: with consistent snapshots a hash stands before the file's name.
fn path(name: &str, file: &FileMeta, consistent: bool) -> String {
    let sha512 = file.hashes.sha512.map(hex::encode);
    match file.sha256_hex().or(sha512).filter(|_| consistent) {
        None => name.to_owned(),
        Some(hash) => match name.rsplit_once('/') {
            Some((folder, last)) => format!("{folder}/{hash}.{last}"),
            None => format!("{hash}.{name}"),
        },
    }
}
