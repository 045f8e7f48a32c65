//! What a bundle is worth to somebody who asks nobody: whether the image is whole, whether what lies beside it is about it, what
//! the trust repository and the log say, what the receipts say, and what none of it can prove.

use super::proved::{self, InLog};
use super::{Attached, Contents, Fault, Opened, blob_name, index, trust_data};
use crate::receipts::{self, Asked, Found, Passage};
use crate::sequences::Sequences;
use oci::{Descriptor, Digest, Manifest, RepositoryName};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use trust::PublicKey;
use trust::checkpoint::VerifierKey;
use trust::enclosed::{self, Enclosed};
use trust::receipt;

/// How deep indexes lie in each other.
const DEPTH_MAX: usize = 4;

/// What somebody wants to know of a bundle.
pub(crate) struct Question<'a> {
    pub(crate) keys: &'a [PublicKey],
    /// The image that it has to be; whichever it is, where none is named.
    pub(crate) image: Option<&'a Digest>,
    /// The repository that the receipts have to be for; the one that the image was taken from, where none is named.
    pub(crate) repository: Option<&'a RepositoryName>,
    pub(crate) gates: &'a [String],
    /// The SHA-256 of policies, in hexadecimal.
    pub(crate) policies: &'a [String],
    /// The key of the server's log, where proofs are to be looked at.
    pub(crate) log: Option<&'a VerifierKey>,
    /// Who has to have signed the log's checkpoint as well.
    pub(crate) witnesses: &'a [VerifierKey],
    pub(crate) now: i64,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) verified: bool,
    pub(crate) repository: RepositoryName,
    pub(crate) digest: Digest,
    pub(crate) gates: Vec<Passage>,
    /// What was found beside the image, and what it is worth.
    pub(crate) found: Vec<String>,
    /// What the log has of it; none without its key, or without proofs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<InLog>,
    /// What was not proved.
    pub(crate) not_proved: Vec<String>,
}

/// Looks into an opened bundle, with what is remembered of receipts, if anything is.
///
/// # Errors
/// The first file that does not belong there, or is missing.
pub(crate) fn examine<R: Read + Seek>(
    bundle: &mut Opened<R>,
    question: &Question<'_>,
    seen: Option<&mut Sequences>,
) -> Result<Report, Fault> {
    let contents = bundle.contents.clone();
    if let Some(wanted) = question.image
        && *wanted != contents.image
    {
        return Err(Fault::new(
            super::CONTENTS,
            format!("it is about `{}`, not about `{wanted}`", contents.image),
        ));
    }
    let repository = question.repository.unwrap_or(&contents.repository);
    let mut looked = Looked {
        keys: question.keys,
        ..Looked::default()
    };
    looked.image(bundle, &contents.image, 0)?;
    for attached in &contents.attached {
        looked.attached(bundle, attached, &contents.image)?;
    }
    index::check(bundle, &contents)?;
    looked.nothing_else(&contents)?;
    let asked = Asked {
        keys: question.keys,
        image: &contents.image,
        repository,
        gates: question.gates,
        policies: question.policies,
        now: question.now,
    };
    let gates = receipts::judge(&looked.receipts, &asked, seen);
    let mut report = Report {
        verified: receipts::verified(&gates),
        repository: repository.clone(),
        digest: contents.image.clone(),
        found: looked.said(),
        log: None,
        not_proved: gates.iter().flat_map(Passage::not_proved).collect(),
        gates,
    };
    policies(bundle, &contents, &mut report)?;
    inputs(&contents, &mut report);
    proved::look(bundle, &contents, question, &mut report)?;
    trust_data::look(bundle, &contents, question.now, &mut report)?;
    if question.repository.is_none() {
        report.not_proved.push(format!(
            "that it may be run in the repository that is meant: the receipts were held against {repository}, as the file says; name one with `--repository` to have it compared"
        ));
    }
    report
        .not_proved
        .extend(contents.missing.iter().map(|text| text.replace('\n', " ")));
    Ok(report)
}

/// What was seen on the way.
#[derive(Default)]
struct Looked<'a> {
    keys: &'a [PublicKey],
    /// The image and those that it lists: an index may list one often, and by several ways.
    images: BTreeSet<Digest>,
    /// Blobs that the image and what is attached to it refer to.
    reached: BTreeSet<Digest>,
    /// Documents, the media types that they go by, and what they lie beside.
    documents: BTreeSet<(Digest, String, Digest)>,
    receipts: Vec<Found>,
    /// Policies that receipts name, also those of other images than the one that is asked about, and the SHA-256 of their texts.
    policies: BTreeSet<(String, String)>,
    /// Those of receipts that one of the keys signed.
    believed_policies: BTreeSet<(String, String)>,
    kinds: BTreeMap<String, usize>,
    absent_platforms: usize,
}

