//! Forgeries of session tokens, each as its attacker would make it, and the honest ones beside them.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use policy::VerbKind;
use serde_json::{Value, json};
use store::Options;
use tempfile::TempDir;

use super::*;

const NOW: i64 = 1_700_000_000_000;

impl Sessions {
    /// What the token says, if it is believed.
    fn verify(&self, store: &Store, token: &SecretString, now: i64) -> Option<Session> {
        match self.examine(store, token, now) {
            Examined::Current(session) => Some(session.as_ref().clone()),
            Examined::Ended(..) | Examined::Wrong => None,
        }
    }
}

struct World {
    store: Store,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&Options::embedded(folder.path()))
            .await
            .unwrap();
        Self {
            store,
            _folder: folder,
        }
    }

    fn sessions(&self, service: &str) -> Sessions {
        Sessions::new(service.to_owned(), SessionKeys::default())
    }
}

fn session() -> Session {
    let name = "shop/web".parse().unwrap();
    let scope = policy::Scope::repository(&name, [VerbKind::Pull]);
    Session {
        who: Who::Principal(PrincipalId(7)),
        ceiling: Ceiling::Only(vec![scope]),
        widest: Ceiling::All,
        bond: Some(Bond::Token(12)),
    }
}

fn parts(token: &SecretString) -> Vec<String> {
    token
        .expose_secret()
        .split('.')
        .map(str::to_owned)
        .collect()
}

fn json_of(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn part_of(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn an_honest_token_says_what_it_was_made_for_until_it_ends() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let issued = sessions.sign(&world.store, &session(), NOW).unwrap();
    assert_eq!((issued.expires_in_seconds, issued.issued_at), (300, NOW));
    let at = |now| sessions.verify(&world.store, &issued.token, now);
    assert_eq!(at(NOW), Some(session()));
    assert_eq!(at(NOW + 299_999), Some(session()));
    assert_eq!(at(NOW + 300_000), None);
    for later in [NOW + 300_000, NOW + UPLOAD_MILLISECONDS + 300_000] {
        let examined = sessions.examine(&world.store, &issued.token, later);
        assert_eq!(examined, Examined::Ended(session().into(), NOW + 300_000));
    }
    assert_eq!(at(NOW - 30_000), Some(session()));
    assert_eq!(at(NOW - 31_000), None);
    let nobody = Session {
        who: Who::Anonymous,
        bond: None,
        ..session()
    };
    let issued = sessions.sign(&world.store, &nobody, NOW).unwrap();
    assert_eq!(
        sessions.verify(&world.store, &issued.token, NOW),
        Some(nobody)
    );
}

#[tokio::test]
async fn another_process_of_the_same_server_believes_it_and_another_server_does_not() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let issued = world
        .sessions("here")
        .sign(&world.store, &session(), NOW)
        .unwrap();
    assert_eq!(
        world
            .sessions("here")
            .verify(&world.store, &issued.token, NOW),
        Some(session())
    );
    assert_eq!(
        elsewhere
            .sessions("here")
            .verify(&elsewhere.store, &issued.token, NOW),
        None
    );
    assert_eq!(
        world
            .sessions("there")
            .verify(&world.store, &issued.token, NOW),
        None
    );
}

#[tokio::test]
async fn no_algorithm_and_other_algorithms_are_not_believed() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let issued = sessions.sign(&world.store, &session(), NOW).unwrap();
    let [header, claims, signature]: [String; 3] = parts(&issued.token).try_into().unwrap();
    for alg in ["none", "None", "HS256", "ES256", "eddsa", ""] {
        let mut forged = json_of(&header);
        forged["alg"] = json!(alg);
        for signature in [signature.as_str(), ""] {
            let token = format!("{}.{claims}.{signature}", part_of(&forged));
            assert_eq!(
                sessions.verify(&world.store, &token.into(), NOW),
                None,
                "{alg}"
            );
        }
    }
    let mut other_type = json_of(&header);
    other_type["typ"] = json!("JWT");
    let mut with_jwk = json_of(&header);
    with_jwk["jwk"] = json!({"kty": "OKP"});
    for forged in [other_type, with_jwk, json!({}), json!([]), json!(null)] {
        let token = format!("{}.{claims}.{signature}", part_of(&forged));
        assert_eq!(
            sessions.verify(&world.store, &token.into(), NOW),
            None,
            "{forged}"
        );
    }
}

