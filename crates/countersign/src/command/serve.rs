//! `countersign serve`: the server, until it is asked to stop.

use crate::anchors::AnchorFiles;
use crate::configuration::{
    ConfigurationFile, Operation, OperationFlags, StoreFlags, TlsChoice, TrustFlags, TrustTable,
    WitnessFlags, break_glass_max, default_address, given,
};
use crate::exit::Exit;
use crate::service::{Service, ServiceOptions};
use crate::{log, output};
use anyhow::{Context, Result, bail};
use secrecy::{ExposeSecret, SecretString};
use server::limits::raise_open_files;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Connections below which it is said that the system allows few files.
const CONNECTIONS_FEW: u32 = 1_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "First start: user `admin` is made; its password is COUNTERSIGN_ADMIN_PASSWORD, or one that is printed once.\n\n\
    Examples:\n  countersign serve\n  countersign serve --listen 0.0.0.0:5000 --tls self --host registry.example\n  \
    countersign serve --database postgres://countersign@db/countersign"
)]
pub(crate) struct Serve {
    #[command(flatten)]
    store: StoreFlags,
    /// Where to listen.
    #[arg(long, env = "COUNTERSIGN_LISTEN", value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Let everyone pull who is held by no gate, without a log-in.
    #[arg(long, env = "COUNTERSIGN_ANONYMOUS_PULL")]
    anonymous_pull: bool,
    /// `self` for a certificate of a local authority, or the files of your own.
    #[arg(long, env = "COUNTERSIGN_TLS", value_name = "self|CERT,KEY")]
    tls: Option<String>,
    /// A name or address that clients use for this server, for `--tls self`; may be repeated.
    #[arg(
        long = "host",
        env = "COUNTERSIGN_HOSTS",
        value_name = "NAME",
        value_delimiter = ','
    )]
    hosts: Vec<String>,
    /// The address that clients use, behind a proxy.
    #[arg(long, env = "COUNTERSIGN_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Send clients that pull a whole blob to the bucket, with a link that is valid for five minutes.
    #[arg(long, env = "COUNTERSIGN_BLOB_REDIRECT")]
    blob_redirect: bool,
    /// The longest break-glass that may be asked for, as `30m` or `4h`; a day, unless said otherwise, and never more.
    #[arg(long, env = "COUNTERSIGN_BREAK_GLASS_MAX", value_name = "DURATION", value_parser = break_glass_max)]
    break_glass_max: Option<i64>,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    witness: WitnessFlags,
    #[command(flatten)]
    operation: OperationFlags,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<Exit> {
        let file = self.store.data.file()?;
        let (mut options, tls) = self.options(&file)?;
        let operation = &mut options.operation;
        log::start(&operation.log, operation.log_format, operation.access_log)?;
        fit_to_open_files(operation);
        let data = options.store.data.clone();
        let service = Service::start(options).await?;
        announce(&service, &tls, &data);
        wait_for_stop().await?;
        output::note("stopping; requests under way may end; ask again to stop at once");
        tokio::select! {
            stopped = service.stop() => stopped?,
            again = wait_for_stop() => {
                again?;
                bail!("asked twice to stop: requests under way were cut off");
            }
        }
        Ok(Exit::Done)
    }

    fn options(&self, file: &ConfigurationFile) -> Result<(ServiceOptions, TlsChoice)> {
        let mut store = self.store.options_with(file)?;
        let of_file = file.trust.as_ref().map(TrustTable::anchors);
        let anchors = self.trust.anchors.over(of_file.unwrap_or_default());
        let (files, anchors) = AnchorFiles::open(&anchors)?;
        store.anchors = Arc::new(anchors);
        let listen = match self.listen.or(file.listen) {
            Some(listen) => listen,
            None => default_address()?,
        };
        let tls = TlsChoice::parse(self.tls.as_deref().or(file.tls.as_deref()))?;
        let named = given(&self.hosts, file.hosts.as_deref());
        let hosts = hosts(named.iter().cloned().collect(), listen);
        let public_url = self.public_url.clone().or_else(|| file.public_url.clone());
        let trust = file.trust.as_ref();
        let of_file = file.break_glass_max.as_deref().map(break_glass_max);
        let of_file = of_file
            .transpose()
            .context("`break-glass-max` of the configuration")?;
        let options = ServiceOptions {
            hosts: self.trust.hosts(trust, &hosts, public_url.as_deref())?,
            tls: tls.source(&store.data, hosts),
            store,
            anchors: files.any().then_some(files),
            listen,
            anonymous_pull: self.anonymous_pull || file.anonymous_pull.unwrap_or(false),
            blob_redirect: self.blob_redirect || file.blob_redirect.unwrap_or(false),
            break_glass_milliseconds_max: self.break_glass_max.or(of_file),
            public_url,
            witnesses: self
                .witness
                .witnesses(file.witnesses.as_deref(), file.witness_ca.as_ref())?,
            witnessed_logs: self.witness.logs(file.witness_of.as_deref())?,
            admin_password: std::env::var("COUNTERSIGN_ADMIN_PASSWORD")
                .ok()
                .filter(|text| !text.is_empty())
                .map(SecretString::from),
            operation: self.operation.over(file),
        };
        Ok((options, tls))
    }
}

/// Takes as many files as the system gives, and no more connections than there are files for.
fn fit_to_open_files(operation: &mut Operation) {
    let files_max = match raise_open_files() {
        Ok(files_max) => files_max,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            return;
        }
    };
    let asked = operation.limits.connections_max;
    operation.limits = operation.limits.clone().within(files_max);
    let connections_max = operation.limits.connections_max;
    if connections_max < asked.min(CONNECTIONS_FEW) {
        tracing::warn!(
            files_max,
            connections_max,
            "the system allows few open files: fewer connections are taken; raise `LimitNOFILE` or `ulimit -n`"
        );
    }
}

/// Names of the certificate: those that were given, the address listened on, and this machine's own.
fn hosts(mut named: BTreeSet<String>, listen: SocketAddr) -> BTreeSet<String> {
    named.insert("localhost".to_owned());
    named.insert("127.0.0.1".to_owned());
    if !listen.ip().is_unspecified() {
        named.insert(listen.ip().to_string());
    }
    if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        named.insert(name.trim().to_owned());
    }
    named
}

fn announce(service: &Service, tls: &TlsChoice, data: &Path) {
    output::line(format!(
        "Countersign {} listens on {}",
        env!("CARGO_PKG_VERSION"),
        service.url()
    ));
    if let Some(address) = service.metrics_address() {
        output::line(format!("Metrics are at http://{address}/metrics"));
    }
    if let Some(password) = service.made_password() {
        output::line(format!(
            "First start: log in as `admin` with this password, shown once: {}",
            password.expose_secret()
        ));
    }
    if *tls == TlsChoice::Local {
        let authority = data.join("tls").join(server::tls::AUTHORITY_FILE);
        let address = service.address();
        output::line(format!(
            "Docker comes to trust it with:  mkdir -p /etc/docker/certs.d/{address} && cp {} /etc/docker/certs.d/{address}/ca.crt",
            authority.display()
        ));
        output::line(format!(
            "The authority's certificate is also at {}/ca.crt",
            service.url()
        ));
    }
}

/// Waits until someone asks the program to stop: Ctrl-C, or SIGTERM.
pub(crate) async fn wait_for_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for signals")?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
