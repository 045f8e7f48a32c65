//! Trust repositories, seen from outside: publishing, renewing, reading, and every attack on metadata as a story.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests, whose helpers the lints do not recognise as such"
)]

mod tuf {
    mod attacks;
    mod attacks_keys;
    mod attacks_robbed;
    mod attacks_stalling;
    mod attacks_standard;
    mod index;
    mod laws;
    mod laws_standard;
    mod managed;
    mod managed_attacks;
    mod notary_data;
    mod notary_validation;
    mod one_signer;
    mod one_signer_managed;
    mod publishing;
    mod reading;
    mod renewing;
    mod says;
    mod standard;
}
