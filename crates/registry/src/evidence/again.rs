//! Reading evidence again: by a key that was not known when it came, by files that certificates are judged by, or with every key where
//! there was too much beside it. The copy of each signature that is kept comes first, and then the others (`copies`). Only what the
//! reason can change is tried, and a page at a time.

use super::copies::{Pieces, look};
use super::format::{Format, Judges};
use super::found::Found;
use super::keys::Keys;
use super::{CHECKS_MAX, signed_manifest};
use crate::aside::aside;
use crate::error::Result;
use oci::{Digest, RepositoryName};
use policy::Verdict;
use std::sync::Arc;
use store::evidence::{Copies, Reread, UNKNOWN_MAX, UnknownEvidence, Wanted};
use store::{Store, System};
use trust::evidence::{Anchors, Checks, Format as Name};
use trust::notation;

/// Pieces that one call tries with every key: each may take a second.
const UNCHECKED_MAX: u32 = 16;
/// Why evidence does not count that is tried with no more keys.
const TOO_MANY_KEYS: &str = "it was tried with as many registered keys as one signature may be, which is not all of them: name its key in it";

/// By whose signatures evidence is read again.
pub(super) struct Reader<'a> {
    pub(super) store: &'a Store,
    pub(super) now: i64,
    keys: Arc<Keys>,
    anchors: Arc<Anchors>,
    reason: Reason,
}

/// What may have changed, and so what is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A key.
    Key,
    /// A key of OpenPGP.
    OpenPgp,
    /// Whom certificates of sigstore may name.
    Sigstore,
    /// Whom certificates of notation may name.
    Notation,
    /// By whose word certificates are judged.
    Anchors,
    /// There is time for every key.
    Unchecked,
}

impl Reason {
    fn of(asked: &Reread, keys: &Keys) -> Self {
        match (&asked.key_id, asked.unchecked) {
            (None, true) => Self::Unchecked,
            (None, false) => Self::Anchors,
            (Some(_), _) if !keys.openpgp.is_empty() => Self::OpenPgp,
            (Some(_), _) if !keys.sigstore.is_empty() => Self::Sigstore,
            (Some(_), _) if !keys.notation.is_empty() => Self::Notation,
            (Some(_), _) => Self::Key,
        }
    }

    fn wanted(self) -> Wanted<'static> {
        const STAGE: &str = Name::Stage.as_str();
        const BUNDLE: &str = Name::CosignBundle.as_str();
        const LAYER: &str = Name::CosignSimpleSigning.as_str();
        const NOTATION: &str = Format::NOTATION_NAME;
        match self {
            Self::Key => Wanted::In(&[STAGE, BUNDLE, LAYER, Format::ATTESTATION_NAME]),
            Self::OpenPgp => Wanted::In(&[Format::OPENPGP_NAME]),
            // Also what shows no certificate: other copies may have it.
            Self::Sigstore => Wanted::In(&[STAGE, BUNDLE, LAYER]),
            Self::Notation => Wanted::In(&[NOTATION]),
            Self::Anchors => Wanted::In(&[STAGE, BUNDLE, LAYER, NOTATION]),
            Self::Unchecked => Wanted::Unchecked,
        }
    }

    /// Whether all that is found is new, what certificates are found to be, or only what the key is found to have made.
    fn settles(self, found: &Found) -> bool {
        match self {
            Self::Unchecked => true,
            Self::Key | Self::OpenPgp => found.is_by_key(),
            Self::Sigstore | Self::Notation | Self::Anchors => found.is_by_certificate(),
        }
    }
}

/// Bytes that are a signature, and where and when they came.
pub(super) struct Document {
    pub(super) format: Format,
    pub(super) raw: Vec<u8>,
    pub(super) signature: Option<String>,
    pub(super) repository: RepositoryName,
    pub(super) attached_to: Digest,
    /// When the signature was first stored, in milliseconds since the epoch.
    pub(super) stored_at: i64,
}

