//! Every bound that this crate puts on answers and on waiting, in one place.

use std::time::Duration;

/// The largest JSON answer of the API.
pub(crate) const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The largest SBOM.
pub(crate) const SBOM_BYTES_MAX: u64 = 512 << 20;
/// The largest body of a refusal that is read.
pub(crate) const REFUSAL_BYTES_MAX: u64 = 4 << 20;
/// The largest answer of a token service.
pub(crate) const TOKEN_BYTES_MAX: u64 = 1 << 20;
/// The largest public key of a trust repository.
pub(crate) const TRUST_KEY_BYTES_MAX: u64 = 64 << 10;
/// The largest list of tags or referrers on one page.
pub(crate) const LIST_BYTES_MAX: u64 = 8 << 20;
/// The longest chain of pages that is followed for one list.
pub(crate) const PAGES_MAX: usize = 10_000;
/// The longest chain of redirects of one download.
pub(crate) const REDIRECTS_MAX: usize = 5;
/// The largest number of tokens that are kept.
pub(crate) const TOKENS_MAX: usize = 256;

/// How long a connection may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an ordinary call may take in all, and how long a stream may pause.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a call may take that makes the server work: an import, a dry run.
pub(crate) const WORK_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long sent bytes may stay unacknowledged before the connection counts as broken.
pub(crate) const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(60);
/// The slowest connection that an upload of known length is waited for, in bytes a second.
pub(crate) const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 16 << 10;
/// How long an upload of unknown length may take.
pub(crate) const UPLOAD_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
