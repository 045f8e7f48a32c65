//! A server with TLS and an authority of its own, which docker comes to trust by the command that the server prints, and by nothing
//! less.

use crate::harness::{
    ADMIN_PASSWORD, Actor, Dockerd, Program, Server, ServerOptions, Trusted, docker_20, docker_28,
    tar, temporary,
};

/// Does what `countersign serve --tls self` prints for docker.
fn as_printed(log: &str, host: &str) -> Trusted {
    let line = log
        .lines()
        .find_map(|line| line.split_once("Docker comes to trust it with:"))
        .expect("serve says how docker comes to trust it");
    Program::new("sh").args(["-c", line.1]).ok();
    Trusted::here(host)
}

#[test]
fn docker_over_tls_with_the_servers_own_authority() {
    let folder = temporary();
    let server = Server::start(ServerOptions::tls(&folder.path().join("data")));
    let host = server.host();
    let homes = folder.path().join("homes");
    let admin = Actor::person("admin", ADMIN_PASSWORD, &server, &homes);
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
        let _trusted = as_printed(&server.log(), &host);
        user.log_in(&admin, &host);
        let image = format!("{host}/tls/docker-{age}:1");
        user.does(["import".as_ref(), archive.as_os_str(), image.as_ref()]);
        user.does(["push", &image]);
        user.does(["image", "rm", &image]);
        user.does(["pull", &image]);
        println!("docker {age} over TLS: pushed and pulled {image}");
    }
}
