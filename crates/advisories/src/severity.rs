//! How bad a weakness is: five grades and a score, from CVSS vectors or from a feed's own word.
//!
//! Not a risk score: exploitation and reachability are other facts. CVSS 2.0 to 4.0, base scores;
//! the qualitative scale of CVSS 3.1 §5.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A grade of severity, from least to worst; what is not known sorts first.
///
/// `Unknown` means that nobody has said, not that the weakness is harmless.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not rated.
    #[default]
    Unknown,
    /// Rated, with a score of zero.
    None,
    /// Score 0.1 to 3.9.
    Low,
    /// Score 4.0 to 6.9.
    Medium,
    /// Score 7.0 to 8.9.
    High,
    /// Score 9.0 to 10.0.
    Critical,
}

impl Severity {
    /// All grades, from least to worst.
    pub const ALL: &[Self] = &[
        Self::Unknown,
        Self::None,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The grade that a feed's own word means, such as GitHub's `MODERATE`; unknown words are
    /// [`Severity::Unknown`].
    pub fn from_feed(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "none" => Self::None,
            "low" => Self::Low,
            "medium" | "moderate" => Self::Medium,
            "high" | "important" => Self::High,
            "critical" => Self::Critical,
            _ => Self::Unknown,
        }
    }

    /// The grade of an urgency in Debian's security tracker.
    ///
    /// The tracker has urgencies, not severities. `unimportant` (no package that is built from the
    /// source is exposed in practice) is the lowest that is still reported; `end-of-life` and
    /// `not yet assigned` say nothing. Stars mark urgencies that were taken from elsewhere.
    pub fn from_debian_urgency(word: &str) -> Self {
        match word.trim_end_matches('*') {
            "unimportant" | "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Why a grade does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a severity; use unknown, none, low, medium, high or critical")]
pub struct SeverityError(String);

impl FromStr for Severity {
    type Err = SeverityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .iter()
            .find(|grade| grade.as_str().eq_ignore_ascii_case(text));
        found.copied().ok_or_else(|| SeverityError(text.to_owned()))
    }
}

/// A CVSS base score, in tenths; displayed and stored as `9.8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Score(u8);

impl Score {
    /// The score times ten, 0 to 100.
    pub fn tenths(self) -> u8 {
        self.0
    }

    /// The score nearest to `value`, or `None` outside 0.0 to 10.0.
    fn from_value(value: f64) -> Option<Self> {
        format!("{value:.1}").parse().ok()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// Why a score does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a score from 0.0 to 10.0 with one decimal")]
pub struct ScoreError(String);

impl FromStr for Score {
    type Err = ScoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tenths = || {
            let (whole, decimal) = text.split_once('.')?;
            let digit = decimal.bytes().all(|byte| byte.is_ascii_digit()) && decimal.len() == 1;
            let tenths = whole.parse::<u8>().ok()?.checked_mul(10)?;
            let tenths = tenths.checked_add(decimal.parse::<u8>().ok()?)?;
            (digit && tenths <= 100 && !whole.starts_with('+')).then_some(tenths)
        };
        tenths()
            .map(Self)
            .ok_or_else(|| ScoreError(text.to_owned()))
    }
}

impl TryFrom<String> for Score {
    type Error = ScoreError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Score> for String {
    fn from(score: Score) -> Self {
        score.to_string()
    }
}

/// What a CVSS vector amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// The grade of the score.
    pub severity: Severity,
    /// The base score (for CVSS 4.0, with the threat metrics that the vector carries).
    pub score: Score,
    /// The vector as the feed wrote it.
    pub vector: String,
}

impl Rating {
    /// The rating of the newest CVSS version among `vectors`; within one version, the highest.
    /// Vectors that do not parse are passed over.
    pub fn newest<'a>(vectors: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let rated = vectors.into_iter().filter_map(rate);
        rated
            .max_by_key(|(generation, rating)| (*generation, rating.score))
            .map(|(_, rating)| rating)
    }
}

