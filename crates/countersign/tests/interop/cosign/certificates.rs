//! cosign with certificates of an authority of our own, which looks like Fulcio: they count for the identity and the issuer that are
//! registered, as far as the trusted root and what is asked for allow. cosign itself is asked about the same signatures.

use super::authority::{Authority, Certified, Named};
use crate::harness::{OtherRegistry, Shop, client_program, until};
use crate::signing::{Pushed, cosign::log_in, notation::register, pushed, run, text};
use jiff::Timestamp;
use std::path::Path;

const ISSUER: &str = "https://token.example";
const MARIA: Named<'_> = Named {
    name: "email:maria@shop.example",
    issuer: ISSUER,
};
const RELEASE: Named<'_> = Named {
    name: "URI:https://forge.example/shop/web/.ci/release.yml@refs/tags/v1",
    issuer: ISSUER,
};
/// Seconds of a certificate that does not end while a test runs.
const LONG: i64 = 3_600;
/// Seconds of one that does: long enough that cosign has signed with it on a busy machine.
const SHORT: i64 = 20;

/// A shop that believes the authority; the robot's identities are registered.
fn open(root: &Path, flags: &[&str]) -> Shop {
    let root = format!("--sigstore-root={}", text(root));
    let shop = Shop::open(&[&[root.as_str()], flags].concat());
    let robot = shop.actor("ci-shop");
    for (identity, name) in [
        ("maria@shop.example", "keyless"),
        ("https://forge.example/shop/web/*@refs/tags/*", "releases"),
    ] {
        let identity = ["--sigstore-issuer", ISSUER, "--sigstore-identity", identity];
        register(&shop, robot, &identity, name);
    }
    log_in(&shop, &client_program("cosign"), robot);
    shop
}

/// `cosign sign`, as the robot; `stamps` is where it gets a timestamp.
fn sign(shop: &Shop, certified: &Certified, at: &str, stamps: Option<&str>) {
    let stamps = stamps.map(|url| format!("--timestamp-server-url={url}"));
    run(shop, &client_program("cosign"), shop.actor("ci-shop"))
        .args(["sign", "--tlog-upload=false", "--allow-http-registry"])
        .args(["--yes", "--key", text(&certified.key)])
        .args(["--certificate", text(&certified.certificate)])
        .args(["--certificate-chain", text(&certified.chain)])
        .args(stamps)
        .arg(at)
        .ok();
}

/// Whether `cosign verify` finds a signature of maria's, with the same authorities and no log.
fn cosign_takes(shop: &Shop, authority: &Authority, at: &str) -> bool {
    let done = run(shop, &client_program("cosign"), shop.actor("ci-shop"))
        .args(["verify", "--allow-http-registry", "--insecure-ignore-sct"])
        .args(["--insecure-ignore-tlog", "--ca-roots"])
        .arg(authority.path("root.pem"))
        .arg("--ca-intermediates")
        .arg(authority.path("people.pem"))
        .arg("--timestamp-certificate-chain")
        .arg(authority.path("stamps-chain.pem"))
        .args(["--certificate-identity", "maria@shop.example"])
        .args(["--certificate-oidc-issuer", ISSUER, at])
        .run();
    // Else it could be another failure, such as one of the registry.
    let is_taken = done.code == Some(0);
    assert!(
        is_taken || done.err.contains("no matching signatures"),
        "{}",
        done.all()
    );
    is_taken
}

fn counts(shop: &Shop, image: &Pushed) {
    let verdict = shop.gate(&image.image);
    assert!(verdict.is_met("ci"), "{}", verdict.answer["tree"]);
    assert_eq!(verdict.counted("ci"), ["ci-shop".to_owned()].into());
}

fn is_refused(shop: &Shop, image: &Pushed, code: &str, why: &str) {
    let verdict = shop.gate(&image.image);
    verdict.is("deny");
    let tree = verdict.answer["tree"].as_str().unwrap();
    assert!(!verdict.is_met("ci"), "{tree}");
    assert!(verdict.codes("ci").contains(code), "{code}: {tree}");
    assert!(tree.contains(why), "`{why}`: {tree}");
}

