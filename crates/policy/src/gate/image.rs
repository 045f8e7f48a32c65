//! The limits of an automatic stage on one image: inventory, vulnerabilities, known exploitation, licences.
//!
//! What an exception waives is listed, not hidden; what is not known refuses, or waits. DESIGN §3 "What counts"
//! (grace), §6.

mod findings;

use std::collections::BTreeSet;

use super::licences::Denied;
use super::{Court, REASONS_MAX, words};
use crate::decision::{ExceptionUsed, Limit, LimitResult, Reason};
use crate::facts::{ImageFacts, InventoryState, Matching};
use crate::file::{Exception, Limits, WaivableRule, Waives};
use crate::reason::{Class, Code};

/// What the limits say of one image; no reasons means that it is within them.
#[derive(Debug, Default)]
pub(super) struct ImageVerdict {
    pub(super) reasons: Vec<Reason>,
    pub(super) limits: Vec<LimitResult>,
    pub(super) exceptions: Vec<ExceptionUsed>,
    pub(super) warnings: Vec<String>,
    /// Instants at which time alone changes the verdict, passed ones among them.
    pub(super) instants: Vec<i64>,
    /// In place of what the limits would say together.
    pub(super) summary: Option<String>,
}

impl ImageVerdict {
    /// Whether all that stands against the image will go away by itself.
    pub(super) fn is_waiting(&self) -> bool {
        !self.reasons.is_empty()
            && self
                .reasons
                .iter()
                .all(|reason| reason.code.class() == Class::NotReady)
    }
}

/// Judges one image; `label` goes before every message, to tell the images of an index apart.
pub(super) fn judge(
    court: &Court<'_>,
    stage: &str,
    limits: &Limits,
    image: Option<&ImageFacts>,
    label: &str,
) -> ImageVerdict {
    let mut judge = Judge {
        court,
        stage,
        limits,
        label,
        findings_say_all: true,
        verdict: ImageVerdict::default(),
    };
    match image {
        Some(image) if image.inventory != InventoryState::NotIndexed => judge.image(image),
        _ => judge.not_indexed(),
    }
    judge.verdict
}

/// The exception that waives a rule or a finding here and now, and of several the one that ends last.
pub(super) fn waiver<'a>(
    court: &'a Court<'_>,
    waives_rule: impl Fn(WaivableRule) -> bool,
    finding_ids: &[&str],
) -> Option<&'a Exception> {
    let waives = |exception: &&Exception| match &exception.waives {
        Waives::Rule(rule) => waives_rule(*rule),
        Waives::Finding(id) => finding_ids
            .iter()
            .any(|known| known.eq_ignore_ascii_case(id)),
    };
    let mut found: Option<&Exception> = None;
    for exception in court.policy.exceptions.iter().filter(waives) {
        if exception.applies(&court.facts.repository, court.now)
            && found.is_none_or(|best| best.until_at < exception.until_at)
        {
            found = Some(exception);
        }
    }
    found
}

/// The exception as a decision shows it.
pub(super) fn use_of(
    exception: &Exception,
    applied_to: String,
    known_exploited: bool,
) -> ExceptionUsed {
    ExceptionUsed {
        waives: exception.waives_name().to_owned(),
        applied_to,
        owner: exception.owner.clone(),
        reason: exception.reason.clone(),
        until_at: exception.until_at,
        known_exploited,
    }
}

struct Judge<'a, 'b> {
    court: &'a Court<'b>,
    stage: &'a str,
    limits: &'a Limits,
    label: &'a str,
    /// Whether an absence of findings is good news.
    findings_say_all: bool,
    verdict: ImageVerdict,
}

impl Judge<'_, '_> {
    fn not_indexed(&mut self) {
        let message = format!("{}the image is not indexed yet", self.label);
        self.report(Limit::Inventory, Code::NotIndexed, message.clone(), None);
        self.limit(Limit::Inventory, false, message);
        self.require_advisories();
    }

    fn image(&mut self, image: &ImageFacts) {
        self.inventory(image);
        if self.require_advisories() {
            self.matching(&image.matching);
            let findings = findings::distinct(&image.findings);
            if let Some(limit) = &self.limits.vulnerabilities {
                self.vulnerabilities(limit, &findings);
            }
            if self.limits.deny_known_exploited {
                self.known_exploited(&findings);
            }
        }
        if !self.limits.denied_licences.is_empty() {
            self.licences(image);
        }
    }

