//! Services on https.

use std::{sync::Arc, time::Duration};

use confab_plugin::{Verdict, testkit::Kit};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use serde_json::json;
use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{
    ask,
    certificate::{certificate, pem},
    server::{Reply, Server},
};
use crate::Webhook;

/// A service with a certificate, the folder that has the certificate in `ca.pem`, and the means
/// to let the service shake hands.
async fn service() -> (Server, TempDir, watch::Sender<bool>) {
    answering(Reply::Status(204)).await
}

/// Likewise, with this answer to all.
async fn answering(reply: Reply) -> (Server, TempDir, watch::Sender<bool>) {
    let (certificate, key) = certificate();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), pem(&certificate)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (go, gone) = watch::channel(false);
    let tls = Some((TlsAcceptor::from(Arc::new(config)), gone));
    (Server::with_tls(move |_| reply.clone(), tls).await, folder, go)
}

fn entry(host: &str, server: &Server, folder: &TempDir) -> Kit<Webhook> {
    let url = format!("https://{host}:{}/", server.address.port());
    let ca_file = folder.path().join("ca.pem");
    Kit::new(json!({ "mode": "moderate", "url": url, "ca_file": ca_file })).unwrap()
}

#[tokio::test]
async fn a_trusted_service_is_asked_and_another_is_not() {
    let (server, folder, go) = service().await;
    go.send_replace(true);
    let kit = entry("127.0.0.1", &server, &folder);
    kit.start().await.unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass);
    }
    assert_eq!((server.state().accepted, server.state().requests), (1, 3));

    let wrong_name = entry("localhost", &server, &folder);
    wrong_name.start().await.unwrap();
    let error = ask(&wrong_name).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");

    let (_, untrusted, _) = service().await;
    let untrusted = entry("127.0.0.1", &server, &untrusted);
    untrusted.start().await.unwrap();
    let error = ask(&untrusted).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(server.state().requests, 3);
}

#[tokio::test]
async fn a_handshake_longer_than_the_time_limit_still_comes_about() {
    let (server, folder, go) = service().await;
    let kit = entry("127.0.0.1", &server, &folder);
    kit.start().await.unwrap();
    assert!(timeout(Duration::from_millis(20), kit.message("hello")).await.is_err());
    server.until(|state| state.accepted == 1).await;
    go.send_replace(true);
    server.until(|state| state.ready == 1).await;
    // No other handshake can succeed.
    go.send_replace(false);
    assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_connection_that_comes_back_is_taken_before_one_is_made() {
    let (answer, answered) = watch::channel(false);
    let (server, folder, go) = answering(Reply::Later(answered)).await;
    go.send_replace(true);
    let kit = entry("127.0.0.1", &server, &folder);
    kit.start().await.unwrap();
    let first = ask(&kit);
    let second = async {
        server.until(|state| state.requests == 1).await;
        go.send_replace(false);
        ask(&kit).await
    };
    let release = async {
        server.until(|state| state.accepted == 2).await;
        answer.send_replace(true);
    };
    let (first, second, ()) = tokio::join!(first, second, release);
    assert_eq!(first.unwrap().verdict, Verdict::Pass);
    assert_eq!(second.unwrap().verdict, Verdict::Pass);
    assert_eq!((server.state().ready, server.state().requests), (1, 2));
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_at_its_limit() {
    let (server, folder, _go) = service().await;
    let url = format!("https://{}/", server.address);
    let ca_file = folder.path().join("ca.pem");
    let kit = Kit::<Webhook>::new(json!({
        "mode": "moderate", "url": url, "ca_file": ca_file, "connect_timeout": "30ms",
    }))
    .unwrap();
    kit.start().await.unwrap();
    let error = ask(&kit).await.unwrap_err();
    assert!(error.contains("within 30ms"), "{error}");
}

#[tokio::test]
async fn without_certificates_nothing_starts() {
    let (server, folder, _go) = service().await;
    let file = folder.path().join("ca.pem");
    for content in [Some(""), Some("-----BEGIN CERTIFICATE-----\n!\n"), None] {
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let kit = entry("127.0.0.1", &server, &folder);
        let error = kit.start().await.unwrap_err().to_string();
        assert!(error.contains("ca_file /") && error.contains("ca.pem: "), "{error}");
        kit_rehearses(&server, &folder).await;
    }
}

/// In a rehearsal no file is needed.
async fn kit_rehearses(server: &Server, folder: &TempDir) {
    entry("127.0.0.1", server, folder).rehearse().await.unwrap();
}