#[tokio::test]
async fn claims_cannot_be_changed() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let issued = sessions.sign(&world.store, &session(), NOW).unwrap();
    let [header, claims, signature]: [String; 3] = parts(&issued.token).try_into().unwrap();
    let changes: [(&str, Value); 5] = [
        ("sub", json!("1")),
        ("exp", json!(i64::MAX)),
        ("ceiling", json!("all")),
        (
            "ceiling",
            json!({"only": [{"pattern": "**", "verbs": ["pull", "push"]}]}),
        ),
        ("widest", json!({"only": []})),
    ];
    for (claim, value) in changes {
        let mut forged = json_of(&claims);
        forged[claim] = value;
        let token = format!("{header}.{}.{signature}", part_of(&forged));
        assert_eq!(
            sessions.verify(&world.store, &token.into(), NOW),
            None,
            "{forged}"
        );
    }
}

#[tokio::test]
async fn a_key_that_the_server_did_not_make_is_not_believed() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let issued = sessions.sign(&world.store, &session(), NOW).unwrap();
    let [header, claims, _]: [String; 3] = parts(&issued.token).try_into().unwrap();
    let own = Ed25519KeyPair::generate().unwrap();
    let mut forged = json_of(&header);
    let plain = [own.public_key().as_ref(), &i64::MAX.to_be_bytes()].concat();
    // Signed under the server's own key name, and under a name made by the attacker.
    for kid in [
        forged["kid"].clone(),
        json!(URL_SAFE_NO_PAD.encode(plain)),
        json!(""),
    ] {
        forged["kid"] = kid;
        let signed = format!("{}.{claims}", part_of(&forged));
        let signature = URL_SAFE_NO_PAD.encode(own.sign(signed.as_bytes()));
        assert_eq!(
            sessions.verify(&world.store, &format!("{signed}.{signature}").into(), NOW),
            None
        );
    }
    // Something else that the master key sealed is not a session key.
    let voucher = [own.public_key().as_ref(), &i64::MAX.to_be_bytes()].concat();
    let sealed = store::keys::seal(&world.store, "webhook", &voucher).unwrap();
    forged["kid"] = json!(URL_SAFE_NO_PAD.encode(sealed));
    let signed = format!("{}.{claims}", part_of(&forged));
    let signature = URL_SAFE_NO_PAD.encode(own.sign(signed.as_bytes()));
    assert_eq!(
        sessions.verify(&world.store, &format!("{signed}.{signature}").into(), NOW),
        None
    );
}

/// Signs any claims with a true key of the server: what a mistake in our own code could make.
fn sign(world: &World, sessions: &Sessions, claims: &str) -> SecretString {
    sign_as(world, sessions, ALGORITHM, TYPE, claims)
}

fn sign_as(world: &World, sessions: &Sessions, alg: &str, typ: &str, claims: &str) -> SecretString {
    let key = sessions.keys.current(&world.store, NOW).unwrap();
    let header = json!({"alg": alg, "typ": typ, "kid": key.id()});
    let signed = format!("{}.{}", part_of(&header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}").into()
}

#[tokio::test]
async fn every_claim_and_header_is_looked_at() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let now_s = NOW / 1_000;
    let honest = json!({
        "iss": "here", "aud": "here", "sub": "7", "iat": now_s, "nbf": now_s, "exp": now_s + 300, "jti": "x",
        "ceiling": "all", "widest": "all", "bond": {"token": 12}
    });
    assert!(
        sessions
            .verify(
                &world.store,
                &sign(&world, &sessions, &honest.to_string()),
                NOW
            )
            .is_some()
    );
    for (alg, typ) in [("none", TYPE), ("Ed25519", TYPE), (ALGORITHM, "JWT")] {
        let token = sign_as(&world, &sessions, alg, typ, &honest.to_string());
        assert_eq!(
            sessions.verify(&world.store, &token, NOW),
            None,
            "{alg} {typ}"
        );
    }
    let wrong: [(&str, Value); 13] = [
        ("iss", json!("there")),
        ("aud", json!("there")),
        ("aud", json!(["here"])),
        ("sub", json!("maria")),
        ("iat", json!(now_s + 60)),
        ("nbf", json!(now_s + 60)),
        ("exp", json!(now_s)),
        ("exp", json!(now_s + 301)),
        ("ceiling", Value::Null),
        ("widest", Value::Null),
        ("bond", json!("token")),
        ("bond", json!({"token": "12"})),
        ("admin", json!(true)),
    ];
    for (claim, value) in wrong {
        let mut claims = honest.clone();
        claims[claim] = value;
        let token = sign(&world, &sessions, &claims.to_string());
        assert_eq!(sessions.verify(&world.store, &token, NOW), None, "{claims}");
    }
    for claim in [
        "iss", "aud", "sub", "iat", "nbf", "exp", "jti", "ceiling", "widest",
    ] {
        let mut claims = honest.clone();
        claims.as_object_mut().unwrap().remove(claim);
        let token = sign(&world, &sessions, &claims.to_string());
        assert_eq!(
            sessions.verify(&world.store, &token, NOW),
            None,
            "without {claim}"
        );
    }
    let twice = honest.to_string().replacen('{', "{\"sub\":\"1\",", 1);
    assert_eq!(
        sessions.verify(&world.store, &sign(&world, &sessions, &twice), NOW),
        None
    );
}

