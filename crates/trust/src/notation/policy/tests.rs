//! Trust policies that are taken, and what is said of those that are not.

use serde_json::{Value, json};

use super::*;

fn parse(document: &Value) -> Result<TrustPolicy, PolicyError> {
    TrustPolicy::parse(&serde_json::to_vec(document).unwrap())
}

/// A policy of one statement, changed.
fn with(change: impl FnOnce(&mut Value)) -> Result<TrustPolicy, PolicyError> {
    let mut statement = json!({
        "name": "wabbit",
        "registryScopes": ["registry.acme-rockets.io/software/net-monitor"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:wabbit", "tsa:clock"],
        "trustedIdentities": ["x509.subject: C=US, ST=WA, O=wabbit-networks.io"],
    });
    change(&mut statement);
    parse(&json!({"version": "1.0", "trustPolicies": [statement]}))
}

fn fault(change: impl FnOnce(&mut Value)) -> PolicyError {
    with(change).unwrap_err()
}

fn level_of(verification: Value) -> Result<Level, PolicyError> {
    let policy = with(|statement| statement["signatureVerification"] = verification)?;
    Ok(policy.statements()[0].level)
}

#[test]
fn the_example_of_the_specification_is_taken() {
    let policy = parse(&json!({
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "wabbit-networks-images",
                "registryScopes": [
                    "registry.acme-rockets.io/software/net-monitor",
                    "registry.acme-rockets.io/software/net-logger",
                ],
                "signatureVerification": {"level": "strict"},
                "trustStores": ["ca:wabbit-networks"],
                "trustedIdentities": ["x509.subject: C=US, ST=WA, L=Seattle, O=wabbit-networks.io, OU=Security Tools"],
            },
            {
                "name": "unsigned-image",
                "registryScopes": ["registry.wabbit-networks.io/software/unsigned/net-utils"],
                "signatureVerification": {"level": "skip"},
            },
            {
                "name": "use-expired-image",
                "registryScopes": ["registry.acme-rockets.io/software/legacy/metrics"],
                "signatureVerification": {"level": "strict", "override": {"expiry": "log", "revocation": "skip"}},
                "trustStores": ["ca:acme-rockets"],
                "trustedIdentities": ["*"],
            },
            {
                "name": "global-policy-for-all-other-images",
                "registryScopes": ["*"],
                "signatureVerification": {"level": "audit", "verifyTimestamp": "afterCertExpiry"},
                "trustStores": ["ca:acme-rockets", "ca:acme-rockets-ca2", "tsa:trusted-tsa"],
                "trustedIdentities": ["x509.subject: C=US, ST=WA, L=Seattle, O=acme-rockets.io, OU=Finance, CN=SecureBuilder"],
            },
        ],
    }))
    .unwrap();
    let name = |repository: &str| policy.statement_for(repository).unwrap().name.as_str();
    assert_eq!(
        name("registry.acme-rockets.io/software/net-logger"),
        "wabbit-networks-images"
    );
    assert_eq!(
        name("registry.acme-rockets.io/software/net-logger2"),
        "global-policy-for-all-other-images"
    );
    assert_eq!(
        name("registry.acme-rockets.io/software"),
        "global-policy-for-all-other-images"
    );
    assert_eq!(name("*"), "global-policy-for-all-other-images");
    let [_, unsigned, expired, global] = policy.statements() else {
        panic!()
    };
    assert_eq!(unsigned.level, Level::Skip);
    let actions = Actions {
        expiry: Action::Log,
        revocation: Action::Skip,
        ..Actions::STRICT
    };
    assert_eq!(expired.level, Level::Verify(actions));
    assert_eq!(global.level, Level::Verify(Actions::AUDIT));
    assert_eq!(global.verify_timestamp, VerifyTimestamp::AfterCertExpiry);
    assert_eq!(expired.verify_timestamp, VerifyTimestamp::Always);
}

#[test]
fn without_a_statement_for_it_nothing_is_trusted() {
    let policy = with(|_| {}).unwrap();
    assert!(
        policy
            .statement_for("registry.acme-rockets.io/software/net-monitor")
            .is_some()
    );
    assert_eq!(
        policy.statement_for("registry.acme-rockets.io/software/other"),
        None
    );
    assert_eq!(policy.statement_for("*"), None);
}

#[test]
fn levels_and_their_overrides() {
    use Action::{Enforce, Log};
    let level = |text: &str| level_of(json!({"level": text})).unwrap();
    assert_eq!(level("strict"), Level::Verify(Actions::STRICT));
    let of = |authenticity, authentic_timestamp, expiry, revocation| {
        Level::Verify(Actions {
            authenticity,
            authentic_timestamp,
            expiry,
            revocation,
        })
    };
    assert_eq!(level("permissive"), of(Enforce, Log, Log, Log));
    assert_eq!(level("audit"), of(Log, Log, Log, Log));
    let overridden = json!({"level": "audit", "override": {
        "authenticity": "enforce", "authenticTimestamp": "enforce", "expiry": "enforce", "revocation": "enforce",
    }});
    assert_eq!(level_of(overridden), Ok(Level::Verify(Actions::STRICT)));
    for (check, action) in [
        ("integrity", "log"),
        ("expiry", "skip"),
        ("authenticity", "skip"),
        ("authenticTimestamp", "skip"),
        ("other", "log"),
    ] {
        let verification = json!({"level": "strict", "override": {check: action}});
        assert_eq!(
            level_of(verification),
            Err(PolicyError::Override(check.into()))
        );
    }
    assert_eq!(
        level_of(json!({"level": "Strict"})),
        Err(PolicyError::Level("Strict".into()))
    );
    assert!(matches!(
        level_of(json!({"level": "strict", "override": {"expiry": "ignore"}})),
        Err(PolicyError::Json(_))
    ));
}

