//! cosign's older form: layers of the manifests behind `.sig` and `.att` tags, and of its OCI 1.1 experiment, whose
//! artifact type is `application/vnd.dev.cosign.artifact.sig.v1+json`. The signature is in the layer's annotations, or in
//! the envelope that the layer is. Deliberately one layer at a time: the manifest around it is read elsewhere.
//! cosign `SIGNATURE_SPEC.md`, `specs/ATTESTATION_SPEC.md`; annotations as in `pkg/oci/static`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::judge::{Court, Over, Signature};
use super::log::Needs;
use super::{Artifact, Expected, Refusal, TrustedRoot, Verification, certificate};
use crate::bundle::{BundleError, CERTIFICATES_MAX, LogEntry};
use crate::dsse::Envelope;
use crate::encoding::from_base64;
use crate::pem;
use crate::strict::{self, Object};

/// The longest annotation that is read, in bytes.
const ANNOTATION_BYTES_MAX: usize = 1024 * 1024;

/// A layer as its manifest has it.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

/// Judges a layer of a `.sig` manifest: simple signing. `now` is in milliseconds since 1970.
pub fn verify_signature_layer(
    layer: Layer<'_>,
    artifact: Artifact<'_>,
    root: &TrustedRoot,
    expected: Expected<'_>,
    now: i64,
) -> Result<Verification, Refusal> {
    let signature = layer
        .annotation(SIGNATURE)
        .and_then(from_base64)
        .ok_or(Refusal::Layer("signature"))?;
    let court = Court {
        root,
        expected,
        now,
    };
    layer.judge(&signature, Over::Payload(layer.bytes), artifact, &court)
}

/// Judges a layer of an `.att` manifest: an envelope with one signature. `now` is in milliseconds since 1970.
pub fn verify_attestation_layer(
    layer: Layer<'_>,
    artifact: Artifact<'_>,
    root: &TrustedRoot,
    expected: Expected<'_>,
    now: i64,
) -> Result<Verification, Refusal> {
    let envelope = Envelope::parse(layer.bytes).map_err(BundleError::from)?;
    let [signature] = envelope.signatures.as_slice() else {
        let count = envelope.signatures.len();
        return Err(BundleError::Signatures { count }.into());
    };
    let court = Court {
        root,
        expected,
        now,
    };
    layer.judge(&signature.sig, Over::Envelope(&envelope), artifact, &court)
}

impl Layer<'_> {
    fn judge(
        &self,
        bytes: &[u8],
        over: Over<'_>,
        artifact: Artifact<'_>,
        court: &Court<'_>,
    ) -> Result<Verification, Refusal> {
        let certificates = self.certificates()?;
        let entries: Vec<LogEntry> = self.log_entry()?.into_iter().collect();
        let timestamps: Vec<Vec<u8>> = self.timestamp()?.into_iter().collect();
        let signature = Signature {
            certificates: &certificates,
            entries: &entries,
            timestamps: &timestamps,
            needs: Needs::Promise,
            bytes,
            over,
        };
        signature.verify(artifact, court)
    }

    /// An annotation that is there and not empty: cosign leaves empty ones.
    fn annotation(&self, name: &str) -> Option<&str> {
        let text = self.annotations.get(name)?.as_str();
        (!text.is_empty() && text.len() <= ANNOTATION_BYTES_MAX).then_some(text)
    }

    /// The signer's own, then the chain. cosign puts the root there too: it is left out, as it proves nothing.
    fn certificates(&self) -> Result<Vec<Vec<u8>>, Refusal> {
        let Some(own) = self.annotation(CERTIFICATE) else {
            return Ok(Vec::new());
        };
        let own =
            pem::decode(own, &[pem::CERTIFICATE]).map_err(|_| Refusal::Layer("certificate"))?;
        let chain = self.annotation(CHAIN).unwrap_or_default();
        let above = pem::decode_all(chain, pem::CERTIFICATE, CERTIFICATES_MAX)
            .ok_or(Refusal::Layer("certificate chain"))?;
        let mut certificates = vec![own];
        for der in above {
            certificates.push(der);
            if certificate::brings_root(&certificates) {
                certificates.pop();
            }
        }
        Ok(certificates)
    }

    fn log_entry(&self) -> Result<Option<LogEntry>, Refusal> {
        let Some(text) = self.annotation(BUNDLE) else {
            return Ok(None);
        };
        let unreadable = Refusal::Layer("log entry");
        let wire: WireBundle =
            strict::parse(text.as_bytes(), ANNOTATION_BYTES_MAX).map_err(|_| unreadable.clone())?;
        let Object(payload) = wire.payload;
        let body = from_base64(&payload.body).ok_or_else(|| unreadable.clone())?;
        let kind: WireKind =
            strict::parse(&body, ANNOTATION_BYTES_MAX).map_err(|_| unreadable.clone())?;
        let promise = from_base64(&wire.signed_entry_timestamp);
        let log_id = hex::decode(&payload.log_id).ok();
        let (Some(promise), Some(log_id)) = (promise, log_id) else {
            return Err(unreadable);
        };
        Ok(Some(LogEntry {
            index: payload.log_index,
            log_id,
            kind: kind.kind,
            version: kind.api_version,
            integrated_seconds: Some(payload.integrated_time),
            promise: Some(promise),
            proof: None,
            body,
        }))
    }

    fn timestamp(&self) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(text) = self.annotation(TIMESTAMP) else {
            return Ok(None);
        };
        let wire: WireTimestamp = strict::parse(text.as_bytes(), ANNOTATION_BYTES_MAX)
            .map_err(|_| Refusal::Layer("timestamp"))?;
        let token = from_base64(&wire.signed_rfc3161_timestamp);
        token.map(Some).ok_or(Refusal::Layer("timestamp"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireBundle {
    signed_entry_timestamp: String,
    payload: Object<WirePayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePayload {
    body: String,
    integrated_time: i64,
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKind {
    kind: String,
    api_version: String,
}

#[derive(Deserialize)]
struct WireTimestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed_rfc3161_timestamp: String,
}

/// The annotation with the signature, in base64.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation with the signer's certificate, as PEM.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// All annotations that a signature is judged by.
pub const ANNOTATIONS: [&str; 5] = [SIGNATURE, CERTIFICATE, CHAIN, BUNDLE, TIMESTAMP];
