//! Every client that people have: docker of two ages, podman, skopeo and buildah push and pull, and all see the same digest; an index
//! of two platforms; deletion.

use crate::harness::{
    Actor, DockerUser, Dockerd, Program, Shop, curl, docker_20, docker_28, noise, tar, temporary,
};
use oci::media;
use std::path::PathBuf;

/// Where the clients push: a repository that no gate covers, and that its developer may also delete from.
const REPOSITORY: &str = "clients";

struct Bench {
    shop: Shop,
    folder: tempfile::TempDir,
}

impl Bench {
    fn dora(&self) -> &Actor {
        self.shop.actor("dora")
    }

    fn at(&self, image: &str) -> String {
        format!("{}/{REPOSITORY}/{image}", self.shop.server.host())
    }

    /// The digest that the registry has for an image.
    fn digest(&self, image: &str) -> Option<String> {
        let (name, tag) = image.split_once(':').unwrap();
        let accept = [
            media::OCI_MANIFEST,
            media::OCI_INDEX,
            media::DOCKER_MANIFEST,
            media::DOCKER_LIST,
        ]
        .join(", ");
        let url = format!(
            "{}/v2/{REPOSITORY}/{name}/manifests/{tag}",
            self.shop.server.url()
        );
        let answer = curl(&url)
            .user(self.dora())
            .method("HEAD")
            .flags(["--header", &format!("Accept: {accept}")])
            .ask();
        (answer.status == 200).then(|| answer.headers["docker-content-digest"].clone())
    }

    /// A small root file system as an archive, unlike any other.
    fn root(&self, unlike: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{unlike}.tar"));
        std::fs::write(
            &path,
            tar(&[
                ("srv/unlike", &noise(unlike, 40_000)),
                ("etc/os-release", b"ID=none\n"),
            ]),
        )
        .unwrap();
        path
    }

    /// Podman or buildah with storage of its own.
    fn with_storage(&self, program: &str, storage: &str) -> Program {
        let at = |name: &str| self.folder.path().join(storage).join(name);
        Program::new(program)
            .arg("--root")
            .arg(at("root"))
            .arg("--runroot")
            .arg(at("run"))
            .args(["--storage-driver", "vfs"])
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("REGISTRY_AUTH_FILE", self.folder.path().join("auth.json"))
    }

    fn podman(&self, storage: &str) -> Program {
        self.with_storage("podman", storage)
    }

    fn buildah(&self, storage: &str) -> Program {
        self.with_storage("buildah", storage)
    }

    fn skopeo(&self) -> Program {
        Program::new("skopeo")
            .env("HOME", self.folder.path())
            .env("REGISTRY_AUTH_FILE", self.folder.path().join("auth.json"))
    }
}

#[test]
fn clients_push_pull_and_delete() {
    let bench = Bench {
        shop: Shop::bare(&[]),
        folder: temporary(),
    };
    let engine = Dockerd::start();
    for (age, docker) in [("20", docker_20()), ("28", docker_28())] {
        let user = engine.user(docker, bench.folder.path().join(age));
        by_docker(&bench, &user, age);
    }
    by_podman(&bench);
    by_skopeo(&bench);
    by_buildah(&bench);
    an_index_of_two_platforms(&bench);
    what_one_pushes_another_pulls(&bench, &engine);
}

fn by_docker(bench: &Bench, docker: &DockerUser<'_>, age: &str) {
    let (image, host) = (format!("docker-{age}:1"), bench.shop.server.host());
    docker.does([
        "import".as_ref(),
        bench.root(&format!("docker-{age}")).as_os_str(),
        bench.at(&image).as_ref(),
    ]);
    // Without a log-in, nothing is pushed.
    docker.fails(["push", &bench.at(&image)]);
    docker.log_in(bench.dora(), &host);
    let said = docker.does(["push", &bench.at(&image)]);
    let digest = bench.digest(&image).unwrap();
    assert!(said.contains(&digest), "{said}");
    docker.does(["image", "rm", &bench.at(&image)]);
    let said = docker.does(["pull", &bench.at(&image)]);
    assert!(said.contains(&digest), "{said}");
    let pulled = docker.does([
        "image",
        "inspect",
        "--format",
        "{{index .RepoDigests 0}}",
        &bench.at(&image),
    ]);
    assert!(pulled.trim().ends_with(&digest), "{pulled}");
    docker.does([
        "pull",
        &format!("{}@{digest}", bench.at(image.split_once(':').unwrap().0)),
    ]);
    docker.log_out(&host);
    docker.fails(["pull", &bench.at(&image)]);
    println!("docker {age}: {digest}");
}

