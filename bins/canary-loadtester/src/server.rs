//! Start, serve, stop.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use canary_egress::Egress;
use canary_scenario::Fetcher;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use regex::Regex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Asked;
use crate::accounts::Accounts;
use crate::answers::{Reply, empty, text};
use crate::canaries::Canaries;
use crate::command::{Bounds, Environment};
use crate::flags::{Auth, CommandFlags, Flags, ScenarioFlags, SecurityFlags, StateFlags};
use crate::gates::Gates;
use crate::origin::{is_inside, own_addresses};
use crate::queue::Queue;
use crate::resume;
use crate::routes;
use crate::runs::Runs;
use crate::scenarios::{self, Scenarios, Writes};
use crate::signature::Signatures;
use crate::state::State;
use crate::store::Store;
use crate::targets::{Allowed, Targets};
use crate::tls::Tls;
use crate::tokens::Tokens;

/// The longest body that is read.
const LONGEST_BODY: usize = 1 << 20;
/// How long a client may take for its headers, and for its body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at a time.
const CONNECTIONS: usize = 1024;
/// Flagger: how long answers under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(60);
/// How long scenarios may take back what they wrote when the server stops. Kubernetes kills a pod after 30 s.
const CLEANING: Duration = Duration::from_secs(25);
/// Pause after a connection that cannot be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until a signal ends it.
///
/// # Errors
/// What is wrong with a flag or the port.
pub(crate) async fn run(flags: Flags) -> anyhow::Result<()> {
    let port = flags.port;
    let client = cluster(flags.state.kubeconfig.as_deref()).await?;
    let canaries = client.clone().map_or_else(Canaries::default, Canaries::of);
    let tls = match (&flags.security.tls_cert_file, &flags.security.tls_key_file) {
        (Some(certificates), Some(key)) => Some(Arc::new(Tls::load(certificates.clone(), key.clone())?)),
        (None, _) | (_, None) => None,
    };
    let state = Arc::new(state(flags, client, canaries.clone()).await?);
    if state.auth == Auth::None {
        tracing::warn!("-auth=none: anybody who reaches this port may run commands in this pod");
    } else if !canaries.is_connected() {
        tracing::warn!(
            "this is not a pod with a service account: hooks without a credential cannot be checked and are refused"
        );
    }
    let listener = listen(port).await.with_context(|| format!("port {port} cannot be taken"))?;
    tracing::info!(port = listener.local_addr()?.port(), "starting load tester");
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        signalled.cancel();
    });
    let following = tokio::spawn(canaries.follow());
    tokio::spawn(scenarios::sweep(state.clone()));
    tokio::spawn(resume::all(state.clone()));
    serve(listener, tls, state, stop).await;
    following.abort();
    Ok(())
}

/// The cluster of the kubeconfig, or that of the pod; none outside of both.
async fn cluster(kubeconfig: Option<&Path>) -> anyhow::Result<Option<Client>> {
    let config = match kubeconfig {
        None => match Config::incluster() {
            Ok(config) => config,
            Err(_) => return Ok(None),
        },
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("-kubeconfig: {} cannot be read", path.display()))?;
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            config.with_context(|| format!("-kubeconfig: {} leads to no cluster", path.display()))?
        }
    };
    Ok(Some(Client::try_from(config).context("the cluster's client")?))
}

async fn state(flags: Flags, client: Option<Client>, canaries: Canaries) -> anyhow::Result<State> {
    let Flags {
        port: _,
        timeout,
        namespace_regexp,
        zap_replace_globals: _,
        state,
        security,
        commands,
        scenarios,
        logging: _,
    } = flags;
    let StateFlags { state_file, state_config_map, kubeconfig: _ } = state;
    let CommandFlags {
        commands,
        command_memory,
        command_processes,
        command_cpu,
        command_environment,
        failed_task_status,
    } = commands;
    let SecurityFlags {
        auth,
        trust_loopback,
        token_file,
        service_account,
        token_audience,
        signature_key_file,
        tls_cert_file: _,
        tls_key_file: _,
        allow_target,
        max_rate,
        max_connections,
        max_tasks,
    } = security;
    if client.is_none() && !service_account.is_empty() {
        anyhow::bail!("-service-account: there is no cluster whose tokens those would be");
    }
    let signatures = signature_key_file
        .map(|path| std::fs::read_to_string(&path).with_context(|| path.display().to_string()))
        .transpose()
        .context("-signature-key-file")?;
    if signatures.as_ref().is_some_and(|key| key.trim().len() < 16) {
        anyhow::bail!("-signature-key-file: a key has at least 16 characters");
    }
    let addresses = own_addresses(|name| std::env::var(name).ok());
    let scenarios = of_scenarios(scenarios, &allow_target, &addresses)?;
    let store = Store::of(state_file, state_config_map, client.as_ref())?;
    Ok(State {
        gates: Gates::load(store.clone()).await?,
        store,
        queue: Queue::default(),
        closing: CancellationToken::new(),
        runs: Runs::default(),
        scenarios,
        canaries,
        tokens: token_file
            .map_or_else(|| Ok(Tokens::default()), |p| Tokens::load(&p))
            .context("-token-file")?,
        accounts: Accounts::new(client, token_audience, service_account),
        signatures: signatures.as_deref().map(Signatures::new),
        targets: Targets::new(allow_target, addresses),
        auth,
        commands,
        bounds: Bounds {
            memory: command_memory << 20,
            tasks: command_processes,
            cpu: command_cpu,
            environment: Environment::with(command_environment),
        },
        namespaces: (!namespace_regexp.is_empty()).then(|| Regex::new(&namespace_regexp)).transpose()?,
        timeout,
        max_rate,
        max_connections,
        max_tasks,
        failed: StatusCode::from_u16(failed_task_status).context("-failed-task-status")?,
        is_inside: if trust_loopback { is_inside } else { |_, _| false },
    })
}

