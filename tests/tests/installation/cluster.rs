//! An installation by helm on a real API server, and the controller as a process with the installed account's token.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use canary_tests::{ApiServer, define, deploy_folder, fetch, succeed};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams, WatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client};
use serde_json::{Value, json};

/// Where the controller is installed.
pub(crate) const NAMESPACE: &str = "flagger-system";
/// Where canaries are.
pub(crate) const TESTS: &str = "test";
/// How long the controller may take to begin, to end, and to see that an object is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// What helm installed, and the controller.
pub(crate) struct Installation {
    client: Client,
    helm: PathBuf,
    kubectl: PathBuf,
    canaryd: PathBuf,
    admin: PathBuf,
    account: Option<PathBuf>,
    granted: Vec<Value>,
    log: PathBuf,
    port: u16,
    running: Option<Child>,
    /// Environment of the controller.
    environment: Vec<(String, String)>,
}

fn resource(kind: &str) -> ApiResource {
    let (group, version, plural) = match kind {
        "Canary" => ("flagger.app", "v1beta1", "canaries"),
        "MetricTemplate" => ("flagger.app", "v1beta1", "metrictemplates"),
        "AlertProvider" => ("flagger.app", "v1beta1", "alertproviders"),
        "Deployment" => ("apps", "v1", "deployments"),
        "DaemonSet" => ("apps", "v1", "daemonsets"),
        "ScaledObject" => ("keda.sh", "v1alpha1", "scaledobjects"),
        "HorizontalPodAutoscaler" => ("autoscaling", "v2", "horizontalpodautoscalers"),
        "ConfigMap" => ("", "v1", "configmaps"),
        "Secret" => ("", "v1", "secrets"),
        "Service" => ("", "v1", "services"),
        "Pod" => ("", "v1", "pods"),
        other => panic!("the plural of {other} is not known here"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

impl Installation {
    /// Nothing is installed yet; the namespaces are there, and that of the controller takes restricted pods only.
    pub(crate) async fn new(
        server: &ApiServer,
        assets: &Path,
        helm: PathBuf,
        canaryd: PathBuf,
    ) -> anyhow::Result<Self> {
        let client = server.client()?;
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
        for (name, level) in [(NAMESPACE, "restricted"), (TESTS, "privileged")] {
            let labels = json!({"pod-security.kubernetes.io/enforce": level});
            let namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}))?;
            namespaces.create(&PostParams::default(), &namespace).await?;
        }
        let admin = server.admin_kubeconfig()?;
        Ok(Self {
            client,
            helm,
            kubectl: assets.join("kubectl"),
            canaryd,
            log: admin.with_extension("canaryd.log"),
            admin,
            account: None,
            granted: Vec::new(),
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            running: None,
            environment: Vec::new(),
        })
    }

    fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.helm);
        command.args(arguments).args(["--namespace", NAMESPACE]).arg("--kubeconfig").arg(&self.admin);
        succeed(&mut command)
    }

    fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        succeed(Command::new(&self.kubectl).arg("--kubeconfig").arg(&self.admin).args(arguments))
    }

    /// Installs the chart, as a user does, and takes a token of its account.
    pub(crate) fn install(&mut self, metrics: &str) -> anyhow::Result<()> {
        let chart = deploy_folder().join("chart");
        let chart = chart.to_str().context("the path is text")?;
        let metrics = format!("metricsServer={metrics}");
        let values = "meshProvider=kubernetes,leaderElection.enabled=true,podDisruptionBudget.enabled=true,\
                      networkPolicy.enabled=true,rbac.providers={kubernetes}";
        self.helm(&["install", "flagger", chart, "--set", values, "--set", &metrics])?;
        // Upgrading to the same is the least that an upgrade has to stand.
        self.helm(&["upgrade", "flagger", chart, "--set", values, "--set", &metrics])?;
        for (kind, role) in [("clusterrole", "flagger"), ("role", "flagger-leader")] {
            let text = self.kubectl(&["get", kind, role, "--namespace", NAMESPACE, "--output", "json"])?;
            let role: Value = serde_json::from_str(&text)?;
            self.granted.extend(role["rules"].as_array().into_iter().flatten().cloned());
        }
        let token = self.kubectl(&["create", "token", "flagger", "--namespace", NAMESPACE])?;
        let text = std::fs::read_to_string(&self.admin)?;
        let (before, _) = text.split_once("user: {token: ").context("no token in the kubeconfig")?;
        let contexts = text.split_once("}}], contexts").context("no contexts in the kubeconfig")?.1;
        let account = self.admin.with_file_name("account.kubeconfig");
        std::fs::write(
            &account,
            format!("{before}user: {{token: {}}}}}], contexts{contexts}", token.trim()),
        )?;
        self.account = Some(account);
        Ok(())
    }

    /// Gives the controller that variable when it is started next.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Every object of those kinds in the namespace of the canaries, as text.
    pub(crate) fn dump(&self, kinds: &str) -> anyhow::Result<String> {
        self.kubectl(&["get", kinds, "--namespace", TESTS, "--output", "json"])
    }

    /// The rules of the installed roles.
    pub(crate) fn granted(&self) -> &[Value] {
        &self.granted
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What the controller wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Starts the controller with the flags of the installed Deployment, as the installed account, until it is ready.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        self.run_with(&[]).await
    }

    /// Like [`Installation::run`], with more flags.
    pub(crate) async fn run_with(&mut self, more: &[&str]) -> anyhow::Result<()> {
        let deployments: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), NAMESPACE, &resource("Deployment"));
        let deployment = deployments.get("flagger").await?;
        let arguments = &deployment.data["spec"]["template"]["spec"]["containers"][0]["args"];
        let arguments: Vec<String> = serde_json::from_value(arguments.clone())?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let account = self.account.as_ref().context("not installed")?;
        let mut command = Command::new(&self.canaryd);
        command
            .env_clear()
            .envs(self.environment.iter().cloned())
            .args(arguments)
            .arg(format!("-port={}", self.port));
        command
            .args(more)
            .arg("-kubeconfig")
            .arg(account)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.running = Some(command.spawn()?);
        let ready = async {
            while fetch(self.port, "/readyz").await.is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, ready).await {
            Ok(()) => Ok(()),
            Err(_) => bail!("the controller is not ready:\n{}", self.log()),
        }
    }

    /// Ends the controller as a kubelet does, and waits for it.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.running.take() else { return Ok(()) };
        succeed(Command::new("kill").args(["-TERM", &child.id().to_string()]))?;
        let ended = tokio::task::spawn_blocking(move || child.wait());
        let status = tokio::time::timeout(PATIENCE, ended).await.context("it did not end")???;
        if !status.success() {
            bail!("the controller ended with {status}:\n{}", self.log());
        }
        Ok(())
    }

    /// Takes the release away, and the controller with it.
    pub(crate) async fn uninstall(&mut self) -> anyhow::Result<()> {
        self.helm(&["uninstall", "flagger"])?;
        self.stop().await
    }

    /// Objects of that kind in the namespace of the canaries.
    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), TESTS, &resource(kind))
    }

    pub(crate) async fn create(&self, object: Value) -> anyhow::Result<()> {
        let kind = object["kind"].as_str().context("an object has a kind")?.to_owned();
        let object: DynamicObject = serde_json::from_value(object)?;
        self.api(&kind).create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Installs a definition, and waits until it is served.
    pub(crate) async fn define(&self, definition: CustomResourceDefinition) -> anyhow::Result<()> {
        define(&self.client, [definition]).await
    }

    /// Deletes an object and waits until it is gone.
    pub(crate) async fn delete(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        let api = self.api(kind);
        let deleted = api.delete(name, &DeleteParams::default()).await?;
        let Some(uid) = deleted.left().and_then(|object| object.metadata.uid) else { return Ok(()) };
        let gone = await_condition(api, name, conditions::is_deleted(&uid));
        tokio::time::timeout(PATIENCE, gone)
            .await
            .with_context(|| format!("{name} stays:\n{}", self.log()))??;
        Ok(())
    }

    /// The first pod that the selector finds, as soon as there is one.
    pub(crate) async fn pods(&self, namespace: &str, selector: &str) -> Value {
        use futures::StreamExt;
        let pods: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource("Pod"));
        loop {
            let listed =
                pods.list(&ListParams::default().labels(selector)).await.expect("pods can be listed");
            if let Some(pod) = listed.items.into_iter().next() {
                return pod.data;
            }
            let version = listed.metadata.resource_version.unwrap_or_default();
            let watch = pods.watch(&WatchParams::default().labels(selector), &version).await;
            let _ = watch.expect("pods can be watched").boxed().next().await;
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