fn by_podman(bench: &Bench) {
    let image = bench.at("podman:1");
    let login = [
        "login",
        "--tls-verify=false",
        "--username",
        "dora",
        "--password-stdin",
        &bench.shop.server.host(),
    ];
    bench
        .podman("podman")
        .args(login)
        .stdin(bench.dora().secret.as_str())
        .ok();
    bench
        .podman("podman")
        .arg("import")
        .arg(bench.root("podman"))
        .arg(&image)
        .ok();
    let file = bench.folder.path().join("podman.digest");
    bench
        .podman("podman")
        .args(["push", "--tls-verify=false", "--digestfile"])
        .arg(&file)
        .arg(&image)
        .ok();
    let digest = bench.digest("podman:1").unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), digest);
    bench.podman("podman").args(["rmi", &image]).ok();
    bench
        .podman("podman")
        .args(["pull", "--tls-verify=false", &image])
        .ok();
    let pulled = bench
        .podman("podman")
        .args(["image", "inspect", "--format", "{{.Digest}}", &image])
        .ok();
    assert_eq!(pulled.trim(), digest);
    println!("podman: {digest}");
}

fn by_skopeo(bench: &Bench) {
    let layout = format!("oci:{}:1", bench.folder.path().join("layout").display());
    let (credentials, image) = (
        bench.dora().credentials(),
        format!("docker://{}", bench.at("skopeo:1")),
    );
    let from = format!("docker://{}", bench.at("podman:1"));
    let copy = |from: &str, to: &str, flags: &[&str]| {
        let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
        bench
            .skopeo()
            .arg("copy")
            .args(tls)
            .args(flags)
            .args([from, to])
            .ok();
    };
    copy(&from, &layout, &["--src-creds", &credentials]);
    copy(
        &layout,
        &image,
        &["--dest-creds", &credentials, "--preserve-digests"],
    );
    let inspected = bench
        .skopeo()
        .args([
            "inspect",
            "--tls-verify=false",
            "--creds",
            &credentials,
            "--format",
            "{{.Digest}}",
            &image,
        ])
        .ok();
    let digest = bench.digest("skopeo:1").unwrap();
    assert_eq!(inspected.trim(), digest);
    let back = bench.folder.path().join("back");
    copy(
        &image,
        &format!("dir:{}", back.display()),
        &["--src-creds", &credentials],
    );
    let manifest = std::fs::read(back.join("manifest.json")).unwrap();
    assert_eq!(oci::Digest::sha256(&manifest).as_str(), digest);
    // From one repository to another of the same registry: by mount.
    copy(
        &image,
        &format!("docker://{}", bench.at("skopeo-copy:1")),
        &["--src-creds", &credentials, "--dest-creds", &credentials],
    );
    assert_eq!(
        bench.digest("skopeo-copy:1").as_deref(),
        Some(digest.as_str())
    );
    let tags = bench
        .skopeo()
        .args(["list-tags", "--tls-verify=false", "--creds", &credentials])
        .arg(image.trim_end_matches(":1"))
        .ok();
    assert!(tags.contains("\"1\""), "{tags}");

    bench
        .skopeo()
        .args([
            "delete",
            "--tls-verify=false",
            "--creds",
            &credentials,
            &image,
        ])
        .ok();
    assert_eq!(bench.digest("skopeo:1"), None);
    bench
        .skopeo()
        .args([
            "inspect",
            "--tls-verify=false",
            "--creds",
            &credentials,
            &image,
        ])
        .fails()
        .says(&["manifest unknown"]);
    // The copy is another repository's.
    assert_eq!(
        bench.digest("skopeo-copy:1").as_deref(),
        Some(digest.as_str())
    );
    println!("skopeo: {digest}, copied, listed, deleted");
}

fn by_buildah(bench: &Bench) {
    let context = bench.folder.path().join("context");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::copy(bench.root("buildah"), context.join("root.tar")).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        "FROM scratch\nADD root.tar /\nLABEL made-by=buildah\n",
    )
    .unwrap();
    let image = bench.at("buildah:1");
    let credentials = bench.dora().credentials();
    bench
        .buildah("buildah")
        .args(["bud", "--isolation", "chroot", "--tag", &image])
        .arg(&context)
        .ok();
    let file = bench.folder.path().join("buildah.digest");
    let push = [
        "push",
        "--tls-verify=false",
        "--creds",
        &credentials,
        "--digestfile",
    ];
    bench
        .buildah("buildah")
        .args(push)
        .arg(&file)
        .arg(&image)
        .ok();
    let digest = bench.digest("buildah:1").unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), digest);
    bench
        .buildah("buildah")
        .args(["rmi", "--all", "--force"])
        .ok();
    bench
        .buildah("buildah")
        .args([
            "pull",
            "--tls-verify=false",
            "--creds",
            &credentials,
            &image,
        ])
        .ok();
    let pulled = bench
        .buildah("buildah")
        .args([
            "inspect",
            "--type",
            "image",
            "--format",
            "{{.FromImageDigest}}",
            &image,
        ])
        .ok();
    assert_eq!(pulled.trim(), digest);
    println!("buildah: {digest}");
}

