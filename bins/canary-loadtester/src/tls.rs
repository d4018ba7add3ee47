//! TLS on the port, with a certificate that is read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// How often it is looked whether the files have changed.
const LOOK: Duration = Duration::from_secs(10);

/// The certificate and the key of the port.
pub(crate) struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    looked: Instant,
    changed: Option<(SystemTime, SystemTime)>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// Which of them cannot be read or is malformed, or that they do not belong together.
    pub(crate) fn load(certificates: PathBuf, key: PathBuf) -> anyhow::Result<Self> {
        let current = Current {
            looked: Instant::now(),
            changed: changed(&certificates, &key),
            config: read(&certificates, &key)?,
        };
        Ok(Self { certificates, key, current: Mutex::new(current) })
    }

    /// Shakes hands with the newest certificate; with the one before as long as the files are in disorder.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK {
            current.looked = Instant::now();
            let now = changed(&self.certificates, &self.key);
            if now != current.changed {
                match read(&self.certificates, &self.key) {
                    Ok(config) => (current.config, current.changed) = (config, now),
                    Err(error) => tracing::error!("the new certificate cannot be used: {error:#}"),
                }
            }
        }
        TlsAcceptor::from(current.config.clone())
    }
}

fn changed(certificates: &Path, key: &Path) -> Option<(SystemTime, SystemTime)> {
    let time = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    time(certificates).zip(time(key))
}

fn read(certificates: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .with_context(|| format!("-tls-cert-file {}", certificates.display()))?;
    let key =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("-tls-key-file {}", key.display()))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.context("the certificate and the key do not belong together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
