//! What the console shows, from what the API would answer: repositories, one repository, one image. It asks nothing by itself.

use super::break_glass;
use super::frame::{instant, page};
use crate::query::encoded;
use crate::view::Matched;
use client::api::break_glass::BreakGlass;
use client::api::catalogue::{Repository, Tag};
use client::api::image::{Evidence, Finding, Image, InventoryState};
use maud::{Markup, html};
use policy::decision::Mark;
use policy::{Decision, Rule, RuleResult};
use sbom::Component;
use std::collections::BTreeMap;

/// Components of a layer that are shown at first.
const COMPONENTS_SHOWN: usize = 25;

/// The first page: gates that are broken open, and repositories; `more` leads to the next ones.
pub(crate) fn repositories(
    user: &str,
    opened: &[BreakGlass],
    repositories: &[Repository],
    more: Option<&str>,
) -> Markup {
    page(
        "Repositories",
        Some(user),
        &html! {
            (break_glass::section(opened, true))
            section {
                h1 { "Repositories" }
                @if repositories.is_empty() {
                    p.empty { "Nothing here yet. Push a first image: " code { "docker push HOST/shop/web:1" } }
                } @else {
                    table {
                        thead { tr { th { "Repository" } th.number { "Tags" } th { "Since" } } }
                        tbody {
                            @for repository in repositories {
                                tr {
                                    td { a href={"/console/repository?name=" (encoded(repository.name.as_str()))} { (repository.name) } }
                                    td.number { (repository.tags) }
                                    td { (instant(repository.created_at)) }
                                }
                            }
                        }
                    }
                }
                @if let Some(more) = more { p { a href=(more) { "More" } } }
            }
        },
    )
}

/// One tag with what the gates say of it.
pub(crate) struct TagRow {
    pub(crate) tag: Tag,
    pub(crate) shape: String,
    pub(crate) decisions: Vec<Decision>,
}

/// One repository: its tags; `more` leads to the next ones.
pub(crate) fn repository(user: &str, name: &str, tags: &[TagRow], more: Option<&str>) -> Markup {
    page(
        name,
        Some(user),
        &html! {
            nav.path { a href="/" { "Repositories" } " / " (name) }
            section {
                h1 { (name) }
                @if tags.is_empty() { p.empty { "No tags." } }
                @else {
                    table {
                        thead { tr { th { "Tag" } th { "Kind" } th { "Digest" } th { "Pushed" } th { "Gates" } } }
                        tbody {
                            @for row in tags {
                                tr {
                                    td { a href=(image_link(name, row.tag.name.as_str(), true)) { (row.tag.name) } }
                                    td { (row.shape) }
                                    td { code { (row.tag.digest.short()) } }
                                    td { (instant(row.tag.updated_at)) }
                                    td {
                                        @for decision in &row.decisions { (badge(decision)) " " }
                                        @if row.decisions.is_empty() { span.muted { "no policy" } }
                                    }
                                }
                            }
                        }
                    }
                }
                @if let Some(more) = more { p { a href=(more) { "More" } } }
            }
        },
    )
}

pub(super) fn image_link(repository: &str, reference: &str, by_tag: bool) -> String {
    let mark = if by_tag { ':' } else { '@' };
    format!(
        "/console/image?ref={}",
        encoded(&format!("{repository}{mark}{reference}"))
    )
}

fn badge(decision: &Decision) -> Markup {
    let (class, more) = match decision.break_glass {
        Some(_) => ("warn", " (break-glass)"),
        None => (decision.outcome.as_str(), ""),
    };
    html! { span class={"badge " (class)} { (decision.gate) ": " (decision.outcome.as_str()) (more) } }
}

/// All that an image's page shows.
pub(crate) struct ImagePage {
    pub(crate) image: Image,
    pub(crate) decisions: Vec<Decision>,
    /// Gates that are broken open for it, or shall be.
    pub(crate) opened: Vec<BreakGlass>,
    pub(crate) components: Vec<Component>,
    pub(crate) findings: Vec<Finding>,
    /// How much the findings say.
    pub(crate) matched: Matched,
    pub(crate) evidence: Vec<Evidence>,
}

