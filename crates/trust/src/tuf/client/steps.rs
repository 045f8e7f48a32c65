//! The steps of the workflow, in the order and with the names of the TUF specification, section 5.

use super::believed::BelievedRole;
use super::remembered::not_older;
use super::{Client, Fetch, ROLES_MAX, ROOTS_MAX, Step, TIMESTAMP_BYTES_MAX, Waiting};
use crate::tuf::key::KeyId;
use crate::tuf::metadata::{FileMeta, Root, Snapshot, Targets};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::signed::{METADATA_BYTES_MAX, Signed};
use crate::tuf::verify::{self, Trusted};

impl Client {
    /// The file that the step needs.
    pub(super) fn wanted(&self) -> Option<Fetch> {
        let most = u64::try_from(METADATA_BYTES_MAX).unwrap_or(u64::MAX);
        let (path, role, bytes_max) = match &self.step {
            Step::FirstRoot => ("root.json".into(), RoleName::Root, most),
            Step::NextRoot => {
                let next = self.root.as_ref()?.content().version.checked_add(1)?;
                (format!("{next}.root.json"), RoleName::Root, most)
            }
            Step::Timestamp => (
                "timestamp.json".into(),
                RoleName::Timestamp,
                TIMESTAMP_BYTES_MAX,
            ),
            Step::Snapshot | Step::Targets => {
                let (role, file) = self.listed()?;
                let path = format!("{role}.{}.json", file.sha256_hex()?);
                (path, role.clone(), file.length.min(most))
            }
            Step::Done | Step::Failed(_) => return None,
        };
        Some(Fetch {
            path,
            role,
            bytes_max,
        })
    }

    /// Goes one step with an answer, and then as far as what is remembered leads.
    pub(super) fn take(&mut self, answer: Option<Vec<u8>>) -> Result<(), Problem> {
        let Some(fetch) = self.wanted() else {
            return Ok(());
        };
        match answer {
            // TUF 5.3.3: no next root, so this one is the newest.
            None if self.step == Step::NextRoot => self.end_roots()?,
            answer => self.take_file(fetch.within(answer)?)?,
        }
        while let Some(bytes) = self.remembered_file() {
            self.take_file(bytes)?;
        }
        Ok(())
    }

    fn take_file(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        match self.step {
            Step::FirstRoot => self.first_root(bytes),
            Step::NextRoot => self.next_root(bytes),
            Step::Timestamp => self.timestamp(bytes),
            Step::Snapshot => self.snapshot(bytes),
            Step::Targets => self.targets(bytes),
            Step::Done | Step::Failed(_) => Ok(()),
        }
    }

    fn first_root(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        let signed = Signed::parse(&RoleName::Root, bytes)?;
        let root = verify::root(&self.gun, signed, None, self.certificates_at())?;
        if let Some(pinned) = &self.pinned {
            let is_pinned = |id: KeyId| pinned.contains(&id);
            let mut signers = root.signers().iter();
            if !signers.any(|key| key.canonical_id().is_some_and(is_pinned)) {
                return Err(Problem::NotPinned);
            }
        }
        self.root = Some(root);
        self.step = Step::NextRoot;
        Ok(())
    }

    /// TUF 5.3.4 to 5.3.9.
    fn next_root(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        let previous = self.trusted_root()?.content();
        if self.roots_followed == ROOTS_MAX {
            return Err(Problem::TooMany {
                what: "roots after each other",
                max: ROOTS_MAX,
            });
        }
        let signed: Signed<Root> = Signed::parse(&RoleName::Root, bytes)?;
        verify::follows(signed.content(), previous)?;
        // Roots on the way may have ended.
        let root = verify::root(&self.gun, signed, Some(previous), None)?;
        let before = previous.clone();
        self.remembered
            .forget_if_moved(Some(&before), root.content());
        self.roots_followed += 1;
        self.root = Some(root);
        Ok(())
    }

    /// TUF 5.3.10: the newest root holds now, and so does a certificate of one of its keys.
    fn end_roots(&mut self) -> Result<(), Problem> {
        let root = self.trusted_root()?;
        let certificates_at = self.certificates_at();
        verify::root(&self.gun, root.signed().clone(), None, certificates_at)?;
        self.not_ended(&RoleName::Root, root.content().expires)?;
        let root = root.content().clone();
        self.remembered.forget_if_moved(None, &root);
        self.step = Step::Timestamp;
        Ok(())
    }

    /// TUF 5.4.
    fn timestamp(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        let role = RoleName::Timestamp;
        let root = self.trusted_root()?.content();
        let timestamp = verify::base(&role, root, Signed::parse(&role, bytes)?)?;
        not_older(&role, &timestamp, self.remembered.timestamp(root))?;
        self.not_ended(&role, timestamp.content().expires)?;
        self.timestamp = Some(timestamp);
        self.step = Step::Snapshot;
        Ok(())
    }

    /// TUF 5.5.
    fn snapshot(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        let role = RoleName::Snapshot;
        self.is_listed(&bytes, &RoleName::Timestamp)?;
        let root = self.trusted_root()?;
        let signed = Signed::parse(&role, bytes)?;
        let snapshot: Trusted<Snapshot> = verify::base(&role, root.content(), signed)?;
        let known = self.remembered.snapshot(root.content());
        let listed_before = known.as_ref().map(|known| known.content().meta.clone());
        not_older(&role, &snapshot, known)?;
        self.not_ended(&role, snapshot.content().expires)?;
        let listed = snapshot.content().meta.get(&RoleName::Root);
        if !listed.is_some_and(|file| file.matches(root.bytes())) {
            return Err(Problem::Hash {
                role: RoleName::Root,
                by: role,
            });
        }
        self.snapshot = Some(snapshot);
        self.listed_before = listed_before.unwrap_or_default();
        self.waiting.push(Waiting {
            role: RoleName::Targets,
            paths: vec![String::new()],
        });
        self.step = Step::Targets;
        Ok(())
    }

