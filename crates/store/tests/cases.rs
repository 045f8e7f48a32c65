//! What the store promises, on any database.

mod accounts;
mod audit;
mod backup;
mod break_glass;
mod catalogue;
mod check;
mod condition;
mod crash;
mod decisions;
mod evidence;
mod feeds;
mod findings;
pub(crate) mod garbage;
mod inventories;
mod jobs;
mod opening;
mod outbox;
mod policies;
mod readiness;
mod receipts;
mod signing_keys;
mod tokens;
mod tuf;
mod uploads;
mod verifying;
mod witness;
mod world;
