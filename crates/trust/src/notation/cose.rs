//! The envelope as COSE_Sign1, tagged. CBOR and COSE are read by `coset`, which refuses labels that stand twice and bytes behind the
//! document. Deliberately neither a detached payload nor external data. signature-envelope-cose; RFC 9052 section 4.2.

use coset::cbor::value::Value;
use coset::iana::{self, EnumI64 as _};
use coset::{
    CborSerializable as _, CoseSign1, Header, Label, ProtectedHeader, RegisteredLabel,
    RegisteredLabelWithPrivate, SignatureContext, TaggedCborSerializable as _, sig_structure_data,
};

use super::algorithm::Algorithm;
use super::attributes::{
    AUTHENTIC_SIGNING_TIME, AttributeError, Attributes, EXPIRY, PAYLOAD_TYPE, Raw, SIGNING_AGENT,
    SIGNING_SCHEME, SIGNING_TIME, TIMESTAMP,
};
use super::certificate::Certificate;
use super::envelope::{self, Envelope, EnvelopeError, Format};
use crate::excerpt::excerpt;

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    let message = CoseSign1::from_tagged_slice(bytes).map_err(|error| cose(&error))?;
    let protected = message.protected.original_data.unwrap_or_default();
    let signed = message.protected.header;
    let unsigned = message.unprotected;
    check_unsigned(&signed, &unsigned)?;
    let payload = message
        .payload
        .ok_or_else(|| EnvelopeError::Cose("its payload is elsewhere".into()))?;
    Ok(Envelope {
        format: Format::Cose,
        chain: envelope::chain(&certificates(&signed, &unsigned)?)?,
        attributes: attributes(signed)?,
        protected,
        payload,
        signature: message.signature,
        timestamp: timestamp(&unsigned)?,
        agent: value_of(&unsigned, SIGNING_AGENT)
            .and_then(Value::as_text)
            .map(str::to_owned),
    })
}

/// RFC 9052 3: no label stands in both; and none that means something when signed stands in the other.
fn check_unsigned(signed: &Header, unsigned: &Header) -> Result<(), EnvelopeError> {
    let of_the_format = [
        (unsigned.alg.is_some(), "alg"),
        (!unsigned.crit.is_empty(), "crit"),
        (unsigned.content_type.is_some(), "content type"),
    ];
    if let Some((_, name)) = of_the_format.into_iter().find(|(is_there, _)| *is_there) {
        return Err(EnvelopeError::Unsigned { name: name.into() });
    }
    let is_signed = |label: &Label| {
        let means_something = matches!(label, Label::Text(text) if SIGNED.contains(&text.as_str()));
        means_something || signed.rest.iter().any(|(other, _)| other == label)
    };
    match unsigned.rest.iter().find(|(label, _)| is_signed(label)) {
        Some((label, _)) => Err(EnvelopeError::Unsigned {
            name: excerpt(&name_of(label)),
        }),
        None => Ok(()),
    }
}

/// `x5chain` is unsigned, "optionally" it is signed; never both, which was checked.
fn certificates(signed: &Header, unsigned: &Header) -> Result<Vec<Vec<u8>>, EnvelopeError> {
    let is_chain = |(label, _): &&(Label, Value)| *label == x5chain();
    let found = unsigned.rest.iter().chain(&signed.rest).find(is_chain);
    let Some((_, Value::Array(items))) = found else {
        return Err(EnvelopeError::NoChain);
    };
    let ders: Option<_> = items.iter().map(|item| item.as_bytes().cloned()).collect();
    ders.ok_or(EnvelopeError::NoChain)
}

fn timestamp(unsigned: &Header) -> Result<Option<Vec<u8>>, EnvelopeError> {
    match value_of(unsigned, TIMESTAMP) {
        None => Ok(None),
        Some(Value::Bytes(token)) => Ok(Some(token.clone())),
        Some(_) => Err(EnvelopeError::Attributes(AttributeError::Form {
            name: TIMESTAMP.into(),
        })),
    }
}

fn value_of<'a>(header: &'a Header, name: &str) -> Option<&'a Value> {
    let is_it = |(label, _): &&(Label, Value)| matches!(label, Label::Text(text) if text == name);
    header.rest.iter().find(is_it).map(|(_, value)| value)
}

fn attributes(header: Header) -> Result<Attributes, EnvelopeError> {
    let others = [
        !header.key_id.is_empty(),
        !header.iv.is_empty(),
        !header.partial_iv.is_empty(),
        !header.counter_signatures.is_empty(),
    ];
    if others.contains(&true) {
        return Err(EnvelopeError::Cose(
            "it has protected headers that no signature of the notary project has".into(),
        ));
    }
    let mut raw = Raw {
        algorithm: match header.alg {
            Some(RegisteredLabelWithPrivate::Assigned(id)) => Algorithm::of_cose_id(id.to_i64()),
            _ => None,
        },
        content_type: match header.content_type {
            Some(RegisteredLabel::Text(text)) => Some(text),
            _ => None,
        },
        critical: header.crit.iter().map(critical_name).collect(),
        ..Raw::default()
    };
    for (label, value) in header.rest {
        let name = name_of(&label);
        match name.as_str() {
            _ if label == x5chain() => {}
            SIGNING_SCHEME => {
                let text = value.into_text();
                raw.scheme = Some(text.map_err(|_| AttributeError::Form { name })?);
            }
            SIGNING_TIME => raw.signing_time = Some(time(SIGNING_TIME, &value)?),
            AUTHENTIC_SIGNING_TIME => {
                raw.authentic_signing_time = Some(time(AUTHENTIC_SIGNING_TIME, &value)?);
            }
            EXPIRY => raw.expiry = Some(time(EXPIRY, &value)?),
            _ => {
                let value = match value {
                    Value::Text(text) => text,
                    other => format!("{other:?}"),
                };
                raw.extended.push((name, value));
            }
        }
    }
    Ok(raw.check()?)
}

