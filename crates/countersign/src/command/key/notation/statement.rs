//! One statement of notation's own trust policy, as flags would say it: its trust stores, in the folder beside the file, one of its trusted
//! identities, and its repositories. Deliberately not how strictly: the server makes the same checks for all. trust-store-trust-policy
//! "Trust Policy"

use crate::output;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use trust::notation::{Actions, Level, Statement, TrustPolicy, TrustedIdentity};

/// The folder of all trust stores, beside the file. notation's directory structure, "User level"
const TRUST_STORE: &str = "truststore";
/// How many names an error lists.
const NAMES_MAX: usize = 10;

/// What a statement says of one signer.
#[derive(Debug)]
pub(super) struct Said {
    /// The folders of its trust stores.
    pub(super) stores: Vec<PathBuf>,
    /// Whom it means of those that they certify, as `x509.subject: …`; without one, whoever they certify.
    pub(super) subject: Option<String>,
    /// The repositories with their hosts, or `*`.
    pub(super) scopes: Vec<String>,
}

/// Reads a statement: the one of this name, or the only one; for the signer with this subject (`x509.subject: …`), or the only one.
pub(super) fn read(file: &Path, name: Option<&str>, subject: Option<&str>) -> Result<Said> {
    let shown = file.display();
    let bytes = fs::read(file).with_context(|| format!("cannot read `{shown}`"))?;
    let policy = TrustPolicy::parse(&bytes).with_context(|| format!("cannot use `{shown}`"))?;
    let statement = chosen(&policy, name)?;
    match statement.level {
        Level::Skip => bail!(
            "the statement `{}` has the level `skip`, and so nobody whom it trusts",
            statement.name
        ),
        Level::Verify(actions) if actions != Actions::STRICT => output::note(format!(
            "The statement `{}` is less strict than `strict`; the server makes all checks of `strict`.",
            statement.name
        )),
        Level::Verify(_) => {}
    }
    let all = file.with_file_name(TRUST_STORE);
    Ok(Said {
        stores: statement
            .stores
            .iter()
            .map(|store| all.join(store.folder()))
            .collect(),
        subject: meant(statement, subject)?,
        scopes: statement.scopes.clone(),
    })
}

/// The repositories of a statement that are at the server of this address, as the scope of a key.
pub(super) fn scope_at(scopes: &[String], address: &str) -> Result<Vec<String>> {
    let host = address.split_once("://").map_or(address, |(_, host)| host);
    let host = host.trim_end_matches('/');
    let here = scopes
        .iter()
        .filter_map(|scope| scope.split_once('/'))
        .filter(|(other, _)| other.eq_ignore_ascii_case(host));
    let here: Vec<String> = here.map(|(_, repository)| repository.to_owned()).collect();
    if here.is_empty() {
        bail!(
            "the statement is for {}, and names no repository at `{host}`: say for which with `--scope`",
            listed(scopes)
        );
    }
    Ok(here)
}

