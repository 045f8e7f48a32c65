//! HTTP, and nothing else: the distribution API, tokens, `/api/v1`, the console. Every decision is made below;
//! this crate turns requests into calls, and answers into status codes. Start at [`router`], which lists all that can be asked.

mod api;
mod app;
mod asker;
mod caller;
mod conduit;
mod console;
mod error;
mod health;
pub mod limits;
pub mod listen;
mod metrics;
mod observe;
mod query;
mod reading;
pub mod router;
mod tlog;
pub mod tls;
mod token;
mod v2;
mod view;
mod witness;

pub use api::garbage::collection;
pub use app::{App, AppOptions, Clock};
pub use axum::Router;
pub use error::{ApiError, ApiResult};
pub use observe::{ACCESS, request_id};
pub use registry::Hosts;
