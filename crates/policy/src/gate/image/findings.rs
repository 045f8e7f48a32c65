//! The two limits on findings: severity with its grace, and known exploitation without one.
//!
//! Grace runs from when this server first held the advisory for the package, not from the push. DESIGN §3 "What
//! counts", "Grace".

use std::collections::BTreeSet;

use advisories::Severity;

use super::Judge;
use crate::decision::Limit;
use crate::facts::FindingFact;
use crate::file::{VulnerabilityLimit, WaivableRule};
use crate::gate::{REASONS_MAX, words};
use crate::reason::Code;

/// How many findings at or above the limit there are of each kind.
#[derive(Debug, Default)]
struct Tally {
    violations: usize,
    excepted: usize,
    in_grace: usize,
}

impl Judge<'_, '_> {
    /// Judges the limit on severity.
    pub(super) fn vulnerabilities(&mut self, limit: &VulnerabilityLimit, all: &[&FindingFact]) {
        let mut tally = Tally::default();
        for finding in all.iter().filter(|finding| is_over(limit, finding)) {
            self.vulnerability(limit, finding, &mut tally);
        }
        let unknown = all
            .iter()
            .filter(|finding| finding.severity == Severity::Unknown)
            .count();
        let mut summary = match tally.violations {
            0 => format!("none at or above {}", limit.severity),
            some => format!("{some} at or above {}", limit.severity),
        };
        for (count, what) in [
            (tally.in_grace, "in grace"),
            (tally.excepted, "excepted"),
            (unknown, "of unknown severity"),
        ] {
            if count > 0 {
                summary.push_str(&format!("; {count} {what}"));
            }
        }
        self.limit_on_findings(Limit::Vulnerabilities, tally.violations == 0, summary);
    }

    fn vulnerability(
        &mut self,
        limit: &VulnerabilityLimit,
        finding: &FindingFact,
        tally: &mut Tally,
    ) {
        let grace_end = finding
            .first_held_at
            .saturating_add(limit.grace_milliseconds);
        if !finding.known_exploited && self.court.now < grace_end {
            tally.in_grace += 1;
            self.verdict.instants.push(grace_end);
            let (what, until) = (describe(finding), words::instant(grace_end));
            self.warn(format!(
                "{what} is accepted by stage {} until {until} (grace)",
                self.stage
            ));
            return;
        }
        match self.waiver(
            |waived| waived == WaivableRule::Vulnerabilities,
            &ids(finding),
        ) {
            Some(exception) => {
                tally.excepted += 1;
                self.used(&exception, in_package(finding), finding.known_exploited);
            }
            None => {
                tally.violations += 1;
                if tally.violations <= REASONS_MAX {
                    self.report_finding(Limit::Vulnerabilities, Code::VulnerabilityLimit, finding);
                }
            }
        }
    }

    /// Judges the limit on what is known to be exploited.
    pub(super) fn known_exploited(&mut self, findings: &[&FindingFact]) {
        let (mut violations, mut excepted) = (0_usize, 0_usize);
        for finding in findings.iter().filter(|finding| finding.known_exploited) {
            let ids = ids(finding);
            match self.waiver(|waived| waived == WaivableRule::KnownExploited, &ids) {
                Some(exception) => {
                    excepted += 1;
                    self.used(&exception, in_package(finding), true);
                }
                None => {
                    violations += 1;
                    if violations <= REASONS_MAX {
                        self.report_finding(Limit::KnownExploited, Code::KnownExploited, finding);
                    }
                }
            }
        }
        let found = if violations == 0 {
            "none".to_owned()
        } else {
            format!("{violations} found")
        };
        let waived = if excepted == 0 {
            String::new()
        } else {
            format!("; {excepted} excepted")
        };
        self.limit_on_findings(
            Limit::KnownExploited,
            violations == 0,
            format!("{found}{waived}"),
        );
    }

    fn report_finding(&mut self, limit: Limit, code: Code, finding: &FindingFact) {
        let exploited = if finding.known_exploited {
            ", known to be exploited"
        } else {
            ""
        };
        let fixed = match &finding.fixed_version {
            Some(version) => format!(", fixed in {}", words::plain(version)),
            None => ", no fixed version known".to_owned(),
        };
        let message = format!("{}{}{exploited}{fixed}", self.label, describe(finding));
        let name = words::plain(&finding.name);
        let fix = match &finding.fixed_version {
            Some(version) => format!(
                "update {name} to {} or later and push the image again",
                words::plain(version)
            ),
            None => format!("replace {name}, or write an exception: countersign policy apply"),
        };
        self.report(limit, code, message, Some(fix));
    }
}

fn is_over(limit: &VulnerabilityLimit, finding: &FindingFact) -> bool {
    finding.severity >= limit.severity && (!limit.fixable_only || finding.fixed_version.is_some())
}

/// The findings once for each package and alias group, the worst first.
pub(super) fn distinct(findings: &[FindingFact]) -> Vec<&FindingFact> {
    let mut sorted: Vec<&FindingFact> = findings.iter().collect();
    let key = |finding: &FindingFact| {
        (
            std::cmp::Reverse(finding.severity),
            finding.group.clone(),
            finding.package.clone(),
            // Of two facts about the same, the stricter one stands.
            std::cmp::Reverse(finding.known_exploited),
            finding.first_held_at,
            finding.fixed_version.clone().map(std::cmp::Reverse),
        )
    };
    sorted.sort_by_cached_key(|finding| key(finding));
    let mut seen = BTreeSet::new();
    sorted.retain(|finding| seen.insert((finding.group.as_str(), finding.package.as_str())));
    sorted
}

fn ids(finding: &FindingFact) -> Vec<&str> {
    let mut ids: Vec<&str> = finding.ids.iter().map(String::as_str).collect();
    ids.push(&finding.group);
    ids
}

/// `CVE-2021-35042 (critical) in django 3.2.0`.
fn describe(finding: &FindingFact) -> String {
    let (name, version) = (words::plain(&finding.name), words::plain(&finding.version));
    format!(
        "{} ({}) in {name} {version}",
        words::plain(&finding.group),
        finding.severity
    )
}

fn in_package(finding: &FindingFact) -> String {
    format!(
        "{} in {}",
        words::plain(&finding.group),
        words::plain(&finding.package)
    )
}