/// The rating of one vector, with a rank that grows with the CVSS version.
fn rate(vector: &str) -> Option<(u8, Rating)> {
    let vector = vector.trim().trim_start_matches('(').trim_end_matches(')');
    if vector.len() > VECTOR_BYTES_MAX {
        return None;
    }
    let parsed: cvss::Cvss = vector.parse().ok()?;
    let (generation, mandatory) = match &parsed {
        cvss::Cvss::CvssV20(_) => (2, "AV AC Au C I A"),
        cvss::Cvss::CvssV30(_) => (30, "AV AC PR UI S C I A"),
        cvss::Cvss::CvssV31(_) => (31, "AV AC PR UI S C I A"),
        _ => (40, "AV AC AT PR UI VC VI VA SC SI SA"),
    };
    // An incomplete vector would score, and far too low.
    let names: Vec<&str> = vector
        .split('/')
        .filter_map(|it| it.split(':').next())
        .collect();
    if !mandatory.split(' ').all(|metric| names.contains(&metric)) {
        return None;
    }
    let score = Score::from_value(parsed.score())?;
    let severity = match score.tenths() {
        // NVD's scale for CVSS 2.0 has neither `none` nor `critical`.
        0..=39 if generation == 2 => Severity::Low,
        90.. if generation == 2 => Severity::High,
        0 => Severity::None,
        1..=39 => Severity::Low,
        40..=69 => Severity::Medium,
        70..=89 => Severity::High,
        _ => Severity::Critical,
    };
    Some((
        generation,
        Rating {
            severity,
            score,
            vector: vector.to_owned(),
        },
    ))
}

const VECTOR_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vectors: &[&str], expect: Option<(&str, Severity)>) {
        let found = Rating::newest(vectors.iter().copied());
        let found = found.map(|rating| (rating.score.to_string(), rating.severity));
        assert_eq!(
            found,
            expect.map(|(score, severity)| (score.to_owned(), severity)),
            "{vectors:?}"
        );
    }

    #[test]
    fn vectors_give_published_scores() {
        // Scores as NVD and FIRST publish them for these vectors.
        let v31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        let v30 = "CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N";
        let v4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N";
        check(&[v31], Some(("9.8", Severity::Critical)));
        check(&[v30], Some(("6.1", Severity::Medium)));
        check(&[v4], Some(("9.3", Severity::Critical)));
        check(
            &["AV:N/AC:L/Au:N/C:N/I:N/A:P"],
            Some(("5.0", Severity::Medium)),
        );
        check(
            &["(AV:N/AC:L/Au:N/C:C/I:C/A:C)"],
            Some(("10.0", Severity::High)),
        );
        check(
            &["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"],
            Some(("0.0", Severity::None)),
        );
        check(&[v31, v30], Some(("9.8", Severity::Critical)));
        check(&[v30, v4, v31], Some(("9.3", Severity::Critical)));
    }

    #[test]
    fn broken_vectors_are_passed_over() {
        let good = "CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N";
        check(
            &["", "CVSS:3.1/AV:N", "CVSS:9.9/AV:N/AC:L", "high", good],
            Some(("6.1", Severity::Medium)),
        );
        for end in 0..good.len() {
            check(&[&good[..end]], None);
        }
        check(
            &["CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N"],
            None,
        );
        check(&["AV:N/AC:L/Au:N/C:N/I:N"], None);
        check(&[&"CVSS:3.1/AV:N/".repeat(1000)], None);
        check(&[], None);
    }

    #[test]
    fn words_of_feeds() {
        assert_eq!(Severity::from_feed("MODERATE"), Severity::Medium);
        assert_eq!(Severity::from_feed("negligible"), Severity::Unknown);
        assert_eq!(Severity::from_debian_urgency("high**"), Severity::High);
        assert_eq!(Severity::from_debian_urgency("unimportant"), Severity::Low);
        assert_eq!(
            Severity::from_debian_urgency("not yet assigned"),
            Severity::Unknown
        );
        assert_eq!(
            Severity::from_debian_urgency("end-of-life"),
            Severity::Unknown
        );
    }

    #[test]
    fn grades_and_scores_print_and_parse() {
        for grade in Severity::ALL {
            assert_eq!(grade.to_string().parse(), Ok(*grade));
        }
        assert!(Severity::ALL.is_sorted());
        assert!("moderate".parse::<Severity>().is_err());
        for tenths in 0..=100 {
            assert_eq!(Score(tenths).to_string().parse(), Ok(Score(tenths)));
        }
        for text in [
            "", "9", "9.", "9.85", "10.1", "11.0", "-1.0", "+1.0", "NaN", "1.x",
        ] {
            assert!(text.parse::<Score>().is_err(), "{text}");
        }
    }
}
