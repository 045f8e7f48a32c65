//! A server put together: store, registry, identity, monitor and front door, started and stopped as one. `serve` and `demo` share it.

use crate::anchors::{self, AnchorFiles};
use crate::configuration::Operation;
use anyhow::{Context, Result};
use client::webhook::Deliverer;
use identity::Identity;
use monitor::Monitor;
use registry::Registry;
use rustls::ServerConfig;
use scanner::Limits;
use secrecy::SecretString;
use server::tls::{self, TlsSource};
use server::{App, AppOptions, Clock, Hosts, Router, listen, router};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use store::evidence::{self, Reread};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trust::checkpoint::VerifierKey;

/// What a server is started with.
pub(crate) struct ServiceOptions {
    pub(crate) store: store::Options,
    /// Where what `store` judges certificates by was read from.
    pub(crate) anchors: Option<AnchorFiles>,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsSource>,
    pub(crate) anonymous_pull: bool,
    /// Whole blobs are pulled from the bucket itself.
    pub(crate) blob_redirect: bool,
    /// The longest break-glass, in milliseconds, where it is less than a day.
    pub(crate) break_glass_milliseconds_max: Option<i64>,
    pub(crate) public_url: Option<String>,
    /// Names of this server in the names of trust repositories.
    pub(crate) hosts: Hosts,
    /// Who signs the checkpoints of the audit log besides the server.
    pub(crate) witnesses: Vec<monitor::Witness>,
    /// Logs whose checkpoints this server signs.
    pub(crate) witnessed_logs: Vec<VerifierKey>,
    /// The admin's password at the first start; one is made where there is none.
    pub(crate) admin_password: Option<SecretString>,
    pub(crate) operation: Operation,
}

/// A running server.
pub(crate) struct Service {
    tls: bool,
    made_password: Option<SecretString>,
    store: Store,
    app: App,
    stop_delay: Duration,
    door: Door,
    metrics: Option<Door>,
    monitor: monitor::Handle,
    anchors: Option<Watched>,
}

/// Files that are looked at again and again.
struct Watched {
    stop: CancellationToken,
    watching: JoinHandle<()>,
}

impl Watched {
    fn start(files: AnchorFiles, app: App) -> Self {
        let stop = CancellationToken::new();
        Self {
            watching: anchors::watch(files, app, stop.clone()),
            stop,
        }
    }

    /// What is wrong with the watch keeps nothing else open.
    async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.watching.await {
            tracing::error!(%error, "the watch over files that certificates are judged by had ended");
        }
    }
}

/// An address that is listened on.
struct Door {
    address: SocketAddr,
    stop: CancellationToken,
    listening: JoinHandle<std::io::Result<()>>,
}

impl Door {
    async fn bind(address: SocketAddr) -> Result<TcpListener> {
        TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on `{address}`"))
    }

    fn open(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        app: App,
        router: Router,
    ) -> Result<Self> {
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        Ok(Self {
            address,
            listening: tokio::spawn(listen::serve(listener, tls, app, router, stop.clone())),
            stop,
        })
    }

    /// Lets requests end.
    async fn close(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.listening.await??)
    }
}

