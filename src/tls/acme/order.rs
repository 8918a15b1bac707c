//! One order of a certificate: the account, the challenges, the certificate.

use std::{collections::BTreeMap, sync::Arc};

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::{Acme, client::Client, folder::Folder};
use crate::tls::{Pair, challenge, server::Server};

/// What the server answers who comes with an account that it does not know (RFC 8555 section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// A certificate that came.
pub struct Issued {
    /// It, and its key.
    pub pair: Pair,
    /// Why it could not be kept.
    pub unkept: Option<String>,
}

/// Gets a certificate, and keeps it. Takes as long as the server does.
///
/// # Errors
/// Why there is none, in one sentence.
pub async fn order(acme: &Acme, client: &Client, server: &Server) -> Result<Issued, String> {
    let folder = Folder::of(&acme.folder, &acme.directory);
    prepare(&folder).await?;
    let account = account(acme, client, &folder, false).await?;
    let identifiers: Vec<_> = acme.domains.iter().cloned().map(Identifier::Dns).collect();
    let wanted = NewOrder::new(&identifiers);
    let mut order = match account.new_order(&wanted).await {
        // A private server that began anew: so do we.
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            let account = self::account(acme, client, &folder, true).await?;
            account.new_order(&wanted).await
        }
        order => order,
    }
    .map_err(told)?;

    let pending = challenges(&mut order).await?;
    let names: Vec<_> = pending.keys().cloned().collect();
    let retry = RetryPolicy::new().timeout(acme.timeout);
    {
        let _open = server.challenges().open(pending);
        let ready = match announce(&mut order, &names).await {
            Ok(()) => order.poll_ready(&retry).await,
            Err(error) => Err(error),
        };
        if !matches!(ready, Ok(OrderStatus::Ready)) {
            let refused = refusal(&mut order).await;
            let why = ready.map_or_else(told, |_| "the server refused the order".to_owned());
            return Err(refused.unwrap_or(why));
        }
    }
    let failed = |error: rcgen::Error| format!("no request for a certificate: {error}");
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(acme.domains.clone()).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(failed)?;
    order.finalize_csr(request.der()).await.map_err(told)?;
    let chain = order.poll_certificate(&retry).await.map_err(told)?;
    let key = Zeroizing::new(key.serialize_pem());
    let text = Zeroizing::new(format!("{}\n{}", key.trim_end(), chain));
    let pair = folder.read_pair(&text).map_err(|bad| bad.to_string())?;
    if let Some(domain) = acme.domains.iter().find(|domain| !pair.covers(domain)) {
        return Err(format!("the certificate that came is not for {domain}"));
    }
    let kept = spawn_blocking(move || folder.keep_pair(&text)).await;
    let unkept = match kept {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    Ok(Issued { pair, unkept })
}

/// Makes sure that there is a folder in which something can be kept.
async fn prepare(folder: &Folder) -> Result<(), String> {
    let path = folder.path().display().to_string();
    let folder = folder.clone();
    let prepared = spawn_blocking(move || folder.prepare()).await.map_err(|e| e.to_string())?;
    prepared.map_err(|error| format!("{path} cannot be written: {error}"))
}

/// The account that is kept, or a new one.
async fn account(
    acme: &Acme,
    client: &Client,
    folder: &Folder,
    anew: bool,
) -> Result<Account, String> {
    let unkept = |error: &dyn std::fmt::Display| {
        format!("the account in {} cannot be kept: {error}", folder.path().display())
    };
    let builder = Account::builder_with_http(Box::new(client.clone()));
    if !anew {
        let folder = folder.clone();
        let kept = spawn_blocking(move || folder.account()).await.map_err(|e| unkept(&e))?;
        if let Some(credentials) = kept.map_err(|error| unkept(&error))? {
            return builder.from_credentials(credentials).await.map_err(told);
        }
    }
    let contact = acme.contact.as_ref().map(|address| format!("mailto:{address}"));
    let new = NewAccount {
        contact: &contact.as_deref().into_iter().collect::<Vec<_>>(),
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let made = builder.create(&new, acme.directory.clone(), None).await;
    let (account, credentials) = made.map_err(told)?;
    let to = folder.clone();
    let kept = spawn_blocking(move || to.keep_account(&credentials)).await;
    kept.map_err(|error| unkept(&error))?.map_err(|error| unkept(&error))?;
    Ok(account)
}

/// The answers to what the server asks, by domain.
async fn challenges(order: &mut Order) -> Result<BTreeMap<String, Arc<ServerConfig>>, String> {
    let mut pending = BTreeMap::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(told)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let domain = authorization.identifier().to_string();
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let Some(challenge) = challenge else {
            return Err(format!(
                "the server offers no challenge of the kind tls-alpn-01 for {domain}"
            ));
        };
        let digest = challenge.key_authorization().digest();
        let digest = digest.as_ref().try_into().map_err(|_| "a digest has 32 bytes".to_owned())?;
        let answer = challenge::answer(&domain, digest)?;
        pending.insert(domain.to_ascii_lowercase(), answer);
    }
    Ok(pending)
}

/// Tells the server that the answers for these domains are there.
async fn announce(order: &mut Order, domains: &[String]) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let domain = authorization.identifier().to_string().to_ascii_lowercase();
        if domains.contains(&domain)
            && let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01)
        {
            challenge.set_ready().await?;
        }
    }
    Ok(())
}

/// Why the server refused the answer to a challenge.
async fn refusal(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let domain = authorization.identifier().to_string();
        let state = authorization.refresh().await.ok()?;
        let problem = state.challenges.iter().find_map(|challenge| challenge.error.clone());
        if let Some(problem) = problem {
            return Some(format!("{domain}: {}", told(Error::Api(problem))));
        }
    }
    None
}

/// An error in words.
fn told(error: Error) -> String {
    match error {
        Error::Api(problem) => {
            let kind = problem.r#type.as_deref().unwrap_or_default();
            let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
            let detail = problem.detail.as_deref().unwrap_or_default();
            let more = problem.subproblems.iter().map(|it| format!("; {it}"));
            format!("{detail} ({kind}){}", more.collect::<String>())
        }
        error => error.to_string(),
    }
}
