//! TLS with an authority of one's own, as `serve --tls self` has it.

use std::sync::Arc;

use client::{Client, ClientOptions, Error};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{install_provider, maria};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A registry on loopback behind a certificate of the authority; answers 200 to everything.
async fn start(authority: &CertifiedIssuer<'static, KeyPair>) -> String {
    install_provider();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, authority)
        .unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(tls) = acceptor.accept(connection).await else {
                continue;
            };
            let service = service_fn(|_| async {
                Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
            });
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tls), service)
                    .await
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_no_other() {
    let authority = authority();
    let base = start(&authority).await;
    let options = ClientOptions::new(&base).unwrap().with_credentials(maria());
    let trusting = Client::new(options.clone().with_authority(authority.pem())).unwrap();
    trusting.ping().await.unwrap();

    let other = self::authority();
    let wary = Client::new(options.with_authority(other.pem())).unwrap();
    assert!(matches!(wary.ping().await, Err(Error::Unreachable { .. })));
}

#[test]
fn authorities_must_be_certificates() {
    install_provider();
    for pem in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "hello",
    ] {
        let options = ClientOptions::new("https://h.example")
            .unwrap()
            .with_authority(pem);
        assert!(
            matches!(Client::new(options), Err(Error::Authority(_))),
            "{pem}"
        );
    }
}