/// Labels that are numbers get a name that no text has in this format's own list.
fn name_of(label: &Label) -> String {
    match label {
        Label::Text(text) => text.clone(),
        Label::Int(number) => format!("{LABEL}{number}"),
    }
}

fn critical_name(label: &RegisteredLabelWithPrivate<iana::HeaderParameter>) -> String {
    match label {
        RegisteredLabelWithPrivate::Text(text) => text.clone(),
        RegisteredLabelWithPrivate::Assigned(parameter) => format!("{LABEL}{}", parameter.to_i64()),
        RegisteredLabelWithPrivate::PrivateUse(number) => format!("{LABEL}{number}"),
    }
}

/// RFC 8949 3.4.2: tag 1 around seconds since 1970. A fraction SHOULD NOT be there, and is not taken.
fn time(name: &'static str, value: &Value) -> Result<i64, AttributeError> {
    let seconds = match value {
        Value::Tag(1, inner) => inner
            .as_integer()
            .and_then(|seconds| i64::try_from(seconds).ok()),
        _ => None,
    };
    seconds
        .and_then(|seconds| seconds.checked_mul(1000))
        .ok_or(AttributeError::Time { name })
}

/// The protected headers as the reference implementation writes them: labels in the order of their encoding (RFC 8949, 4.2.1).
pub(super) fn protected(attributes: &Attributes) -> Option<Vec<u8>> {
    let algorithm = iana::Algorithm::from_i64(attributes.algorithm.cose_id())?;
    let mut rest: Vec<(String, Value)> =
        vec![(SIGNING_SCHEME.into(), attributes.scheme.as_str().into())];
    for (name, time) in attributes.times() {
        let seconds = Value::from(time.div_euclid(1000));
        rest.push((name.into(), Value::Tag(1, Box::new(seconds))));
    }
    for extended in &attributes.extended {
        rest.push((extended.name.clone(), extended.value.as_str().into()));
    }
    // Shorter texts are encoded with a smaller first byte.
    rest.sort_by(|(one, _), (two, _)| (one.len(), one).cmp(&(two.len(), two)));
    let critical = critical(attributes);
    let header = Header {
        alg: Some(RegisteredLabelWithPrivate::Assigned(algorithm)),
        crit: critical
            .into_iter()
            .map(RegisteredLabelWithPrivate::Text)
            .collect(),
        content_type: Some(RegisteredLabel::Text(PAYLOAD_TYPE.into())),
        rest: rest
            .into_iter()
            .map(|(name, value)| (Label::Text(name), value))
            .collect(),
        ..Header::default()
    };
    header.to_vec().ok()
}

/// Other than in JWS, the reference implementation has the times before the attributes of its own.
fn critical(attributes: &Attributes) -> Vec<String> {
    let own = attributes.extended.iter().filter(|one| one.critical);
    let mut names = vec![SIGNING_SCHEME.to_owned()];
    names.extend(attributes.critical_times().into_iter().map(str::to_owned));
    names.extend(own.map(|one| one.name.clone()));
    names
}

pub(super) fn signed_bytes(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    sig_structure_data(
        SignatureContext::CoseSign1,
        as_read(protected),
        None,
        &[],
        payload,
    )
}

pub(super) fn write(envelope: &Envelope) -> Result<Vec<u8>, EnvelopeError> {
    let der = |certificate: &Certificate| Value::Bytes(certificate.as_der().to_vec());
    let chain = envelope.chain.iter().map(der).collect();
    let mut rest = vec![(x5chain(), Value::Array(chain))];
    if let Some(agent) = &envelope.agent {
        rest.push((Label::Text(SIGNING_AGENT.into()), agent.as_str().into()));
    }
    if let Some(token) = &envelope.timestamp {
        rest.push((Label::Text(TIMESTAMP.into()), Value::Bytes(token.clone())));
    }
    let message = CoseSign1 {
        protected: as_read(&envelope.protected),
        unprotected: Header {
            rest,
            ..Header::default()
        },
        payload: Some(envelope.payload.clone()),
        signature: envelope.signature.clone(),
    };
    message.to_tagged_vec().map_err(|error| cose(&error))
}

/// Headers that are written as they were read.
fn as_read(protected: &[u8]) -> ProtectedHeader {
    ProtectedHeader {
        original_data: Some(protected.to_vec()),
        header: Header::default(),
    }
}

fn x5chain() -> Label {
    Label::Int(iana::HeaderParameter::X5Chain.to_i64())
}

fn cose(error: &coset::CoseError) -> EnvelopeError {
    EnvelopeError::Cose(excerpt(&error.to_string()))
}

const LABEL: &str = "cose label ";
const SIGNED: [&str; 4] = [SIGNING_SCHEME, SIGNING_TIME, AUTHENTIC_SIGNING_TIME, EXPIRY];
