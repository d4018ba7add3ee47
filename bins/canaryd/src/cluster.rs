//! Clients of the API servers, from the flags.

use anyhow::{Context, bail};
use http::HeaderValue;
use http::header::USER_AGENT;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use url::Url;

use crate::VERSION;
use crate::flags::ClusterFlags;
use crate::rate_limit::RateLimit;

/// The clusters that a controller works with.
pub(crate) struct Clusters {
    /// Holds canaries and workloads.
    pub(crate) main: Client,
    /// Holds the objects of the mesh, where that is another cluster.
    pub(crate) mesh: Option<Client>,
    /// Where their API servers are.
    pub(crate) servers: Vec<Url>,
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
    let mut servers = vec![main.cluster_url.clone()];
    let mesh = if kubeconfig_service_mesh.is_empty() || kubeconfig_service_mesh == kubeconfig {
        None
    } else {
        let mesh = from_file(&kubeconfig_service_mesh).await.context("-kubeconfig-service-mesh")?;
        servers.push(mesh.cluster_url.clone());
        // As Flagger tells clusters apart.
        (mesh.cluster_url != main.cluster_url).then(|| client(mesh, limit)).transpose()?
    };
    let mut servers: Vec<Url> = servers.iter().filter_map(|uri| Url::parse(&uri.to_string()).ok()).collect();
    // In a pod the server is known by its name; others may try its address.
    servers.extend(service_address(|name| std::env::var(name).ok()));
    Ok(Clusters { main: client(main, limit)?, mesh, servers })
}

/// Where a pod's environment says that the API server is.
fn service_address(variable: impl Fn(&str) -> Option<String>) -> Option<Url> {
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Url::parse(&format!("https://{host}:{port}")).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_server_of_a_pod_is_found_in_both_address_families() {
        let at = |host: &str, port: Option<&str>| {
            let found = service_address(|name| match name {
                "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
                _ => port.map(str::to_owned),
            });
            found.map(|url| url.to_string())
        };
        assert_eq!(at("10.96.0.1", Some("6443")).as_deref(), Some("https://10.96.0.1:6443/"));
        assert_eq!(at("fd00::1", None).as_deref(), Some("https://[fd00::1]/"));
        assert!(service_address(|_| None).is_none());
    }
}
