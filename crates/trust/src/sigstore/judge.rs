//! One signature judged, in whatever format it came: times first, then the certificate at each of them, then who it names,
//! then the logs, then the signature itself, then what it is about. Deliberately the same for all formats, so that none
//! of them forgets a step. sigstore `client-spec.md` section 4.

use oci::Digest;
use sha2::{Digest as _, Sha256};

use super::certificate::{self, CertificateFault, Purpose};
use super::entry::{self, Message, Signed};
use super::log::{self, Needs};
use super::{
    Artifact, Expected, ExpectedSigner, Identity, IdentityRule, Refusal, Says, SignedBy,
    TimeSource, TrustedRoot, TrustedTime, Verification, sct, timestamp,
};
use crate::attestation::{Attestation, AttestationError};
use crate::bundle::{LogEntry, MessageSignature};
use crate::cosign::SimpleSigning;
use crate::dsse::{self, Envelope};
use crate::excerpt::excerpt;
use crate::key::PublicKey;
use crate::statement::StatementError;

/// By whose word, against what and when it is judged; `now` is in milliseconds since 1970.
pub(super) struct Court<'a> {
    pub(super) root: &'a TrustedRoot,
    pub(super) expected: Expected<'a>,
    pub(super) now: i64,
}

/// A signature with all that came with it.
pub(super) struct Signature<'a> {
    /// The signer's own first; none where a key signed.
    pub(super) certificates: &'a [Vec<u8>],
    pub(super) entries: &'a [LogEntry],
    pub(super) timestamps: &'a [Vec<u8>],
    pub(super) needs: Needs,
    pub(super) bytes: &'a [u8],
    pub(super) over: Over<'a>,
}

