//! What the store knows, in the words of `client::api`: one way for the API and the console, so that both say the same. It
//! asks for the right to look ([`find`] does) and judges nothing.

mod break_glass;
mod catalogue;
mod decisions;
mod evidence;
mod explanation;
mod image;
mod reference;

pub(crate) use self::break_glass::{break_glass, break_glasses, break_glasses_of};
pub(crate) use self::catalogue::{repositories, shape, tags};
pub(crate) use self::decisions::{covering, decisions, no_gate};
pub(crate) use self::evidence::evidence;
pub(crate) use self::explanation::{tree, value, values};
pub(crate) use self::image::{Inside, Matched, image, runnable, state};
pub(crate) use self::reference::{find, repository_of};
