//! Every client × every verb × plain HTTP on loopback and TLS with log-in. Whoever pushes, the registry has the same bytes; whoever
//! pulls gets them; and whoever is held by a gate is told why, as far as the client lets its user see.

pub(crate) mod client;
mod containerd;
mod cosign;
mod docker;
pub(crate) mod ground;
pub(crate) mod oras;
pub(crate) mod podman;
pub(crate) mod sample;
pub(crate) mod skopeo;
mod table;

use crate::harness::{Containerd, Dockerd, Place, docker_20, docker_28};
use client::{Client, Prints};
use ground::{Ground, Transport};
use podman::Which;
use sample::{FILE, Sample};
use serde_json::Value;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::time::Instant;
use table::{Row, table};

/// The platform that this machine is not.
const OTHER: &str = "arm64";

#[test]
fn every_client_over_plain_http() {
    every_client(Transport::Plain);
}

#[test]
fn every_client_over_tls() {
    every_client(Transport::Tls);
}

/// The daemons that some clients stand on.
pub(crate) struct Daemons {
    docker: Dockerd,
    docker_13: Dockerd,
    containerd: Containerd,
    containerd_13: Containerd,
}

impl Daemons {
    /// Starts them, to trust the ground's authority.
    pub(crate) fn start(ground: &Ground) -> Self {
        Self {
            docker: Dockerd::start(),
            docker_13: Dockerd::start_containerd(ground.shop.server.authority().as_deref()),
            containerd: Containerd::start(Place::Here),
            containerd_13: Containerd::start(Place::Debian13),
        }
    }
}

fn every_client(transport: Transport) {
    let ground = Ground::open(transport);
    let daemons = Daemons::start(&ground);
    let held = Sample::new(ground.shop.folder(), "held", "amd64");
    ground.push_held(&held.image);
    let clients = clients(&ground, &daemons);
    let (rows, failed) = every_row(&ground, &clients, transport);
    println!("{}", table(&rows));
    assert_eq!(
        failed,
        [] as [&str; 0],
        "what each of them met is said above"
    );
    // What was refused for want of signatures passes with them, for every client.
    ground.sign_held();
    for client in &clients {
        assert_eq!(
            client.pull(&ground.held()).file,
            held.file,
            "{}",
            client.name()
        );
    }
    what_one_pushes_another_pulls(&ground, &clients);
}

/// A row for each client; whoever fails does not keep the others from theirs.
fn every_row<'a>(
    ground: &Ground,
    clients: &'a [Box<dyn Client + 'a>],
    transport: Transport,
) -> (Vec<Row>, Vec<&'a str>) {
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for client in clients {
        let attempt = || row(ground, client.as_ref(), transport);
        match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(row) => rows.push(row),
            Err(_) => failed.push(client.name()),
        }
    }
    (rows, failed)
}