impl Service {
    /// Opens the store, the door, and starts what happens by itself.
    pub(crate) async fn start(options: ServiceOptions) -> Result<Self> {
        let store = Store::open(&options.store).await.with_context(|| {
            format!(
                "cannot open the data folder `{}`",
                options.store.data.display()
            )
        })?;
        let tls_config = options.tls.as_ref().map(tls::server_config).transpose()?;
        let identity = Identity::new(
            store.clone(),
            identity::Options {
                anonymous_pull: options.anonymous_pull,
                ..identity::Options::default()
            },
        )?;
        let clock = Clock::System;
        let made_password = identity
            .bootstrap_admin(options.admin_password, clock.now())
            .await?;
        reread(&store, clock.now()).await?;
        let registry = Registry::new(store.clone());
        let operation = options.operation;
        let listener = Door::bind(options.listen).await?;
        let metrics = match operation.metrics_listen {
            Some(address) => Some(Door::bind(address).await?),
            None => None,
        };
        let app_options = AppOptions {
            anonymous_pull: options.anonymous_pull,
            tls: tls_config.is_some(),
            blob_redirect: options.blob_redirect,
            break_glass_milliseconds_max: options.break_glass_milliseconds_max,
            public_url: options.public_url,
            hosts: options.hosts,
            authority_pem: authority(options.tls.as_ref())?,
            witnessed_logs: options.witnessed_logs,
            limits: operation.limits,
            room_bytes_min: operation.room_bytes_min,
        };
        let now: monitor::Now = Arc::new(move || Clock::System.now());
        let context = monitor::Context::new(
            store.clone(),
            registry.clone(),
            now,
            Limits::default(),
            Deliverer::new(&[])?,
        )
        .with_witnesses(options.witnesses);
        let app = App::new(store.clone(), registry, identity, clock, app_options);
        let tls = tls_config.is_some();
        let door = Door::open(
            listener,
            tls_config,
            app.clone(),
            router::build(app.clone()),
        )?;
        let metrics = metrics
            .map(|listener| {
                let router = router::build_metrics(app.clone());
                Door::open(listener, None, app.clone(), router)
            })
            .transpose()?;
        let monitor = Monitor::new(context).start();
        let anchors = options
            .anchors
            .map(|files| Watched::start(files, app.clone()));
        Ok(Self {
            tls,
            made_password,
            store,
            app,
            stop_delay: operation.stop_delay,
            door,
            metrics,
            monitor,
            anchors,
        })
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.door.address
    }

    /// Where it is measured, if that has an address of its own.
    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|door| door.address)
    }

    /// Its address as clients name it.
    pub(crate) fn url(&self) -> String {
        format!(
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.door.address
        )
    }

    /// The admin's password, if one was made at this start.
    pub(crate) fn made_password(&self) -> Option<&SecretString> {
        self.made_password.as_ref()
    }

    /// Says that it stops, lets requests and jobs under way end, and closes everything. It can be measured until its requests
    /// have ended.
    pub(crate) async fn stop(self) -> Result<()> {
        self.app.begin_stop();
        tokio::time::sleep(self.stop_delay).await;
        self.door.close().await?;
        if let Some(metrics) = self.metrics {
            metrics.close().await?;
        }
        self.monitor.stop().await;
        if let Some(anchors) = self.anchors {
            anchors.end().await;
        }
        self.store.close().await;
        Ok(())
    }
}

/// Has evidence read again that may count now: certificates may be judged by other files than when the server ran last, and what was not tried
/// with every key may have lost the job that tries it, such as in a database that was restored, or was left by a version that asked for none.
async fn reread(store: &Store, now: i64) -> Result<()> {
    evidence::reread(store, now).await?;
    let unchecked = Reread {
        unchecked: true,
        ..Reread::default()
    };
    Ok(evidence::ask(store, &unchecked, now).await?)
}

fn authority(source: Option<&TlsSource>) -> Result<Option<String>> {
    match source {
        Some(TlsSource::LocalAuthority { folder, .. }) => {
            let path = folder.join(tls::AUTHORITY_FILE);
            Ok(Some(fs::read_to_string(&path).with_context(|| {
                format!("cannot read `{}`", path.display())
            })?))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{Options, jobs};

    #[tokio::test]
    async fn a_start_asks_for_what_files_decide_and_for_what_was_not_tried_with_every_key() {
        const NOW: i64 = 1_800_000_000_000;
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let options = Options::embedded(folder.path());
        let store = Store::open(&options).await.unwrap();
        reread(&store, NOW).await.unwrap();
        let kinds = [evidence::REVERIFY_EVIDENCE];
        let mut asked = Vec::new();
        while let Some(job) = jobs::claim(&store, &kinds, NOW, 1_000).await.unwrap() {
            let reread: Reread = serde_json::from_value(job.payload).unwrap();
            asked.push((reread.key_id.is_some(), reread.unchecked, reread.after));
        }
        asked.sort();
        assert_eq!(asked, [(false, false, 0), (false, true, 0)]);
    }
}
