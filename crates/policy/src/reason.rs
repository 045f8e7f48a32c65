//! Every reason for a no: a closed list of stable codes, what each means, and what to do next.
//!
//! It does not judge; `gate/` gives the codes. Each has its page in `docs/reasons/`. DESIGN §1 point 2, §4.

use serde::{Deserialize, Serialize};

/// What a reason is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Why one piece of evidence does not count; by itself it refuses nothing.
    Candidate,
    /// Why the gate denies.
    Deny,
    /// What is missing before there can be an answer.
    NotReady,
}

macro_rules! codes {
    ($($code:ident = $name:literal, $class:ident, $means:literal, $next:literal;)+) => {
        /// A stable code. A consumer may branch on it; it is never given another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Code {
            $(#[doc = $means] $code,)+
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$code,)+];

            /// The code in kebab case, which is also the name of its page.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => $name,)+
                }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self {
                    $(Code::$code => $means,)+
                }
            }

            /// Whether it refuses, waits, or only explains.
            #[must_use]
            pub fn class(self) -> Class {
                match self {
                    $(Code::$code => Class::$class,)+
                }
            }

            /// What to do next, with the placeholders `{image}`, `{stage}`, `{gate}`, `{policy}`, `{repository}`,
            /// `{type}` and `{fix}`.
            #[must_use]
            pub fn next_step(self) -> &'static str {
                match self {
                    $(Code::$code => $next,)+
                }
            }
        }
    };
}