/// All of them.
pub(crate) fn clients<'a>(ground: &'a Ground, daemons: &'a Daemons) -> Vec<Box<dyn Client + 'a>> {
    use Place::{Debian13, Here};
    let docker = |name, engine: &'a Dockerd, docker| docker::Docker {
        name,
        engine,
        docker,
        home: ground.home(&slug(name), Here),
    };
    let podman = |name, which, place| podman::Podman {
        name,
        which,
        home: ground.home(&slug(name), place),
    };
    let skopeo = |name, place| skopeo::Skopeo {
        name,
        home: ground.home(&slug(name), place),
    };
    let ctr = |name, daemon, place| containerd::Ctr {
        name,
        daemon,
        credentials: RefCell::default(),
        home: ground.home(&slug(name), place),
    };
    vec![
        Box::new(docker(
            "docker 20.10 (Debian 12)",
            &daemons.docker,
            docker_20(),
        )),
        Box::new(docker("docker 28", &daemons.docker, docker_28())),
        Box::new(docker(
            "docker 26.1, containerd store (Debian 13)",
            &daemons.docker_13,
            daemons.docker_13.own_client(),
        )),
        Box::new(podman("podman 4.3 (Debian 12)", Which::Podman, Here)),
        Box::new(podman("podman 5.4 (Debian 13)", Which::Podman, Debian13)),
        Box::new(podman("buildah 1.28 (Debian 12)", Which::Buildah, Here)),
        Box::new(podman("buildah 1.39 (Debian 13)", Which::Buildah, Debian13)),
        Box::new(skopeo("skopeo 1.9 (Debian 12)", Here)),
        Box::new(skopeo("skopeo 1.18 (Debian 13)", Debian13)),
        Box::new(skopeo::Umoci(skopeo("umoci 0.4 (Debian 12)", Here))),
        Box::new(ctr("containerd 1.6 (Debian 12)", &daemons.containerd, Here)),
        Box::new(ctr(
            "containerd 1.7 (Debian 13)",
            &daemons.containerd_13,
            Debian13,
        )),
        Box::new(oras::Oras {
            home: ground.home("oras", Here),
        }),
        Box::new(cosign::Cosign {
            ground,
            home: ground.home("cosign", Here),
        }),
    ]
}

