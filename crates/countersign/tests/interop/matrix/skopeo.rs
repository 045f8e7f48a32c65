//! Skopeo, between the registry and image layouts; and umoci, which works on layouts and leaves the carrying to skopeo.

use super::client::{Cannot, Client, Home, Pulled, text};
use super::sample::{FILE, Sample, index_of};
use crate::harness::{Actor, Done, Layout, Program};

/// Skopeo.
pub(crate) struct Skopeo {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its folder.
    pub(crate) home: Home,
}

impl Skopeo {
    fn tls_verify(&self, flag: &str) -> Vec<String> {
        // Over TLS it finds the authority where docker does.
        self.home.transport([flag], |_| [] as [String; 0])
    }

    /// `skopeo copy`, with words of its own before it.
    pub(crate) fn copy(&self, words: &[&str], from: &str, to: &str) -> Program {
        self.home
            .program("skopeo")
            .args(words)
            .arg("copy")
            .args(self.tls_verify("--src-tls-verify=false"))
            .args(self.tls_verify("--dest-tls-verify=false"))
            .args([from, to])
    }

    fn pull_with(&self, words: &[&str], image: &str) -> (Layout, Program) {
        let layout = Layout(self.home.empty("pulled"));
        let to = format!("oci:{}:1", text(&layout.0));
        let program = self.copy(words, &format!("docker://{image}"), &to);
        (layout, program)
    }

    /// Copies a layout's image to the registry, whole.
    pub(crate) fn push_layout(&self, layout: &Layout, image: &str) {
        let to = format!("docker://{image}");
        self.copy(&[], &format!("oci:{}:1", text(&layout.0)), &to)
            .args(["--all"])
            .ok();
    }
}

impl Client for Skopeo {
    fn name(&self) -> &str {
        self.name
    }

    fn log_in(&self, who: &Actor) {
        let login = ["--username", &who.name, "--password-stdin", &self.home.host];
        self.home
            .program("skopeo")
            .arg("login")
            .args(self.tls_verify("--tls-verify=false"))
            .args(login)
            .stdin(who.secret.as_str())
            .ok();
    }

    fn push(&self, sample: &Sample, image: &str) {
        self.push_layout(&sample.layout, image);
    }

    fn pull(&self, image: &str) -> Pulled {
        let (layout, copy) = self.pull_with(&[], image);
        copy.ok();
        of_layout(&layout)
    }

    fn refused(&self, image: &str) -> Done {
        self.pull_with(&[], image).1.fails()
    }

    fn push_index(&self, platforms: &[Sample; 2], image: &str) -> Result<(), Cannot> {
        let folder = self.home.empty("index");
        let layout = Layout::write(&folder, &[("1", &index_of(platforms))]);
        self.push_layout(&layout, image);
        Ok(())
    }

    fn pull_platform(&self, image: &str, architecture: &str) -> Result<Pulled, Cannot> {
        let (layout, copy) = self.pull_with(&["--override-arch", architecture], image);
        copy.ok();
        Ok(of_layout(&layout))
    }

    fn delete(&self, image: &str) -> Result<(), Cannot> {
        self.home
            .program("skopeo")
            .arg("delete")
            .args(self.tls_verify("--tls-verify=false"))
            .arg(format!("docker://{image}"))
            .ok();
        Ok(())
    }
}

/// The image of a layout that holds one.
pub(crate) fn of_layout(layout: &Layout) -> Pulled {
    let digest = layout.digest();
    Pulled {
        file: layout.file(&digest, FILE),
        digest,
    }
}

/// umoci, and the skopeo that carries for it.
pub(crate) struct Umoci(pub(crate) Skopeo);

impl Umoci {
    fn umoci(&self, words: &[&str]) -> Program {
        self.0.home.program("umoci").args(words)
    }
}

impl Client for Umoci {
    fn name(&self) -> &str {
        "umoci 0.4 with skopeo"
    }

    fn log_in(&self, who: &Actor) {
        self.0.log_in(who);
    }

    fn push(&self, sample: &Sample, image: &str) {
        let layout = Layout(self.0.home.empty("made"));
        let file = self.0.home.at("file");
        std::fs::write(&file, &sample.file).unwrap();
        let name = format!("{}:1", text(&layout.0));
        self.umoci(&["init", "--layout", text(&layout.0)]).ok();
        self.umoci(&["new", "--image", &name]).ok();
        self.umoci(&["insert", "--image", &name, text(&file), &format!("/{FILE}")])
            .ok();
        self.0.push_layout(&layout, image);
    }

    fn pull(&self, image: &str) -> Pulled {
        let (layout, copy) = self.0.pull_with(&[], image);
        copy.ok();
        let bundle = self.0.home.empty("bundle");
        let name = format!("{}:1", text(&layout.0));
        self.umoci(&["unpack", "--image", &name, text(&bundle)])
            .ok();
        Pulled {
            digest: layout.digest(),
            file: std::fs::read(bundle.join("rootfs").join(FILE)).unwrap(),
        }
    }

    fn refused(&self, image: &str) -> Done {
        self.0.refused(image)
    }

    fn push_index(&self, _platforms: &[Sample; 2], _image: &str) -> Result<(), Cannot> {
        Err(Cannot("makes images of one platform"))
    }

    fn pull_platform(&self, image: &str, architecture: &str) -> Result<Pulled, Cannot> {
        self.0.pull_platform(image, architecture)
    }

    fn delete(&self, image: &str) -> Result<(), Cannot> {
        self.0.delete(image)
    }
}