#[test]
fn skip_stands_alone() {
    let skip =
        |statement: &mut Value| statement["signatureVerification"] = json!({"level": "skip"});
    let empty = |statement: &mut Value| {
        statement["trustStores"] = json!([]);
        statement["trustedIdentities"] = json!([]);
    };
    assert!(matches!(fault(skip), PolicyError::SkipWithTrust { .. }));
    let everything = fault(|statement| {
        skip(statement);
        empty(statement);
        statement["registryScopes"] = json!(["*"]);
    });
    assert!(matches!(everything, PolicyError::SkipEverything { .. }));
    let overridden = fault(|statement| {
        empty(statement);
        statement["signatureVerification"] =
            json!({"level": "skip", "override": {"expiry": "log"}});
    });
    assert!(matches!(overridden, PolicyError::SkipOverride { .. }));
}

#[test]
fn scopes_are_repositories_or_everything() {
    let scopes = |scopes: Value| fault(|statement| statement["registryScopes"] = scopes);
    assert!(matches!(scopes(json!([])), PolicyError::Scopes { .. }));
    assert!(matches!(
        scopes(json!(["*", "a.io/b"])),
        PolicyError::Scopes { .. }
    ));
    for scope in [
        "registry.io",
        "registry.io/*",
        "a.io/b:tag",
        "a.io/b@sha256:0",
        "/b",
        "a.io/",
        "a.io/B",
        "",
    ] {
        assert_eq!(
            scopes(json!([scope])),
            PolicyError::Scope(scope.into()),
            "{scope}"
        );
    }
    assert_eq!(
        scopes(json!(["a.io/b", "a.io/b"])),
        PolicyError::ScopeTwice("a.io/b".into())
    );
    assert!(with(|statement| statement["registryScopes"] = json!(["localhost:5000/b"])).is_ok());
}

#[test]
fn somebody_must_be_trusted_and_none_twice() {
    for stores in [json!([]), json!(["tsa:clock"])] {
        let fault = fault(|statement| statement["trustStores"] = stores);
        assert!(matches!(fault, PolicyError::NoTrust { .. }));
    }
    let identities =
        |identities: Value| fault(|statement| statement["trustedIdentities"] = identities);
    assert!(matches!(identities(json!([])), PolicyError::NoTrust { .. }));
    let wide = "x509.subject: C=US, ST=WA, O=wabbit";
    let narrow = "x509.subject: C=US, ST=WA, O=wabbit, OU=org1";
    assert!(matches!(
        identities(json!(["*", wide])),
        PolicyError::Overlap { .. }
    ));
    assert!(matches!(
        identities(json!([narrow, wide])),
        PolicyError::Overlap { .. }
    ));
    assert!(matches!(
        identities(json!(["O=wabbit"])),
        PolicyError::Identity(_)
    ));
    for store in ["ca", "ca:", "ca:..", "ca:a/b", "other:a", "CA:a"] {
        let fault = fault(|statement| statement["trustStores"] = json!([store]));
        assert_eq!(fault, PolicyError::Store(StoreError::Name(store.into())));
    }
}

#[test]
fn what_is_not_known_is_not_passed_over() {
    assert!(matches!(
        fault(|statement| statement["require"] = json!(2)),
        PolicyError::Json(_)
    ));
    let verification = json!({"level": "strict", "overide": {}});
    assert!(matches!(level_of(verification), Err(PolicyError::Json(_))));
    let version = parse(&json!({"version": "2.0", "trustPolicies": []}));
    assert_eq!(version, Err(PolicyError::Version("2.0".into())));
    let none = parse(&json!({"version": "1.0", "trustPolicies": []}));
    assert_eq!(none, Err(PolicyError::Statements { count: 0 }));
    assert!(matches!(
        fault(|statement| statement["name"] = json!("")),
        PolicyError::NoName
    ));
    let twice = br#"{"version":"1.0","version":"1.0","trustPolicies":[]}"#;
    let error = JsonError::DuplicateKey("version".into());
    assert_eq!(TrustPolicy::parse(twice), Err(PolicyError::Json(error)));
    let one = json!({
        "name": "one", "registryScopes": ["a.io/b"], "signatureVerification": {"level": "skip"},
    });
    let mut two = one.clone();
    two["registryScopes"] = json!(["a.io/c"]);
    let names = parse(&json!({"version": "1.0", "trustPolicies": [one, two]}));
    assert_eq!(names, Err(PolicyError::NameTwice("one".into())));
}
