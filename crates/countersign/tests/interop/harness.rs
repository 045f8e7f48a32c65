//! What every scenario stands on: programs, a server, people with keys, docker, images. It asserts nothing about the product
//! beyond that an act which must succeed did.

mod bridge;
mod bucket;
mod containerd;
mod curl;
mod docker;
mod estargz;
mod image;
mod layer;
mod layout;
mod notary;
mod other_registry;
mod people;
mod place;
mod places;
mod program;
mod push;
mod server;
mod session;
mod shop;
mod trusted;
mod wait;
mod wire;

pub(crate) use bucket::Bucket;
pub(crate) use containerd::Containerd;
pub(crate) use curl::{Answer, curl};
pub(crate) use docker::{DockerUser, Dockerd, docker_20, docker_28};
pub(crate) use estargz::estargz;
pub(crate) use image::{Base, build_django};
pub(crate) use layer::{
    Layer, gunzip, gzip, noise, package_status, small_layer, small_root, tar, tar_header,
};
pub(crate) use layout::{Layout, file_of_layer};
pub(crate) use notary::{Notary, NotaryServer, self_signed};
pub(crate) use other_registry::OtherRegistry;
pub(crate) use people::{Actor, KEY_PASSWORD};
pub(crate) use place::Place;
pub(crate) use places::{cache, client_program, suites, temporary, venv_python};
pub(crate) use program::{Done, Program};
pub(crate) use push::{
    Image, ImageParts, block_on, client_of, name, push, push_referrer, push_tagged, tag,
};
pub(crate) use server::{ADMIN_PASSWORD, Server, ServerOptions};
pub(crate) use session::{Refusal, Session};
pub(crate) use shop::{Shop, pypa, tracker};
pub(crate) use trusted::Trusted;
pub(crate) use wait::{listens, until, within};
pub(crate) use wire::Wire;
