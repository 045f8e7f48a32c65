//! What is wrong with a policy, with line, column and what to do: the lints of one file, and those that need the
//! directory and all policies together ([`lint_all`]).
//!
//! The checks of one file are in `file/`. DESIGN §6.

mod directory;

use serde::{Deserialize, Serialize};

pub use self::directory::{lint_all, names_team};

/// How bad a lint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LintSeverity {
    /// The policy is not accepted.
    Error,
    /// The policy works, but probably not as meant.
    Warning,
}

impl std::fmt::Display for LintSeverity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            LintSeverity::Error => "error",
            LintSeverity::Warning => "warning",
        })
    }
}

macro_rules! lint_codes {
    ($($code:ident = $name:literal, $severity:ident, $means:literal;)+) => {
        /// What is wrong, as a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum LintCode {
            $(#[doc = $means] $code,)+
        }

        impl LintCode {
            /// All codes.
            pub const ALL: &'static [LintCode] = &[$(LintCode::$code,)+];

            /// The code in kebab case.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(LintCode::$code => $name,)+ }
            }

            /// How bad it is.
            #[must_use]
            pub fn severity(self) -> LintSeverity {
                match self { $(LintCode::$code => LintSeverity::$severity,)+ }
            }
        }
    };
}

lint_codes! {
    Yaml = "yaml", Error, "The file is not YAML.";
    LimitExceeded = "limit-exceeded", Error, "The file is larger or has more entries than is accepted.";
    WrongType = "wrong-type", Error, "A value has another type than the key asks for.";
    UnknownKey = "unknown-key", Error, "No key of this name is known here.";
    NotEnforced = "not-enforced", Error, "The key belongs to a later version and would not be enforced.";
    DuplicateKey = "duplicate-key", Error, "The key is there twice.";
    MissingKey = "missing-key", Error, "A key that must be there is not.";
    BadValue = "bad-value", Error, "The value is not one of those that are accepted.";
    BadName = "bad-name", Error, "The name has characters that are not accepted.";
    BadPattern = "bad-pattern", Error, "The text is not a pattern of repositories.";
    BadVersion = "bad-version", Error, "The version of the file is not one that is read here.";
    UnknownStage = "unknown-stage", Error, "No stage of this name is in the file.";
    StageCycle = "stage-cycle", Error, "Stages wait for each other.";
    NoSigners = "no-signers", Error, "Nobody can sign for the stage.";
    Threshold = "threshold", Error, "The threshold is nought, or more than the signers can reach.";
    AutomaticSigners = "automatic-signers", Error, "An automatic stage has keys that belong to signatures.";
    AutomaticLimits = "automatic-limits", Error, "An automatic stage has no limits.";
    LimitsNotAutomatic = "limits-not-automatic", Error, "A stage with signers has limits.";
    EmptyGate = "empty-gate", Error, "A gate requires nothing or names nobody.";
    ContentTrustGate = "content-trust-gate", Error, "`content-trust` names no gate, or one that is not there or does not enforce.";
    BadException = "bad-exception", Error, "An exception has no owner, no reason, no end, or nothing that it waives.";
    UnknownPrincipal = "unknown-principal", Error, "No person, robot or team of this name is known.";
    HeldCanPush = "held-can-push", Error, "Someone whom a gate holds can push where no gate is.";
    StageNotRequired = "stage-not-required", Warning, "No gate requires the stage.";
    ExceptionEnded = "exception-ended", Warning, "The exception has ended.";
    HoldsEveryone = "holds-everyone", Warning, "The gate holds everyone, those who build too.";
    ThresholdOutOfReach = "threshold-out-of-reach", Warning, "At the moment too few people can sign for the stage.";
    DuplicateEntry = "duplicate-entry", Error, "The entry is there twice.";
    NoGates = "no-gates", Warning, "The policy has no gate and holds nobody.";
}

impl std::fmt::Display for LintCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A place in a policy file; both count from 1, and 0 means that the place is not known.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lint {
    /// The name of the policy; empty while it has none.
    pub policy: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong, as a code.
    pub code: LintCode,
    /// What is wrong, and what to do.
    pub message: String,
    /// How bad it is.
    pub severity: LintSeverity,
}

impl Lint {
    /// A lint at a place; the severity is that of the code.
    #[must_use]
    pub fn new(code: LintCode, at: Position, message: impl Into<String>) -> Self {
        Lint {
            policy: String::new(),
            line: at.line,
            column: at.column,
            code,
            message: message.into(),
            severity: code.severity(),
        }
    }

    /// The same lint, in the policy of this name.
    #[must_use]
    pub fn in_policy(mut self, name: &str) -> Self {
        name.clone_into(&mut self.policy);
        self
    }

    /// Whether it keeps the policy from being accepted.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == LintSeverity::Error
    }
}

impl std::fmt::Display for Lint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.policy.is_empty() {
            write!(formatter, "{}:", self.policy)?;
        }
        if self.line > 0 {
            write!(formatter, "{}:{}: ", self.line, self.column)?;
        } else if !self.policy.is_empty() {
            formatter.write_str(" ")?;
        }
        write!(
            formatter,
            "{}[{}]: {}",
            self.severity, self.code, self.message
        )
    }
}

#[cfg(test)]
mod tests;