impl Looked<'_> {
    /// The image is whole: all that it refers to is there, with the size that it says.
    fn image<R: Read + Seek>(
        &mut self,
        bundle: &mut Opened<R>,
        digest: &Digest,
        depth: usize,
    ) -> Result<(), Fault> {
        if !self.images.insert(digest.clone()) {
            return Ok(());
        }
        let manifest = manifest(bundle, digest)?;
        self.reached.insert(digest.clone());
        let Manifest::Index(index) = &manifest else {
            return manifest
                .descriptors()
                .try_for_each(|descriptor| self.whole(bundle, digest, descriptor));
        };
        if depth == DEPTH_MAX {
            return Err(Fault::new(
                blob_name(digest),
                "limit exceeded: indexes in indexes in indexes",
            ));
        }
        for child in &index.manifests {
            // A registry may hold some platforms only, and an index may be carried with one of them.
            if bundle.has(&child.digest) {
                self.image(bundle, &child.digest, depth + 1)?;
            } else {
                self.absent_platforms += 1;
            }
        }
        Ok(())
    }

    /// What lies beside the image is about it, by its own words.
    fn attached<R: Read + Seek>(
        &mut self,
        bundle: &mut Opened<R>,
        attached: &Attached,
        image: &Digest,
    ) -> Result<(), Fault> {
        let Attached {
            manifest: digest,
            to,
        } = attached;
        if !self.images.contains(to) {
            return Err(Fault::new(
                super::CONTENTS,
                format!("it says that {digest} lies beside {to}, which is no image of the file"),
            ));
        }
        let parsed = manifest(bundle, digest)?;
        self.reached.insert(digest.clone());
        if let Some(subject) = parsed.subject()
            && subject.digest != *to
        {
            return Err(Fault::new(
                blob_name(digest),
                format!("it is attached to {}, and lies beside {to}", subject.digest),
            ));
        }
        let Manifest::Image(manifest) = &parsed else {
            return Ok(());
        };
        self.whole(bundle, digest, &manifest.config)?;
        for layer in &manifest.layers {
            self.whole(bundle, digest, layer)?;
            let known = (layer.digest.clone(), layer.media_type.clone(), to.clone());
            if !self.documents.insert(known) {
                continue;
            }
            let kind = self.document(bundle, layer, attached, image)?;
            *self.kinds.entry(kind).or_default() += 1;
        }
        Ok(())
    }

    /// Reads one document beside the image; answers what kind it is.
    fn document<R: Read + Seek>(
        &mut self,
        bundle: &mut Opened<R>,
        layer: &Descriptor,
        attached: &Attached,
        image: &Digest,
    ) -> Result<String, Fault> {
        // A large SBOM is carried and not looked into.
        if bundle
            .size(&layer.digest)
            .is_some_and(|size| size > super::DOCUMENT_BYTES_MAX)
        {
            return Ok(layer.media_type.clone());
        }
        let bytes = bundle.document(&layer.digest)?;
        let found = enclosed::check(&layer.media_type, &bytes, &attached.to)
            .map_err(|error| Fault::new(blob_name(&layer.digest), error.to_string()))?;
        Ok(match found {
            Enclosed::Statement { predicate_type } => {
                if let Some(named) = enclosed::receipt_policy(&bytes) {
                    if receipt::read(&bytes, self.keys).is_ok() {
                        self.believed_policies.insert(named.clone());
                    }
                    self.policies.insert(named);
                }
                if predicate_type == receipt::PREDICATE_TYPE && attached.to == *image {
                    self.receipts.push(Found {
                        name: attached.manifest.to_string(),
                        bundle: bytes,
                    });
                }
                predicate_type
            }
            Enclosed::SimpleSigning | Enclosed::Other => layer.media_type.clone(),
        })
    }

    /// A blob that is there, with the size that a manifest says.
    fn whole<R: Read + Seek>(
        &mut self,
        bundle: &Opened<R>,
        of: &Digest,
        descriptor: &Descriptor,
    ) -> Result<(), Fault> {
        let why = match bundle.size(&descriptor.digest) {
            Some(size) if size == descriptor.size => {
                self.reached.insert(descriptor.digest.clone());
                return Ok(());
            }
            Some(size) => format!("it has {size} bytes, and {of} says {}", descriptor.size),
            None => format!("it is missing in the file, and {of} needs it"),
        };
        Err(Fault::new(blob_name(&descriptor.digest), why))
    }

    /// Every blob belongs to the image, to what is attached to it, to the proofs of that, to the policies or to the trust repository:
    /// other tools could be brought to load what was put in beside them. Whether proofs and files of the trust repository are such is
    /// looked at where they are read.
    fn nothing_else(&self, contents: &Contents) -> Result<(), Fault> {
        let trust = contents.trust.iter().flat_map(|trust| trust.files.values());
        let mut proofs = contents.proofs.iter();
        if let Some((manifest, proof)) =
            proofs.find(|(manifest, _)| !self.reached.contains(manifest))
        {
            let why = format!("it is a proof of {manifest}, which does not lie beside the image");
            return Err(Fault::new(blob_name(proof), why));
        }
        // Where no receipt is believed nothing is, and that is what is said then.
        let (named_policies, which) = match self.believed_policies.is_empty() {
            true => (&self.policies, ""),
            false => (
                &self.believed_policies,
                ", of those that one of the keys signed",
            ),
        };
        for (policy, text) in &contents.policies {
            let named = (policy.clone(), text.hex().to_owned());
            if !named_policies.contains(&named) {
                let policy = plain(policy);
                let why =
                    format!("it is said to be policy `{policy}`, and no receipt names that{which}");
                return Err(Fault::new(blob_name(text), why));
            }
        }
        let named: BTreeSet<&Digest> = contents
            .policies
            .values()
            .chain(trust.flatten())
            .chain(contents.proofs.values())
            .chain(&self.reached)
            .collect();
        match contents.blobs.keys().find(|blob| !named.contains(blob)) {
            Some(blob) => Err(Fault::new(
                blob_name(blob),
                "it does not belong there: nothing in the file refers to it",
            )),
            None => Ok(()),
        }
    }

    fn said(&self) -> Vec<String> {
        let mut said: Vec<String> = self
            .kinds
            .iter()
            .map(|(kind, count)| format!("{count} × {}", plain(kind)))
            .collect();
        if self.absent_platforms > 0 {
            said.push(format!(
                "{} platforms of the index are not in the file",
                self.absent_platforms
            ));
        }
        said
    }
}

