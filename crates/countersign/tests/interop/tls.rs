//! A server with TLS and an authority of its own, which docker comes to trust by the command that the server prints, and by nothing
//! less.

use crate::harness::{
    ADMIN_PASSWORD, Actor, Dockerd, Program, Server, ServerOptions, docker_20, docker_28, tar,
    temporary, within,
};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};

/// Where docker looks for the authorities of a registry, taken away again at the end.
struct Trusted(PathBuf);

impl Trusted {
    /// Does what `countersign serve --tls self` prints for docker.
    fn as_printed(log: &str, host: &str) -> Self {
        let line = log
            .lines()
            .find_map(|line| line.split_once("Docker comes to trust it with:"))
            .expect("serve says how docker comes to trust it");
        Program::new("sh").args(["-c", line.1]).ok();
        Self(Path::new("/etc/docker/certs.d").join(host))
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn docker_over_tls_with_the_servers_own_authority() {
    let folder = temporary();
    let options = ServerOptions {
        host: outward_address(),
        ..ServerOptions::loopback(&folder.path().join("data"))
    };
    let server = Server::start(options.flag("--tls").flag("self"));
    let host = server.host();
    let authority = folder.path().join("data/tls/ca.crt");
    let authority = within(10, "the authority's certificate is written", || {
        authority.is_file().then_some(&authority)
    });
    let admin = Actor::trusting(
        "admin",
        ADMIN_PASSWORD,
        &server.url(),
        &folder.path().join("homes"),
        authority,
    );
    admin.log_in();
    admin.does(["grant", "add", "--role", "writer", "--to", "admin", "**"]);

    let engine = Dockerd::start();
    let archive = folder.path().join("root.tar");
    std::fs::write(&archive, tar(&[("srv/tls", b"over TLS")])).unwrap();
    for (age, docker) in [("20", docker_20()), ("28", docker_28())] {
        let user = engine.user(docker, folder.path().join(age));
        let login = ["login", "--username", "admin", "--password-stdin", &host];
        let refused = user.docker(login).stdin(admin.secret.as_str()).fails();
        assert!(
            refused.err.contains("x509") || refused.err.contains("certificate"),
            "{}",
            refused.all()
        );
        let _trusted = Trusted::as_printed(&server.log(), &host);
        user.log_in(&admin, &host);
        let image = format!("{host}/tls/docker-{age}:1");
        user.does(["import".as_ref(), archive.as_os_str(), image.as_ref()]);
        user.does(["push", &image]);
        user.does(["image", "rm", &image]);
        user.does(["pull", &image]);
        println!("docker {age} over TLS: pushed and pulled {image}");
    }
}

/// An address of this machine that docker does not take for loopback, where it would not look at certificates.
fn outward_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the kernel only says from which address it would be.
    socket
        .connect("192.0.2.1:9")
        .expect("the machine has an address besides loopback");
    socket.local_addr().unwrap().ip().to_string()
}
