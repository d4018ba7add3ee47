//! A real etcd and kube-apiserver on loopback, from the programs in the folder that `KUBEBUILDER_ASSETS` names.

mod killing;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kube::{Client, Config};
use serde_json::Value;

/// How long the server may take to come up.
const START: Duration = Duration::from_secs(60);
/// The bearer of this is an administrator, of a server that only this machine can reach.
const TOKEN: &str = "loopback-only";

/// The folder with etcd and kube-apiserver; `None` where the variable is not set.
///
/// # Panics
/// `CI_REQUIRE_API_SERVER` is set and the folder is not: a run that must not skip would.
pub fn installed() -> Option<PathBuf> {
    let folder = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let required = std::env::var_os("CI_REQUIRE_API_SERVER").is_some();
    assert!(folder.is_some() || !required, "CI_REQUIRE_API_SERVER is set, KUBEBUILDER_ASSETS is not");
    folder
}

/// What a test of the installation needs beside what every server has: a log of all requests, the checks that some
/// distributions switch on, and tokens of service accounts.
const STRICT: [&str; 5] = [
    "--audit-log-mode=blocking-strict",
    "--audit-log-maxsize=10000",
    "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
    "--service-account-max-token-expiration=24h",
    "--event-ttl=1h",
];

/// A running control plane; dropping it ends its processes and removes its data.
pub struct ApiServer {
    etcd: Child,
    server: Child,
    collector: Option<Child>,
    folder: PathBuf,
    assets: PathBuf,
    ports: [u16; 3],
    strict: bool,
    port: u16,
}

impl ApiServer {
    /// Starts etcd and kube-apiserver on free ports of the loopback interface.
    ///
    /// # Errors
    /// A program cannot be started, or the server is not ready in time.
    pub async fn start(assets: &Path) -> anyhow::Result<Self> {
        Self::start_with(assets, false).await
    }

    /// Starts one that logs every request (see [`ApiServer::requests_of`]) and checks who may make whom an owner.
    ///
    /// # Errors
    /// A program cannot be started, or the server is not ready in time.
    pub async fn start_strict(assets: &Path) -> anyhow::Result<Self> {
        Self::start_with(assets, true).await
    }

