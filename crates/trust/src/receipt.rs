//! Receipts: a gate's answer, signed, so that a host can follow it with no network. The form is SLSA's verification summary
//! (`https://slsa.dev/verification_summary/v1`, "Schema" and "How to verify"), with what a gate adds under one extension field.
//! Deliberately closed: only what passed is signed, and of our own field nothing unknown is ignored. It holds no opinion on
//! which receipts a host needs; the caller says what is expected, and what time it is.
//!
//! A receipt is no evidence: [`crate::evidence`] reads it as an attestation, which vouches for no stage.

mod wire;

use std::fmt;

use oci::{Digest, RepositoryName};

use crate::bundle::{Bundle, BundleError, Content, Material};
use crate::dsse;
use crate::excerpt::excerpt;
use crate::key::{KeyId, PublicKey};
use crate::private::Signer;
use crate::statement::{Statement, StatementError, Subject};
use crate::verified::Verified;

/// The predicate type of a verification summary.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/verification_summary/v1";
/// The longest receipt that is read, in bytes of its bundle.
pub const RECEIPT_BYTES_MAX: usize = 256 * 1024;
/// The most signatures that a receipt names.
pub const INPUTS_MAX: usize = 1_024;
/// The most warnings that a receipt carries.
pub const WARNINGS_MAX: usize = 64;
/// The longest warning, in characters.
pub const WARNING_CHARACTERS_MAX: usize = 512;
/// The most policies that a receipt names.
pub const POLICIES_MAX: usize = 64;
/// How far the clock of the server that signed may run ahead of the reader's, in milliseconds.
pub const SKEW_MILLISECONDS_MAX: i64 = 5 * 60 * 1000;

/// What a receipt says. Instants are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The manifest that may pass.
    pub image: Digest,
    /// The repository in which it may, without a host.
    pub repository: RepositoryName,
    /// The gate.
    pub gate: String,
    /// The policy that the gate belongs to.
    pub policy: String,
    /// The SHA-256 of the policy's text in hexadecimal.
    pub policy_digest: String,
    /// Every policy that has a gate of this name for the repository, this one too: each answers with a receipt of its own.
    pub policies: Vec<String>,
    /// When the gate answered.
    pub decided_at: i64,
    /// The first instant at which the receipt is worth nothing.
    pub valid_until: i64,
    /// Goes up with each receipt of the same image at the same gate.
    pub sequence: i64,
    /// What does not refuse, but should be known; with any, the gate let pass what it would not have to.
    pub warnings: Vec<String>,
    /// The manifests of the signatures that counted.
    pub inputs: Vec<Digest>,
}

/// What a reader expects of a receipt.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The manifest that is to be run.
    pub image: &'a Digest,
    /// The repository that it comes from, without a host.
    pub repository: &'a RepositoryName,
    /// The gate that it has to pass.
    pub gate: &'a str,
    /// The SHA-256 of the policy's text in hexadecimal, where the reader holds it.
    pub policy_digest: Option<&'a str>,
    /// The highest sequence number that the reader has seen for this image at this gate, if it remembers one.
    pub sequence: Option<i64>,
}

impl Receipt {
    /// The receipt as a statement, for the verifier whose key will sign it.
    ///
    /// # Errors
    /// [`ReceiptError::Form`] for what no reader would take.
    pub fn build(&self, signer: &KeyId) -> Result<Statement, ReceiptError> {
        self.check_form()?;
        let subject = Subject {
            name: self.repository.to_string(),
            digest: self.image.clone(),
            annotations: std::collections::BTreeMap::new(),
        };
        Ok(Statement {
            subjects: vec![subject],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: wire::write(self, signer)?,
        })
    }

