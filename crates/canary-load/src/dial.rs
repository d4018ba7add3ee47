//! From a target to a connection: resolve, ask whether the address is permitted, connect, handshake.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::stamped::Stamped;
use crate::stream::Stream;
use crate::{AddressPolicy, ErrorClass, Pace, Plan, Protocol, Target, TlsError, system_tls};

/// Makes connections.
pub(crate) struct Dialer {
    addresses: Arc<dyn AddressPolicy>,
    /// With HTTP/1.1 and with HTTP/2 offered; only when a target needs TLS.
    tls: Option<[Arc<ClientConfig>; 2]>,
    /// Answers may have to wait before they are read, which must not count.
    wants_stamps: bool,
    /// How many connections are being made.
    dialing: AtomicUsize,
}

/// A connection is being made for as long as this is there.
struct Dialing<'a>(&'a AtomicUsize);

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

impl Dialer {
    pub(crate) fn new(plan: &Plan) -> Result<Self, TlsError> {
        let tls = if plan.targets.iter().any(Target::is_tls) {
            let given = match &plan.tls {
                Some(config) => config.clone(),
                None => system_tls()?,
            };
            Some([b"http/1.1".as_slice(), b"h2"].map(|protocol| {
                let mut config = ClientConfig::clone(&given);
                config.alpn_protocols = vec![protocol.to_vec()];
                Arc::new(config)
            }))
        } else {
            None
        };
        let wants_stamps = matches!(plan.pace, Pace::Open { .. });
        Ok(Self { addresses: plan.addresses.clone(), tls, wants_stamps, dialing: AtomicUsize::new(0) })
    }

    /// Whether a connection is being made, which takes several answers one after another.
    pub(crate) fn is_dialing(&self) -> bool {
        self.dialing.load(Ordering::Relaxed) > 0
    }

    pub(crate) async fn dial(&self, target: &Target) -> Result<Stream, ErrorClass> {
        self.dialing.fetch_add(1, Ordering::Relaxed);
        let _dialing = Dialing(&self.dialing);
        let resolved = lookup_host((target.host(), target.port())).await.map_err(|_| ErrorClass::Connect)?;
        let mut failure = ErrorClass::Connect;
        for address in resolved {
            // Each one, since a name may have permitted addresses beside others.
            if self.addresses.permit(target.host(), address.ip()).is_err() {
                failure = ErrorClass::Forbidden;
                continue;
            }
            if let Ok(stream) = TcpStream::connect(address).await {
                // Without this the second half of a small request waits for an acknowledgement.
                let _ = stream.set_nodelay(true);
                return self.secure(target, Stamped::new(stream, self.wants_stamps)).await;
            }
            failure = ErrorClass::Connect;
        }
        Err(failure)
    }

    async fn secure(&self, target: &Target, stream: Stamped) -> Result<Stream, ErrorClass> {
        let Some(configs) = self.tls.as_ref().filter(|_| target.is_tls()) else {
            return Ok(Stream::Plain(stream));
        };
        let config = match target.protocol {
            Protocol::Http1 => &configs[0],
            Protocol::Http2 { .. } => &configs[1],
        };
        let name = ServerName::try_from(target.host().to_owned()).map_err(|_| ErrorClass::Tls)?;
        let secured = TlsConnector::from(config.clone()).connect(name, stream).await;
        Ok(Stream::Tls(Box::new(secured.map_err(|_| ErrorClass::Tls)?)))
    }
}