fn of_scenarios(flags: ScenarioFlags, allowed: &[Allowed], never: &[IpAddr]) -> anyhow::Result<Scenarios> {
    let ScenarioFlags {
        allow_writes,
        journal_file,
        source_host,
        source_secret,
        source_login,
        source_login_file,
    } = flags;
    if allow_writes && journal_file.is_none() {
        anyhow::bail!(
            "-allow-writes takes a -journal-file, so that a restart does not forget what was written"
        );
    }
    // This machine and this pod: whoever asks from there may do everything.
    let own = ["127.0.0.0/8", "::1", "0.0.0.0", "::"].map(str::to_owned).into_iter();
    let never = own.chain(never.iter().map(ToString::to_string));
    let mut egress =
        never.filter_map(|network| network.parse().ok()).fold(Egress::default(), Egress::without_network);
    for allowed in allowed {
        if let Allowed::Range(range) = allowed {
            egress = egress.with_allowed(range.to_string().parse()?);
        }
    }
    Ok(Scenarios {
        fetcher: Fetcher::guarded(egress, source_host)?.with_login_files(source_login_file),
        secrets: source_secret.into(),
        logins: source_login.into(),
        allow_writes,
        writes: journal_file.map_or_else(|| Ok(Writes::default()), |path| Writes::open(&path))?,
    })
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    // The IPv6 wildcard takes IPv4 too, where there is IPv6 at all.
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        bound => bound,
    }
}

/// Answers requests until `stop`, then finishes those under way and ends all load.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    state: Arc<State>,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                // More than that many are closed at once: waiting would let idle ones shut out the rest.
                let Ok(permit) = room.clone().try_acquire_owned() else { continue };
                let (tls, state, stop) = (tls.clone(), state.clone(), stop.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    let Ok(own) = stream.local_addr() else { return };
                    let Some(tls) = tls else { return connection(stream, (peer, own), state, stop).await };
                    match tokio::time::timeout(READ_TIMEOUT, tls.acceptor().accept(stream)).await {
                        Ok(Ok(stream)) => connection(stream, (peer, own), state, stop).await,
                        Ok(Err(error)) => tracing::debug!(%error, "a client did not shake hands"),
                        Err(_) => tracing::debug!("a client did not shake hands in time"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    state.closing.cancel();
    state.queue.stop_all();
    connections.close();
    let writing = &state.scenarios.writes.under_way;
    writing.close();
    let (answered, cleaned) = tokio::join!(
        tokio::time::timeout(GRACE, connections.wait()),
        tokio::time::timeout(CLEANING, writing.wait())
    );
    if answered.is_err() {
        tracing::warn!("connections were closed before their answer was given");
    }
    if cleaned.is_err() {
        tracing::warn!("not all that load has written is taken back; the journal has the rest");
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    (peer, own): (SocketAddr, SocketAddr),
    state: Arc<State>,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(request, peer, own, &state).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client left early");
    }
}

async fn answer(request: Request<Incoming>, peer: SocketAddr, own: SocketAddr, state: &Arc<State>) -> Reply {
    let (head, body) = request.into_parts();
    let too_long = || text(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {LONGEST_BODY} bytes"));
    // Said at once where the length is told, so that nobody sends it in vain.
    if body.size_hint().lower() > LONGEST_BODY as u64 {
        return too_long();
    }
    let read = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, LONGEST_BODY).collect()).await;
    let body = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return too_long();
        }
        Ok(Err(_)) => return empty(StatusCode::BAD_REQUEST),
        Err(_) => return empty(StatusCode::REQUEST_TIMEOUT),
    };
    let asked = Asked {
        method: head.method.as_str(),
        path: head.uri.path_and_query().map_or("/", |path| path.as_str()),
        headers: &head.headers,
        body: &body,
        peer,
        own,
    };
    routes::answer(state, &asked).await
}