#[tokio::test]
async fn nonsense_is_not_believed() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let issued = sessions.sign(&world.store, &session(), NOW).unwrap();
    let honest = issued.token.expose_secret();
    let [header, claims, signature]: [String; 3] = parts(&issued.token).try_into().unwrap();
    for text in [
        String::new(),
        "..".to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{honest}="),
        format!("{honest}.{signature}"),
        format!(" {honest}"),
        "a".repeat(20_000),
    ] {
        assert_eq!(
            sessions.verify(&world.store, &text.as_str().into(), NOW),
            None,
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_has_ended_is_told_from_what_is_wrong() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let issued = sessions.sign(&world.store, &session(), NOW).unwrap();
    let later = NOW + 3_600_000;
    let [header, claims, signature]: [String; 3] = parts(&issued.token).try_into().unwrap();
    let mut longer = json_of(&claims);
    longer["exp"] = json!(NOW / 1_000 + 7_200);
    for forged in [
        format!("{header}.{}.{signature}", part_of(&longer)),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{signature}AA"),
    ] {
        let examined = sessions.examine(&world.store, &forged.into(), later);
        assert_eq!(examined, Examined::Wrong);
    }
    let there = world.sessions("there");
    let examined = there.examine(&world.store, &issued.token, later);
    assert_eq!(examined, Examined::Wrong);
    // One that is not valid yet has not ended either.
    let examined = sessions.examine(&world.store, &issued.token, NOW - 60_000);
    assert_eq!(examined, Examined::Wrong);
}

#[tokio::test]
async fn what_is_remembered_is_looked_at_again() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let issued = sessions.sign(&world.store, &session(), NOW).unwrap();
    let examine = |now| sessions.examine(&world.store, &issued.token, now);
    let current = Examined::Current(session().into());
    assert_eq!(examine(NOW), current);
    assert_eq!(examine(NOW + 299_000), current);
    assert!(matches!(examine(NOW + 300_000), Examined::Ended(..)));
    assert_eq!(examine(NOW - 60_000), Examined::Wrong);
    // Nothing is believed longer than the key that signed it.
    assert_eq!(examine(NOW + 38 * 3_600_000), Examined::Wrong);
}

#[tokio::test]
async fn a_session_that_would_not_fit_a_header_is_not_made() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let scope = |n: usize| {
        let name = format!("{n}/{}", "a".repeat(200)).parse().unwrap();
        policy::Scope::repository(&name, [VerbKind::Pull])
    };
    let large = Session {
        ceiling: Ceiling::Only((0..100).map(scope).collect()),
        ..session()
    };
    let made = sessions.sign(&world.store, &large, NOW);
    assert!(matches!(made, Err(AuthError::TooManyScopes)));
    let fitting = Session {
        ceiling: Ceiling::Only((0..20).map(scope).collect()),
        ..session()
    };
    let made = sessions.sign(&world.store, &fitting, NOW).unwrap();
    let read = sessions.verify(&world.store, &made.token, NOW);
    assert_eq!(read, Some(fitting));
}

#[tokio::test]
async fn keys_are_replaced_before_they_end_and_end() {
    let world = World::new().await;
    let sessions = world.sessions("here");
    let hour = 60 * 60 * 1_000;
    let id = |now| {
        sessions
            .keys
            .current(&world.store, now)
            .unwrap()
            .id()
            .to_owned()
    };
    let first = id(NOW);
    assert_eq!(id(NOW + 11 * hour), first);
    let key = sessions.keys.current(&world.store, NOW).unwrap();
    let second = id(NOW + 13 * hour);
    assert_ne!(second, first);
    // A clock that went back: a key that would last too long is not used.
    assert_ne!(id(NOW), second);
    let verify = |now| {
        sessions
            .keys
            .verify(&world.store, &first, b"message", &key.sign(b"message"), now)
    };
    // An upload may begin with the key's last signature, and go on for a day.
    let until = NOW + 36 * hour + 600_000;
    assert_eq!(verify(until - 1), Some(until));
    assert_eq!(verify(until), None);
    assert_eq!(
        sessions
            .keys
            .verify(&world.store, &first, b"other", &key.sign(b"message"), NOW),
        None
    );
}
