//! The connection, from the flags that kubectl has too.

use std::path::PathBuf;

use anyhow::Context;
use canary_api::Canary;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

/// Which cluster and namespace.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ClusterArgs {
    /// The kubeconfig file; else $KUBECONFIG, ~/.kube/config, or the service account of the pod.
    #[arg(long, value_name = "FILE", global = true)]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; else its current one.
    #[arg(long, value_name = "NAME", global = true)]
    context: Option<String>,
    /// The namespace; else that of the context.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

/// A cluster and the namespace that is meant when none is named.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl ClusterArgs {
    /// Makes the client; nothing is asked yet.
    pub(crate) async fn connect(&self) -> anyhow::Result<Cluster> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => {
                let shown = path.display();
                let file = Kubeconfig::read_from(path).with_context(|| format!("{shown} cannot be read"))?;
                let config = Config::from_custom_kubeconfig(file, &options).await;
                config.with_context(|| format!("{shown} does not say how to reach a cluster"))?
            }
            None if self.context.is_some() => {
                Config::from_kubeconfig(&options).await.context("the kubeconfig has no such context")?
            }
            None => Config::infer().await.context("there is neither a kubeconfig nor a service account")?,
        };
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("no client can be made for the cluster")?;
        Ok(Cluster { client, namespace })
    }
}

impl Cluster {
    /// Canaries of a namespace, or of all.
    pub(crate) fn canaries(&self, namespace: Option<&str>) -> Api<Canary> {
        match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Lists canaries that have those labels.
    pub(crate) async fn list(
        &self,
        all_namespaces: bool,
        labels: Option<&str>,
    ) -> anyhow::Result<Vec<Canary>> {
        let namespace = (!all_namespaces).then_some(self.namespace.as_str());
        let parameters = ListParams { label_selector: labels.map(str::to_owned), ..ListParams::default() };
        let listed = self.canaries(namespace).list(&parameters).await;
        Ok(listed.map_err(|e| said(&e, "canaries cannot be listed"))?.items)
    }
}

/// An error of the API server in its own words.
pub(crate) fn said(error: &kube::Error, what: &str) -> anyhow::Error {
    if let kube::Error::Api(status) = error {
        return anyhow::anyhow!("{what}: {}", status.message);
    }
    anyhow::anyhow!("{what}: {error}")
}