/// Judges a page of evidence again that nobody stands behind. Answers from where to go on, if there may be more.
///
/// # Errors
/// The store's failures.
pub async fn reverify(store: &Store, asked: &Reread, now: i64) -> Result<Option<Reread>> {
    let reader = Reader::of(store, asked, now).await?;
    let most = match reader.reason {
        Reason::Unchecked => UNCHECKED_MAX,
        _ => UNKNOWN_MAX,
    };
    let wanted = reader.reason.wanted();
    let mut page = store::evidence::unknown(store, wanted, asked.after, most).await?;
    let going_on = asked.copies.as_ref();
    if let Some(copies) = going_on {
        page.retain(|evidence| evidence.id <= copies.until);
    }
    let until = going_on.map(|copies| copies.until);
    let Some(last) = until.or_else(|| page.last().map(|last| last.id)) else {
        return Ok(None);
    };
    let mut changed = true;
    let pieces = Pieces::of(&page);
    // Where only copies are left, the page itself is read.
    page.retain(|_| going_on.is_none());
    for evidence in page {
        let id = evidence.id;
        let Some(found) = reader.read(evidence.into()).await? else {
            changed = false;
            continue;
        };
        let mut found = found.into_verdict();
        if found.verdict == store::evidence::unchecked() {
            // Otherwise it would be asked for again and again.
            found.verdict = Verdict::Unreadable(TOO_MANY_KEYS.to_owned());
        }
        changed &= store::evidence::set_verdict(store, JOB, id, &found, now).await?;
    }
    let is_gone = reader.reason == Reason::Unchecked && changed;
    if reader.may_have_made_copies() {
        let after = going_on.map(|copies| &copies.after);
        if let Some(after) = look(&reader, &pieces, after).await? {
            let copies = Some(Copies { until: last, after });
            let asked = asked.clone();
            return Ok(Some(Reread { copies, ..asked }));
        }
    }
    // What was tried with every key is no longer among what was not: the first is the next, in one job however much comes meanwhile.
    let after = if is_gone { 0 } else { last };
    let (copies, asked) = (None, asked.clone());
    Ok(Some(Reread {
        after,
        copies,
        ..asked
    }))
}

/// Who writes what was found.
pub(super) const JOB: System = System::job("reverify-evidence");

impl<'a> Reader<'a> {
    async fn of(store: &'a Store, asked: &Reread, now: i64) -> Result<Self> {
        let records = store::signing_keys::list(store).await?;
        let keys = match (&asked.key_id, asked.unchecked) {
            (Some(key_id), _) => Keys::with_new(records, key_id),
            (None, false) => Keys::identities(records),
            (None, true) => records.into_iter().collect(),
        };
        Ok(Self {
            store,
            now,
            reason: Reason::of(asked, &keys),
            keys: Arc::new(keys),
            anchors: store.anchors(),
        })
    }

    /// Whether there is somebody whom a copy could show to have made it.
    fn may_have_made_copies(&self) -> bool {
        let keys = &self.keys;
        match self.reason {
            Reason::Unchecked => false,
            Reason::Anchors => !keys.sigstore.is_empty() || !keys.notation.is_empty(),
            Reason::Key | Reason::OpenPgp | Reason::Sigstore | Reason::Notation => true,
        }
    }

    /// What a document is found to be now, if that is by what may have changed.
    pub(super) async fn read(&self, document: Document) -> Result<Option<Found>> {
        let found = self.judge(document).await?;
        Ok(found.filter(|found| self.reason.settles(found)))
    }

    async fn judge(&self, document: Document) -> Result<Option<Found>> {
        let manifest = match document.format {
            Format::Notation(_) => {
                signed_manifest(self.store, &document.repository, &document.attached_to).await?
            }
            _ => None,
        };
        let (keys, anchors, now) = (Arc::clone(&self.keys), Arc::clone(&self.anchors), self.now);
        aside(move || {
            // Each has a budget of its own: what was left over in a manifest of many is tried with as many keys here.
            let checks = Checks::new(CHECKS_MAX);
            let judges = Judges {
                keys: &keys,
                anchors: &anchors,
                about: &document.attached_to,
                manifest: manifest.as_ref(),
                checks: &checks,
                now,
            };
            let Document { format, raw, .. } = document;
            format.read(raw, document.signature, judges, document.stored_at)
        })
        .await
    }
}

impl From<UnknownEvidence> for Document {
    fn from(evidence: UnknownEvidence) -> Self {
        let format = match (evidence.format.as_str(), &evidence.signature) {
            (Format::OPENPGP_NAME, _) => Format::OpenPgp,
            (Format::NOTATION_NAME, _) => {
                Format::Notation(notation::Format::of_bytes(&evidence.raw))
            }
            (Format::ATTESTATION_NAME, _) => Format::Attestation,
            (_, Some(_)) => Format::SimpleSigning,
            (_, None) => Format::Bundle,
        };
        Self {
            format,
            raw: evidence.raw,
            signature: evidence.signature,
            repository: evidence.repository,
            attached_to: evidence.attached_to,
            stored_at: evidence.stored_at,
        }
    }
}
