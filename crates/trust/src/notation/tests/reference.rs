//! A signing service's signatures as the Notary Project's own library writes them (`tests/data/notation`).

use super::super::testing::*;
use super::super::*;

const ROOT: &[u8] = include_bytes!("../../../tests/data/notation/root.crt");
const JWS: &[u8] = include_bytes!("../../../tests/data/notation/service.jws");
const COSE: &[u8] = include_bytes!("../../../tests/data/notation/service.cose");
const WITH_PLUGIN: [&[u8]; 2] = [
    include_bytes!("../../../tests/data/notation/service.plugin.jws"),
    include_bytes!("../../../tests/data/notation/service.plugin.cose"),
];
/// 2025-01-15T12:00:00Z.
const SIGNED: i64 = 1_736_942_400_000;
/// 2035-01-01T00:00:00Z.
const EXPIRY: i64 = 2_051_222_400_000;

fn judged(format: Format, bytes: &[u8], trusted: &str, now: i64) -> Outcome {
    let mut stores = TrustStores::default();
    for kind in ["ca:shop", "signingAuthority:shop"] {
        stores.add_file(store(kind), ROOT).unwrap();
    }
    let lists = RevocationLists::default();
    let trust = Trust {
        statement: &strict(&[trusted]),
        stores: &stores,
        lists: &lists,
    };
    verify(format, bytes, &artifact(), trust, now)
}

#[test]
fn a_service_of_the_reference_is_believed() {
    for (format, bytes) in [(Format::Jws, JWS), (Format::Cose, COSE)] {
        // The certificate was good for one month, long ago.
        for now in [SIGNED, NOW, EXPIRY - 1] {
            let passed = passed(judged(format, bytes, "signingAuthority:shop", now));
            assert_eq!(passed.time, Some(TrustedTime::SigningAuthority(SIGNED)));
            let identity = passed.identity.unwrap();
            assert!(identity.subject.to_string().contains("CN=signing service"));
            let read = Envelope::parse(format, bytes).unwrap();
            let signed = payload::parse(read.payload()).unwrap();
            assert_eq!(signed.annotations["dev.countersign.stage"], "ci");
        }
        let ended = failed(judged(format, bytes, "signingAuthority:shop", EXPIRY));
        let expired = Failure::Expired { expiry: EXPIRY };
        assert_eq!(ended, (Check::Expiry, expired));
        let (check, why) = failed(judged(format, bytes, "ca:shop", SIGNED));
        assert_eq!(check, Check::Authenticity);
        assert!(matches!(
            why,
            Failure::Untrusted {
                kind: "signingAuthority",
                ..
            }
        ));
    }
}

#[test]
fn the_reference_and_we_write_the_same_headers() {
    for (format, bytes) in [(Format::Jws, JWS), (Format::Cose, COSE)] {
        let read = Envelope::parse(format, bytes).unwrap();
        let ours = match format {
            Format::Jws => super::super::jws::protected(read.attributes()),
            Format::Cose => super::super::cose::protected(read.attributes()),
        };
        assert_eq!(hex::encode(ours.unwrap()), hex::encode(&read.protected));
    }
}

#[test]
fn a_time_that_somebody_changed_afterwards_is_refused() {
    for (format, bytes) in [(Format::Jws, JWS), (Format::Cose, COSE)] {
        let mut envelope = Envelope::parse(format, bytes).unwrap();
        envelope.attributes.scheme = Scheme::SigningAuthority {
            authentic_signing_time: SIGNED + DAY,
        };
        envelope.protected = match format {
            Format::Jws => super::super::jws::protected(&envelope.attributes),
            Format::Cose => super::super::cose::protected(&envelope.attributes),
        }
        .unwrap();
        let changed = envelope.to_bytes().unwrap();
        let outcome = judged(format, &changed, "signingAuthority:shop", NOW);
        assert_eq!(failed(outcome), (Check::Integrity, Failure::Signature));
    }
}

#[test]
fn a_plugin_of_the_reference_is_named() {
    for (format, bytes) in FORMATS.into_iter().zip(WITH_PLUGIN) {
        let name = "com.example.plugin".to_owned();
        let outcome = judged(format, bytes, "signingAuthority:shop", NOW);
        assert_eq!(
            failed(outcome),
            (Check::Integrity, Failure::Plugin { name })
        );
    }
}
