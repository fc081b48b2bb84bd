//! TLS with PostgreSQL and with NATS: a certificate that is right, one for another name, and one by an
//! authority that is unknown here.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::{
    engine::{self, Cluster},
    nats::Nats,
    postgres::{demand_refusal_with, run_with},
};

/// An authority, and a certificate by it for `localhost` and no other name.
struct Certificates {
    authority: String,
    certificate: String,
    key: String,
}

impl Certificates {
    fn by(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let (authority, certificate) = (authority.pem(), certificate.pem());
        Self { authority, certificate, key: key.serialize_pem() }
    }
}

fn write(path: PathBuf, text: &str) -> String {
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("text").to_owned()
}

/// Files of the authority that is right, and of one that is not.
fn authorities(dir: &Path, right: &Certificates) -> (String, String) {
    let right = write(dir.join("right.pem"), &right.authority);
    (right, write(dir.join("other.pem"), &Certificates::by("another").authority))
}

#[tokio::test]
async fn a_database_with_tls_is_verified_as_the_url_demands() {
    let made = Certificates::by("the one");
    let folder = engine::directory();
    engine::write(&folder.join("cert.pem"), &made.certificate);
    engine::write(&folder.join("key.pem"), &made.key);
    let key = folder.join("key.pem");
    let closed = engine::unprivileged("chmod").arg("600").arg(&key).status();
    assert!(closed.expect("chmod runs").success());
    let files = ["cert.pem", "key.pem"].map(|name| format!("'{}'", folder.join(name).display()));
    let rules = "local all all trust\nhostssl all all all trust\n";
    let cluster = tokio::task::spawn_blocking(move || {
        let [cert, key] = &files;
        let settings = [("ssl", "on"), ("ssl_cert_file", cert), ("ssl_key_file", key)];
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, &**value)).collect();
        Cluster::in_directory(folder, engine::free_port(), &settings, Some(rules))
    });
    let cluster = cluster.await.expect("a cluster");
    let dir = tempfile::tempdir().expect("a directory");
    let (right, other) = authorities(dir.path(), &made);
    let at = |host: &str, rest: &str| {
        format!("postgres://postgres@{host}:{}/postgres?{rest}", cluster.port)
    };

    let verified = at("localhost", &format!("sslmode=verify-full&sslrootcert={right}"));
    let by_system = at("localhost", "sslmode=verify-full");
    for env in [
        &[("MEOWW_DATABASE_URL", verified.as_str())][..],
        &[("MEOWW_DATABASE_URL", &by_system), ("SSL_CERT_FILE", &right)],
        // Encrypted, whoever answers.
        &[("MEOWW_DATABASE_URL", &at("127.0.0.1", "sslmode=require"))],
    ] {
        let (code, said) = run_with(env, &["db", "migrate"]).await;
        assert_eq!(code, 0, "{said}");
    }
    let store = engine::connect(&verified).await;
    let admin = engine::client(&cluster.url("postgres")).await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE ssl";
    let encrypted = admin.query_one(encrypted, &[]).await.expect("a count");
    assert!(encrypted.get::<_, i64>(0) > 0, "a connection of the pool is encrypted");
    drop(store);

    let verify = |file: &str| format!("sslmode=verify-full&sslrootcert={file}");
    for (url, words) in [
        (at("127.0.0.1", &verify(&right)), "not valid for name"),
        (at("localhost", &verify(&other)), "UnknownIssuer"),
        (at("localhost", &verify("/nowhere.pem")), "/nowhere.pem"),
    ] {
        let env = [("MEOWW_DATABASE_URL", url.as_str())];
        demand_refusal_with(&env, 16, words).await;
        demand_refusal_with(&env, 16, "sslrootcert names the file of its authority").await;
        demand_refusal_with(&env, 16, "the host is a name in its certificate").await;
    }
    tokio::task::spawn_blocking(|| cluster.stop()).await.expect("stopped");
}

#[tokio::test]
async fn nats_with_tls_is_verified() {
    let made = Certificates::by("the one");
    let dir = tempfile::tempdir().expect("a directory");
    let cert = write(dir.path().join("cert.pem"), &made.certificate);
    let key = write(dir.path().join("key.pem"), &made.key);
    let (right, other) = authorities(dir.path(), &made);
    let secured = ["--tls", "--tlscert", &cert, "--tlskey", &key, "--user", "ada"];
    let nats = Nats::start_with(&[&secured[..], &["--pass", "hunter2"]].concat()).await;
    let plain = Nats::start_with(&[]).await;
    let at = |host: &str| format!("tls://ada:hunter2@{host}:{}", nats.address.port());
    let database = engine::fresh_database().await;
    let base = [
        ("MEOWW_DATABASE_URL", database.as_str()),
        ("MEOWW_PHOTO_STORE", "s3://photos"),
        ("AWS_ACCESS_KEY_ID", "ada"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("MEOWW_SMTP_URL", "smtp://localhost:25"),
    ];
    let url = at("localhost");
    let env = [&base[..], &[("MEOWW_NATS_URL", &url), ("SSL_CERT_FILE", &right)]].concat();
    let (code, said) = run_with(&env, &["config", "check"]).await;
    assert_eq!(code, 0, "{said}");

    let unencrypted = format!("tls://localhost:{}", plain.address.port());
    for (url, file, words) in [
        (at("127.0.0.1"), &right, "not valid for name"),
        (at("localhost"), &other, "UnknownIssuer"),
        (unencrypted, &right, "no TLS with the NATS server"),
    ] {
        let database = engine::fresh_database().await;
        let env = [
            ("MEOWW_DATABASE_URL", database.as_str()),
            ("MEOWW_NATS_URL", &url),
            ("SSL_CERT_FILE", file),
        ];
        demand_refusal_with(&env, 25, words).await;
    }
}
