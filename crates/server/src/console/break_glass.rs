//! The gates that are broken open, or shall be: on the first page, and on that of each image.

use super::frame::instant;
use super::pages::image_link;
use client::api::break_glass::{BreakGlass, BreakGlassState};
use maud::{Markup, html};

/// What is open, if anything; with the images where they are not one.
pub(super) fn section(opened: &[BreakGlass], with_images: bool) -> Markup {
    html! {
        @if !opened.is_empty() {
            section {
                h2 { "Break-glass" }
                table {
                    thead {
                        tr {
                            th.number { "No." }
                            @if with_images { th { "Image" } }
                            th { "Gate" } th { "State" } th { "Until" } th { "Reason" } th { "Asked for by" } th { "Confirmed by" }
                        }
                    }
                    tbody { @for each in opened { (row(each, with_images)) } }
                }
            }
        }
    }
}

fn row(each: &BreakGlass, with_image: bool) -> Markup {
    let (repository, digest) = (each.repository.as_str(), &each.digest);
    html! {
        tr {
            td.number { (each.id) }
            @if with_image {
                td { a href=(image_link(repository, digest.as_str(), false)) { (repository) "@" (digest.short()) } }
            }
            td { (each.gate) " " span.muted { "(policy " (each.policy) ")" } }
            td { (state(each.state)) }
            td { (instant(each.until_at)) }
            td { (each.reason) }
            td { (each.asked_by) }
            td {
                @match &each.confirmed_by {
                    Some(by) => (by),
                    None => { span.muted { "nobody yet: " } code { "countersign gate break-glass confirm " (each.id) } },
                }
            }
        }
    }
}

fn state(state: BreakGlassState) -> Markup {
    let (class, words) = match state {
        BreakGlassState::Asked => ("not-ready", "asked for, shut"),
        BreakGlassState::InForce => ("deny", "open"),
        BreakGlassState::Ended => ("allow", "ended"),
    };
    html! { span class={"badge " (class)} { (words) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Digest;

    fn broken(state: BreakGlassState, confirmed_by: Option<&str>) -> BreakGlass {
        BreakGlass {
            id: 7,
            repository: "shop/web".parse().unwrap(),
            digest: Digest::sha256(b"image"),
            policy: "shop".to_owned(),
            gate: "production".to_owned(),
            reason: "<b>hurry</b>".to_owned(),
            for_seconds: 3_600,
            state,
            asked_by: "anna".to_owned(),
            asked_at: 0,
            confirmed_by: confirmed_by.map(str::to_owned),
            confirmed_at: None,
            until_at: 3_600_000,
            end: None,
            ended_by: None,
            ended_at: None,
        }
    }

    #[test]
    fn what_is_open_is_told_with_its_reason_and_its_end() {
        let open = section(&[broken(BreakGlassState::InForce, Some("omar"))], true).into_string();
        for part in [
            "/console/image?ref=shop",
            "production",
            "&lt;b&gt;hurry",
            "1970-01-01 01:00 UTC",
            "anna",
            "omar",
        ] {
            assert!(open.contains(part), "{part}: {open}");
        }
        assert!(
            !open.contains("<b>") && !open.contains("confirm 7"),
            "{open}"
        );
        let asked = section(&[broken(BreakGlassState::Asked, None)], false).into_string();
        assert!(
            asked.contains("countersign gate break-glass confirm 7"),
            "{asked}"
        );
        assert!(!asked.contains("/console/image"), "{asked}");
        assert_eq!(section(&[], true).into_string(), "");
    }
}
