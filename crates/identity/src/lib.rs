//! Who is asking: passwords, personal and robot tokens, and the short sessions of docker's token protocol.
//!
//! [`Identity::authenticate`] turns what a request presents into a [`Caller`], and [`Identity::issue`] gives whoever has
//! logged in a session token for some scopes. Secrets are made here, shown once, and kept only as hashes. It deliberately decides
//! nothing about what someone may do: that is `policy::access`, asked anew for each request with the directory of that
//! moment, so that no token is ever worth more than its principal's roles.
//!
//! - Passwords are hashed with argon2id, two at a time; failures are counted by name and address; an unknown name costs
//!   what a wrong password costs, and is answered in the same words.
//! - A session that has ended is told apart from one that never was: an upload goes on under it, for as long as the password
//!   or token that it was made with is worth something, and nothing else does.
//! - A refresh token is worth what the password or token that it was given for is worth at that moment.
//! - A token is 256 random bits, kept as its SHA-256. Robots have no password.
//! - A closed account, and a robot of a closed owner, cannot log in; tokens and sessions it held stop working at once. A
//!   session that was made with a token ends five minutes after that token was revoked, at the latest, also for uploads.

mod accounts;
mod attempts;
mod caller;
mod ceiling;
mod error;
mod identity;
mod passwords;
mod recent;
mod refresh;
mod scope;
mod secret;
mod session;

pub use accounts::{CreatedToken, CreatedUser, TokenRequest};
pub use attempts::network;
pub use caller::{Caller, LogIn, Presented, Via};
pub use ceiling::{ceiling_from_texts, ceiling_to_texts};
pub use error::{AuthError, Error};
pub use identity::{ADMIN, Identity, Options, SERVICE};
pub use scope::{Action, SCOPES_MAX, Scope};
pub use session::{Issued, SESSION_SECONDS, UPLOAD_MILLISECONDS};