/// One image: stamps, decisions, findings, components by layer, evidence.
pub(crate) fn image(user: &str, shown: &ImagePage) -> Markup {
    let is_of_index = |each: &BreakGlass| each.digest != shown.image.digest;
    let with_indexes = shown.opened.iter().any(is_of_index);
    let repository = shown.image.repository.as_str();
    let title = shown
        .image
        .tags
        .first()
        .map_or_else(|| shown.image.digest.short().to_owned(), Clone::clone);
    page(
        &format!("{repository}:{title}"),
        Some(user),
        &html! {
            nav.path {
                a href="/" { "Repositories" } " / "
                a href={"/console/repository?name=" (encoded(repository))} { (repository) } " / " (title)
            }
            section {
                h1 { (repository) span.muted { ":" (title) } }
                (facts(&shown.image))
            }
            (break_glass::section(&shown.opened, with_indexes))
            (stamps(&shown.decisions))
            (decisions(&shown.decisions))
            @if shown.image.shape == "index" { (platforms(&shown.image)) }
            @if shown.image.inventory.is_some() {
                (findings(shown))
                (layers(shown))
            }
            (evidence(&shown.evidence))
        },
    )
}

fn facts(image: &Image) -> Markup {
    html! {
        dl.facts {
            dt { "Digest" } dd { code { (image.digest) } }
            dt { "Kind" } dd { (image.shape) " · " (image.media_type) }
            dt { "Pushed" } dd { (instant(image.pushed_at)) @if let Some(by) = &image.pushed_by { " by " (by) } }
            @if let Some(inventory) = &image.inventory {
                dt { "Inventory" }
                dd {
                    span class={"badge " (state_class(inventory.state))} { (state_name(inventory.state)) }
                    " " (inventory.components) " components"
                    @if let Some(distro) = &inventory.distro { " · " (distro) }
                    @for problem in &inventory.problems { p.problem { (problem) } }
                }
            }
        }
    }
}

fn state_name(state: InventoryState) -> &'static str {
    match state {
        InventoryState::NotIndexed => "not indexed yet",
        InventoryState::Complete => "complete",
        InventoryState::Incomplete => "incomplete",
        InventoryState::Unscannable => "unscannable",
    }
}

fn state_class(state: InventoryState) -> &'static str {
    match state {
        InventoryState::Complete => "allow",
        InventoryState::NotIndexed => "not-ready",
        InventoryState::Incomplete | InventoryState::Unscannable => "deny",
    }
}

/// The stages as stamps on a crate: one a stage, as the strictest gate sees it.
fn stamps(decisions: &[Decision]) -> Markup {
    let mut stages: BTreeMap<&str, &RuleResult> = BTreeMap::new();
    for rule in decisions.iter().flat_map(|decision| &decision.rules) {
        if let Rule::Stage(name) = &rule.rule {
            let held = stages.entry(name).or_insert(rule);
            if !rule.satisfied {
                *held = rule;
            }
        }
    }
    html! {
        @if !stages.is_empty() {
            section {
                h2 { "Stamps" }
                ul.stamps {
                    @for (name, rule) in &stages {
                        li class=(if rule.satisfied { "stamp given" } else { "stamp open" }) {
                            strong { (name) }
                            span { (if rule.satisfied { "✓" } else { "open" }) }
                            @for counted in &rule.counted { small title=(instant(counted.stored_at)) { (counted.name) } }
                            @if rule.automatic { small { "automatic" } }
                        }
                    }
                }
            }
        }
    }
}

