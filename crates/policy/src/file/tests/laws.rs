//! Laws of the reader: no panic, always a place, and an order of stages that exists.

use proptest::prelude::*;

use super::DESIGN;
use crate::file::{AUTHOR_STAGE, closure, load};
use crate::lint::LintCode;

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z:{}\\[\\], \n\\-&*'\"#!<>|1-3]{0,200}") {
        let _ = load(&text, "p");
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_is_read_or_refused_with_a_place(at in 0..DESIGN.len(), byte in 0x20_u8..0x7f) {
        let mut bytes = DESIGN.as_bytes().to_vec();
        bytes[at] = byte;
        // A byte of `…` that was replaced leaves no UTF-8, and no text to read.
        let lints = String::from_utf8(bytes).ok().and_then(|text| load(&text, "p").err());
        for lint in lints.unwrap_or_default() {
            prop_assert!(lint.is_error() && lint.line > 0, "{:?}", lint);
        }
    }

    #[test]
    fn what_is_read_has_no_cycle_and_no_unknown_stage(
        edges in prop::collection::vec((0..5_usize, 0..5_usize), 0..8), excepts in prop::collection::vec(any::<bool>(), 5),
    ) {
        const NAMES: [&str; 5] = ["ci", "a", "b", "c", "d"];
        let mut text = "version: 1\nrepositories: ['**']\nstages:\n".to_owned();
        for (index, name) in NAMES.iter().enumerate() {
            let mut after: Vec<&str> =
                edges.iter().filter(|(from, to)| *from == index && *to != index).map(|(_, to)| NAMES[*to]).collect();
            after.sort_unstable();
            after.dedup();
            let except = if excepts[index] { ", except: [author]" } else { "" };
            text.push_str(&format!("  {name}: {{signers: [{{team: t}}], after: [{}]{except}}}\n", after.join(", ")));
        }
        text.push_str("gates: {g: {holds-for: everyone, require: [ci, a, b, c, d]}}\n");
        match load(&text, "p") {
            // An order exists: each stage comes after those it waits for.
            Ok(policy) => {
                let order = closure(&policy.stages, NAMES);
                prop_assert_eq!(order.len(), NAMES.len());
                for (name, stage) in &policy.stages {
                    let place = |name: &str| order.iter().position(|other| *other == name);
                    for before in &stage.after {
                        prop_assert!(place(before) < place(name));
                    }
                    if stage.except_author && name != AUTHOR_STAGE {
                        prop_assert!(place(AUTHOR_STAGE) < place(name));
                    }
                }
            }
            Err(lints) => prop_assert!(lints.iter().all(|lint| lint.code == LintCode::StageCycle)),
        }
    }
}
