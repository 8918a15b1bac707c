//! Tokens that are not good get nobody in, and good ones only for their time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use support::{Client, Daemon, client::End};

fn parts(token: &str) -> (Value, Value, String) {
    let mut parts = token.split('.');
    let mut json = || {
        let bytes = BASE64.decode(parts.next().expect("a part")).expect("base64");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let (header, claims) = (json(), json());
    (header, claims, parts.next().expect("a signature").to_owned())
}

fn join(header: &Value, claims: &Value, signature: &str) -> String {
    let (header, claims) = (BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    format!("{header}.{claims}.{signature}")
}

#[tokio::test]
async fn forged_tokens_are_refused_on_http_and_websocket() {
    let daemon = Daemon::start("");
    let ann = daemon.http().register("ann");
    let bob = daemon.http().register("bob");
    let (header, claims, signature) = parts(&ann.token);
    assert_eq!(header["alg"], "HS256");
    for claim in ["iss", "aud", "sub", "iat", "nbf", "exp"] {
        assert!(!claims[claim].is_null(), "{claim}");
    }
    let mut forged = vec![
        String::new(),
        "x".into(),
        "..".into(),
        format!("{}.", ann.token),
        ann.token.replace('.', ""),
        "x".repeat(9000),
    ];
    for alg in ["none", "None", "NONE", "", "HS384", "RS256", "EdDSA"] {
        let header = json!({"typ":"JWT","alg":alg});
        forged.push(join(&header, &claims, ""));
        forged.push(join(&header, &claims, &signature));
    }
    let mut other = claims.clone();
    other["sub"] = json!(bob.id);
    forged.push(join(&header, &other, &signature));
    let mut forever = claims.clone();
    forever.as_object_mut().expect("an object").remove("exp");
    forged.push(join(&header, &forever, &signature));
    for token in forged {
        let start: String = token.chars().take(60).collect();
        let (status, body) = daemon.http().get("/users/me", Some(&token));
        assert_eq!(status, 401, "{start}: {body}");
        let path = format!("/ws/{}?token={token}", ann.id);
        let (status, body) = Client::try_connect(daemon.address(), &path, &[]).await.unwrap_err();
        assert_eq!((status, &body["code"]), (401, &json!("bad_token")), "{start}");
    }
    let path = format!("/ws/{}?token={}", bob.id, ann.token);
    let (status, body) = Client::try_connect(daemon.address(), &path, &[]).await.unwrap_err();
    assert_eq!((status, &body["code"]), (403, &json!("wrong_user")));
    let (status, _) = daemon.http().get("/users/me", Some(&ann.token));
    assert_eq!(status, 200, "the genuine one is good");
}

#[tokio::test]
async fn another_key_another_algorithm_another_audience() {
    let key = |n: u64| {
        let bytes: Vec<u8> = (1..=6)
            .flat_map(|i| (n * i).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
            .collect();
        format!("secret_key = \"{}\"\n", BASE64.encode(bytes))
    };
    let fast = "argon2_memory = \"8MiB\"\nargon2_iterations = 1\n";
    let auth = |more: &str| format!("[auth]\n{fast}{more}");
    let base = Daemon::start(&auth(&key(1)));
    let token = base.http().register("ann").token;
    for other in [
        key(2),
        format!("{}algorithm = \"HS512\"\n", key(1)),
        format!("{}audience = \"another\"\n", key(1)),
        format!("{}issuer = \"another\"\n", key(1)),
        format!("{}max_token_lifetime = \"1h\"\ntoken_lifetime = \"1h\"\n", key(1)),
    ] {
        let daemon = Daemon::start(&auth(&other));
        let (status, body) = daemon.http().get("/users/me", Some(&token));
        assert_eq!(status, 401, "{other}: {body}");
        assert!(body.contains("bad_token"), "{body}");
    }
}

#[tokio::test]
async fn a_session_ends_when_its_token_does() {
    let daemon = Daemon::start(
        "[auth]\nargon2_memory = \"8MiB\"\nargon2_iterations = 1\ntoken_lifetime = \"1m\"\nleeway = \"0s\"\n",
    );
    let ann = daemon.http().register("ann");
    // A token that expires in a moment: signed with the daemon's own key.
    let key = std::fs::read_to_string(daemon.folder().join("data/secret_key")).expect("the key");
    let (_, mut claims, _) = parts(&ann.token);
    let exp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now");
    claims["exp"] = json!(exp.as_secs() + 5);
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let signing = jsonwebtoken::EncodingKey::from_secret(key.trim().as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &signing).expect("signed");
    let mut session = Client::connect(
        daemon.address(),
        &support::client::Account { token: token.clone(), ..ann },
    )
    .await;
    session.say("@ann", "still good").await;
    assert_eq!(session.next().await["seq"], 1);
    let end = session.end().await;
    assert!(matches!(end, End::Closed(4401, _)), "{end:?}");
    support::wait::until("the token is expired for HTTP too", async || {
        let (status, body) = daemon.http().get("/users/me", Some(&token));
        (status == 401 && body.contains("token_expired")).then_some(())
    })
    .await;
}
