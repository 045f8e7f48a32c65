//! The wire types of `/api/v1`: what the server reads and writes, and the same types again on the client's side. One
//! file a topic. They are plain data: deliberately no rules, no defaults that decide anything, and the payloads that
//! other crates define (decisions, inventories, advisories) travel as JSON values.
//!
//! All names are camelCase; times are milliseconds since the epoch in fields that end in `At`; every list is a
//! [`Page`]; every refusal is an [`ErrorBody`].

pub mod accounts;
pub mod advisories;
pub mod audit;
pub mod break_glass;
pub mod catalogue;
mod error;
pub mod events;
pub mod garbage;
pub mod gate;
pub mod image;
pub mod keys;
mod page;
pub mod policies;
pub mod receipts;
mod secret;
pub mod tokens;
pub mod webhooks;

pub use error::{ErrorBody, ErrorDetail};
pub use page::Page;
pub use secret::Secret;

#[cfg(test)]
mod tests;