/// A client's name as a part of a path.
fn slug(name: &str) -> String {
    let plain = |letter: char| match letter {
        'a'..='z' | '0'..='9' => letter,
        _ => '-',
    };
    let dashed: String = name.to_lowercase().chars().map(plain).collect();
    dashed
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// One client, verb by verb.
fn row(ground: &Ground, client: &dyn Client, transport: Transport) -> Row {
    let begun = Instant::now();
    client.log_in(ground.shop.actor("dora"));
    let cells = vec![
        push(ground, client),
        pull(ground, client),
        push_index(ground, client),
        pull_platform(ground, client),
        delete(ground, client),
        refused(ground, client),
    ];
    let client = format!("{}, {transport:?}", client.name());
    println!("{client}: {cells:?} in {} ms", begun.elapsed().as_millis());
    Row { client, cells }
}

fn image(ground: &Ground, client: &dyn Client, tag: &str) -> String {
    ground.free(&slug(client.name()), tag)
}

fn push(ground: &Ground, client: &dyn Client) -> String {
    let (sample, image) = (one(ground, client), image(ground, client, "one:1"));
    arrives(ground, client, &sample, &image);
    "✓".to_owned()
}

/// A client pushes an image under tag 1, and the registry has it, whole, with the file in it.
pub(crate) fn arrives(ground: &Ground, client: &dyn Client, sample: &Sample, image: &str) {
    client.push(sample, image);
    let manifest = ground.manifest(image, "1");
    ground.blob(image, manifest["config"]["digest"].as_str().unwrap());
    let layers = manifest["layers"].as_array().unwrap();
    let blobs = layers
        .iter()
        .map(|layer| ground.blob(image, layer["digest"].as_str().unwrap()));
    let files = blobs.filter_map(|blob| crate::harness::file_of_layer(&blob, FILE));
    assert_eq!(
        files.collect::<Vec<_>>(),
        slice::from_ref(&sample.file),
        "{}",
        client.name()
    );
}

/// The sample that a client pushes.
fn one(ground: &Ground, client: &dyn Client) -> Sample {
    let folder = ground.shop.folder().join("samples");
    Sample::new(&folder, &slug(client.name()), "amd64")
}

/// It comes back as it went.
fn pull(ground: &Ground, client: &dyn Client) -> String {
    let image = image(ground, client, "one:1");
    let pulled = client.pull(&image);
    assert_eq!(
        Some(&pulled.digest),
        ground.digest(&image).as_ref(),
        "{}",
        client.name()
    );
    assert_eq!(pulled.file, one(ground, client).file, "{}", client.name());
    "✓".to_owned()
}

/// The registry has an index of two platforms; whoever cannot make one is given one.
fn push_index(ground: &Ground, client: &dyn Client) -> String {
    let image = image(ground, client, "two:1");
    let platforms = Sample::platforms(&ground.shop.folder().join("samples"), &slug(client.name()));
    let outcome = client.push_index(&platforms, &image);
    if outcome.is_err() {
        ground.push(&sample::index_of(&platforms), &image);
    }
    let index = ground.manifest(&image, "1");
    let mut found: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["platform"]["architecture"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["amd64", OTHER], "{}", client.name());
    cell(outcome)
}

/// The image of the other platform comes, and not this machine's.
fn pull_platform(ground: &Ground, client: &dyn Client) -> String {
    let image = image(ground, client, "two:1");
    let platforms = Sample::platforms(&ground.shop.folder().join("samples"), &slug(client.name()));
    let pulled = match client.pull_platform(&image, OTHER) {
        Ok(pulled) => pulled,
        Err(cannot) => return cell(Err(cannot)),
    };
    assert_eq!(pulled.file, platforms[1].file, "{}", client.name());
    let index = ground.manifest(&image, "1");
    let of_other = |child: &&Value| child["platform"]["architecture"] == OTHER;
    let child = index["manifests"].as_array().unwrap().iter().find(of_other);
    let child = child.unwrap()["digest"].as_str().unwrap();
    let whole = ground.digest(&image).unwrap();
    // Some name what they asked for, and some what they got.
    assert!(
        pulled.digest == child || pulled.digest == whole,
        "{}: {} is neither {child} nor {whole}",
        client.name(),
        pulled.digest
    );
    "✓".to_owned()
}

/// Deleted is deleted at once, and the client says that there is nothing.
fn delete(ground: &Ground, client: &dyn Client) -> String {
    let image = image(ground, client, "one:1");
    let outcome = client.delete(&image);
    if outcome.is_err() {
        ground.delete(&image);
    }
    assert_eq!(ground.digest(&image), None, "{}", client.name());
    let said = client.refused(&image).all().to_lowercase();
    assert!(
        said.contains("manifest unknown") || said.contains("not found"),
        "{}: {said}",
        client.name()
    );
    cell(outcome)
}

/// A production host pulls what has no signatures yet.
fn refused(ground: &Ground, client: &dyn Client) -> String {
    client.log_in(ground.shop.actor("host"));
    let done = client.refused(&ground.held());
    let said = format!("{}{}", done.out, done.err);
    println!("{} prints: {}", client.name(), said.trim());
    let sentence = [
        "may not pass gate production",
        "stage ci",
        "countersign sign --stage ci",
    ];
    let is_whole = sentence.iter().all(|part| said.contains(part));
    match client.prints() {
        Prints::Sentence => {
            assert!(is_whole, "no sentence: {}", done.all());
            "the sentence".to_owned()
        }
        Prints::Only(text) => {
            assert!(said.contains(text), "no `{text}`: {}", done.all());
            assert!(
                !said.contains("gate production"),
                "it prints more by now: {}",
                done.all()
            );
            format!("`{text}` only")
        }
    }
}

fn cell(outcome: Result<(), client::Cannot>) -> String {
    match outcome {
        Ok(()) => "✓".to_owned(),
        Err(client::Cannot(why)) => format!("– ({why})"),
    }
}

/// Each one's index is pulled by the next one.
fn what_one_pushes_another_pulls(ground: &Ground, clients: &[Box<dyn Client + '_>]) {
    for (number, client) in clients.iter().enumerate() {
        client.log_in(ground.shop.actor("dora"));
        let before = &clients[(number + clients.len() - 1) % clients.len()];
        let name = slug(before.name());
        let sample = Sample::platforms(&ground.shop.folder().join("samples"), &name);
        if let Ok(pulled) = client.pull_platform(&ground.free(&name, "two:1"), OTHER) {
            assert_eq!(pulled.file, sample[1].file, "{} from {name}", client.name());
        }
    }
}
