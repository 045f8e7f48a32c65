//! All that a gate decides on, gathered by the caller for one digest in one repository.
//!
//! Nothing here is judged: evidence that does not count is in it too, with what was found. DESIGN §3, step 5.

use std::collections::{BTreeMap, BTreeSet};

use advisories::Severity;
use oci::{Digest, RepositoryName, Tag};
use trust::KeyId;

use crate::principal::PrincipalId;

/// The facts about one digest in one repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Where it is pulled from.
    pub repository: RepositoryName,
    /// What is pulled.
    pub digest: Digest,
    /// The tag by which it was asked for, for display only.
    pub tag: Option<Tag>,
    /// Who first pushed this digest to this server; `None` when the server made it itself.
    pub first_pushed_by: Option<PrincipalId>,
    /// What the digest is.
    pub subject: Target,
    /// Evidence attached to this digest, or to an index of this repository that lists it.
    pub evidence: Vec<Evidence>,
    /// The indexes *in this repository* that list this digest: only their evidence covers it.
    pub listed_by: BTreeSet<Digest>,
    /// Whether there are advisories to match with.
    pub advisories: AdvisoryState,
    /// For each automatic stage, when the server first recorded that its limits held, in milliseconds.
    pub stage_records: BTreeMap<String, i64>,
    /// What was confirmed for this digest, or for an index of this repository that lists it, and not ended since, at whichever gate.
    pub break_glass: Vec<BreakGlass>,
}

/// A break-glass that a second person confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// Its number.
    pub id: i64,
    /// The digest that it is for: the one judged, or an index that lists it.
    pub digest: Digest,
    /// The policy of the gate.
    pub policy: String,
    /// The gate that it opens.
    pub gate: String,
    /// Why, as whoever asked for it wrote.
    pub reason: String,
    /// Who asked for it.
    pub asked_by: PrincipalId,
    /// Who confirmed it.
    pub confirmed_by: PrincipalId,
    /// Since when it is in force, in milliseconds since the epoch.
    pub confirmed_at: i64,
    /// The first instant at which it no longer is, in milliseconds since the epoch.
    pub until_at: i64,
}

/// What a digest is.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// An image for one platform.
    Image(ImageFacts),
    /// An index, with what it lists.
    Index(Vec<Child>),
    /// A manifest of evidence only, which can always be read.
    Evidence,
    /// Something that cannot be scanned, such as a Helm chart.
    Unscannable {
        /// Its artifact or config media type.
        kind: String,
    },
}

/// One entry of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// The manifest it points at.
    pub digest: Digest,
    /// Its platform as `os/architecture`.
    pub platform: Option<String>,
    /// Whether it is an image that can be run and that this repository holds.
    pub runnable: bool,
    /// What is known of it; `None` when it was not indexed yet.
    pub facts: Option<ImageFacts>,
}

/// What is inside an image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFacts {
    /// Whether its inventory is there, and complete.
    pub inventory: InventoryState,
    /// Whether its findings are all that is known of its components.
    pub matching: Matching,
    /// Its findings.
    pub findings: Vec<FindingFact>,
    /// The licences of its components.
    pub licences: Vec<LicenceFact>,
}

/// How far the inventory of an image can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InventoryState {
    /// No worker has read all of its layers yet.
    NotIndexed,
    /// Everything was read.
    Complete,
    /// Something is missing; each problem in words.
    Incomplete(Vec<String>),
}

/// What is missing before the findings of an image say all; nothing, once each of its components was matched with
/// advisories about its kind of package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// Ecosystems of its components about which no advisory is held, as `Debian:12` or `PyPI`.
    pub without_advisories: BTreeSet<String>,
    /// Kinds of packages inside that no advisory can be matched with, as `deb packages of ubuntu 24.04`.
    pub unmatchable: BTreeSet<String>,
    /// Whether components have still to be matched with advisories that are held, or to be found.
    pub pending: bool,
}

impl Matching {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.without_advisories.is_empty() && self.unmatchable.is_empty() && !self.pending
    }
}

/// A component of the image that an advisory hits.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingFact {
    /// The package URL.
    pub package: String,
    /// The name of the package.
    pub name: String,
    /// The installed version.
    pub version: String,
    /// The canonical id of the alias group.
    pub group: String,
    /// All ids of the alias group.
    pub ids: Vec<String>,
    /// The severity.
    pub severity: Severity,
    /// The smallest version above the installed one that is not affected.
    pub fixed_version: Option<String>,
    /// Whether it is known to be exploited.
    pub known_exploited: bool,
    /// When this server first held the advisory for this package, in milliseconds since the epoch.
    pub first_held_at: i64,
}

/// The declared licences of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenceFact {
    /// The package URL.
    pub purl: String,
    /// As declared: identifiers, SPDX expressions or free text. All of them apply.
    pub licences: Vec<String>,
}

/// Whether there is something to match with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvisoryState {
    /// False until any advisories were imported.
    pub ready: bool,
    /// The digest of the advisory snapshot.
    pub snapshot: String,
}

/// A signature or attestation, as it was found when it arrived. A format is a reader that fills this in; whether it counts
/// is judged by these fields alone, and [`Evidence::format`] is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its row number.
    pub id: i64,
    /// The format, as in `cosign-bundle`.
    pub format: String,
    /// The manifest that carries it; the file of a trust repository, where that does.
    pub manifest: Digest,
    /// The digest that it says it is about.
    pub subject: Digest,
    /// The digest it is attached to: the one judged, or an index that lists it.
    pub attached_to: Digest,
    /// The key that verified it.
    pub key: Option<KeyId>,
    /// The key it names, for messages when none verified it.
    pub key_hint: Option<String>,
    /// The stage it names.
    pub stage: Option<String>,
    /// What kind of statement it is, a URI, where it is an attestation and no signature.
    pub predicate_type: Option<String>,
    /// The repository it names, without a host.
    pub repository: Option<String>,
    /// When this server first stored its bytes, in milliseconds since the epoch.
    pub stored_at: i64,
    /// By when it was there as a timestamping authority or a log says that the server trusts, in milliseconds since the epoch.
    pub trusted_at: Option<i64>,
    /// The first instant at which it no longer holds, where what was signed names one, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// What the check of the signature gave.
    pub verdict: Verdict,
    /// Whether it was deleted since.
    pub withdrawn: bool,
}

impl Evidence {
    /// Since when it is known to have been there, in milliseconds since the epoch: what a revoked key is judged by. Never a
    /// time that the signer claims.
    #[must_use]
    pub fn known_at(&self) -> i64 {
        self.trusted_at
            .map_or(self.stored_at, |trusted_at| trusted_at.min(self.stored_at))
    }
}

/// What the check of a signature gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The signature is by [`Evidence::key`].
    Verified,
    /// No registered key made it.
    UnknownKey,
    /// It names a registered key that did not make it.
    BadSignature,
    /// The bytes could not be read; why.
    Unreadable(String),
    /// It is a signature in a format that is known by name only: nobody has checked it.
    NotRead,
}
