//! Podman and buildah, with storage of their own. They share a library and most of their words.

use super::client::{Cannot, Client, Home, Pulled, text};
use super::sample::{FILE, Sample};
use crate::harness::{Actor, Done, Program};

/// The two programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    /// `podman`.
    Podman,
    /// `buildah`.
    Buildah,
}

/// Podman or buildah.
pub(crate) struct Podman {
    /// Its name.
    pub(crate) name: &'static str,
    /// Which of them.
    pub(crate) which: Which,
    /// Its folder.
    pub(crate) home: Home,
}

impl Podman {
    /// A command of the program's own.
    pub(crate) fn run<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Program {
        let program = match self.which {
            Which::Podman => "podman",
            Which::Buildah => "buildah",
        };
        self.home
            .program(program)
            .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
            .arg("--root")
            .arg(self.home.at("root"))
            .arg("--runroot")
            .arg(self.home.at("run"))
            .args(["--storage-driver", "vfs"])
            .args(arguments)
    }

    /// A command that goes to the registry.
    pub(crate) fn remote(&self, words: &[&str]) -> Program {
        // Over TLS they find the authority where docker does.
        let flags = self
            .home
            .transport(["--tls-verify=false"], |_| [] as [String; 0]);
        self.run(words).args(flags)
    }

    fn forget(&self) {
        let all: &[&str] = match self.which {
            Which::Podman => &["image", "rm", "--all", "--force"],
            Which::Buildah => &["rmi", "--all", "--force"],
        };
        self.run(all).ok();
    }

    fn pulled(&self, image: &str) -> Pulled {
        let (inspect, mount): (&[&str], _) = match self.which {
            Which::Podman => (
                &["image", "inspect", "--format", "{{.Digest}}"],
                self.run(["image", "mount", image]).ok(),
            ),
            Which::Buildah => {
                let container = self.run(["from", "--pull-never", image]).ok();
                (
                    &[
                        "inspect",
                        "--type",
                        "image",
                        "--format",
                        "{{.FromImageDigest}}",
                    ],
                    self.run(["mount", container.trim()]).ok(),
                )
            }
        };
        let digest = self.run(inspect).arg(image).ok().trim().to_owned();
        let file = std::fs::read(std::path::Path::new(mount.trim()).join(FILE)).unwrap();
        let give_back: &[&str] = match self.which {
            Which::Podman => &["image", "unmount", image],
            Which::Buildah => &["rm", "--all"],
        };
        self.run(give_back).ok();
        Pulled { digest, file }
    }

    /// Makes an image out of a sample's root file system.
    pub(crate) fn make(&self, sample: &Sample, image: &str) {
        match self.which {
            Which::Podman => {
                self.run(["import", "--arch", sample.architecture])
                    .arg(&sample.root)
                    .arg(image)
                    .ok();
            }
            Which::Buildah => {
                let context = self.home.empty("context");
                std::fs::create_dir_all(&context).unwrap();
                std::fs::copy(&sample.root, context.join("root.tar")).unwrap();
                std::fs::write(context.join("Dockerfile"), "FROM scratch\nADD root.tar /\n")
                    .unwrap();
                let platform = format!("linux/{}", sample.architecture);
                let build = [
                    "bud",
                    "--isolation",
                    "chroot",
                    "--platform",
                    &platform,
                    "--tag",
                    image,
                ];
                self.run(build).arg(&context).ok();
            }
        }
    }
}

impl Client for Podman {
    fn name(&self) -> &str {
        self.name
    }

    fn log_in(&self, who: &Actor) {
        let said = self
            .remote(&["login"])
            .args(["--username", &who.name, "--password-stdin", &self.home.host])
            .stdin(who.secret.as_str())
            .ok();
        assert!(said.contains("Login Succeeded"), "{said}");
    }

    fn push(&self, sample: &Sample, image: &str) {
        self.make(sample, image);
        self.remote(&["push"]).arg(image).ok();
    }

    fn pull(&self, image: &str) -> Pulled {
        self.forget();
        self.remote(&["pull"]).arg(image).ok();
        self.pulled(image)
    }

    fn refused(&self, image: &str) -> Done {
        self.forget();
        self.remote(&["pull"]).arg(image).fails()
    }

    fn push_index(&self, platforms: &[Sample; 2], image: &str) -> Result<(), Cannot> {
        self.run(["manifest", "create", image]).ok();
        for sample in platforms {
            let from = format!("oci:{}:1", text(&sample.layout.0));
            self.run(["manifest", "add", image, &from]).ok();
        }
        let to = format!("docker://{image}");
        self.remote(&["manifest", "push", "--all"])
            .args([image, &to])
            .ok();
        self.run(["manifest", "rm", image]).ok();
        Ok(())
    }

    fn pull_platform(&self, image: &str, architecture: &str) -> Result<Pulled, Cannot> {
        self.forget();
        let platform = format!("linux/{architecture}");
        self.remote(&["pull", "--platform", &platform])
            .arg(image)
            .ok();
        Ok(self.pulled(image))
    }
}
