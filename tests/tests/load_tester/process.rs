//! The load tester as a process with the rights that its manifest gives, and a podinfo.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use canary_tests::{ApiServer, Running, documents, fetch, free_port, wait_for};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};

/// The account of the load tester, as the manifest calls it.
const ACCOUNT: &str = "flagger-loadtester";
/// The documents of the manifest that give rights.
const RIGHTS: [(&str, &str, &str); 3] = [
    ("ServiceAccount", "", "serviceaccounts"),
    ("Role", "rbac.authorization.k8s.io", "roles"),
    ("RoleBinding", "rbac.authorization.k8s.io", "rolebindings"),
];

/// Where the load tester is installed from.
pub(crate) fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bins/canary-loadtester/deploy/canary-loadtester.yaml")
}

/// A running load tester.
pub(crate) struct Tester {
    pub(crate) port: u16,
    program: PathBuf,
    arguments: Vec<String>,
    running: Option<Running>,
}

impl Tester {
    /// Starts it with the account that the manifest makes in the namespace.
    pub(crate) async fn start(
        server: &ApiServer,
        program: &Path,
        namespace: &str,
        more: &[String],
    ) -> anyhow::Result<Self> {
        let client = server.client()?;
        give_rights(&client, namespace).await?;
        let token = token(&client, namespace, ACCOUNT, None).await?;
        let kubeconfig = server.kubeconfig_of(&format!("tester-{namespace}"), &token)?;
        let text = std::fs::read_to_string(&kubeconfig)?;
        let text = text.replace("user: user}", &format!("user: user, namespace: {namespace}}}"));
        std::fs::write(&kubeconfig, text)?;
        let port = free_port()?;
        let arguments = [
            format!("-port={port}"),
            format!("-kubeconfig={}", kubeconfig.display()),
            // The controller of this test is a process of the same user on the same machine.
            "-trust-loopback=false".to_owned(),
            "-failed-task-status=412".to_owned(),
            "-allow-target=127.0.0.1/32".to_owned(),
            format!("-state-config-map={ACCOUNT}-state"),
        ];
        let arguments = arguments.iter().chain(more).cloned().collect();
        let mut tester = Self { port, program: program.to_owned(), arguments, running: None };
        tester.restart().await?;
        Ok(tester)
    }

    /// Ends it, if it runs, and starts it.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.running = None;
        self.running = Some(Running::start(Command::new(&self.program).args(&self.arguments))?);
        wait_for("the load tester", async || fetch(self.port, "/healthz").await).await;
        Ok(())
    }

    /// Adds an argument for the next start.
    pub(crate) fn allow(&mut self, argument: &str) {
        self.arguments.push(argument.to_owned());
    }

    /// The address that hooks have.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Requests with a good answer, of all runs, by its own metrics.
    pub(crate) async fn good_requests(&self) -> anyhow::Result<f64> {
        let page = fetch(self.port, "/metrics").await.context("no metrics")?;
        let good = page
            .lines()
            .filter(|line| line.starts_with("canary_load_requests_total{") && line.contains("result=\"ok\""));
        let counts = good.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(counts.sum())
    }
}

/// Applies the documents of the manifest that give rights.
async fn give_rights(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let mut all = documents(&std::fs::read_to_string(manifest())?)?;
    let mut number = 0;
    for (kind, group, plural) in RIGHTS {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        for object in all.iter_mut().filter(|object| object["kind"] == kind) {
            object["metadata"]["namespace"] = namespace.into();
            if kind == "RoleBinding" {
                object["subjects"][0]["namespace"] = namespace.into();
            }
            api.create(&PostParams::default(), &serde_json::from_value(object.clone())?).await?;
            number += 1;
        }
    }
    if number != RIGHTS.len() {
        bail!("the manifest has {number} documents that give rights");
    }
    Ok(())
}

/// A token of a service account, for an audience or for the API server.
pub(crate) async fn token(
    client: &Client,
    namespace: &str,
    account: &str,
    audience: Option<&str>,
) -> anyhow::Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let audiences = audience.map(|audience| vec![audience.to_owned()]);
    let spec = TokenRequestSpec { audiences, ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
    answer.status.and_then(|status| status.token).context("no token")
}

/// A podinfo on loopback, and its port.
pub(crate) async fn podinfo(assets: &Path) -> anyhow::Result<(Running, u16)> {
    let port = free_port()?;
    let mut command = Command::new(assets.join("podinfo"));
    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--level", "error"]);
    let running = Running::start(&mut command)?;
    wait_for("podinfo", async || fetch(port, "/healthz").await).await;
    Ok((running, port))
}
