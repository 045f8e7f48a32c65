//! The scope of a personal or robot token as text, both ways: `repository:shop/**:pull,push` and
//! `server:read-events`. Read strictly, unlike the scopes of docker's protocol: a token that was meant to be limited
//! and is not would be worse than none.

use std::collections::BTreeSet;

use policy::{Ceiling, Pattern, Scope, VerbKind};

use crate::{Action, Error};

/// The most scopes of one token.
const SCOPES_MAX: usize = 50;
/// The words that stand for two verbs, as docker's protocol has them.
const PAIRS: [(&str, Action); 2] = [("push", Action::Push), ("delete", Action::Delete)];

/// What a token is limited to; everything that its principal may do when there are no texts.
pub fn ceiling_from_texts(texts: Option<&[String]>) -> Result<Ceiling, Error> {
    let Some(texts) = texts else {
        return Ok(Ceiling::All);
    };
    if texts.len() > SCOPES_MAX {
        return Err(refuse(
            &texts.len().to_string(),
            "limit exceeded: at most 50 scopes",
        ));
    }
    texts
        .iter()
        .map(|text| parse(text))
        .collect::<Result<_, _>>()
        .map(Ceiling::Only)
}

/// The texts of a ceiling; nothing when it does not limit.
#[must_use]
pub fn ceiling_to_texts(ceiling: &Ceiling) -> Option<Vec<String>> {
    match ceiling {
        Ceiling::All => None,
        Ceiling::Only(scopes) => Some(scopes.iter().map(print).collect()),
    }
}

fn parse(text: &str) -> Result<Scope, Error> {
    let unreadable = || {
        refuse(
            text,
            "it has a kind, a pattern and verbs, with colons between",
        )
    };
    let (kind, rest) = text.split_once(':').ok_or_else(unreadable)?;
    if kind == "server" {
        let verbs = verbs(text, rest)?;
        if verbs.iter().any(|verb| verb.is_for_repository()) {
            return Err(refuse(
                text,
                "verbs of repositories belong to `repository:`",
            ));
        }
        return Ok(Scope::everywhere(verbs));
    }
    let (pattern, names) = rest.split_once(':').ok_or_else(unreadable)?;
    if kind != "repository" {
        return Err(refuse(
            text,
            "its kind is neither `repository` nor `server`",
        ));
    }
    let pattern = Pattern::parse(pattern).map_err(|_| refuse(text, "its pattern is not one"))?;
    let verbs = verbs(text, names)?;
    if verbs.iter().any(|verb| !verb.is_for_repository()) {
        return Err(refuse(text, "verbs of the server belong to `server:`"));
    }
    Ok(Scope { pattern, verbs })
}

fn verbs(text: &str, names: &str) -> Result<BTreeSet<VerbKind>, Error> {
    let mut verbs = BTreeSet::new();
    for name in names.split(',') {
        match PAIRS.iter().find(|(word, _)| *word == name) {
            Some((_, action)) => verbs.extend(action.verbs()),
            None => {
                let verb = VerbKind::from_name(name)
                    .ok_or_else(|| refuse(text, "it names a verb that does not exist"))?;
                verbs.insert(verb);
            }
        }
    }
    Ok(verbs)
}

fn print(scope: &Scope) -> String {
    let mut verbs = scope.verbs.clone();
    let mut names: Vec<&str> = Vec::new();
    for (word, action) in PAIRS {
        if action.verbs().iter().all(|verb| verbs.contains(verb)) {
            names.push(word);
            verbs.retain(|verb| !action.verbs().contains(verb));
        }
    }
    names.extend(verbs.iter().map(|verb| verb.as_str()));
    names.sort_unstable();
    let of_server =
        scope.pattern.is_everything() && scope.verbs.iter().all(|verb| !verb.is_for_repository());
    match of_server {
        true => format!("server:{}", names.join(",")),
        false => format!("repository:{}:{}", scope.pattern, names.join(",")),
    }
}

fn refuse(text: &str, why: &'static str) -> Error {
    let value = text
        .chars()
        .take(100)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Error::Scope { value, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[VerbKind]) {
        let ceiling = ceiling_from_texts(Some(&[text.to_owned()])).unwrap();
        let Ceiling::Only(scopes) = &ceiling else {
            panic!("{text} does not limit")
        };
        assert_eq!(
            scopes[0].verbs,
            expected.iter().copied().collect(),
            "{text}"
        );
        let again = ceiling_from_texts(ceiling_to_texts(&ceiling).as_deref()).unwrap();
        assert_eq!(again, ceiling, "{text}");
    }

    #[test]
    fn texts_and_ceilings_are_the_same() {
        use VerbKind::{
            Attach, BreakGlass, Delete, DeleteEvidence, Inspect, ManageAdvisories, Pull, Push,
            ReadEvents,
        };
        check("repository:shop/**:pull", &[Pull]);
        check("repository:shop/web:pull,push", &[Pull, Push, Attach]);
        check("repository:shop/web:attach,inspect", &[Attach, Inspect]);
        check("repository:**:delete", &[Delete, DeleteEvidence]);
        check("repository:**:delete-evidence", &[DeleteEvidence]);
        check("repository:shop/**:break-glass", &[BreakGlass]);
        check(
            "server:manage-advisories,read-events",
            &[ManageAdvisories, ReadEvents],
        );
        assert_eq!(ceiling_from_texts(None).unwrap(), Ceiling::All);
        assert_eq!(ceiling_to_texts(&Ceiling::All), None);
        assert_eq!(
            ceiling_from_texts(Some(&[])).unwrap(),
            Ceiling::Only(Vec::new())
        );
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            "",
            "repository:shop/web",
            "repository:shop/web:",
            "repository:shop/web:pull,",
            "repository:shop/web:pull,everything",
            "repository:Shop:pull",
            "repository:shop/web:manage-keys",
            "repository:127.0.0.1:5000/web:pull",
            "server:pull",
            "server:*",
            "user:maria:pull",
        ] {
            assert!(matches!(parse(text), Err(Error::Scope { .. })), "{text}");
        }
        let many = vec!["repository:a:pull".to_owned(); 51];
        assert!(ceiling_from_texts(Some(&many)).is_err());
    }
}