codes! {
    // Why a signature does not count.
    UnknownKey = "unknown-key", Candidate,
        "No key that is registered on this server made the signature.",
        "countersign key register --key FILE --for NAME --name NAME --scope {repository}";
    RevokedKey = "revoked-key", Candidate,
        "The key that made the signature has been revoked.",
        "countersign sign --stage {stage} --key FILE {image}";
    OutOfScope = "out-of-scope", Candidate,
        "The key is not registered for this repository.",
        "countersign key register --key FILE --for NAME --name NAME --scope {repository}";
    InactivePrincipal = "inactive-principal", Candidate,
        "The account of the signer, or of the person who owns the robot, is closed.",
        "countersign sign --stage {stage} --key FILE {image}";
    BadSignature = "bad-signature", Candidate,
        "The signature names a registered key, but that key did not make it.",
        "countersign sign --stage {stage} --key FILE {image}";
    Unreadable = "unreadable", Candidate,
        "The evidence could not be read, or what must vouch for its certificate does not.",
        "countersign sign --stage {stage} --key FILE {image}";
    FormatNotRead = "format-not-read", Candidate,
        "The signature is in a format that this version keeps and does not check.",
        "countersign sign --stage {stage} --key FILE {image}";
    Withdrawn = "withdrawn", Candidate,
        "The evidence was deleted.",
        "countersign sign --stage {stage} --key FILE {image}";
    OtherDigest = "other-digest", Candidate,
        "The signature is about another digest than the one it is attached to.",
        "countersign sign --stage {stage} --key FILE {image}";
    OtherRepository = "other-repository", Candidate,
        "The signature was made for another repository.",
        "countersign sign --stage {stage} --key FILE {image}";
    OtherStage = "other-stage", Candidate,
        "The signature was made for another stage.",
        "countersign sign --stage {stage} --key FILE {image}";
    StageNotNamed = "stage-not-named", Candidate,
        "The signer may sign for several stages, and the signature does not say for which.",
        "countersign sign --stage {stage} --key FILE {image}";
    NotASigner = "not-a-signer", Candidate,
        "The policy does not list the signer for this stage.",
        "countersign policy show {policy}";
    Author = "author", Candidate,
        "The signer made this image, by pushing it or by signing for `ci`, and the stage excepts its author.",
        "ask someone else to run: countersign sign --stage {stage} --key FILE {image}";
    OutOfOrder = "out-of-order", Candidate,
        "The signature was stored before the stages that come first were complete.",
        "countersign sign --stage {stage} --key FILE {image}";
    Expired = "expired", Candidate,
        "The signature has ended: it says itself until when it holds.",
        "countersign sign --stage {stage} --key FILE {image}";
    TooOld = "too-old", Candidate,
        "The signature was stored longer ago than the stage accepts.",
        "countersign sign --stage {stage} --key FILE {image}";
    SamePrincipal = "same-principal", Candidate,
        "Another signature of the same principal counts already.",
        "ask someone else to run: countersign sign --stage {stage} --key FILE {image}";
    SameOwner = "same-owner", Candidate,
        "A robot and its owner are one, and a signature of the other counts already.",
        "ask someone else to run: countersign sign --stage {stage} --key FILE {image}";

    // Why a gate refuses.
    StageNotSigned = "stage-not-signed", Deny,
        "No signature counts for a stage that the gate requires.",
        "countersign sign --stage {stage} --key FILE {image}";
    AttestationMissing = "attestation-missing", Deny,
        "No attestation counts for a stage that the gate requires.",
        "countersign attest --type {type} --predicate FILE --key FILE {image}";
    ThresholdNotReached = "threshold-not-reached", Deny,
        "Fewer distinct people or machines than the stage asks for have a signature that counts.",
        "ask someone else to run: countersign sign --stage {stage} --key FILE {image}";
    NotSigned = "not-signed", Deny,
        "Nobody whose key is registered has signed the image, and no policy says who has to.",
        "countersign sign --stage {stage} --key FILE {image}";
    VulnerabilityLimit = "vulnerability-limit", Deny,
        "A vulnerability is at or above the severity that the policy accepts, and its grace has ended.",
        "{fix}";
    KnownExploited = "known-exploited", Deny,
        "A vulnerability is known to be exploited, and the policy denies those at once.",
        "{fix}";
    LicenceDenied = "licence-denied", Deny,
        "A component can only be used under a licence that the policy denies.",
        "replace the component and push again, or write an exception: countersign policy apply";
    InventoryIncomplete = "inventory-incomplete", Deny,
        "A part of the image could not be read, so nobody knows all that is inside.",
        "countersign sbom {image}";
    Unmatchable = "unmatchable", Deny,
        "Packages of the image are of a kind that no advisories can be matched with.",
        "write an exception for `inventory`: countersign policy apply";
    Unscannable = "unscannable", Deny,
        "This kind of artifact cannot be scanned, and the policy does not let such artifacts pass.",
        "write `unscannable: allow` under the limits of the stage: countersign policy apply";
    NoRunnableChild = "no-runnable-child", Deny,
        "No image that the index lists is within the limits.",
        "fix one platform image of the index and push it again";
    NoPolicy = "no-policy", Deny,
        "The caller is held by a gate elsewhere, and no gate holds them in this repository.",
        "pull from a repository that a policy covers, or list {repository} as ungated: countersign policy apply";
    UnknownGate = "unknown-gate", Deny,
        "The policy has no gate of this name.",
        "countersign policy show";

    // What is missing before there can be an answer.
    NotIndexed = "not-indexed", NotReady,
        "The image was not read yet.",
        "wait a moment, then: countersign gate {image} --gate {gate}";
    NoAdvisories = "no-advisories", NotReady,
        "There are no advisories to match the image, or one kind of its packages, with.",
        "countersign advisories import PATH";
    NotMatched = "not-matched", NotReady,
        "The image was not matched with the advisories yet.",
        "wait a moment, then: countersign gate {image} --gate {gate}";
}

/// What to do next about an [unknown key](Code::UnknownKey) where the signer is a name in a sigstore certificate, with the placeholder
/// `{repository}`: there is no key that could be registered.
pub(crate) const REGISTER_SIGSTORE: &str = "countersign key register --sigstore-issuer URL --sigstore-identity NAME --for NAME --name NAME --scope {repository}";

/// The same for a certificate of notation.
pub(crate) const REGISTER_NOTATION: &str = "countersign key register --notation-ca FILE --notation-subject SUBJECT --for NAME --name NAME --scope {repository}";

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
