//! Copies carry signatures: what `cosign copy`, `oras cp -r` and `skopeo copy` take along counts on another server by the same rules as
//! where it was made, also when it went through a registry without a referrers API. In another repository only what names none counts.

use crate::harness::{OtherRegistry, Place, Program, Shop, client_program, temporary};
use crate::openpgp::{self, Gpg};
use crate::signing::{Pushed, cosign, notation, ours, pushed, run, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What copies.
#[derive(Clone, Copy, Debug)]
enum Tool {
    Cosign,
    Oras,
    Skopeo(Place),
}

/// What is carried, by who wrote it.
#[derive(Clone, Copy, Debug)]
enum Format {
    /// Ours, as a referrer.
    Stage,
    /// cosign's statement in a bundle, as a referrer.
    CosignBundle,
    /// cosign's payload under its tag, by us.
    CosignSig,
    /// The same by cosign 2.
    Cosign,
    /// An envelope, as a referrer.
    Notation,
    /// A message of GPG, as a referrer and by the extension that podman and skopeo speak.
    OpenPgp,
}

impl Format {
    /// Whether it says in which repository it counts.
    fn names_repository(self) -> bool {
        !matches!(self, Self::Notation)
    }
}

/// Two servers where the same robot has the same keys, and one of others.
struct Servers {
    here: Shop,
    there: Shop,
    other: OtherRegistry,
    gpg: Gpg,
    fingerprint: String,
    notation: notation::Signer,
    work: tempfile::TempDir,
}

impl Servers {
    fn open() -> Self {
        let (here, there) = (Shop::open(&[]), Shop::open(&[]));
        let robot = here.actor("ci-shop");
        let work = temporary();
        let gpg = Gpg::new(work.path());
        let fingerprint = gpg.generate("ci@shop.example");
        let envelopes = notation::generated(&here, robot);
        for shop in [&here, &there] {
            openpgp::register(shop, &gpg, &fingerprint, "ci-shop");
        }
        let identity = ["--notation-ca", text(&envelopes.chain)];
        notation::register(&there, there.actor("ci-shop"), &identity, "own");
        let (key, admin) = (here.key("ci-shop"), there.actor("admin"));
        let rest = [
            "--for", "ci-shop", "--name", "carried", "--scope", "shop/**",
        ];
        admin
            .cli(["key", "register", "--key", text(&key)])
            .args(rest)
            .args(["--user", "admin", "--password-stdin"])
            .stdin(admin.secret.as_str())
            .ok();
        let program = client_program("cosign");
        cosign::log_in(&here, &program, robot);
        let servers = Self {
            here,
            there,
            other: OtherRegistry::start(),
            gpg,
            fingerprint,
            notation: envelopes,
            work,
        };
        servers.write_settings();
        servers
    }

    /// One file of log-ins, which all of these programs read, and where skopeo looks for signatures.
    fn write_settings(&self) {
        let log_in = |shop: &Shop| {
            let auth = STANDARD.encode(shop.actor("dora").credentials());
            (shop.server.host(), serde_json::json!({"auth": auth}))
        };
        let auths: serde_json::Map<_, _> =
            [&self.here, &self.there].map(log_in).into_iter().collect();
        let config = serde_json::json!({"auths": auths});
        std::fs::write(self.work.path().join("config.json"), config.to_string()).unwrap();
        let folder = self.work.path().join("registries.d");
        std::fs::create_dir_all(&folder).unwrap();
        let attachments = "default-docker:\n  use-sigstore-attachments: true\n";
        std::fs::write(folder.join("default.yaml"), attachments).unwrap();
    }

    fn sign(&self, format: Format, image: &Pushed) {
        let (shop, robot) = (&self.here, self.here.actor("ci-shop"));
        let key = shop.key("ci-shop");
        let as_format = |name: &str| {
            let sign = ["sign", "--stage", "ci", "--format", name, "--key"];
            ours(shop, &[&sign[..], &[text(&key)]].concat(), &image.at).ok();
        };
        match format {
            Format::Stage => as_format("stage"),
            Format::CosignBundle => as_format("cosign"),
            Format::CosignSig => as_format("cosign-sig"),
            Format::Cosign => {
                run(shop, &client_program("cosign"), robot)
                    .args(["sign", "--tlog-upload=false", "--allow-http-registry"])
                    .args(["--yes", "--key", text(&key), &image.at])
                    .ok();
            }
            Format::Notation => {
                notation::notation(shop, robot)
                    .args(["sign", "--insecure-registry", "--key"])
                    .args([self.notation.name, &image.at])
                    .ok();
            }
            Format::OpenPgp => {
                let (gpg, fingerprint) = (&self.gpg, &self.fingerprint);
                openpgp::sign_while_copying(shop, gpg, "ci-shop", fingerprint, &image.image);
            }
        }
        let verdict = shop.gate(&image.image);
        assert!(
            verdict.is_met("ci"),
            "{format:?}: {}",
            verdict.answer["tree"]
        );
    }

    /// The developer copies, from one reference with host and tag to another.
    fn copy(&self, tool: Tool, from: &str, to: &str) {
        let folder = self.work.path();
        let logged_in = |program: Program| {
            program
                .env("HOME", folder)
                .env("DOCKER_CONFIG", folder)
                .dir(folder)
        };
        match tool {
            Tool::Cosign => logged_in(Program::new(client_program("cosign")))
                .args(["copy", "--allow-http-registry", from, to])
                .ok(),
            Tool::Oras => logged_in(Program::new(client_program("oras")))
                .args(["cp", "-r", "--from-plain-http", "--to-plain-http", from, to])
                .ok(),
            Tool::Skopeo(place) => logged_in(place.program("skopeo"))
                .args(["--insecure-policy", "--registries.d"])
                .arg(folder.join("registries.d"))
                .args(["copy", "--preserve-digests", "--src-tls-verify=false"])
                .args(["--dest-tls-verify=false", "--authfile"])
                .arg(folder.join("config.json"))
                .arg(format!("docker://{from}"))
                .arg(format!("docker://{to}"))
                .ok(),
        };
    }
}

/// The robot's signature counts, and nobody else's.
fn counts(shop: &Shop, image: &str, what: &str) {
    shop.wait_for_inventory(image);
    let verdict = shop.gate(image);
    assert!(verdict.is_met("ci"), "{what}: {}", verdict.answer["tree"]);
    assert_eq!(
        verdict.counted("ci"),
        ["ci-shop".to_owned()].into(),
        "{what}"
    );
}

#[test]
fn what_a_tool_copies_with_an_image_counts_where_it_names_no_other_repository() {
    let servers = Servers::open();
    let (here, there) = (&servers.here, &servers.there);
    let cases = [
        (Tool::Cosign, Format::CosignSig),
        (Tool::Cosign, Format::Cosign),
        (Tool::Oras, Format::Stage),
        (Tool::Oras, Format::CosignBundle),
        (Tool::Oras, Format::Notation),
        (Tool::Oras, Format::OpenPgp),
        (Tool::Skopeo(Place::Here), Format::OpenPgp),
        (Tool::Skopeo(Place::Debian13), Format::OpenPgp),
        (Tool::Skopeo(Place::Debian13), Format::CosignSig),
    ];
    for (number, (tool, format)) in cases.into_iter().enumerate() {
        let what = format!("{format:?} by {tool:?}");
        let image = pushed(here, &format!("copied-{number}"));
        servers.sign(format, &image);
        let from = format!("{}/{}", here.server.host(), image.image);
        servers.copy(
            tool,
            &from,
            &format!("{}/{}", there.server.host(), image.image),
        );
        counts(there, &image.image, &what);

        let elsewhere = format!("shop/elsewhere-{number}:1");
        servers.copy(tool, &from, &format!("{}/{elsewhere}", here.server.host()));
        match format.names_repository() {
            false => counts(here, &elsewhere, &what),
            true => {
                here.wait_for_inventory(&elsewhere);
                let verdict = here.gate(&elsewhere);
                let codes = verdict.codes("ci");
                let is_named = codes.contains("other-repository");
                assert!(!verdict.is_met("ci") && is_named, "{what}: {codes:?}");
            }
        }
        println!("copied: {what}");
    }
}

#[test]
fn signatures_survive_a_registry_that_knows_nothing_of_them() {
    let servers = Servers::open();
    let (here, there) = (&servers.here, &servers.there);
    let cases = [
        (Tool::Cosign, Format::CosignSig),
        (Tool::Oras, Format::Stage),
        (Tool::Oras, Format::Notation),
        (Tool::Skopeo(Place::Debian13), Format::CosignSig),
    ];
    for (number, (tool, format)) in cases.into_iter().enumerate() {
        let what = format!("{format:?} by {tool:?}");
        let image = pushed(here, &format!("through-{number}"));
        servers.sign(format, &image);
        let at = |host: String| format!("{host}/{}", image.image);
        let between = at(servers.other.host());
        servers.copy(tool, &at(here.server.host()), &between);
        servers.copy(tool, &between, &at(there.server.host()));
        counts(there, &image.image, &what);
        println!("copied twice: {what}");
    }
    // Nor does it say anything of what is signed there.
    let (host, key) = (servers.other.host(), here.key("ci-shop"));
    let signed = here
        .actor("ci-shop")
        .cli(["sign", "--server", &format!("http://{host}")])
        .args(["--stage", "ci", "--key", text(&key)])
        .arg(format!("{host}/shop/through-0:1"))
        .run();
    assert_eq!((signed.code, signed.err.as_str()), (Some(0), ""));
}

/// What a tool leaves behind, as the documentation says.
#[test]
fn what_a_tool_does_not_know_stays_behind() {
    let servers = Servers::open();
    let (here, there) = (&servers.here, &servers.there);
    let cases = [
        (Tool::Cosign, Format::Stage),
        (Tool::Oras, Format::CosignSig),
        (Tool::Skopeo(Place::Debian13), Format::Stage),
    ];
    for (number, (tool, format)) in cases.into_iter().enumerate() {
        let what = format!("{format:?} by {tool:?}");
        let image = pushed(here, &format!("left-{number}"));
        servers.sign(format, &image);
        let at = |host: String| format!("{host}/{}", image.image);
        servers.copy(tool, &at(here.server.host()), &at(there.server.host()));
        there.wait_for_inventory(&image.image);
        let verdict = there.gate(&image.image);
        assert!(!verdict.is_met("ci"), "{what}: {}", verdict.answer["tree"]);
    }
}
