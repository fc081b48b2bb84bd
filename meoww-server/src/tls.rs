//! TLS for those without a proxy in front: the certificate and its key from PEM files, and from the
//! same files again when they change, as tools that renew certificates expect.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ::ring::digest;
use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;

/// How often the files are looked at.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// A file is no PEM, or PEM of something else.
    #[error("{0}: no {1} in PEM: {2}")]
    Pem(PathBuf, &'static str, pem::Error),
    /// The two do not belong together, or one of them is of a kind that is not supported.
    #[error("{0} and {1}: {2}")]
    Pair(PathBuf, PathBuf, rustls::Error),
}

/// The certificate in use and the files it is from.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: Tls,
    current: ArcSwap<CertifiedKey>,
    /// What the files held when they were last looked at, so that each change is tried, and a bad
    /// one logged, once; `None` if they could not be read.
    seen: Mutex<Option<Digest>>,
}

/// SHA-256 of both files: the key's bytes need not be kept.
type Digest = [u8; digest::SHA256_OUTPUT_LEN];

impl Certificates {
    /// Reads both files; blocks.
    pub(crate) fn open(files: Tls) -> Result<Arc<Self>, TlsError> {
        let pem = Pem::read(&files)?;
        let current = ArcSwap::from_pointee(pem.certified_key(&files)?);
        let seen = Mutex::new(Some(pem.digest()));
        Ok(Arc::new(Self { files, current, seen }))
    }

    /// Handshakes with whatever certificate is in use when they begin.
    pub(crate) fn acceptor(self: Arc<Self>) -> Result<TlsAcceptor, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again; blocks. With files that are no good, the pair in use stays.
    pub(crate) fn reload(&self) {
        let read = Pem::read(&self.files);
        let digest = read.as_ref().ok().map(Pem::digest);
        let seen = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, digest)
        };
        if digest == seen {
            return;
        }
        match read.and_then(|pem| pem.certified_key(&self.files)) {
            Ok(key) => {
                self.current.store(Arc::new(key));
                tracing::info!(cert = %self.files.cert.display(), "new TLS certificate in use");
            }
            Err(error) => tracing::error!(%error, "the TLS certificate in use stays"),
        }
    }

    /// Looks at the files `every` so often; never returns.
    pub(crate) async fn watch(self: Arc<Self>, every: Duration) {
        let mut timer = tokio::time::interval(every);
        loop {
            timer.tick().await;
            let this = self.clone();
            // The certificate in use stays whatever goes wrong in there.
            let _ = tokio::task::spawn_blocking(move || this.reload()).await;
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// Both files as they are.
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Pem {
    fn read(files: &Tls) -> Result<Self, TlsError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| TlsError::File(path.clone(), error))
        };
        Ok(Self { cert: read(&files.cert)?, key: read(&files.key)? })
    }

    fn digest(&self) -> Digest {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&(self.cert.len() as u64).to_be_bytes());
        hash.update(&self.cert);
        hash.update(&self.key);
        hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    fn certified_key(&self, files: &Tls) -> Result<CertifiedKey, TlsError> {
        let no_cert = |error| TlsError::Pem(files.cert.clone(), "certificate", error);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, _>>()
            .map_err(no_cert)?;
        if chain.is_empty() {
            return Err(no_cert(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| TlsError::Pem(files.key.clone(), "private key", error))?;
        CertifiedKey::from_der(chain, key, &provider())
            .map_err(|error| TlsError::Pair(files.cert.clone(), files.key.clone(), error))
    }
}

/// The one this program is built with.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::path::Path;

    /// A fresh certificate for localhost in `directory`.
    pub(crate) fn write_pair(directory: &Path) -> Tls {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let files = Tls { cert: directory.join("cert.pem"), key: directory.join("key.pem") };
        std::fs::write(&files.cert, made.cert.pem()).expect("written");
        std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
        files
    }

    fn leaf(certificates: &Certificates) -> Vec<u8> {
        certificates.current.load().cert[0].to_vec()
    }

    #[tokio::test]
    async fn a_changed_pair_is_taken_up_and_a_bad_one_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = write_pair(dir.path());
        let certificates = Certificates::open(files.clone()).expect("a pair");
        let first = leaf(&certificates);

        // The key of another certificate, as between the two writes of a renewal.
        let key = std::fs::read(&files.key).expect("there");
        write_pair(dir.path());
        let new_key = std::fs::read(&files.key).expect("there");
        std::fs::write(&files.key, key).expect("written");
        certificates.reload();
        assert_eq!(leaf(&certificates), first);
        std::fs::remove_file(&files.key).expect("removed");
        certificates.reload();
        assert_eq!(leaf(&certificates), first);

        std::fs::write(&files.key, new_key).expect("written");
        let taken_up = async {
            while leaf(&certificates) == first {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = certificates.clone().watch(Duration::from_millis(1)) => unreachable!("never returns"),
            () = taken_up => {}
        }
    }

    #[test]
    fn what_is_wrong_with_the_files_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = write_pair(dir.path());
        let error = |files: Tls| Certificates::open(files).expect_err("no pair").to_string();
        let swapped = Tls { cert: files.key.clone(), key: files.cert.clone() };
        assert!(error(swapped).contains("key.pem: no certificate in PEM"));
        let missing = Tls { cert: dir.path().join("none.pem"), ..files.clone() };
        assert!(error(missing).contains("none.pem: No such file"));
        let old_cert = dir.path().join("old.pem");
        std::fs::copy(&files.cert, &old_cert).expect("copied");
        write_pair(dir.path());
        let mismatched = error(Tls { cert: old_cert, ..files });
        assert!(mismatched.contains("keys may not be consistent"), "{mismatched}");
    }
}