#[test]
fn certificates_count_for_the_identity_and_the_issuer_that_are_registered() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let shop = open(&authority.trusted_root(false), &["--sigstore-needs=none"]);
    for (label, named) in [("email", MARIA), ("uri", RELEASE)] {
        let image = pushed(&shop, &format!("certified-{label}"));
        let certified = authority.certify(label, named, LONG);
        sign(&shop, &certified, &image.at, None);
        counts(&shop, &image);
        let is_maria = named.name == MARIA.name;
        assert_eq!(cosign_takes(&shop, &authority, &image.at), is_maria);
    }

    let mallory = Named {
        name: "email:mallory@shop.example",
        ..MARIA
    };
    let elsewhere = Named {
        issuer: "https://token.elsewhere.example",
        ..MARIA
    };
    let not_known = "is not by a key that is registered here";
    for (label, named, who) in [
        (
            "mallory",
            mallory,
            "signed by 'mallory@shop.example' by 'https://token.example'",
        ),
        (
            "elsewhere",
            elsewhere,
            "signed by 'maria@shop.example' by 'https://token.elsewhere.example'",
        ),
    ] {
        let image = pushed(&shop, &format!("certified-{label}"));
        let certified = authority.certify(label, named, LONG);
        sign(&shop, &certified, &image.at, None);
        let why = format!("{not_known} ({who})");
        is_refused(&shop, &image, "unknown-key", &why);
        assert!(!cosign_takes(&shop, &authority, &image.at), "{label}");
    }

    // Whoever makes an authority of their own can name everybody.
    let image = pushed(&shop, "certified-stranger");
    let certified = stranger.certify("maria", MARIA, LONG);
    sign(&shop, &certified, &image.at, None);
    let why = "the certificate does not lead to an authority of the trusted root";
    is_refused(&shop, &image, "unreadable", why);
    assert!(!cosign_takes(&shop, &authority, &image.at));
    one_that_has_ended_needs_a_timestamp(&shop, &authority);
}

/// Signed elsewhere while the certificate was valid, and copied here when it was not any more.
fn one_that_has_ended_needs_a_timestamp(shop: &Shop, authority: &Authority) {
    let other = OtherRegistry::start();
    let copy = |from: &str, to: &str| {
        run(shop, &client_program("cosign"), shop.actor("ci-shop"))
            .args(["copy", "--allow-http-registry", "--force", from, to])
            .ok();
    };
    let [bare, stamped] = ["ended", "ended-stamped"].map(|name| pushed(shop, name));
    let at = |host: String, image: &Pushed| format!("{host}/{}", image.image);
    for image in [&bare, &stamped] {
        copy(&at(shop.server.host(), image), &at(other.host(), image));
    }
    let certified = authority.certify("short", MARIA, SHORT);
    let url = authority.stamps_url();
    for (image, stamps) in [(&bare, None), (&stamped, Some(url.as_str()))] {
        let there = image.at.replace(&shop.server.host(), &other.host());
        sign(shop, &certified, &there, stamps);
    }
    assert!(
        Timestamp::now() < certified.end,
        "signed too late for what this is about"
    );
    until(60, "the certificate ends", || {
        Timestamp::now() > certified.end
    });
    for image in [&bare, &stamped] {
        copy(&at(other.host(), image), &at(shop.server.host(), image));
    }
    is_refused(
        shop,
        &bare,
        "unreadable",
        "the certificate was not valid at",
    );
    assert!(!cosign_takes(shop, authority, &bare.at));
    counts(shop, &stamped);
    assert!(cosign_takes(shop, authority, &stamped.at));
}

/// Maria signs two images, the second with a timestamp: the first is refused for the want of one. Answers the second.
fn one_without_a_timestamp_is_refused(
    shop: &Shop,
    authority: &Authority,
    names: [&str; 2],
) -> Pushed {
    let certified = authority.certify("maria", MARIA, LONG);
    let [bare, stamped] = names.map(|name| pushed(shop, name));
    sign(shop, &certified, &bare.at, None);
    let url = authority.stamps_url();
    sign(shop, &certified, &stamped.at, Some(&url));
    let no_time = "nothing trusted says when it was signed: 0 of 1 times";
    is_refused(shop, &bare, "unreadable", no_time);
    stamped
}

#[test]
fn what_is_asked_for_beside_a_certificate_is_said_where_it_is_missing() {
    let authority = Authority::new();
    let mut shop = open(&authority.trusted_root(true), &[]);
    let stamped =
        one_without_a_timestamp_is_refused(&shop, &authority, ["asked-bare", "asked-stamped"]);
    let not_logged = "the certificate carries no timestamp of a certificate log";
    is_refused(&shop, &stamped, "unreadable", not_logged);

    // It is read again by what is asked for then.
    shop.server.restart_with("--sigstore-needs=log");
    let no_log = "0 of 1 transparency logs stand behind it";
    until(30, "the signature is read again", || {
        let verdict = shop.gate(&stamped.image);
        verdict.answer["tree"].as_str().unwrap().contains(no_log)
    });
    is_refused(&shop, &stamped, "unreadable", no_log);
}

#[test]
fn a_private_authority_with_timestamps_needs_no_log() {
    let authority = Authority::new();
    let shop = open(&authority.trusted_root(false), &["--sigstore-needs=time"]);
    let stamped = one_without_a_timestamp_is_refused(&shop, &authority, ["timeless", "timed"]);
    counts(&shop, &stamped);
}