fn decisions(decisions: &[Decision]) -> Markup {
    html! {
        section {
            h2 { "Gates" }
            @if decisions.is_empty() { p.empty { "No policy covers this repository." } }
            @for decision in decisions {
                article.decision {
                    p { (badge(decision)) " " (decision.sentence()) }
                    ul.tree {
                        @for line in decision.tree_lines() {
                            li class={"depth" (line.depth.min(6)) " " (mark_class(line.mark))} {
                                span.mark aria-hidden="true" { (line.mark.symbol()) }
                                @if line.mark == Mark::Next { code { (line.text) } } @else { span { (line.text) } }
                                @if let Some(code) = line.code { " " small.code title=(code.describe()) { (code.as_str()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn mark_class(mark: Mark) -> &'static str {
    match mark {
        Mark::Pass => "pass",
        Mark::Fail => "fail",
        Mark::Wait => "wait",
        Mark::Note => "note",
        Mark::Next => "next",
    }
}

fn platforms(image: &Image) -> Markup {
    html! {
        section {
            h2 { "Platforms" }
            ul {
                @for child in &image.children {
                    li {
                        @if child.present { a href=(image_link(image.repository.as_str(), child.digest.as_str(), false)) { (child.platform.as_deref().unwrap_or("unknown")) } }
                        @else { (child.platform.as_deref().unwrap_or("unknown")) " (not pushed here)" }
                        " " code { (child.digest.short()) }
                    }
                }
            }
        }
    }
}

fn findings(shown: &ImagePage) -> Markup {
    html! {
        section {
            h2 { "Findings" }
            (doubt(shown))
            @if !shown.findings.is_empty() {
                table {
                    thead { tr { th { "Severity" } th { "Id" } th { "Package" } th { "Installed" } th { "Fixed in" } th { "Brought by" } } }
                    tbody {
                        @for finding in &shown.findings {
                            tr {
                                td { span class={"severity " (finding.severity)} { (finding.severity) } @if finding.known_exploited { " " span.badge.deny { "exploited" } } }
                                td title=(finding.summary) { (finding.id) }
                                td { (finding.package) }
                                td { code { (finding.version) } }
                                td { @if let Some(fixed) = &finding.fixed_version { code { (fixed) } } @else { span.muted { "none yet" } } }
                                td { (layer_name(finding.layer_index)) " " code.instruction { (finding.instruction.as_deref().unwrap_or("")) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What the list of findings does not say: an empty one is good news only for a whole inventory that was matched.
fn doubt(shown: &ImagePage) -> Markup {
    let state = shown
        .image
        .inventory
        .as_ref()
        .map(|inventory| inventory.state);
    html! {
        @match state {
            None | Some(InventoryState::Unscannable) => p.problem { "It cannot be taken apart, so nothing is known of what is inside." },
            Some(InventoryState::NotIndexed) => p.empty { "Not indexed yet. Look again in a moment." },
            Some(state) => {
                (unmatched(&shown.matched))
                @if state == InventoryState::Incomplete {
                    p.problem { "The inventory is incomplete: there may be more than is listed." }
                } @else if shown.matched.is_done() && shown.findings.is_empty() {
                    p.empty { "No known weakness in any component." }
                }
            },
        }
    }
}

fn unmatched(matched: &Matched) -> Markup {
    let matching = &matched.matching;
    html! {
        @if !matched.any {
            p.problem {
                "No advisories have been imported, so nothing can be said about weaknesses. " code { "countersign advisories import PATH" }
            }
        } @else {
            @for ecosystem in &matching.without_advisories {
                p.problem {
                    "No advisories about " (ecosystem) " have been imported, so nothing can be said about weaknesses there. "
                    code { "countersign advisories import PATH" }
                }
            }
            @for packages in &matching.unmatchable {
                p.problem { "No advisories can be matched with the " (packages) ", so nothing can be said about weaknesses there." }
            }
            @if matching.pending { p.empty { "Still being matched with the advisories. Look again in a moment." } }
        }
    }
}

fn layer_name(index: u64) -> String {
    format!("layer {}", index + 1)
}

fn layers(shown: &ImagePage) -> Markup {
    let mut layers: BTreeMap<usize, Vec<&Component>> = BTreeMap::new();
    for component in &shown.components {
        layers
            .entry(component.layer_index)
            .or_default()
            .push(component);
    }
    html! {
        section {
            h2 { "Components by layer" }
            @for (index, components) in &layers {
                details open[components.len() <= COMPONENTS_SHOWN] {
                    summary {
                        strong { "Layer " (index + 1) } " · " (components.len()) " components"
                        @if let Some(instruction) = components.first().and_then(|component| component.instruction.as_ref()) {
                            br; code.instruction { (instruction) }
                        }
                    }
                    table {
                        thead { tr { th { "Package" } th { "Version" } th { "Kind" } th { "Licences" } th { "Found at" } } }
                        tbody {
                            @for component in components {
                                tr {
                                    td { (component.package.name) }
                                    td { code { (component.package.version) } }
                                    td { (component.package.kind) @if let Some(owner) = &component.package.owner { span.muted { " (part of " (owner) ")" } } }
                                    td { (component.package.licences.join(", ")) }
                                    td { code { (component.package.path) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn evidence(evidence: &[Evidence]) -> Markup {
    html! {
        section {
            h2 { "Evidence" }
            @if evidence.is_empty() { p.empty { "No signatures yet. " code { "countersign sign --stage STAGE --key FILE IMAGE" } } }
            @else {
                table {
                    thead { tr { th { "Signer" } th { "Stage" } th { "Format" } th { "Stored" } th { "Check" } } }
                    tbody {
                        @for each in evidence {
                            tr {
                                td { (each.principal.as_deref().or(each.key.as_deref()).unwrap_or("unknown")) }
                                td { (each.stage.as_deref().unwrap_or("–")) }
                                td { (each.format) }
                                td { (instant(each.stored_at)) }
                                td {
                                    span class={"badge " (if each.verdict == "verified" && !each.withdrawn { "allow" } else { "deny" })} {
                                        (if each.withdrawn { "withdrawn" } else { each.verdict.as_str() })
                                    }
                                    @if let Some(why) = &each.why { " " span.muted { (why) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::api::image::InventorySummary;
    use oci::Digest;
    use policy::facts::Matching;
    use std::collections::BTreeSet;

    fn shown(state: InventoryState, matched: Matched) -> ImagePage {
        let inventory = InventorySummary {
            state,
            distro: None,
            problems: Vec::new(),
            components: 0,
            indexed_at: None,
        };
        ImagePage {
            image: Image {
                repository: "shop/web".parse().unwrap(),
                digest: Digest::sha256(b"image"),
                tags: vec!["<script>".to_owned()],
                media_type: oci::media::OCI_MANIFEST.to_owned(),
                shape: "image".to_owned(),
                pushed_at: 0,
                pushed_by: None,
                children: Vec::new(),
                inventory: Some(inventory),
                findings: BTreeMap::new(),
            },
            decisions: Vec::new(),
            opened: Vec::new(),
            components: Vec::new(),
            findings: Vec::new(),
            matched,
            evidence: Vec::new(),
        }
    }

    fn matched(missing: &str) -> Matched {
        let set = |name: &str| -> BTreeSet<String> {
            let names = (missing == name).then(|| "<PyPI>".to_owned());
            names.into_iter().collect()
        };
        Matched {
            any: missing != "all",
            matching: Matching {
                without_advisories: set("one"),
                unmatchable: set("distribution"),
                pending: missing == "time",
            },
        }
    }

    #[test]
    fn only_a_whole_inventory_that_was_matched_is_called_clean() {
        use InventoryState::{Complete, Incomplete, NotIndexed, Unscannable};
        for state in [Complete, Incomplete, NotIndexed, Unscannable] {
            for missing in ["nothing", "all", "one", "distribution", "time"] {
                let text = doubt(&shown(state, matched(missing))).into_string();
                let is_clean = text.contains("No known weakness");
                assert_eq!(
                    is_clean,
                    (state, missing) == (Complete, "nothing"),
                    "{text}"
                );
                assert!(!text.is_empty(), "{state:?} {missing}");
                assert!(!text.contains("<PyPI>"), "{text}");
            }
        }
    }

    #[test]
    fn names_from_outside_are_text() {
        let page = image(
            "maria",
            &shown(InventoryState::Complete, matched("nothing")),
        );
        let page = page.into_string();
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    }

    #[test]
    fn a_decision_is_shown_with_its_sentence_its_tree_and_its_codes() {
        let digest = Digest::sha256(b"image");
        let decision = policy::gate::no_policy(&"shop/web".parse().unwrap(), &digest, 0);
        let mut page = shown(InventoryState::Complete, matched("nothing"));
        page.decisions.push(decision.clone());
        let page = image("maria", &page).into_string();
        assert!(page.contains(&decision.sentence()), "{page}");
        for line in decision.tree_lines() {
            assert!(
                page.contains(&line.text),
                "`{}` is not in {page}",
                line.text
            );
            assert!(
                !line.text.contains('['),
                "the code stands beside it: {}",
                line.text
            );
        }
        assert!(page.contains(">no-policy</small>"), "{page}");
    }
}