fn chosen<'a>(policy: &'a TrustPolicy, name: Option<&str>) -> Result<&'a Statement> {
    let all = policy.statements();
    let found = match (name, all) {
        (Some(name), _) => all.iter().find(|statement| statement.name == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    found.with_context(|| {
        let names: Vec<&str> = all
            .iter()
            .map(|statement| statement.name.as_str())
            .collect();
        let which = name.map_or_else(
            || "the trust policy has several statements".to_owned(),
            |name| format!("the trust policy has no statement `{name}`"),
        );
        format!(
            "{which}: say which with `--notation-statement`: {}",
            listed(&names)
        )
    })
}

/// Whom of those that the stores certify. Nobody else than the statement trusts.
fn meant(statement: &Statement, subject: Option<&str>) -> Result<Option<String>> {
    let identities = &statement.identities;
    let everybody = identities.contains(&TrustedIdentity::Everybody);
    let Some(subject) = subject else {
        return match identities.as_slice() {
            // The certificates alone say who it is, if they say it.
            _ if everybody => Ok(None),
            [only] => Ok(Some(only.to_string())),
            _ => bail!(
                "the statement `{}` trusts several signers: register one at a time, by its `--notation-subject`: {}",
                statement.name,
                listed(identities)
            ),
        };
    };
    if !everybody && !identities.contains(&TrustedIdentity::parse(subject)?) {
        bail!(
            "the statement `{}` does not trust `{subject}`: it trusts {}",
            statement.name,
            listed(identities)
        );
    }
    Ok(Some(subject.to_owned()))
}

fn listed<T: ToString>(all: &[T]) -> String {
    let mut names: Vec<String> = all
        .iter()
        .take(NAMES_MAX)
        .map(|one| format!("`{}`", one.to_string()))
        .collect();
    if let Some(more) = all.len().checked_sub(NAMES_MAX).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARIA: &str = "x509.subject: C=US, ST=WA, O=shop, CN=maria";
    const RITA: &str = "x509.subject: C=US, ST=WA, O=shop, CN=rita";

    fn statement(name: &str, level: &str, identities: &[&str], scope: &str) -> serde_json::Value {
        let is_trusting = level != "skip";
        serde_json::json!({
            "name": name,
            "registryScopes": [scope],
            "signatureVerification": {"level": level},
            "trustStores": if is_trusting { vec!["ca:acme", "tsa:times"] } else { vec![] },
            "trustedIdentities": identities,
        })
    }

    fn said(
        statements: &[serde_json::Value],
        name: Option<&str>,
        subject: Option<&str>,
    ) -> Result<Said> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trustpolicy.json");
        let policy = serde_json::json!({"version": "1.0", "trustPolicies": statements});
        fs::write(&file, policy.to_string()).unwrap();
        let mut said = read(&file, name, subject)?;
        for store in &mut said.stores {
            *store = store.strip_prefix(folder.path()).unwrap().to_owned();
        }
        Ok(said)
    }

    fn refusal(said: Result<Said>) -> String {
        format!("{:#}", said.unwrap_err())
    }

    #[test]
    fn the_only_statement_and_its_only_signer_need_no_names() {
        let one = [statement("web", "strict", &[MARIA], "r.example/shop/web")];
        for (name, subject) in [(None, None), (Some("web"), None), (None, Some(MARIA))] {
            let said = said(&one, name, subject).unwrap();
            assert_eq!(said.subject.as_deref(), Some(MARIA));
            assert_eq!(said.scopes, ["r.example/shop/web"]);
            let stores = ["truststore/x509/ca/acme", "truststore/x509/tsa/times"];
            assert_eq!(said.stores, stores.map(PathBuf::from));
        }
    }

    #[test]
    fn which_statement_and_which_signer_is_asked_for() {
        let two = [
            statement("web", "permissive", &[MARIA, RITA], "r.example/shop/web"),
            statement("rest", "strict", &["*"], "*"),
        ];
        let why = refusal(said(&two, None, None));
        assert!(why.contains("several statements: say which"), "{why}");
        assert!(why.contains("`web`, `rest`"), "{why}");
        let why = refusal(said(&two, Some("other"), None));
        assert!(why.contains("no statement `other`"), "{why}");
        let why = refusal(said(&two, Some("web"), None));
        assert!(why.contains(MARIA) && why.contains(RITA), "{why}");
        let said_of = |name, subject| said(&two, Some(name), subject).unwrap().subject;
        assert_eq!(said_of("web", Some(RITA)).as_deref(), Some(RITA));
        assert_eq!(said_of("rest", Some(RITA)).as_deref(), Some(RITA));
        assert_eq!(said_of("rest", None), None);
    }

    #[test]
    fn nobody_is_trusted_who_is_not_in_the_statement() {
        let one = [statement("web", "strict", &[MARIA], "r.example/shop/web")];
        let why = refusal(said(&one, None, Some(RITA)));
        assert!(why.contains("does not trust"), "{why}");
        // Fewer attributes are more people.
        let wider = "x509.subject: C=US, ST=WA, O=shop";
        let why = refusal(said(&one, None, Some(wider)));
        assert!(why.contains("does not trust"), "{why}");
        let skipped = [statement("web", "skip", &[], "r.example/shop/web")];
        let why = refusal(said(&skipped, None, None));
        assert!(why.contains("`skip`, and so nobody"), "{why}");
    }

    #[test]
    fn the_scope_is_what_the_statement_names_at_this_server() {
        let scopes = [
            "r.example/shop/web",
            "other.example/shop/api",
            "R.example/shop/db",
        ];
        let scopes = scopes.map(str::to_owned);
        let here = |address| scope_at(&scopes, address);
        assert_eq!(here("https://r.example").unwrap(), ["shop/web", "shop/db"]);
        assert_eq!(here("http://other.example/").unwrap(), ["shop/api"]);
        let why = here("https://r.example:5000").unwrap_err().to_string();
        assert!(why.contains("no repository at `r.example:5000`"), "{why}");
        let everywhere = scope_at(&["*".to_owned()], "https://r.example").unwrap_err();
        assert!(everywhere.to_string().contains("`--scope`"), "{everywhere}");
    }
}
