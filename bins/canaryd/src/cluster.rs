//! Clients of the API servers, from the flags.

use anyhow::{Context, bail};
use http::HeaderValue;
use http::header::USER_AGENT;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::VERSION;
use crate::flags::ClusterFlags;
use crate::rate_limit::RateLimit;

/// The clusters that a controller works with.
pub(crate) struct Clusters {
    /// Holds canaries and workloads.
    pub(crate) main: Client,
    /// Holds the objects of the mesh, where that is another cluster.
    pub(crate) mesh: Option<Client>,
}

/// Makes the clients; nothing is asked yet.
///
/// # Errors
/// Which kubeconfig or address cannot be used, and why.
pub(crate) async fn connect(flags: ClusterFlags) -> anyhow::Result<Clusters> {
    let ClusterFlags { kubeconfig, master, kubeconfig_service_mesh, kubeconfig_qps, kubeconfig_burst } =
        flags;
    let limit = kubeconfig_qps.and_then(|rate| RateLimit::new(rate, kubeconfig_burst));

    let mut main = match (kubeconfig.is_empty(), master.is_empty()) {
        (false, _) => from_file(&kubeconfig).await.context("-kubeconfig")?,
        (true, true) => Config::incluster()
            .context("no -kubeconfig is given, and this is not a pod with a service account of a cluster")?,
        (true, false) => Config::new(server(&master)?),
    };
    if !master.is_empty() {
        main.cluster_url = server(&master)?;
    }
    let mesh = if kubeconfig_service_mesh.is_empty() || kubeconfig_service_mesh == kubeconfig {
        None
    } else {
        let mesh = from_file(&kubeconfig_service_mesh).await.context("-kubeconfig-service-mesh")?;
        // As Flagger tells clusters apart.
        (mesh.cluster_url != main.cluster_url).then(|| client(mesh, limit)).transpose()?
    };
    Ok(Clusters { main: client(main, limit)?, mesh })
}

async fn from_file(path: &str) -> anyhow::Result<Config> {
    let file = Kubeconfig::read_from(path).with_context(|| format!("{path} cannot be read"))?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    config.with_context(|| format!("{path} does not say how to reach a cluster"))
}

fn server(master: &str) -> anyhow::Result<http::Uri> {
    let address: http::Uri = master.parse().context("-master is malformed")?;
    if address.scheme().is_none() || address.authority().is_none() {
        bail!("-master is {master:?}; it takes an address such as https://10.0.0.1:6443");
    }
    Ok(address)
}

fn client(mut config: Config, limit: Option<RateLimit>) -> anyhow::Result<Client> {
    let agent =
        HeaderValue::from_str(&format!("canaryd/{VERSION}")).context("the version is no header value")?;
    config.headers.push((USER_AGENT, agent));
    let builder = ClientBuilder::try_from(config).context("no client can be made for the cluster")?;
    Ok(match limit {
        Some(limit) => builder.with_layer(&limit).build(),
        None => builder.build(),
    })
}