    /// Signs the receipt, as the bytes of a sigstore bundle.
    ///
    /// # Errors
    /// As [`Self::build`], and where the signer fails.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, ReceiptError> {
        let statement = self.build(signer.public_key().id())?;
        let json = Bundle::sign(&statement, signer)?.to_json();
        json.map(String::into_bytes)
            .ok_or_else(|| ReceiptError::Form("its bundle cannot be written".to_owned()))
    }

    /// Whether this is the receipt that is expected, and worth something at `now` (milliseconds since 1970).
    ///
    /// # Errors
    /// The first thing that is not as expected: image, repository, gate, policy, sequence, time.
    pub fn check(&self, expected: &Expected<'_>, now: i64) -> Result<(), ReceiptError> {
        // SLSA VSA, "How to verify": subject, then resourceUri, then what the consumer's own rules ask.
        if self.image != *expected.image {
            return Err(ReceiptError::Image {
                found: self.image.clone(),
                wanted: expected.image.clone(),
            });
        }
        if self.repository != *expected.repository {
            return Err(ReceiptError::Repository {
                found: self.repository.clone(),
                wanted: expected.repository.clone(),
            });
        }
        if self.gate != expected.gate {
            return Err(ReceiptError::Gate {
                found: excerpt(&self.gate),
                wanted: excerpt(expected.gate),
            });
        }
        if let Some(wanted) = expected.policy_digest
            && self.policy_digest != wanted
        {
            return Err(ReceiptError::Policy {
                found: self.policy_digest.clone(),
                wanted: excerpt(wanted),
            });
        }
        if let Some(seen) = expected.sequence
            && self.sequence < seen
        {
            return Err(ReceiptError::Sequence {
                found: self.sequence,
                seen,
            });
        }
        self.check_time(now)
    }

    fn check_time(&self, now: i64) -> Result<(), ReceiptError> {
        if self.decided_at > now.saturating_add(SKEW_MILLISECONDS_MAX) {
            return Err(ReceiptError::NotYet {
                from: wire::instant(self.decided_at),
            });
        }
        // The last instant is not part of it, as with `holds_until` of a decision.
        if now >= self.valid_until {
            return Err(ReceiptError::Ended {
                until: wire::instant(self.valid_until),
            });
        }
        Ok(())
    }

    fn check_form(&self) -> Result<(), ReceiptError> {
        let bad = |what: &str| Err(ReceiptError::Form(what.to_owned()));
        let is_hash = self.policy_digest.len() == 64
            && self
                .policy_digest
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hash {
            return bad("its policy's digest is not a SHA-256");
        }
        if self.gate.is_empty() || self.policy.is_empty() {
            return bad("it names no gate or no policy");
        }
        if !self.policies.contains(&self.policy) || self.policies.len() > POLICIES_MAX {
            return bad("its list of policies lacks its own, or is too long");
        }
        if self.valid_until <= self.decided_at {
            return bad("it ends before it begins");
        }
        if self.sequence < 0 {
            return bad("its sequence number is below zero");
        }
        if self.inputs.len() > INPUTS_MAX || self.warnings.len() > WARNINGS_MAX {
            return bad("limit exceeded: it names too many signatures or warnings");
        }
        let is_long = |text: &String| text.chars().count() > WARNING_CHARACTERS_MAX;
        if self.warnings.iter().any(is_long) {
            return bad("limit exceeded: a warning is too long");
        }
        Ok(())
    }
}

/// The receipt in a sigstore bundle, if one of the keys signed it in its own name. What it is for is not looked at.
///
/// # Errors
/// Where it is no receipt, none of the keys signed it, or its verifier is not the key that signed.
pub fn read(bundle: &[u8], keys: &[PublicKey]) -> Result<Verified<Receipt>, ReceiptError> {
    if bundle.len() > RECEIPT_BYTES_MAX {
        return Err(ReceiptError::Size {
            bytes: bundle.len(),
        });
    }
    let bundle = Bundle::parse(bundle)?;
    let (Content::Envelope(envelope), Material::PublicKey { hint }) =
        (bundle.content(), bundle.material())
    else {
        return Err(ReceiptError::Form(
            "it is not a statement signed with a key".to_owned(),
        ));
    };
    if envelope.payload_type != dsse::IN_TOTO {
        return Err(ReceiptError::Kind(excerpt(&envelope.payload_type)));
    }
    let Some(signer) = keys.iter().find(|key| envelope.is_signed_by(key)) else {
        return Err(ReceiptError::Key {
            hint: hint.as_deref().map(named),
        });
    };
    // From here on the bytes are the server's, or of whoever else holds the key.
    let statement = Statement::parse(&envelope.payload)?;
    if statement.predicate_type != PREDICATE_TYPE {
        return Err(ReceiptError::Kind(excerpt(&statement.predicate_type)));
    }
    let receipt = wire::parse(&statement, signer.id())?;
    receipt.check_form()?;
    Ok(Verified::new(receipt, signer.id().clone()))
}

/// The receipt in a sigstore bundle, if one of the keys signed it and it is the one that is expected at `now`.
///
/// # Errors
/// As [`read`] and [`Receipt::check`].
pub fn verify(
    bundle: &[u8],
    keys: &[PublicKey],
    expected: &Expected<'_>,
    now: i64,
) -> Result<Verified<Receipt>, ReceiptError> {
    let receipt = read(bundle, keys)?;
    receipt.value().check(expected, now)?;
    Ok(receipt)
}