    /// TUF 5.6, for `targets` and each delegation in turn.
    fn targets(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        self.is_listed(&bytes, &RoleName::Snapshot)?;
        let Some(Waiting { role, paths }) = self.waiting.pop() else {
            return Ok(());
        };
        match self.read_targets(&role, bytes) {
            Ok(targets) => {
                self.wait_for_children(&role, &paths, targets.content())?;
                self.roles.push(BelievedRole::new(role, paths, targets));
            }
            // As docker has it: such a delegation says nothing, and the others still do.
            Err(problem @ (Problem::Expired { .. } | Problem::Threshold { .. }))
                if role != RoleName::Targets =>
            {
                self.disregarded.push((role, problem));
            }
            Err(problem) => return Err(problem),
        }
        if self.waiting.is_empty() {
            self.step = Step::Done;
        }
        Ok(())
    }

    fn read_targets(&self, role: &RoleName, bytes: Vec<u8>) -> Result<Trusted<Targets>, Problem> {
        let root = self.trusted_root()?.content();
        let signed = Signed::parse(role, bytes)?;
        let parent = role.parent();
        let delegating = self
            .roles
            .iter()
            .find(|other| Some(other.name()) == parent.as_ref())
            .map(|parent| (parent.name(), parent.targets()));
        let targets = match delegating {
            Some((parent, delegating)) => verify::delegation(role, parent, delegating, signed)?,
            // Only `targets` itself: the root knows no other.
            None => verify::base(role, root, signed)?,
        };
        let known = self.remembered.targets(role, root, delegating);
        not_older(role, &targets, known)?;
        self.not_ended(role, targets.content().expires)?;
        Ok(targets)
    }

    /// TUF 5.6.7: what a role delegates to is read right after it, in its order. A role that has never signed anything is not listed.
    fn wait_for_children(
        &mut self,
        delegating: &RoleName,
        paths: &[String],
        targets: &Targets,
    ) -> Result<(), Problem> {
        for child in targets.delegations.roles.iter().rev() {
            let within = |path: &&String| paths.iter().any(|above| path.starts_with(above));
            let waiting = Waiting {
                role: child.name.clone(),
                paths: child.paths.iter().filter(within).cloned().collect(),
            };
            if self.lists(&child.name) {
                self.waiting.push(waiting);
            } else {
                self.was_never_listed(&child.name, delegating, targets)?;
            }
        }
        // Those that say nothing had to be fetched as well.
        if self.waiting.len() + self.roles.len() + self.disregarded.len() > ROLES_MAX {
            return Err(Problem::TooMany {
                what: "delegations in one repository",
                max: ROLES_MAX,
            });
        }
        Ok(())
    }

    /// TUF 5.5.5: what was listed stays listed, as long as the role has the keys that it had.
    fn was_never_listed(
        &self,
        role: &RoleName,
        parent: &RoleName,
        delegating: &Targets,
    ) -> Result<(), Problem> {
        let Some(file) = self.listed_before.get(role) else {
            return Ok(());
        };
        let root = self.trusted_root()?.content();
        let above = Some((parent, delegating));
        match self.remembered.targets(role, root, above) {
            Some(known) if file.matches(known.bytes()) => {
                Err(Problem::Unlisted { role: role.clone() })
            }
            _ => Ok(()),
        }
    }

    fn lists(&self, role: &RoleName) -> bool {
        let snapshot = self.snapshot.as_ref();
        snapshot.is_some_and(|snapshot| snapshot.content().meta.contains_key(role))
    }

    /// The file that is wanted now, where something lists it.
    fn listed(&self) -> Option<(&RoleName, &FileMeta)> {
        match self.step {
            Step::Snapshot => {
                let timestamp = self.timestamp.as_ref()?;
                Some((&RoleName::Snapshot, &timestamp.content().snapshot))
            }
            Step::Targets => {
                let role = &self.waiting.last()?.role;
                let file = self.snapshot.as_ref()?.content().meta.get(role)?;
                Some((role, file))
            }
            _ => None,
        }
    }

    fn is_listed(&self, bytes: &[u8], by: &RoleName) -> Result<(), Problem> {
        match self.listed() {
            Some((role, file)) if !file.matches(bytes) => Err(Problem::Hash {
                role: role.clone(),
                by: by.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The file that is wanted now, if it was kept from before.
    fn remembered_file(&self) -> Option<Vec<u8>> {
        let (role, file) = self.listed()?;
        let bytes = match role {
            RoleName::Snapshot => self.remembered.snapshot.as_ref(),
            role => self.remembered.targets.get(role),
        };
        bytes.filter(|bytes| file.matches(bytes)).cloned()
    }

    /// When certificates have to hold; at no time, where what has ended is taken.
    fn certificates_at(&self) -> Option<i64> {
        (!self.takes_ended).then_some(self.now)
    }

    fn not_ended(&self, role: &RoleName, expires: i64) -> Result<(), Problem> {
        if self.takes_ended {
            return Ok(());
        }
        verify::not_expired(role, expires, self.now)
    }

    fn trusted_root(&self) -> Result<&Trusted<Root>, Problem> {
        self.root.as_ref().ok_or(Problem::Missing {
            role: RoleName::Root,
        })
    }
}
