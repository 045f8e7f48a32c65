//! A server put together: store, registry, identity, monitor and front door, started and stopped as one. `serve` and `demo` share it.

use anyhow::{Context, Result};
use client::webhook::Deliverer;
use identity::Identity;
use monitor::Monitor;
use registry::Registry;
use scanner::Limits;
use secrecy::SecretString;
use server::tls::{self, TlsSource};
use server::{App, AppOptions, Clock, listen, router};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a server is started with.
pub(crate) struct ServiceOptions {
    pub(crate) store: store::Options,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsSource>,
    pub(crate) anonymous_pull: bool,
    /// Whole blobs are pulled from the bucket itself.
    pub(crate) blob_redirect: bool,
    pub(crate) public_url: Option<String>,
    /// The admin's password at the first start; one is made where there is none.
    pub(crate) admin_password: Option<SecretString>,
}

/// A running server.
pub(crate) struct Service {
    address: SocketAddr,
    tls: bool,
    made_password: Option<SecretString>,
    store: Store,
    stop: CancellationToken,
    listening: JoinHandle<std::io::Result<()>>,
    monitor: monitor::Handle,
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
        let registry = Registry::new(store.clone());
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on `{}`", options.listen))?;
        let address = listener.local_addr()?;
        let app_options = AppOptions {
            anonymous_pull: options.anonymous_pull,
            tls: tls_config.is_some(),
            blob_redirect: options.blob_redirect,
            public_url: options.public_url,
            authority_pem: authority(options.tls.as_ref())?,
        };
        let now: monitor::Now = Arc::new(move || Clock::System.now());
        let context = monitor::Context::new(
            store.clone(),
            registry.clone(),
            now,
            Limits::default(),
            Deliverer::new(&[])?,
        );
        let app = App::new(store.clone(), registry, identity, clock, app_options);
        let stop = CancellationToken::new();
        let tls = tls_config.is_some();
        let listening = tokio::spawn(listen::serve(
            listener,
            tls_config,
            router::build(app),
            stop.clone(),
        ));
        let monitor = Monitor::new(context).start();
        Ok(Self {
            address,
            tls,
            made_password,
            store,
            stop,
            listening,
            monitor,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as clients name it.
    pub(crate) fn url(&self) -> String {
        format!(
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.address
        )
    }

    /// The admin's password, if one was made at this start.
    pub(crate) fn made_password(&self) -> Option<&SecretString> {
        self.made_password.as_ref()
    }

    /// Lets requests and jobs under way end, and closes everything.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.listening.await??;
        self.monitor.stop().await;
        self.store.close().await;
        Ok(())
    }
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