/// What the signature is over.
pub(super) enum Over<'a> {
    Envelope(&'a Envelope),
    Payload(&'a [u8]),
    File(&'a MessageSignature),
}

/// Whoever signed, with the key to check it.
struct Signer {
    key: PublicKey,
    /// The certificate, or the key where there is none, in DER.
    der: Vec<u8>,
    by: SignedBy,
}

impl Signature<'_> {
    pub(super) fn verify(
        &self,
        artifact: Artifact<'_>,
        court: &Court<'_>,
    ) -> Result<Verification, Refusal> {
        let times = self.times(court)?;
        let signer = self.signer(&times, court)?;
        let file_hash = sha256_of(artifact);
        let pae;
        let message = match &self.over {
            Over::Envelope(envelope) => {
                pae = dsse::pae(&envelope.payload_type, &envelope.payload);
                Message::Bytes(&pae)
            }
            Over::Payload(payload) => Message::Bytes(payload),
            Over::File(file) => {
                // What the bundle says of the file is not signed, but a lie all the same.
                let says = file.digest.as_deref();
                match (artifact, &file_hash) {
                    (_, Some(hash)) if says.is_some_and(|says| says != hash) => {
                        return Err(other_subject(artifact));
                    }
                    (Artifact::Bytes(bytes), _) => Message::Bytes(bytes),
                    (Artifact::Digest(_), Some(hash)) => Message::Sha256(hash),
                    (Artifact::Digest(_), None) => return Err(other_subject(artifact)),
                }
            }
        };
        let log_indices = self.check_logs(&signer, message, court)?;
        let holds = match message {
            Message::Bytes(bytes) => signer.key.verify(bytes, self.bytes),
            Message::Sha256(hash) => signer.key.verify_sha256(hash, self.bytes),
        };
        holds.map_err(|_| Refusal::Signature(signer.key.id().clone()))?;
        Ok(Verification {
            says: self.says(artifact)?,
            signer: signer.by,
            times,
            log_indices,
        })
    }

    /// Every time that is there must hold: a false one beside a true one is a sign of something.
    fn times(&self, court: &Court<'_>) -> Result<Vec<TrustedTime>, Refusal> {
        let mut times = Vec::new();
        let authorities = &court.root.timestamp_authorities;
        // Without any authority nothing could be said about them.
        if !authorities.is_empty() {
            for token in self.timestamps {
                times.push(TrustedTime {
                    at: timestamp::verify(token, self.bytes, authorities)?,
                    source: TimeSource::Authority,
                });
            }
        }
        if !ignores_logs(court) {
            for entry in self.entries {
                let logged = log::verify(entry, court.root, self.needs, court.now)?;
                times.extend(logged.at.map(|at| TrustedTime {
                    at,
                    source: TimeSource::Log,
                }));
            }
        }
        if times.iter().any(|time| time.at > court.now) {
            return Err(Refusal::Future);
        }
        times.sort_unstable();
        times.dedup();
        Ok(times)
    }

    fn signer(&self, times: &[TrustedTime], court: &Court<'_>) -> Result<Signer, Refusal> {
        let needed = court.expected.demands.times;
        let found = times.len();
        match court.expected.signer {
            ExpectedSigner::Key(_) if !self.certificates.is_empty() => Err(Refusal::ExpectsKey),
            ExpectedSigner::Identity(_) if self.certificates.is_empty() => {
                Err(Refusal::ExpectsCertificate)
            }
            _ if found < needed => Err(Refusal::NoTime { found, needed }),
            ExpectedSigner::Key(key) => Ok(Signer {
                key: key.clone(),
                der: key.as_der().to_vec(),
                by: SignedBy::Key(key.id().clone()),
            }),
            ExpectedSigner::Identity(rule) => self.certified(rule, times, court),
        }
    }

    fn certified(
        &self,
        rule: &IdentityRule,
        times: &[TrustedTime],
        court: &Court<'_>,
    ) -> Result<Signer, Refusal> {
        let own = self
            .certificates
            .first()
            .ok_or(CertificateFault::Unreadable)?;
        if certificate::brings_root(self.certificates) {
            return Err(CertificateFault::BringsRoot.into());
        }
        // client-spec section 4.3: the path must hold at every one of the times, not only at one.
        let at: Vec<i64> = if times.is_empty() {
            vec![court.now]
        } else {
            times.iter().map(|time| time.at).collect()
        };
        let mut issuer = Vec::new();
        for at in at {
            let authorities = &court.root.certificate_authorities;
            issuer = certificate::verify_chain(
                self.certificates,
                authorities,
                Purpose::CodeSigning,
                at,
            )?;
        }
        let needed = court.expected.demands.certificate_logs;
        if needed > 0 {
            let found = sct::count(own, &issuer, &court.root.certificate_logs)?;
            if found < needed {
                return Err(Refusal::NotLogged { found, needed });
            }
        }
        let parsed = certificate::parse(own).ok_or(CertificateFault::Unreadable)?;
        let identity = Identity::of(&parsed).ok_or(Refusal::NoIdentity)?;
        if !rule.matches(&identity) {
            return Err(Refusal::OtherIdentity(Box::new(identity)));
        }
        let key = PublicKey::from_der(parsed.public_key().raw).map_err(|_| Refusal::KeyKind)?;
        Ok(Signer {
            key,
            der: own.clone(),
            by: SignedBy::Identity(identity),
        })
    }

    /// Each entry must be about this signature; logs count once each. That the logs stand behind them was settled with
    /// the times.
    fn check_logs(
        &self,
        signer: &Signer,
        message: Message<'_>,
        court: &Court<'_>,
    ) -> Result<Vec<u64>, Refusal> {
        if ignores_logs(court) {
            return Ok(Vec::new());
        }
        let payload = match &self.over {
            Over::Envelope(envelope) => {
                Some((envelope.payload.as_slice(), envelope.payload_type.as_str()))
            }
            Over::Payload(_) | Over::File(_) => None,
        };
        let signed = Signed {
            message,
            payload,
            signature: self.bytes,
            signer: &signer.der,
            key: signer.key.as_der(),
        };
        let mut logs: Vec<&[u8]> = Vec::new();
        for one in self.entries {
            entry::check(one, &signed)?;
            let logged = log::verify(one, court.root, self.needs, court.now)?;
            if !logs.contains(&logged.log.id.as_slice()) {
                logs.push(&logged.log.id);
            }
        }
        let (found, needed) = (logs.len(), court.expected.demands.logs);
        if found < needed {
            return Err(Refusal::NotLogged { found, needed });
        }
        Ok(self.entries.iter().map(|entry| entry.index).collect())
    }

    /// What was signed, if it is about the artefact.
    fn says(&self, artifact: Artifact<'_>) -> Result<Says, Refusal> {
        let says = match &self.over {
            Over::Envelope(envelope) => {
                if envelope.payload_type != dsse::IN_TOTO {
                    let found = excerpt(&envelope.payload_type);
                    return Err(AttestationError::from(StatementError::Type(found)).into());
                }
                Says::Statement(Attestation::parse(&envelope.payload)?)
            }
            Over::Payload(payload) => Says::Payload(SimpleSigning::parse(payload)?),
            Over::File(_) => Says::File(match artifact {
                Artifact::Digest(digest) => digest.clone(),
                Artifact::Bytes(bytes) => Digest::sha256(bytes),
            }),
        };
        let digest = match artifact {
            Artifact::Digest(digest) => digest.clone(),
            Artifact::Bytes(bytes) => Digest::sha256(bytes),
        };
        let is_about = match &says {
            Says::Statement(attestation) => attestation.is_about(&digest),
            Says::Payload(payload) => payload.digest == digest,
            Says::File(_) => true,
        };
        if is_about {
            Ok(says)
        } else {
            Err(other_subject(artifact))
        }
    }
}

/// Where the trusted root has no logs and none is asked for, entries count for nothing, as if they were not there.
fn ignores_logs(court: &Court<'_>) -> bool {
    !court.root.has_logs() && court.expected.demands.logs == 0
}

fn other_subject(artifact: Artifact<'_>) -> Refusal {
    Refusal::OtherSubject(match artifact {
        Artifact::Digest(digest) => digest.to_string(),
        Artifact::Bytes(bytes) => Digest::sha256(bytes).to_string(),
    })
}

/// None where only a digest of another kind is known.
fn sha256_of(artifact: Artifact<'_>) -> Option<[u8; 32]> {
    match artifact {
        Artifact::Bytes(bytes) => Some(Sha256::digest(bytes).into()),
        Artifact::Digest(digest) => match digest.algorithm() {
            oci::Algorithm::Sha256 => hex::decode(digest.hex()).ok()?.try_into().ok(),
            oci::Algorithm::Sha512 => None,
        },
    }
}
