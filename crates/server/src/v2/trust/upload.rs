//! The body of an update: `multipart/form-data`, one part for each file, with the role as its file name. Every part of it has a limit.

use crate::error::{TrustError, V2Error};
use axum::extract::Request;
use axum::http::header;
use multer::{Constraints, Multipart, SizeLimit};
use registry::Update;
use trust::tuf::METADATA_BYTES_MAX;
use trust::tuf::publish::{Refusal, part_role};

/// Files of one update: every role that clients read of one repository.
const PARTS_MAX: usize = 512;
/// Bytes of one update.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Reads it to its end.
pub(super) async fn read(request: Request) -> Result<Update, TrustError> {
    let boundary = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(|| {
            malformed("the body is not `multipart/form-data` with a boundary".to_owned())
        })?;
    let file_bytes_max = u64::try_from(METADATA_BYTES_MAX).unwrap_or(BYTES_MAX);
    let limits = SizeLimit::new()
        .whole_stream(BYTES_MAX)
        .per_field(file_bytes_max);
    let constraints = Constraints::new().size_limit(limits);
    let body = request.into_body().into_data_stream();
    let mut parts = Multipart::with_constraints(body, boundary, constraints);
    let mut update = Update::new();
    while let Some(part) = parts.next_field().await.map_err(unread)? {
        if update.len() == PARTS_MAX {
            return Err(malformed(format!(
                "an update has at most {PARTS_MAX} files"
            )));
        }
        let role = part_role(part.file_name()).map_err(TrustError::from)?;
        let bytes = part.bytes().await.map_err(unread)?;
        update.push((role, bytes.into()));
    }
    Ok(update)
}

fn malformed(why: String) -> TrustError {
    Refusal::MalformedUpload(why).into()
}

fn unread(error: multer::Error) -> TrustError {
    use multer::Error as E;
    match &error {
        E::FieldSizeExceeded { limit, .. } => malformed(format!(
            "limit exceeded: a file of an update has at most {limit} bytes"
        )),
        E::StreamSizeExceeded { limit } => malformed(format!(
            "limit exceeded: an update has at most {limit} bytes"
        )),
        E::StreamReadFailed(_) => {
            let otherwise =
                || V2Error::interrupted("the update ended before it was whole; send it again");
            V2Error::of_body(&error, otherwise).into()
        }
        _ => {
            malformed("the body is not the `multipart/form-data` that it is said to be".to_owned())
        }
    }
}
