//! The envelope as flattened JWS. Deliberately neither the compact form nor several signatures. signature-envelope-jws; RFC 7515
//! section 7.2.2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::attributes::{
    AUTHENTIC_SIGNING_TIME, AttributeError, Attributes, EXPIRY, PAYLOAD_TYPE, Raw, SIGNING_AGENT,
    SIGNING_SCHEME, SIGNING_TIME, TIMESTAMP, to_rfc3339,
};
use super::certificate::Certificate;
use super::envelope::{self, ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, Format};
use crate::encoding::{from_base64, from_base64url, to_base64, to_base64url};
use crate::excerpt::excerpt;
use crate::strict;
use crate::tuf::rfc3339;

/// "No additional top level fields are supported."
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    payload: String,
    protected: String,
    header: Map<String, Value>,
    signature: String,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    let document: Document = strict::parse(bytes, ENVELOPE_BYTES_MAX)?;
    let decode =
        |part: &'static str, text: &str| from_base64url(text).ok_or(EnvelopeError::Base64 { part });
    let protected = decode("protected", &document.protected)?;
    let headers: Map<String, Value> = strict::parse(&protected, ENVELOPE_BYTES_MAX)?;
    check_unsigned(&document.header, &headers)?;
    Ok(Envelope {
        format: Format::Jws,
        attributes: attributes(headers)?,
        protected,
        payload: decode("payload", &document.payload)?,
        signature: decode("signature", &document.signature)?,
        chain: envelope::chain(&certificates(&document.header)?)?,
        timestamp: timestamp(&document.header)?,
        agent: document
            .header
            .get(SIGNING_AGENT)
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

/// RFC 7515 7.2.1: no name stands in both; and none that means something when signed stands in the other.
fn check_unsigned(
    header: &Map<String, Value>,
    protected: &Map<String, Value>,
) -> Result<(), EnvelopeError> {
    let signed = |name: &&String| protected.contains_key(*name) || SIGNED.contains(&name.as_str());
    match header.keys().find(signed) {
        Some(name) => Err(EnvelopeError::Unsigned {
            name: excerpt(name),
        }),
        None => Ok(()),
    }
}

fn certificates(header: &Map<String, Value>) -> Result<Vec<Vec<u8>>, EnvelopeError> {
    let Some(Value::Array(texts)) = header.get(X5C) else {
        return Err(EnvelopeError::NoChain);
    };
    let der = |text: &Value| text.as_str().and_then(from_base64);
    let ders: Option<_> = texts.iter().map(der).collect();
    ders.ok_or(EnvelopeError::Base64 { part: X5C })
}

fn timestamp(header: &Map<String, Value>) -> Result<Option<Vec<u8>>, EnvelopeError> {
    let Some(value) = header.get(TIMESTAMP) else {
        return Ok(None);
    };
    let token = value.as_str().and_then(from_base64);
    token
        .map(Some)
        .ok_or(EnvelopeError::Base64 { part: TIMESTAMP })
}

fn attributes(headers: Map<String, Value>) -> Result<Attributes, EnvelopeError> {
    let mut raw = Raw::default();
    for (name, value) in headers {
        match name.as_str() {
            ALG => raw.algorithm = value.as_str().and_then(Algorithm::of_name),
            CTY => raw.content_type = Some(text(&name, value)?),
            CRIT => raw.critical = names(value)?,
            SIGNING_SCHEME => raw.scheme = Some(text(&name, value)?),
            SIGNING_TIME => raw.signing_time = Some(time(SIGNING_TIME, &value)?),
            AUTHENTIC_SIGNING_TIME => {
                raw.authentic_signing_time = Some(time(AUTHENTIC_SIGNING_TIME, &value)?);
            }
            EXPIRY => raw.expiry = Some(time(EXPIRY, &value)?),
            _ => {
                let value = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                raw.extended.push((name, value));
            }
        }
    }
    Ok(raw.check()?)
}

fn text(name: &str, value: Value) -> Result<String, AttributeError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(AttributeError::Form {
            name: excerpt(name),
        }),
    }
}

fn names(value: Value) -> Result<Vec<String>, AttributeError> {
    match value {
        Value::Array(names) => names.into_iter().map(|name| text(CRIT, name)).collect(),
        _ => Err(AttributeError::Form { name: CRIT.into() }),
    }
}

fn time(name: &'static str, value: &Value) -> Result<i64, AttributeError> {
    let read = value.as_str().and_then(rfc3339);
    read.ok_or(AttributeError::Time { name })
}

/// The protected headers as the reference implementation writes them: the names in order.
pub(super) fn protected(attributes: &Attributes) -> Option<Vec<u8>> {
    let mut headers: BTreeMap<&str, Value> = BTreeMap::new();
    headers.insert(ALG, attributes.algorithm.as_str().into());
    headers.insert(CTY, PAYLOAD_TYPE.into());
    headers.insert(CRIT, attributes.critical().into());
    headers.insert(SIGNING_SCHEME, attributes.scheme.as_str().into());
    for (name, time) in attributes.times() {
        headers.insert(name, to_rfc3339(time)?.into());
    }
    for extended in &attributes.extended {
        let taken = headers.insert(&extended.name, extended.value.as_str().into());
        if taken.is_some() {
            return None;
        }
    }
    serde_json::to_vec(&headers).ok()
}

pub(super) fn signed_bytes(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    format!("{}.{}", to_base64url(protected), to_base64url(payload)).into_bytes()
}

pub(super) fn write(envelope: &Envelope) -> Result<Vec<u8>, EnvelopeError> {
    let der = |certificate: &Certificate| Value::String(to_base64(certificate.as_der()));
    let mut header = Map::new();
    header.insert(X5C.into(), envelope.chain.iter().map(der).collect());
    if let Some(token) = &envelope.timestamp {
        header.insert(TIMESTAMP.into(), to_base64(token).into());
    }
    if let Some(agent) = &envelope.agent {
        header.insert(SIGNING_AGENT.into(), agent.as_str().into());
    }
    let document = Document {
        payload: to_base64url(&envelope.payload),
        protected: to_base64url(&envelope.protected),
        header,
        signature: to_base64url(&envelope.signature),
    };
    serde_json::to_vec(&document)
        .map_err(|error| EnvelopeError::Json(strict::JsonError::Form(error.to_string())))
}

const ALG: &str = "alg";
const CTY: &str = "cty";
const CRIT: &str = "crit";
const X5C: &str = "x5c";
const SIGNED: [&str; 7] = [
    ALG,
    CTY,
    CRIT,
    SIGNING_SCHEME,
    SIGNING_TIME,
    AUTHENTIC_SIGNING_TIME,
    EXPIRY,
];