    fn inventory(&mut self, image: &ImageFacts) {
        let InventoryState::Incomplete(problems) = &image.inventory else {
            return self.limit(Limit::Inventory, true, "complete".to_owned());
        };
        let problems: BTreeSet<&str> = problems.iter().map(String::as_str).collect();
        let count = words::count(problems.len().max(1), "problem", "problems");
        if let Some(exception) = self.waiver(|waived| waived == WaivableRule::Inventory, &[]) {
            self.used(&exception, "an incomplete inventory".to_owned(), false);
            return self.limit(
                Limit::Inventory,
                true,
                format!("incomplete ({count}), excepted"),
            );
        }
        let problems = if problems.is_empty() {
            BTreeSet::from(["no details are known"])
        } else {
            problems
        };
        for problem in problems.iter().take(REASONS_MAX) {
            let message = format!(
                "{}the inventory is incomplete: {}",
                self.label,
                words::plain(problem)
            );
            self.report(Limit::Inventory, Code::InventoryIncomplete, message, None);
        }
        self.limit(Limit::Inventory, false, format!("incomplete: {count}"));
    }

    /// Whether findings can be judged; without advisories nothing is known of them.
    fn require_advisories(&mut self) -> bool {
        if self.court.facts.advisories.ready || !self.limits.need_advisories() {
            return true;
        }
        self.unknown(
            Code::NoAdvisories,
            "there are no advisories to match the image with",
        );
        false
    }

    /// Whether the findings say all; where they do not, a limit can be broken by them but not kept.
    fn matching(&mut self, matching: &Matching) {
        if !self.limits.need_advisories() {
            return;
        }
        for ecosystem in matching.without_advisories.iter().take(REASONS_MAX) {
            let ecosystem = words::plain(ecosystem);
            let message =
                format!("there are no advisories about {ecosystem} to match the image with");
            self.unknown(Code::NoAdvisories, &message);
        }
        if matching.pending {
            self.unknown(
                Code::NotMatched,
                "the image is not matched with the advisories yet",
            );
        }
        for packages in matching.unmatchable.iter().take(REASONS_MAX) {
            let packages = words::plain(packages);
            match self.waiver(|waived| waived == WaivableRule::Inventory, &[]) {
                Some(exception) => self.used(&exception, packages, false),
                None => {
                    let message = format!(
                        "its {packages} cannot be matched with advisories, so nobody knows their weaknesses"
                    );
                    self.unknown(Code::Unmatchable, &message);
                }
            }
        }
    }

    fn unknown(&mut self, code: Code, message: &str) {
        let limit = match self.limits.vulnerabilities {
            Some(_) => Limit::Vulnerabilities,
            None => Limit::KnownExploited,
        };
        let message = format!("{}{message}", self.label);
        self.report(limit, code, message.clone(), None);
        self.limit(limit, false, message);
        self.findings_say_all = false;
    }

    fn licences(&mut self, image: &ImageFacts) {
        let denied = Denied::new(&self.limits.denied_licences);
        let barred: BTreeSet<(&str, &str)> = image
            .licences
            .iter()
            .flat_map(|fact| {
                fact.licences
                    .iter()
                    .map(|licence| (fact.purl.as_str(), licence.as_str()))
            })
            .filter(|(_, licence)| denied.bars(licence))
            .collect();
        if barred.is_empty() {
            return self.limit(Limit::Licences, true, "none denied".to_owned());
        }
        let count = words::count(barred.len(), "denied licence", "denied licences");
        if let Some(exception) = self.waiver(|waived| waived == WaivableRule::Licences, &[]) {
            self.used(&exception, count.clone(), false);
            return self.limit(Limit::Licences, true, format!("{count}, excepted"));
        }
        for (purl, licence) in barred.iter().take(REASONS_MAX) {
            let (purl, licence) = (words::plain(purl), words::quoted(licence));
            let message = format!(
                "{}{purl} is licensed under {licence}, which is denied",
                self.label
            );
            self.report(Limit::Licences, Code::LicenceDenied, message, None);
        }
        self.limit(Limit::Licences, false, count);
    }

    fn waiver(
        &self,
        waives_rule: impl Fn(WaivableRule) -> bool,
        ids: &[&str],
    ) -> Option<Exception> {
        waiver(self.court, waives_rule, ids).cloned()
    }

    fn used(&mut self, exception: &Exception, applied_to: String, known_exploited: bool) {
        self.verdict.instants.push(exception.until_at);
        self.verdict
            .exceptions
            .push(use_of(exception, applied_to, known_exploited));
    }

    fn report(&mut self, limit: Limit, code: Code, message: String, next: Option<String>) {
        let next = next.or_else(|| self.court.next(code, self.stage));
        self.verdict.reasons.push(Reason {
            code,
            message,
            candidate: None,
            limit: Some(limit),
            next,
        });
    }

    fn warn(&mut self, message: String) {
        if self.verdict.warnings.len() < REASONS_MAX {
            self.verdict
                .warnings
                .push(format!("{}{message}", self.label));
        }
    }

    /// The outcome of a limit on findings, unless it would be a yes that nobody can give.
    fn limit_on_findings(&mut self, limit: Limit, satisfied: bool, summary: String) {
        if self.findings_say_all || !satisfied {
            self.limit(limit, satisfied, summary);
        }
    }

    fn limit(&mut self, limit: Limit, satisfied: bool, summary: String) {
        self.verdict.limits.push(LimitResult {
            limit,
            satisfied,
            summary,
        });
    }
}
