//! The body of an update: `multipart/form-data`, one part for each file, with the role as its file name. Every part of it has a limit, and
//! all updates that are here at once share one: each is held whole until it is published or refused.

use crate::error::{TrustError, V2Error};
use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use multer::{Constraints, Multipart, SizeLimit};
use registry::Update;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trust::tuf::METADATA_BYTES_MAX;
use trust::tuf::publish::{Refusal, part_role};

/// Files of one update: every role that clients read of one repository.
const PARTS_MAX: usize = 512;
/// Bytes of one update.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of all updates that are here.
const ROOM_BYTES: usize = 128 * 1024 * 1024;

/// The room that all updates share.
#[derive(Debug)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self::new(ROOM_BYTES)
    }
}

impl Room {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Room for so many bytes more; nobody waits for it, because whoever waits holds some already.
    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, TrustError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.0).try_acquire_many_owned(bytes);
        taken.map_err(|_| {
            let error = store::Error::Unavailable {
                what: "the room for updates of trust repositories",
                why: "too many are sent at once".to_owned(),
            };
            TrustError::Other(error.into())
        })
    }
}

/// An update, and the room that it takes.
pub(super) struct Received {
    pub(super) update: Update,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Reads it to its end.
pub(super) async fn read(request: Request, room: &Room) -> Result<Received, TrustError> {
    let boundary = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(|| {
            malformed("the body is not `multipart/form-data` with a boundary".to_owned())
        })?;
    let (body, room) = whole(request.into_body(), room).await?;
    let update = parts(body, boundary).await?;
    Ok(Received { update, room })
}

/// The whole body. (A reader of parts that is given it piece by piece looks for the end of a part's head from its beginning at each.)
async fn whole(
    body: Body,
    room: &Room,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), TrustError> {
    let mut pieces = body.into_data_stream();
    let (mut whole, mut taken) = (Vec::new(), None::<OwnedSemaphorePermit>);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            let otherwise =
                || V2Error::interrupted("the update ended before it was whole; send it again");
            TrustError::from(V2Error::of_body(&error, otherwise))
        })?;
        if piece.len() > BYTES_MAX.saturating_sub(whole.len()) {
            return Err(malformed(format!(
                "limit exceeded: an update has at most {BYTES_MAX} bytes"
            )));
        }
        let more = room.take(piece.len())?;
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
        whole.extend_from_slice(&piece);
    }
    Ok((whole, taken))
}

async fn parts(body: Vec<u8>, boundary: String) -> Result<Update, TrustError> {
    let file_bytes_max = u64::try_from(METADATA_BYTES_MAX).unwrap_or(u64::MAX);
    let limits = SizeLimit::new().per_field(file_bytes_max);
    let constraints = Constraints::new().size_limit(limits);
    let body = stream::iter([Ok::<_, Infallible>(Bytes::from(body))]);
    let mut parts = Multipart::with_constraints(body, boundary, constraints);
    let mut update = Update::new();
    while let Some(part) = parts.next_field().await.map_err(|error| unread(&error))? {
        if update.len() == PARTS_MAX {
            return Err(malformed(format!(
                "an update has at most {PARTS_MAX} files"
            )));
        }
        let role = part_role(part.file_name()).map_err(TrustError::from)?;
        let bytes = part.bytes().await.map_err(|error| unread(&error))?;
        update.push((role, bytes.into()));
    }
    Ok(update)
}

fn malformed(why: String) -> TrustError {
    Refusal::MalformedUpload(why).into()
}

fn unread(error: &multer::Error) -> TrustError {
    match error {
        multer::Error::FieldSizeExceeded { limit, .. } => malformed(format!(
            "limit exceeded: a file of an update has at most {limit} bytes"
        )),
        _ => {
            malformed("the body is not the `multipart/form-data` that it is said to be".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    fn request(bytes: usize) -> Request {
        let head =
            "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"root\"\r\n\r\n";
        let body = format!("{head}{}\r\n--x--\r\n", "a".repeat(bytes));
        Request::builder()
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
            .body(Body::from(body))
            .unwrap()
    }

    #[tokio::test]
    async fn updates_share_a_room_and_leave_it() {
        let room = Room::new(1_000);
        let first = read(request(600), &room).await.unwrap();
        assert_eq!(first.update.len(), 1);
        for _ in 0..2 {
            match read(request(600), &room).await.map(|other| other.update) {
                Err(TrustError::Other(error)) => {
                    assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
                }
                other => panic!("{other:?}"),
            }
        }
        // What was refused took nothing with it.
        let small = read(request(100), &room).await.unwrap();
        drop((first, small));
        read(request(600), &room).await.unwrap();
    }
}