/// The key that a hint names, by the id that keys have here, where it names one.
fn named(hint: &str) -> String {
    KeyId::from_hint(hint).map_or_else(|| excerpt(hint), |id| id.to_string())
}

/// Whom a key signs receipts as. The name is the key's, so that no key can sign in another's name.
#[must_use]
pub fn verifier_id(key: &KeyId) -> String {
    format!("{VERIFIER}{key}")
}

/// What of a receipt is not as it has to be. [`ReceiptError::code`] is stable; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// More than [`RECEIPT_BYTES_MAX`].
    #[error("limit exceeded: it has {bytes} bytes, a receipt has at most {max}", max = RECEIPT_BYTES_MAX)]
    Size {
        /// How many there are.
        bytes: usize,
    },
    /// Not a sigstore bundle, or one that cannot be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Not an in-toto statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A statement about something else.
    #[error("it is `{0}`, not a receipt")]
    Kind(String),
    /// A field is missing, unknown or outside its grammar.
    #[error("the receipt cannot be read: {0}")]
    Form(String),
    /// None of the keys signed it.
    #[error(
        "it was not signed with a receipt key that was given{}",
        hint.as_deref().map(|hint| format!(": it names the key `{hint}`")).unwrap_or_default()
    )]
    Key {
        /// The key that it hints at, shortened.
        hint: Option<String>,
    },
    /// It speaks in the name of a verifier whose key did not sign it.
    #[error("it is in the name of `{found}`, and was signed by `{wanted}`")]
    Verifier {
        /// The name in it, shortened.
        found: String,
        /// The name of the key that signed.
        wanted: String,
    },
    /// What was verified did not pass.
    #[error("its result is `{0}`, not `PASSED`")]
    Result(String),
    /// It is about another image.
    #[error("it is for the image `{found}`, not for `{wanted}`")]
    Image {
        /// The image in it.
        found: Digest,
        /// The one that is to be run.
        wanted: Digest,
    },
    /// It is about another repository.
    #[error("it is for the repository `{found}`, not for `{wanted}`")]
    Repository {
        /// The repository in it.
        found: RepositoryName,
        /// The one that the image comes from.
        wanted: RepositoryName,
    },
    /// It is of another gate.
    #[error("it is of the gate `{found}`, not of `{wanted}`")]
    Gate {
        /// The gate in it, shortened.
        found: String,
        /// The one to pass.
        wanted: String,
    },
    /// It is of another policy, or of another state of it.
    #[error("it is of a policy with the digest `{found}`, not of `{wanted}`")]
    Policy {
        /// The digest in it.
        found: String,
        /// The digest of the reader's.
        wanted: String,
    },
    /// A newer one was seen.
    #[error("it is number {found}, and {seen} was seen before: it is an old one again")]
    Sequence {
        /// The number in it.
        found: i64,
        /// The highest that was seen.
        seen: i64,
    },
    /// It is of the future: one of the clocks is wrong.
    #[error(
        "it begins at {from}, which is later than this machine's clock: one of the two clocks is wrong"
    )]
    NotYet {
        /// When it begins.
        from: String,
    },
    /// Its time is over.
    #[error("it ended at {until}: ask the server for a new one")]
    Ended {
        /// When it ended.
        until: String,
    },
}

impl ReceiptError {
    /// The kind of fault, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } | Self::Bundle(_) | Self::Statement(_) | Self::Form(_) => {
                "receipt-unreadable"
            }
            Self::Kind(_) => "not-a-receipt",
            Self::Key { .. } => "receipt-key",
            Self::Verifier { .. } => "receipt-verifier",
            Self::Result(_) => "receipt-not-passed",
            Self::Image { .. } => "receipt-of-other-image",
            Self::Repository { .. } => "receipt-of-other-repository",
            Self::Gate { .. } => "receipt-of-other-gate",
            Self::Policy { .. } => "receipt-of-other-policy",
            Self::Sequence { .. } => "receipt-rolled-back",
            Self::NotYet { .. } => "receipt-not-yet-valid",
            Self::Ended { .. } => "receipt-expired",
        }
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{} at gate {} of policy {}, until {}",
            self.repository,
            self.image,
            excerpt(&self.gate),
            excerpt(&self.policy),
            wire::instant(self.valid_until)
        )
    }
}

const VERIFIER: &str = "https://countersign.dev/verifier/v1/";

#[cfg(test)]
mod tests;
