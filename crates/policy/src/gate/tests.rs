//! Attack stories and laws of the gate. The world they play in is in `world.rs`.

mod attestations;
mod break_glass;
mod ends;
mod index;
mod laws;
mod limits;
mod modes;
mod signatures;
mod stages;
mod time;
pub(crate) mod world;
