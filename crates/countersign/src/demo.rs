//! The demo: a temporary server, a small image that the program assembles, and the people of a shop, from the push to the turn of
//! the gate. Every step goes over HTTP as clients go, asserts what it says, and names itself when that is not so.

mod after;
mod image;
mod material;
mod people;
mod say;
mod story;
mod wait;

use crate::command::serve;
use crate::configuration::Operation;
use crate::log::{self, LogFormat};
use crate::output::{self, Tone, toned};
use crate::service::{Service, ServiceOptions};
use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use server::Hosts;
use server::limits::Limits;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};
use story::Story;

/// Where the server listens when nothing is said and it stays up.
const PORT: u16 = 5800;
/// What is logged when nothing else is asked for: the demo speaks for itself.
const LOG_DEFAULT: &str = "error";
/// Nobody else's requests are under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What the demo is started with.
pub(crate) struct Options {
    /// End after the last step.
    pub(crate) exit: bool,
    /// Where to listen.
    pub(crate) listen: Option<SocketAddr>,
}

/// Tells the story; then ends, or leaves the server up until it is asked to stop. The folder is removed either way.
pub(crate) async fn run(options: Options) -> Result<()> {
    let filter = std::env::var("COUNTERSIGN_LOG").unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    log::start(&filter, LogFormat::Text, false)?;
    let began = Instant::now();
    let folder = tempfile::Builder::new()
        .prefix("countersign-demo-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    say::title();
    let (service, admin) = story::step(
        1,
        "A server starts",
        start(folder.path(), options.address()),
    )
    .await?;
    let told = tokio::select! {
        told = tell(&service, admin, folder.path(), began) => told,
        stopped = serve::wait_for_stop() => stopped.and_then(|()| bail!("the demo was interrupted")),
    };
    let outcome = match told {
        Ok(story) if !options.exit => stay(&service, &story, folder.path()).await,
        told => told.map(drop),
    };
    let stopped = service.stop().await;
    folder
        .close()
        .context("cannot remove the temporary folder")?;
    outcome.and(stopped)
}

impl Options {
    fn address(&self) -> SocketAddr {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match self.listen {
            Some(address) => address,
            None if self.exit => local(0),
            // Only a look: whoever takes the port in between makes the start fail, with its address in the message.
            None if TcpListener::bind(local(PORT)).is_ok() => local(PORT),
            None => local(0),
        }
    }
}

async fn start(data: &Path, listen: SocketAddr) -> Result<(Service, SecretString)> {
    let service = Service::start(ServiceOptions {
        store: store::Options::embedded(data),
        anchors: None,
        listen,
        tls: None,
        anonymous_pull: false,
        blob_redirect: false,
        break_glass_milliseconds_max: None,
        public_url: None,
        hosts: Hosts::default(),
        witnesses: Vec::new(),
        witnessed_logs: Vec::new(),
        admin_password: None,
        operation: Operation {
            limits: Limits {
                stop_timeout: STOP_TIMEOUT,
                ..Limits::default()
            },
            ..Operation::default()
        },
    })
    .await?;
    let Some(admin) = service.made_password().cloned() else {
        bail!("the new server made no password for its admin");
    };
    say::plain(
        "One program with its own database: registry, scanner, monitor, gate and console on one port.",
    );
    say::good(&format!("listens on {}", service.url()));
    say::good(&format!(
        "keeps its data in {}, until the demo ends",
        data.display()
    ));
    Ok((service, admin))
}

async fn tell(
    service: &Service,
    admin: SecretString,
    folder: &Path,
    began: Instant,
) -> Result<Story> {
    let story = Story::prepare(service.url(), admin, folder).await?;
    story.tell().await?;
    let seconds = began.elapsed().as_secs_f64();
    output::line("");
    output::line(toned(
        Tone::Good,
        &format!("✓ Every step went as told, in {seconds:.1} s."),
    ));
    Ok(story)
}

/// Leaves the server up until it is asked to stop.
async fn stay(service: &Service, story: &Story, folder: &Path) -> Result<()> {
    after::print(service, story, folder)?;
    serve::wait_for_stop().await?;
    output::note("stopping; the temporary folder goes with it");
    Ok(())
}
