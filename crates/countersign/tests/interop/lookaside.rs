//! Signatures that skopeo wrote into a lookaside store, because the registry keeps none: `countersign import-signatures` takes them from
//! the folder and over HTTP, they count, and one of another image is left out.

use crate::harness::{OtherRegistry, Place, Program, Shop, listens, temporary, until};
use crate::openpgp::{self, Gpg};
use crate::signing::{Pushed, pushed, text};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Who signs, with what, and where the signatures are kept.
struct Signing<'a> {
    shop: &'a Shop,
    other: OtherRegistry,
    gpg: Gpg,
    fingerprint: String,
    folder: tempfile::TempDir,
}

impl Signing<'_> {
    fn store(&self, place: Place) -> PathBuf {
        self.folder
            .path()
            .join(format!("store-{}", place.release()))
    }

    /// skopeo of a place copies from one reference to another, and knows the store of the other registry.
    fn skopeo(&self, place: Place, from: &str, to: &str) -> Program {
        let (host, store) = (self.other.host(), self.store(place));
        // The older word and the newer one for the same.
        let word = match place {
            Place::Here => "sigstore",
            Place::Debian13 => "lookaside",
        };
        let settings = self
            .folder
            .path()
            .join(format!("registries-{}", place.release()));
        std::fs::create_dir_all(&settings).unwrap();
        std::fs::create_dir_all(&store).unwrap();
        let yaml = format!(
            "docker:\n  {host}:\n    {word}: file://{}\n",
            store.display()
        );
        std::fs::write(settings.join("other.yaml"), yaml).unwrap();
        place
            .program("skopeo")
            .env("GNUPGHOME", self.gpg.home())
            .env("HOME", self.folder.path())
            .args(["--insecure-policy", "--registries.d", text(&settings)])
            .args(["copy", "--preserve-digests", "--src-tls-verify=false"])
            .args(["--dest-tls-verify=false"])
            .arg(format!("docker://{from}"))
            .arg(format!("docker://{to}"))
    }

    fn references(&self, image: &Pushed) -> (String, String) {
        let at = |host: String| format!("{host}/{}", image.image);
        (at(self.shop.server.host()), at(self.other.host()))
    }

    /// Copies an image to the other registry and signs it, so that the signature is kept in the store.
    fn copy(&self, place: Place, image: &Pushed) {
        let (here, there) = self.references(image);
        self.skopeo(place, &here, &there)
            .args(["--remove-signatures", "--sign-by", &self.fingerprint])
            .args(["--src-creds", &self.shop.actor("ci-shop").credentials()])
            .ok();
    }

    /// Copies it back, with what the store has of it.
    fn copy_back(&self, place: Place, image: &Pushed) {
        let (here, there) = self.references(image);
        self.skopeo(place, &there, &here)
            .args(["--dest-creds", &self.shop.actor("ci-shop").credentials()])
            .ok();
    }

    /// The folder of an image in the store.
    fn of_image(&self, place: Place, image: &Pushed) -> PathBuf {
        let (repository, _) = image.image.split_once(':').unwrap();
        let (_, digest) = image.at.split_once('@').unwrap();
        let name = format!("{repository}@{}", digest.replace(':', "="));
        self.store(place).join(name)
    }

    fn imports(&self, lookaside: &str, image: &Pushed) -> String {
        let import = ["import-signatures", "--lookaside", lookaside, &image.image];
        self.shop.actor("ci-shop").does(import)
    }

    fn counts(&self, image: &Pushed) {
        let verdict = self.shop.gate(&image.image);
        assert!(verdict.is_met("ci"), "{}", verdict.answer["tree"]);
        assert_eq!(verdict.counted("ci"), ["ci-shop".to_owned()].into());
    }
}

/// Files of a folder over HTTP.
struct Files {
    child: Child,
    port: u16,
}

impl Files {
    fn serve(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new("python3")
            .args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arg(folder)
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let files = Self { child, port };
        until(30, "the files are served", || listens(port));
        files
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn signatures_come_in_from_a_lookaside_that_skopeo_wrote() {
    let shop = Shop::open(&[]);
    // Debian 13 shares `/tmp`.
    let folder = temporary();
    let gpg = Gpg::new(folder.path());
    let fingerprint = gpg.generate("ci@shop.example");
    openpgp::register(&shop, &gpg, &fingerprint, "ci-shop");
    let signing = Signing {
        shop: &shop,
        other: OtherRegistry::start(),
        gpg,
        fingerprint,
        folder,
    };
    for place in [Place::Here, Place::Debian13] {
        let store = signing.store(place);
        let image = pushed(&shop, &format!("looked-{}", place.release()));
        signing.copy(place, &image);
        assert!(
            !shop.gate(&image.image).is_met("ci"),
            "nothing was handed in yet"
        );
        let said = signing.imports(text(&store), &image);
        assert!(said.contains("1 handed in"), "{said}");
        signing.counts(&image);
        let said = signing.imports(&format!("file://{}", store.display()), &image);
        assert!(said.contains("0 handed in, 1 there already"), "{said}");

        let image = pushed(&shop, &format!("served-{}", place.release()));
        signing.copy(place, &image);
        let files = Files::serve(&store);
        let said = signing.imports(&format!("http://127.0.0.1:{}", files.port), &image);
        assert!(said.contains("1 handed in"), "{said}");
        signing.counts(&image);
        // Whoever has it in their settings needs no command of ours.
        let image = pushed(&shop, &format!("along-{}", place.release()));
        signing.copy(place, &image);
        signing.copy_back(place, &image);
        signing.counts(&image);
        println!("lookaside of Debian {}: taken over", place.release());
    }
    one_of_another_image_is_left_out(&signing);
}

fn one_of_another_image_is_left_out(signing: &Signing<'_>) {
    let (shop, place) = (signing.shop, Place::Here);
    let (signed, other) = (pushed(shop, "signed"), pushed(shop, "moved"));
    signing.copy(place, &signed);
    let (from, to) = (
        signing.of_image(place, &signed),
        signing.of_image(place, &other),
    );
    std::fs::create_dir_all(&to).unwrap();
    std::fs::copy(from.join("signature-1"), to.join("signature-1")).unwrap();
    let store = signing.store(place);
    let import = [
        "import-signatures",
        "--lookaside",
        text(&store),
        &other.image,
    ];
    let done = shop.actor("ci-shop").cli(import).fails();
    assert_eq!(done.code, Some(1), "{}", done.all());
    done.says(&["is left out: it is about sha256:", "can be handed in"]);
    assert!(!shop.gate(&other.image).is_met("ci"));

    // One that is not there at all.
    let bare = pushed(shop, "bare");
    let import = [
        "import-signatures",
        "--lookaside",
        text(&store),
        &bare.image,
    ];
    let done = shop.actor("ci-shop").cli(import).fails();
    done.says(&["has no signature of", "/signature-1"]);
}