/// What somebody wrote, for a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

fn manifest<R: Read + Seek>(bundle: &mut Opened<R>, digest: &Digest) -> Result<Manifest, Fault> {
    let bytes = bundle.document(digest)?;
    Manifest::parse(&bytes, None).map_err(|error| Fault::new(blob_name(digest), error.to_string()))
}

/// A policy that lies there is the one that a receipt names, or it would explain another decision.
fn policies<R: Read + Seek>(
    bundle: &mut Opened<R>,
    contents: &Contents,
    report: &mut Report,
) -> Result<(), Fault> {
    for passage in &report.gates {
        for receipt in &passage.receipts {
            let Some(digest) = contents.policies.get(&receipt.policy) else {
                continue;
            };
            bundle.document(digest)?;
            if digest.hex() != receipt.policy_digest {
                return Err(Fault::new(
                    blob_name(digest),
                    format!(
                        "it is said to be policy `{}`, and the receipt is of a policy with the digest {}",
                        receipt.policy, receipt.policy_digest
                    ),
                ));
            }
            report
                .found
                .push(format!("the text of policy {}", receipt.policy));
        }
    }
    report.found.sort();
    report.found.dedup();
    Ok(())
}

/// The signatures that a receipt rests on may be elsewhere, as those of an index that lists the image are.
fn inputs(contents: &Contents, report: &mut Report) {
    let attached = contents.attached.iter();
    let attached: BTreeSet<&Digest> = attached.map(|attached| &attached.manifest).collect();
    let here = |input: &&Digest| attached.contains(*input);
    let receipts = report.gates.iter().flat_map(|passage| &passage.receipts);
    let elsewhere: usize = receipts
        .map(|receipt| receipt.inputs.len() - receipt.inputs.iter().filter(here).count())
        .sum();
    if elsewhere > 0 {
        report.not_proved.push(format!(
            "what {elsewhere} of the signatures say that the receipts rest on: they are not in the file"
        ));
    }
}
