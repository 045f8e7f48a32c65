//! Signatures that leave part of their verification to a plugin. There are none here: each is refused, and the plugin named.

use super::super::attributes::{PLUGIN_MIN_VERSION, VERIFICATION_PLUGIN};
use super::super::testing::*;
use super::super::*;
use super::attacks::{envelope_error, integrity_of};
use super::attacks_headers::{cose_changed, jws_changed};
use coset::Label;
use serde_json::json;

fn attribute(name: &str, value: &str) -> Extended {
    Extended {
        name: name.to_owned(),
        value: value.to_owned(),
        critical: true,
    }
}

#[test]
fn a_signature_that_needs_a_plugin_is_refused_with_the_plugins_name() {
    let world = World::new();
    let schemes = [
        Scheme::X509 { signing_time: NOW },
        Scheme::SigningAuthority {
            authentic_signing_time: NOW,
        },
    ];
    for (format, scheme) in FORMATS
        .into_iter()
        .zip(schemes)
        .chain([(Format::Jws, schemes[1]), (Format::Cose, schemes[0])])
    {
        let envelope = world.sign_as(format, |request| {
            request.scheme = scheme;
            // What the plugin would understand does not hide whose affair it is.
            request.extended = vec![
                attribute("com.example.a.profile", "arn"),
                attribute(VERIFICATION_PLUGIN, "com.example.plugin\n"),
                attribute(PLUGIN_MIN_VERSION, "1.0.0"),
            ];
        });
        let why = integrity_of(&world, format, &envelope.to_bytes().unwrap());
        let name = "com.example.plugin\\n".to_owned();
        assert_eq!(why, Failure::Plugin { name });
        assert!(why.to_string().contains("`com.example.plugin"), "{why}");
        // Not even under `audit` is it passed over.
        let stores = world.stores();
        let audit = statement(Actions::AUDIT, &["ca:wabbit", "signingAuthority:wabbit"]);
        let (check, _) = failed(judge(&envelope, &audit, &stores, NOW));
        assert_eq!(check, Check::Integrity);
    }
}

#[test]
fn a_version_of_a_plugin_without_its_name_is_refused() {
    let world = World::new();
    for format in FORMATS {
        let envelope = world.sign_as(format, |request| {
            request.extended = vec![attribute(PLUGIN_MIN_VERSION, "1.0.0")];
        });
        let why = integrity_of(&world, format, &envelope.to_bytes().unwrap());
        let name = PLUGIN_MIN_VERSION.to_owned();
        assert_eq!(why, Failure::UnknownCritical { name });
    }
}

#[test]
fn a_plugin_is_not_passed_over_because_it_is_not_marked_critical() {
    let world = World::new();
    for name in [VERIFICATION_PLUGIN, PLUGIN_MIN_VERSION] {
        let not_critical = EnvelopeError::Attributes(AttributeError::NotCritical { name });
        let bytes = jws_changed(&world, world.sign(Format::Jws), |headers| {
            headers[name] = json!("com.example.plugin");
        });
        assert_eq!(envelope_error(&world, Format::Jws, &bytes), not_critical);
        let bytes = cose_changed(&world, world.sign(Format::Cose), |headers| {
            let pair = (Label::Text(name.to_owned()), "com.example.plugin".into());
            headers.rest.push(pair);
        });
        assert_eq!(envelope_error(&world, Format::Cose, &bytes), not_critical);
    }
}
