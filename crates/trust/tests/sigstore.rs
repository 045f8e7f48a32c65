//! Sigstore's signatures, seen from outside: an instance of its own in memory, and every attack on it as a story.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests, whose helpers the lints do not recognise as such"
)]

mod sigstore {
    mod attacks;
    mod claims;
    mod entries;
    mod index;
    mod layers;
    mod refusals;
    mod world;
}
