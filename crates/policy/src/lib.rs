//! The two decisions of Countersign, as pure functions: [`access()`] (may this principal do this?) and
//! [`mod@gate`] (may this image pass?), with the principals, roles and policy files they decide on.
//!
//! It is deliberately without a clock, files, network, database or log: facts, policies, the directory of
//! principals and `now` come in, a [`Permit`] or a [`Decision`] comes out. Gathering facts is the work of
//! `store`, checking signatures that of `trust`. Implements DESIGN §3 ("Who is held", "What counts") and §6.
//!
//! # Who is held by a gate
//!
//! [`gate::hold`] answers for one caller and one repository, over all policies of the server:
//!
//! - A gate names whom it holds: `everyone` or a list, less its `except` list. A team stands for all of its
//!   members, robots too. A robot is also held where its owner is named, so that nobody passes with a machine account
//!   of their own; `except` frees only those whom it names.
//! - Anonymous callers are held by every gate of a matching policy, and `except` never frees them.
//! - All matching policies hold. The caller passes only when each of these gates lets the image pass.
//! - Whoever is held by an enforced gate of *any* policy, and anonymous as soon as there is one, gets
//!   [`Hold::NoPolicy`](gate::Hold::NoPolicy) in a repository where no gate holds them: a copy elsewhere is not a way
//!   around. A repository that some policy lists as `ungated` is the exception ([`Hold::Ungated`](gate::Hold::Ungated)).
//! - Where there is no policy nobody is held.
//!
//! # What a gate asks
//!
//! [`gate::evaluate`] judges the stages that a gate requires and those they come after:
//!
//! - A stage with signers needs `threshold` distinct *identities* (a robot is the same identity as its owner),
//!   each with a signature that counts; see [`reason::Code`] for all that keeps one from counting.
//! - A stage may ask for fresh signatures: one that was stored longer ago does not count, and the answer holds until the
//!   first of those that count is too old. For the order of stages and for who is an author age plays no part.
//! - The format of a signature plays no part: whatever reads one fills in a [`facts::Evidence`].
//! - An automatic stage is satisfied while its limits hold now; later stages are ordered by the server's record of it.
//! - `mode: warn` turns a refusal into [`Outcome::Warn`], `mode: dry-run` into [`Outcome::Allow`]; what it would
//!   have been is kept in [`Decision::would_be`].
//! - A break-glass that two people opened for this image, or for an index that lists it, at this gate ([`mod@break_glass`]) turns
//!   every answer into [`Outcome::Allow`] until it ends. The rules are judged and told as without it. It makes no gate of a policy
//!   that has none here.
//! - A severity that is unknown never exceeds a severity limit; such findings are counted in the summary.
//!
//! ```
//! use policy::file;
//!
//! let text = "
//! version: 1
//! repositories: ['shop/**']
//! stages:
//!   ci: {signers: [{robot: ci-shop}]}
//! gates:
//!   production: {holds-for: [{team: hosts}], require: [ci]}
//! ";
//! let policy = file::load(text, "shop").expect("a policy without lint errors");
//! assert_eq!(policy.gates["production"].require, ["ci"]);
//! ```

pub mod access;
pub mod break_glass;
pub mod decision;
pub mod facts;
pub mod file;
pub mod gate;
pub mod lint;
pub mod pattern;
pub mod principal;
pub mod reason;
pub mod role;
pub mod verb;

pub use access::{Ceiling, Permit, Refused, Scope, access};
pub use decision::{Decision, Outcome, Reason, Rule, RuleResult};
pub use facts::{Evidence, Facts, FindingFact, ImageFacts, Target, Verdict};
pub use file::Policy;
pub use lint::{Lint, LintCode, LintSeverity, lint_all};
pub use pattern::Pattern;
pub use principal::{Actor, Directory, Kind, Principal, PrincipalId, SigningKey, Who};
pub use reason::Code;
pub use role::{Grant, Grantee, Role, allows};
pub use verb::{Verb, VerbKind};