    async fn start_with(assets: &Path, strict: bool) -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ports = free_ports()?;
        let folder = std::env::temp_dir().join(format!("api-server-{}-{}", std::process::id(), ports[2]));
        std::fs::create_dir_all(&folder)?;
        make_keys(&folder)?;
        std::fs::write(folder.join("tokens.csv"), format!("{TOKEN},admin,admin,system:masters\n"))?;
        let mut etcd = etcd(assets, &folder, ports)?;
        let server = match kube_apiserver(assets, &folder, ports, strict) {
            Ok(server) => server,
            Err(error) => {
                end(&mut etcd);
                return Err(error);
            }
        };
        let (assets, port) = (assets.to_owned(), ports[2]);
        let started = Self { etcd, server, collector: None, folder, assets, ports, strict, port };
        started.wait_until_ready().await?;
        Ok(started)
    }

    /// Starts the garbage collector of kube-controller-manager, if that program is there; says whether it was.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_garbage_collector(&mut self, assets: &Path) -> anyhow::Result<bool> {
        self.start_controllers(assets, "garbage-collector-controller")
    }

    /// Starts those of kube-controller-manager's controllers, if that program is there; says whether it was.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_controllers(&mut self, assets: &Path, controllers: &str) -> anyhow::Result<bool> {
        let program = assets.join("kube-controller-manager");
        if !program.exists() {
            return Ok(false);
        }
        let kubeconfig = self.kubeconfig()?;
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(kubeconfig).args(["--leader-elect=false", "--secure-port=0"]);
        command.arg(format!("--controllers={controllers}"));
        self.collector = Some(spawn(command, &self.folder, "kube-controller-manager")?);
        Ok(true)
    }

    /// A kubeconfig with all rights; the file goes with the server.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn kubeconfig(&self) -> anyhow::Result<PathBuf> {
        let kubeconfig = self.folder.join("kubeconfig");
        let port = self.port;
        std::fs::write(
            &kubeconfig,
            format!(
                "{{apiVersion: v1, kind: Config, current-context: local, \
                 clusters: [{{name: local, cluster: {{server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true}}}}], \
                 users: [{{name: admin, user: {{token: {TOKEN}}}}}], \
                 contexts: [{{name: local, context: {{cluster: local, user: admin}}}}]}}\n"
            ),
        )?;
        Ok(kubeconfig)
    }

    /// A kubeconfig of an administrator, for programs.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn admin_kubeconfig(&self) -> anyhow::Result<PathBuf> {
        self.kubeconfig_of("admin", TOKEN)
    }

    /// A kubeconfig of whoever has that token. The server's certificate is checked.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn kubeconfig_of(&self, user: &str, token: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(format!("{user}.kubeconfig"));
        let (port, authority) = (self.port, self.folder.join("certs/apiserver.crt"));
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: local, \
             clusters: [{{name: local, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{}'}}}}], \
             users: [{{name: user, user: {{token: {token}}}}}], \
             contexts: [{{name: local, context: {{cluster: local, user: user}}}}]}}\n",
            authority.display()
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// What that user, or somebody in its place, asked for so far, of a server that was started strictly: one audit event a request.
    ///
    /// # Errors
    /// There is no log, or it is malformed.
    pub fn requests_of(&self, user: &str) -> anyhow::Result<Vec<Value>> {
        let log = std::fs::read_to_string(self.folder.join("audit.log")).context("no audit log")?;
        let mut requests = Vec::new();
        for line in log.lines() {
            let event: Value = serde_json::from_str(line).context("malformed audit log")?;
            let who = event.get("impersonatedUser").unwrap_or(&event["user"]);
            if who["username"] == user {
                requests.push(event);
            }
        }
        Ok(requests)
    }

    /// A client with all rights.
    ///
    /// # Errors
    /// The configuration cannot be made into a client.
    pub fn client(&self) -> anyhow::Result<Client> {
        let mut config = Config::new(format!("https://127.0.0.1:{}", self.port).parse()?);
        config.accept_invalid_certs = true;
        config.auth_info.token = Some(TOKEN.to_owned().into());
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let client = self.client()?;
        let begin = Instant::now();
        while begin.elapsed() < START {
            let default = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(client.clone());
            let ready = http::Request::get("/readyz").body(Vec::new())?;
            if default.get("default").await.is_ok() && client.request_text(ready).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the API server is not ready after {START:?}; its log is in {}", self.folder.display())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        for child in self.collector.iter_mut().chain([&mut self.server, &mut self.etcd]) {
            end(child);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// As `kill -9` does.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Three ports that are free now.
fn free_ports() -> anyhow::Result<[u16; 3]> {
    let listeners = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}

/// The key pair of service accounts, which the server insists on.
fn make_keys(folder: &Path) -> anyhow::Result<()> {
    let (key, public) = (folder.join("sa.key"), folder.join("sa.pub"));
    for arguments in [
        vec!["genrsa".into(), "-out".into(), key.clone().into_os_string(), "2048".into()],
        vec![
            "rsa".into(),
            "-in".into(),
            key.into_os_string(),
            "-pubout".into(),
            "-out".into(),
            public.into_os_string(),
        ],
    ] {
        let status =
            Command::new("openssl").args(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !status.context("openssl cannot be started")?.success() {
            bail!("openssl {} failed", arguments[0].display());
        }
    }
    Ok(())
}

fn etcd(assets: &Path, folder: &Path, [client, peer, _]: [u16; 3]) -> anyhow::Result<Child> {
    let mut command = Command::new(assets.join("etcd"));
    command
        .arg("--data-dir")
        .arg(folder.join("etcd"))
        .args(["--unsafe-no-fsync", "--log-level", "error"])
        .arg(format!("--listen-client-urls=http://127.0.0.1:{client}"))
        .arg(format!("--advertise-client-urls=http://127.0.0.1:{client}"))
        .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer}"))
        .arg(format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"))
        .arg(format!("--initial-cluster=default=http://127.0.0.1:{peer}"));
    spawn(command, folder, "etcd")
}

fn kube_apiserver(
    assets: &Path,
    folder: &Path,
    [client, _, port]: [u16; 3],
    strict: bool,
) -> anyhow::Result<Child> {
    let mut command = Command::new(assets.join("kube-apiserver"));
    if strict {
        let policy = folder.join("audit-policy.yaml");
        // Watches are told of when they begin.
        std::fs::write(
            &policy,
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n",
        )?;
        command.arg("--audit-policy-file").arg(policy);
        command.arg("--audit-log-path").arg(folder.join("audit.log")).args(STRICT);
    }
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{client}"))
        .arg("--cert-dir")
        .arg(folder.join("certs"))
        .args(["--bind-address=127.0.0.1", &format!("--secure-port={port}")])
        .arg("--token-auth-file")
        .arg(folder.join("tokens.csv"))
        .arg("--service-account-key-file")
        .arg(folder.join("sa.pub"))
        .arg("--service-account-signing-key-file")
        .arg(folder.join("sa.key"))
        .args([
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
            "--profiling=false",
        ]);
    spawn(command, folder, "kube-apiserver")
}

fn spawn(mut command: Command, folder: &Path, name: &str) -> anyhow::Result<Child> {
    let path = folder.join(format!("{name}.log"));
    let log = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("{name} cannot be started"))
}
