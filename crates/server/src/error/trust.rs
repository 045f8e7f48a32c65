//! Errors of trust repositories, as the clients of notary-server read them: one error in a body below 1 KiB, its reason in `detail`
//! for 400. For every other status they print the number alone, so that these need no more than the distribution API says.

use super::V2Error;
use crate::observe;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use trust::tuf::publish::{REFUSAL_BYTES_MAX, Refusal};

/// How much of a gate's reasons has room in the body of a refusal, in bytes as they stand in JSON.
const GATE_REASON_BYTES_MAX: usize = REFUSAL_BYTES_MAX - 200;

/// An error of a trust repository.
#[derive(Debug)]
pub(crate) enum TrustError {
    /// An update is not taken.
    Refused(Box<Refusal>),
    /// The request is wrong, or names what is not there.
    Request(Request),
    /// Anything else.
    Other(V2Error),
}

#[derive(Debug)]
pub(crate) struct Request {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl TrustError {
    /// There is no such metadata, and no more is said.
    pub(crate) fn absent() -> Self {
        Self::Request(Request {
            status: StatusCode::NOT_FOUND,
            code: "METADATA_NOT_FOUND",
            message: "there is no such trust metadata here".to_owned(),
        })
    }

    /// The name is not one of a trust repository of this server.
    pub(crate) fn gun(why: &str) -> Self {
        Self::bad("INVALID_GUN", why)
    }

    /// A parameter is wrong.
    pub(crate) fn parameters(why: &str) -> Self {
        Self::bad("INVALID_PARAMETERS", why)
    }

    /// A gate's no. As 400, because of every other status the clients print the number alone.
    fn of_gate(refusal: &registry::Refusal) -> Self {
        observe::refused_by_gate(refusal.not_ready);
        let why = refusal.within(GATE_REASON_BYTES_MAX);
        Self::Refused(Box::new(Refusal::Forbidden(why)))
    }

    fn bad(code: &'static str, why: &str) -> Self {
        Self::Request(Request {
            status: StatusCode::BAD_REQUEST,
            code,
            message: why.to_owned(),
        })
    }
}

impl IntoResponse for TrustError {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::Other(error) => return error.into_response(),
            Self::Refused(refusal) => {
                observe::because(&refusal.to_string());
                (StatusCode::BAD_REQUEST, refusal.body())
            }
            Self::Request(request) => {
                observe::because(&request.message);
                (request.status, request.body())
            }
        };
        let json = [(header::CONTENT_TYPE, "application/json")];
        (status, json, body).into_response()
    }
}

impl Request {
    fn body(&self) -> String {
        let detail = match self.status {
            StatusCode::BAD_REQUEST => {
                json!({"Name": "ErrValidation", "Error": {"Msg": self.message}})
            }
            _ => json!({}),
        };
        let message = match self.status {
            StatusCode::BAD_REQUEST => "the request is refused: `detail` says why",
            _ => &self.message,
        };
        json!({"errors": [{"code": self.code, "message": message, "detail": detail}]}).to_string()
    }
}

impl From<Refusal> for TrustError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<V2Error> for TrustError {
    fn from(error: V2Error) -> Self {
        Self::Other(error)
    }
}

impl From<registry::Error> for TrustError {
    fn from(error: registry::Error) -> Self {
        match error {
            registry::Error::Update(refusal) => Self::Refused(refusal),
            registry::Error::Refused(refusal) => Self::of_gate(&refusal),
            registry::Error::Store(error @ store::Error::Conflict { .. }) => {
                Self::gun(&error.to_string())
            }
            error => Self::Other(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What docker and notary read of an error.
    const READ_BYTES: usize = 1024;

    #[test]
    fn bodies_are_short_enough_to_be_read() {
        // A name has at most 255 bytes, and JSON writes some of them in two.
        let host = "\"".repeat(255);
        let name = host.clone();
        let foreign = registry::HostError::Foreign { host }.to_string();
        let unnamed = registry::HostError::Name { name }.to_string();
        for error in [
            TrustError::absent(),
            TrustError::gun(&foreign),
            TrustError::gun(&unnamed),
        ] {
            let TrustError::Request(request) = error else {
                unreachable!("it is of a request");
            };
            assert!(request.body().len() <= READ_BYTES, "{}", request.body());
        }
    }

    #[test]
    fn a_gates_reasons_are_cut_to_what_clients_read_at_a_whole_reason() {
        let name = format!("shop/{}", "w".repeat(60));
        let digest = oci::Digest::sha256(b"image");
        let decision = policy::gate::no_policy(&name.parse().unwrap(), &digest, 0);
        let refusal = |count: usize| registry::Refusal {
            message: String::new(),
            decisions: vec![decision.clone(); count],
            not_ready: false,
        };
        for count in [1, 2, 40] {
            let error = registry::Error::Refused(Box::new(refusal(count)));
            let TrustError::Refused(said) = TrustError::from(error) else {
                unreachable!("a gate's no is a refusal");
            };
            let body = said.body();
            assert!(body.len() <= READ_BYTES, "{body}");
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["errors"].as_array().unwrap().len(), 1);
            let said = body["errors"][0]["detail"]["Error"]["Msg"]
                .as_str()
                .unwrap();
            assert!(said.contains("may not pass any gate"), "{said}");
            assert!(!said.ends_with('…'), "{said}");
            assert_eq!(
                said.contains(" 38 more gates say no: countersign verify "),
                count == 40
            );
        }
    }
}