/// An index made and pushed by buildah, copied whole by skopeo, pulled for the other platform by podman.
fn an_index_of_two_platforms(bench: &Bench) {
    let credentials = bench.dora().credentials();
    let list = bench.at("platforms:1");
    bench
        .buildah("index")
        .args(["manifest", "create", &list])
        .ok();
    for architecture in ["amd64", "arm64"] {
        let context = bench.folder.path().join(architecture);
        std::fs::create_dir_all(&context).unwrap();
        std::fs::copy(bench.root(architecture), context.join("root.tar")).unwrap();
        std::fs::write(context.join("Dockerfile"), "FROM scratch\nADD root.tar /\n").unwrap();
        let platform = format!("linux/{architecture}");
        bench
            .buildah("index")
            .args([
                "bud",
                "--isolation",
                "chroot",
                "--platform",
                &platform,
                "--manifest",
                &list,
            ])
            .arg(&context)
            .ok();
    }
    let push = [
        "manifest",
        "push",
        "--all",
        "--format",
        "oci",
        "--tls-verify=false",
        "--creds",
        &credentials,
    ];
    bench
        .buildah("index")
        .args(push)
        .args([&list, &format!("docker://{list}")])
        .ok();
    let digest = bench.digest("platforms:1").unwrap();
    let raw = bench
        .skopeo()
        .args([
            "inspect",
            "--raw",
            "--tls-verify=false",
            "--creds",
            &credentials,
            &format!("docker://{list}"),
        ])
        .ok();
    assert_eq!(oci::Digest::sha256(raw.as_bytes()).as_str(), digest);
    let index: serde_json::Value = serde_json::from_str(&raw).unwrap();
    let platforms: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["platform"]["architecture"].as_str().unwrap())
        .collect();
    assert_eq!(
        {
            let mut sorted = platforms.clone();
            sorted.sort_unstable();
            sorted
        },
        ["amd64", "arm64"]
    );

    let copy = bench.at("platforms-copy:1");
    let tls = [
        "copy",
        "--all",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--src-creds",
        &credentials,
        "--dest-creds",
        &credentials,
    ];
    bench
        .skopeo()
        .args(tls)
        .args([format!("docker://{list}"), format!("docker://{copy}")])
        .ok();
    assert_eq!(
        bench.digest("platforms-copy:1").as_deref(),
        Some(digest.as_str())
    );
    bench
        .podman("arm")
        .args([
            "pull",
            "--tls-verify=false",
            "--creds",
            &credentials,
            "--platform",
            "linux/arm64",
            &copy,
        ])
        .ok();
    let pulled = bench
        .podman("arm")
        .args(["image", "inspect", "--format", "{{.Architecture}}", &copy])
        .ok();
    assert_eq!(pulled.trim(), "arm64");
    println!("an index of two platforms: {digest}");
}

/// What podman and buildah pushed, docker pulls; what docker pushed, podman pulls.
fn what_one_pushes_another_pulls(bench: &Bench, engine: &Dockerd) {
    let docker = engine.logged_in(bench.dora(), &bench.shop.server.host());
    for image in ["podman:1", "buildah:1", "platforms:1"] {
        let said = docker.does(["pull", &bench.at(image)]);
        assert!(said.contains(&bench.digest(image).unwrap()), "{said}");
    }
    for image in ["docker-20:1", "docker-28:1"] {
        let credentials = bench.dora().credentials();
        bench
            .podman("podman")
            .args([
                "pull",
                "--tls-verify=false",
                "--creds",
                &credentials,
                &bench.at(image),
            ])
            .ok();
        let pulled = bench
            .podman("podman")
            .args([
                "image",
                "inspect",
                "--format",
                "{{.Digest}}",
                &bench.at(image),
            ])
            .ok();
        assert_eq!(pulled.trim(), bench.digest(image).unwrap());
    }
}
