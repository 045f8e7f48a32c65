//! The steps of the workflow until `targets`, in the order and with the numbers of the TUF specification, section 5.

use super::metadata::{self, Listed};
use super::{Client, Step, UNKNOWN_BYTES_MAX, quote, remembered, verify};
use crate::tuf::client::{Fetch, ROOTS_MAX};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::verify::{follows, not_expired};

impl Client {
    /// The file that the step needs.
    pub(super) fn wanted(&self) -> Option<Fetch> {
        let unknown = |path: String, role: RoleName| Fetch {
            path,
            role,
            bytes_max: UNKNOWN_BYTES_MAX,
        };
        match &self.step {
            Step::NextRoot => {
                let next = self.root.content().version.checked_add(1)?;
                Some(unknown(format!("{next}.root.json"), RoleName::Root))
            }
            // TUF 5.4.1: always under this name.
            Step::Timestamp => Some(unknown("timestamp.json".into(), RoleName::Timestamp)),
            Step::Snapshot | Step::Targets => {
                let (role, listed) = self.listed()?;
                Some(quote::fetch(self.root.content(), role, listed))
            }
            Step::Done | Step::Failed(_) => None,
        }
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
            Step::NextRoot => self.next_root(bytes),
            Step::Timestamp => self.timestamp(bytes),
            Step::Snapshot => self.snapshot(bytes),
            Step::Targets => self.targets(bytes),
            Step::Done | Step::Failed(_) => Ok(()),
        }
    }

    /// TUF 5.3.4 to 5.3.9.
    fn next_root(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        if self.roots_followed == ROOTS_MAX {
            return Err(Problem::TooMany {
                what: "roots after each other",
                max: ROOTS_MAX,
            });
        }
        let previous = self.root.content();
        let signed = metadata::parse_root(bytes)?;
        follows(signed.content(), previous)?;
        // TUF 5.3.6: roots on the way may have ended.
        let root = verify::root(signed, Some(previous))?;
        self.names.add(&root.content().keys)?;
        remembered::forget_if_moved(&mut self.remembered, Some(previous), root.content());
        self.roots_followed += 1;
        self.root = root;
        Ok(())
    }

    /// TUF 5.3.10.
    fn end_roots(&mut self) -> Result<(), Problem> {
        not_expired(&RoleName::Root, self.root.content().expires, self.now)?;
        self.step = Step::Timestamp;
        Ok(())
    }

    /// TUF 5.4.
    fn timestamp(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        let root = self.root.content();
        let mut timestamp = verify::timestamp(root, bytes)?;
        if let Some(known) = remembered::timestamp(&self.remembered, root) {
            remembered::timestamp_is_not_older(timestamp.content(), known.content())?;
            // TUF 5.4.3.1: a version that is known stays as it is known.
            if timestamp.content().version == known.content().version {
                timestamp = known;
            }
        }
        not_expired(&RoleName::Timestamp, timestamp.content().expires, self.now)?;
        self.timestamp = Some(timestamp);
        self.step = Step::Snapshot;
        Ok(())
    }

    /// TUF 5.5.
    fn snapshot(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        let role = RoleName::Snapshot;
        self.is_listed(&bytes, &RoleName::Timestamp)?;
        let root = self.root.content();
        let snapshot = verify::snapshot(root, bytes)?;
        self.has_listed_version(snapshot.content().version, &RoleName::Timestamp)?;
        if let Some(known) = remembered::snapshot(&self.remembered, root) {
            remembered::snapshot_is_not_older(snapshot.content(), known.content())?;
            let version = snapshot.content().version;
            if version == known.content().version && snapshot.message() != known.message() {
                return Err(Problem::Equivocation { role, version });
            }
        }
        not_expired(&role, snapshot.content().expires, self.now)?;
        self.snapshot = Some(snapshot);
        self.step = Step::Targets;
        Ok(())
    }

    /// TUF 5.6.1 to 5.6.6.
    fn targets(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        let role = RoleName::Targets;
        self.is_listed(&bytes, &RoleName::Snapshot)?;
        let targets = verify::targets(self.root.content(), bytes)?;
        self.has_listed_version(targets.content().version, &RoleName::Snapshot)?;
        not_expired(&role, targets.content().expires, self.now)?;
        self.names.add(&targets.content().delegations.keys)?;
        self.targets = Some(targets);
        self.step = Step::Done;
        Ok(())
    }

    /// The file that is wanted now, where something lists it.
    fn listed(&self) -> Option<(&RoleName, &Listed)> {
        match self.step {
            Step::Snapshot => {
                let timestamp = self.timestamp.as_ref()?;
                Some((&RoleName::Snapshot, &timestamp.content().snapshot))
            }
            Step::Targets => {
                let snapshot = self.snapshot.as_ref()?;
                let listed = snapshot.content().meta.get(&RoleName::Targets)?;
                Some((&RoleName::Targets, listed))
            }
            _ => None,
        }
    }

    /// TUF 5.5.2, 5.6.2.
    fn is_listed(&self, bytes: &[u8], by: &RoleName) -> Result<(), Problem> {
        match self.listed() {
            Some((role, listed)) => listed.is_of(bytes, role, by),
            None => Ok(()),
        }
    }

    /// TUF 5.5.4, 5.6.4.
    fn has_listed_version(&self, version: i64, by: &RoleName) -> Result<(), Problem> {
        match self.listed() {
            Some((role, listed)) => listed.is_version(version, role, by),
            None => Ok(()),
        }
    }

    /// The file that is wanted now, if it was kept from before: of the version that is listed, and signed by the keys that hold now.
    fn remembered_file(&self) -> Option<Vec<u8>> {
        let (role, listed) = self.listed()?;
        let root = self.root.content();
        let (version, bytes) = match role {
            RoleName::Snapshot => {
                let known = remembered::snapshot(&self.remembered, root)?;
                (known.content().version, known.bytes().to_vec())
            }
            role => {
                let known = self.remembered.targets.get(role)?.clone();
                let known = verify::targets(root, known).ok()?;
                (known.content().version, known.bytes().to_vec())
            }
        };
        (listed.version == version && listed.matches(&bytes)).then_some(bytes)
    }
}
