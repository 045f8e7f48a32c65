//! The JSON of a receipt's predicate. SLSA's fields are read as SLSA has them, unknown ones ignored ("Parsing rules"); our
//! extension field is closed. Instants have one form, RFC 3339 in UTC, so that a receipt has one spelling.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oci::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Receipt, ReceiptError, verifier_id};
use crate::excerpt::excerpt;
use crate::key::KeyId;
use crate::statement::Statement;
use crate::strict::Object;

const RESOURCE: &str = "https://countersign.dev/repository/v1/";
const PASSED: &str = "PASSED";
const SHA256: &str = "sha256";
/// The gate looks at signatures, not at how a build was run. SLSA, "SlsaResult".
const LEVEL: &str = "SLSA_BUILD_LEVEL_UNEVALUATED";
const SLSA_VERSION: &str = "1.2";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    verifier: Object<WireVerifier>,
    time_verified: String,
    resource_uri: String,
    policy: Object<WirePolicy>,
    #[serde(default)]
    input_attestations: Vec<Object<WireInput>>,
    verification_result: String,
    #[serde(default)]
    verified_levels: Vec<String>,
    #[serde(default)]
    slsa_version: String,
    #[serde(rename = "https://countersign.dev/receipt/v1")]
    receipt: Object<Extension>,
}

#[derive(Serialize, Deserialize)]
struct WireVerifier {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct WirePolicy {
    digest: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct WireInput {
    digest: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Extension {
    gate: String,
    policy: String,
    policies: Vec<String>,
    valid_until: String,
    sequence: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// The predicate for the verifier whose key will sign it.
pub(super) fn write(receipt: &Receipt, signer: &KeyId) -> Result<Value, ReceiptError> {
    let wire = Wire {
        verifier: Object(WireVerifier {
            id: verifier_id(signer),
        }),
        time_verified: instant(receipt.decided_at),
        resource_uri: format!("{RESOURCE}{}", receipt.repository),
        policy: Object(WirePolicy {
            digest: BTreeMap::from([(SHA256.to_owned(), receipt.policy_digest.clone())]),
        }),
        input_attestations: receipt.inputs.iter().map(input).collect(),
        verification_result: PASSED.to_owned(),
        verified_levels: vec![LEVEL.to_owned()],
        slsa_version: SLSA_VERSION.to_owned(),
        receipt: Object(Extension {
            gate: receipt.gate.clone(),
            policy: receipt.policy.clone(),
            policies: receipt.policies.clone(),
            valid_until: instant(receipt.valid_until),
            sequence: receipt.sequence,
            warnings: receipt.warnings.clone(),
        }),
    };
    serde_json::to_value(wire).map_err(|error| ReceiptError::Form(error.to_string()))
}

/// The receipt that a statement of the right type makes; the statement was signed by `signer`.
pub(super) fn parse(statement: &Statement, signer: &KeyId) -> Result<Receipt, ReceiptError> {
    let form = |why: &str| ReceiptError::Form(why.to_owned());
    let [subject] = statement.subjects.as_slice() else {
        return Err(form("it has several subjects"));
    };
    let Value::Object(predicate) = &statement.predicate else {
        return Err(form("its predicate is not an object"));
    };
    let wire = Wire::deserialize(predicate)
        .map_err(|error| ReceiptError::Form(excerpt(&error.to_string())))?;
    // SLSA VSA, "How to verify" 2: the signer must be one that may speak for this verifier.
    let wanted = verifier_id(signer);
    if wire.verifier.0.id != wanted {
        return Err(ReceiptError::Verifier {
            found: excerpt(&wire.verifier.0.id),
            wanted,
        });
    }
    if wire.verification_result != PASSED {
        return Err(ReceiptError::Result(excerpt(&wire.verification_result)));
    }
    let repository = wire
        .resource_uri
        .strip_prefix(RESOURCE)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| form("its resourceUri names no repository"))?;
    let digests = &wire.policy.0.digest;
    let policy_digest = digests
        .get(SHA256)
        .ok_or_else(|| form("it names no digest of its policy"))?;
    let inputs = wire.input_attestations.iter().map(|input| digest(&input.0));
    let Object(extension) = wire.receipt;
    Ok(Receipt {
        image: subject.digest.clone(),
        repository,
        gate: extension.gate,
        policy: extension.policy,
        policy_digest: policy_digest.clone(),
        policies: extension.policies,
        decided_at: parse_instant(&wire.time_verified)?,
        valid_until: parse_instant(&extension.valid_until)?,
        sequence: extension.sequence,
        warnings: extension.warnings,
        inputs: inputs.collect::<Result<_, _>>()?,
    })
}

fn input(digest: &Digest) -> Object<WireInput> {
    let entry = (
        digest.algorithm().as_str().to_owned(),
        digest.hex().to_owned(),
    );
    Object(WireInput {
        digest: BTreeMap::from([entry]),
    })
}

fn digest(input: &WireInput) -> Result<Digest, ReceiptError> {
    let mut digests = input.digest.iter();
    let (Some((algorithm, hex)), None) = (digests.next(), digests.next()) else {
        return Err(ReceiptError::Form(
            "an input has no digest, or several".to_owned(),
        ));
    };
    Digest::parse(&format!("{algorithm}:{hex}"))
        .map_err(|_| ReceiptError::Form("an input's digest is none of a manifest".to_owned()))
}

/// An instant as it is written.
pub(super) fn instant(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(
        |_| format!("{milliseconds} ms"),
        |instant| instant.to_string(),
    )
}

/// Reads what [`instant`] wrote, and nothing else.
fn parse_instant(text: &str) -> Result<i64, ReceiptError> {
    let read = text.parse::<Timestamp>().ok();
    read.map(Timestamp::as_millisecond)
        .filter(|milliseconds| instant(*milliseconds) == text)
        .ok_or_else(|| {
            ReceiptError::Form(format!(
                "`{}` is not an instant in UTC as receipts have it",
                excerpt(text)
            ))
        })
}
