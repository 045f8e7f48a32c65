//! Policies: `/policies` and `/lint`. Documents come and go unchanged; what one means, and what is wrong with it, `policy` says.

mod trial;

use crate::api::{Answer, Call, DONE, Done};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult, shown};
use axum::Json;
use client::api::Page;
use client::api::policies::{
    Lint, LintReport, LintRequest, LintSeverity, Policy, PolicyReport, PolicySummary, PutPolicy,
};
use policy::file;
use policy::verb::{ManagePolicy, ReadAudit};
use store::policies::{self, PolicyRecord};

/// `GET /policies`
pub(crate) async fn list(call: Call) -> Answer<Page<PolicySummary>> {
    let asker = &call.asker;
    may_read(asker)?;
    let records = policies::documents(asker.store()).await?;
    let summaries = records
        .iter()
        .map(|record| summary(asker, record))
        .collect::<ApiResult<_>>()?;
    Ok(Json(Page::whole(summaries)))
}

/// `GET /policies/{name}`
pub(crate) async fn show(call: Call) -> Answer<Policy> {
    let (asker, name) = (&call.asker, call.name("name")?);
    may_read(asker)?;
    let records = policies::documents(asker.store()).await?;
    let record = records.into_iter().find(|record| record.name == name);
    let record = record
        .ok_or_else(|| ApiError::not_found(format!("no policy `{}` is in force", shown(name))))?;
    Ok(Json(Policy {
        summary: summary(asker, &record)?,
        document: record.document,
    }))
}

/// Those who write policies read them, and those who audit.
fn may_read(asker: &Asker) -> ApiResult<()> {
    if asker.may::<ReadAudit>().is_none() {
        asker.permit::<ManagePolicy>()?;
    }
    Ok(())
}

fn summary(asker: &Asker, record: &PolicyRecord) -> ApiResult<PolicySummary> {
    let policy = file::load(&record.document, &record.name).map_err(|lints| {
        let why = lints.first().map(ToString::to_string).unwrap_or_default();
        ApiError::internal(&store::Error::Corrupt {
            what: format!("policy `{}`", record.name),
            why,
        })
    })?;
    Ok(PolicySummary {
        name: record.name.clone(),
        revision: record.revision,
        digest: record.digest.clone(),
        repositories: policy
            .repositories
            .iter()
            .map(|pattern| pattern.as_str().to_owned())
            .collect(),
        stages: policy.stages.into_keys().collect(),
        gates: policy.gates.into_keys().collect(),
        applied_at: record.applied_at,
        applied_by: record.applied_by.map(|id| asker.name_of(id)),
    })
}

/// `POST /lint`
pub(crate) async fn lint(mut call: Call) -> Answer<LintReport> {
    call.asker.permit::<ManagePolicy>()?;
    let LintRequest { name, document } = call.json().await?;
    let lints = policies::check(call.asker.store(), &name, &document, call.asker.now()).await?;
    let valid = !lints.iter().any(policy::Lint::is_error);
    Ok(Json(LintReport {
        valid,
        lints: lints.iter().map(|lint| on_the_wire(&name, lint)).collect(),
    }))
}

/// `PUT /policies/{name}?dryRun`. One with errors is not applied, and the answer lists them.
pub(crate) async fn apply(mut call: Call) -> Answer<PolicyReport> {
    let permit = call.asker.permit::<ManagePolicy>()?;
    let dry_run = call.flag("dryRun")?;
    let PutPolicy { document } = call.json().await?;
    let (asker, name) = (&call.asker, call.name("name")?);
    let found = policies::check(asker.store(), name, &document, asker.now()).await?;
    let lints: Vec<Lint> = found.iter().map(|lint| on_the_wire(name, lint)).collect();
    let report = PolicyReport {
        applied: false,
        revision: None,
        digest: None,
        changes: Vec::new(),
        images: 0,
        lints,
    };
    let policy = match file::load(&document, name) {
        Ok(policy) if !found.iter().any(policy::Lint::is_error) => policy,
        _ => return Ok(Json(report)),
    };
    if dry_run {
        return Ok(Json(trial::run(asker, &policy, report).await?));
    }
    let applied = policies::apply(asker.store(), &permit, name, &document, asker.now()).await?;
    let (revision, digest) = (Some(applied.revision), Some(applied.digest));
    Ok(Json(PolicyReport {
        applied: true,
        revision,
        digest,
        ..report
    }))
}

/// `DELETE /policies/{name}`
pub(crate) async fn remove(call: Call) -> Done {
    let asker = &call.asker;
    let permit = asker.permit::<ManagePolicy>()?;
    policies::remove(asker.store(), &permit, call.name("name")?, asker.now()).await?;
    Ok(DONE)
}

/// A lint as it is told to whoever sent the document `name`; its place is one in that document only.
fn on_the_wire(name: &str, lint: &policy::Lint) -> Lint {
    let is_here = lint.policy.is_empty() || lint.policy == name;
    let place = |number: u64| Some(number).filter(|number| *number > 0 && is_here);
    Lint {
        severity: match lint.severity {
            policy::LintSeverity::Error => LintSeverity::Error,
            policy::LintSeverity::Warning => LintSeverity::Warning,
        },
        code: lint.code.to_string(),
        message: if is_here {
            lint.message.clone()
        } else {
            format!("policy {}: {}", lint.policy, lint.message)
        },
        line: place(lint.line),
        column: place(lint.column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::LintCode;
    use policy::lint::Position;

    #[test]
    fn a_place_is_told_for_the_document_that_was_sent() {
        let lint = policy::Lint::new(
            LintCode::UnknownKey,
            Position { line: 3, column: 5 },
            "no such key",
        );
        let here = on_the_wire("shop", &lint.clone().in_policy("shop"));
        assert_eq!(
            (here.line, here.column, here.message.as_str()),
            (Some(3), Some(5), "no such key")
        );
        assert_eq!(
            (here.severity, here.code.as_str()),
            (LintSeverity::Error, "unknown-key")
        );
        let other = on_the_wire("shop", &lint.in_policy("base"));
        assert_eq!(
            (other.line, other.column, other.message.as_str()),
            (None, None, "policy base: no such key")
        );
        let whole = policy::Lint::new(LintCode::NoGates, Position::default(), "no gates");
        assert_eq!(on_the_wire("shop", &whole).line, None);
    }
}
