//! Data of scenarios in the cluster: ConfigMaps of the canary's namespace, and Secrets that a flag shares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use canary_scenario::{Login, Logins};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use crate::flags::{SharedSecret, SourceLogin};

/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What scenarios of one canary may read.
pub(crate) struct ClusterFiles {
    client: Client,
    /// That of the canary.
    namespace: String,
    secrets: Arc<[SharedSecret]>,
    logins: Arc<[SourceLogin]>,
}

impl ClusterFiles {
    pub(crate) fn of(
        client: Client,
        namespace: &str,
        (secrets, logins): (Arc<[SharedSecret]>, Arc<[SourceLogin]>),
    ) -> Self {
        Self { client, namespace: namespace.to_owned(), secrets, logins }
    }
}

#[async_trait]
impl canary_scenario::ClusterFiles for ClusterFiles {
    fn scope(&self) -> &str {
        &self.namespace
    }

    async fn config_map(&self, namespace: Option<&str>, name: &str, key: &str) -> Result<Bytes, String> {
        let own = self.namespace.as_str();
        if namespace.is_some_and(|namespace| namespace != own) {
            return Err(format!("ConfigMaps are read only in the canary's namespace, which is {own}"));
        }
        let what = format!("ConfigMap {own}/{}", named(name)?);
        let map: ConfigMap = answer(&what, Api::namespaced(self.client.clone(), own).get_opt(name)).await?;
        let text = map.data.as_ref().and_then(|data| data.get(key)).cloned().map(Bytes::from);
        let binary =
            || map.binary_data.as_ref().and_then(|data| data.get(key)).map(|b| Bytes::from(b.0.clone()));
        let known = || {
            let text = map.data.iter().flat_map(|data| data.keys());
            let all: Vec<&str> =
                text.chain(map.binary_data.iter().flat_map(|data| data.keys())).map(String::as_str).collect();
            all.join(", ")
        };
        text.or_else(binary).ok_or_else(|| format!("{what} has no key {key:?}; it has {}", known()))
    }

    async fn secret(&self, name: &str, key: &str) -> Result<Bytes, String> {
        // Whoever names it in a scenario can send it anywhere that load may go.
        if !self.secrets.iter().any(|shared| shared.is_for(name, &self.namespace)) {
            return Err(format!(
                "the Secret {name} is not shared with scenarios of namespace {}; -source-secret={name} would",
                self.namespace
            ));
        }
        let what = format!("Secret {}/{}", self.client.default_namespace(), named(name)?);
        let secret: Secret =
            answer(&what, Api::default_namespaced(self.client.clone()).get_opt(name)).await?;
        let content = secret.data.and_then(|mut data| data.remove(key));
        content.map(|content| Bytes::from(content.0)).ok_or_else(|| format!("{what} has no key {key:?}"))
    }

    async fn login(&self, host: &str) -> Result<Option<Login>, String> {
        let found = self.logins.iter().find_map(|login| login.for_host(host, &self.namespace));
        let Some(name) = found else { return Ok(None) };
        let what = format!("Secret {}/{}", self.client.default_namespace(), named(name)?);
        let secret: Secret =
            answer(&what, Api::default_namespaced(self.client.clone()).get_opt(name)).await?;
        login_of(&secret.data.unwrap_or_default(), host).map(Some).map_err(|why| format!("{what}: {why}"))
    }
}

/// What a Secret says about who one is at a host.
fn login_of(data: &BTreeMap<String, ByteString>, host: &str) -> Result<Login, String> {
    let get = |key: &str| {
        let text = data.get(key).map(|value| std::str::from_utf8(&value.0));
        text.transpose().map_err(|_| format!("its key {key:?} is no text"))
    };
    if let Some(config) = get(".dockerconfigjson")? {
        let logins = Logins::read(config)?;
        return logins
            .at(host)
            .cloned()
            .ok_or_else(|| format!("its .dockerconfigjson has no login for {host}"));
    }
    let line = |text: &str| text.trim_end_matches(['\r', '\n']).to_owned();
    match (get("username")?, get("password")?, get("token")?) {
        (Some(user), Some(password), _) => Ok(Login::password(line(user), line(password))),
        (_, _, Some(token)) | (None, Some(token), None) => Ok(Login::token(line(token))),
        _ => Err("it has no login; it takes .dockerconfigjson, username and password, or token".to_owned()),
    }
}

/// A name that is one: in a path of the API server it must not lead elsewhere.
fn named(name: &str) -> Result<&str, String> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_fine);
    is_name.then_some(name).ok_or_else(|| format!("{name:?} is no name of an object"))
}

/// The object, or a sentence about why not; never with what is in it.
async fn answer<K>(
    what: &str,
    asking: impl Future<Output = Result<Option<K>, kube::Error>>,
) -> Result<K, String> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(Some(object))) => Ok(object),
        Ok(Ok(None)) => Err(format!("there is no {what}")),
        Ok(Err(kube::Error::Api(status))) => Err(format!("{what} cannot be read: {}", status.message)),
        Ok(Err(error)) => Err(format!("{what} cannot be read: {error}")),
        Err(_) => Err(format!("{what} cannot be read: the API server does not answer")),
    }
}

#[cfg(test)]
mod tests {
    use canary_scenario::ClusterFiles as _;
    use kube::Config;
    use serde_json::json;
    use wiremock::matchers::{any, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn files(namespace: &str, secrets: Vec<SharedSecret>) -> (MockServer, ClusterFiles) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        for (at, object) in [
            (
                "/api/v1/namespaces/test/configmaps/load",
                json!({"metadata": {"name": "load"}, "data": {"a.csv": "x"}, "binaryData": {"b": "aGk="}}),
            ),
            (
                "/api/v1/namespaces/tools/secrets/users",
                json!({"metadata": {"name": "users"}, "data": {"a": "aGk="}}),
            ),
            (
                "/api/v1/namespaces/tools/secrets/git-login",
                json!({"metadata": {"name": "git-login"}, "data": {"token": "aGk="}}),
            ),
        ] {
            Mock::given(path(at))
                .respond_with(ResponseTemplate::new(200).set_body_json(object))
                .mount(&server)
                .await;
        }
        let none = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
            "message": "not found", "code": 404});
        let answer = ResponseTemplate::new(404).set_body_json(none);
        Mock::given(any()).respond_with(answer).with_priority(9).mount(&server).await;
        let mut config = Config::new(server.uri().parse().unwrap());
        config.default_namespace = "tools".into();
        let logins = ["git.test=git-login@test", "gone.test=gone"];
        let logins: Vec<_> = logins.iter().map(|text| SourceLogin::parse(text).unwrap()).collect();
        let files =
            ClusterFiles::of(Client::try_from(config).unwrap(), namespace, (secrets.into(), logins.into()));
        (server, files)
    }

    #[test]
    fn a_login_is_what_the_usual_keys_of_a_secret_say() {
        let secret = |keys: &[(&str, &str)]| {
            keys.iter().map(|(key, value)| ((*key).to_owned(), ByteString((*value).into()))).collect()
        };
        let docker = r#"{"auths": {"ghcr.io": {"username": "me", "password": "pw"}}}"#;
        for (keys, login) in [
            (vec![(".dockerconfigjson", docker)], Login::password("me", "pw")),
            (vec![("username", "me"), ("password", "pw\n")], Login::password("me", "pw")),
            (vec![("token", "t\n")], Login::token("t")),
            (vec![("password", "t")], Login::token("t")),
        ] {
            assert_eq!(login_of(&secret(&keys), "ghcr.io"), Ok(login), "{keys:?}");
        }
        for (keys, why) in [
            (vec![(".dockerconfigjson", docker)], "has no login for quay.io"),
            (vec![(".dockerconfigjson", "{\"hush\": 1}")], "none of a configuration of Docker"),
            (vec![("hush", "hush")], "it takes .dockerconfigjson, username and password, or token"),
        ] {
            let error = login_of(&secret(&keys), "quay.io").unwrap_err();
            assert!(error.contains(why) && !error.contains("hush"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_login_is_read_for_its_host_and_the_namespaces_it_is_shared_with() {
        for (namespace, host, found) in
            [("test", "git.test", true), ("other", "git.test", false), ("test", "other.test", false)]
        {
            let (server, files) = files(namespace, vec![]).await;
            assert_eq!(files.login(host).await.unwrap().is_some(), found, "{namespace} {host}");
            assert_eq!(server.received_requests().await.unwrap().len(), usize::from(found));
        }
        let (_server, files) = files("test", vec![]).await;
        let error = files.login("gone.test").await.unwrap_err();
        assert!(error.contains("there is no Secret tools/gone"), "{error}");
    }

    #[tokio::test]
    async fn config_maps_are_read_in_the_canarys_namespace_alone() {
        let (_server, files) = files("test", vec![]).await;
        assert_eq!(files.config_map(None, "load", "a.csv").await.unwrap(), "x");
        assert_eq!(files.config_map(Some("test"), "load", "b").await.unwrap(), "hi");
        for (namespace, name, key, why) in [
            (Some("prod"), "load", "a.csv", "only in the canary's namespace, which is test"),
            (None, "load", "c", "ConfigMap test/load has no key \"c\"; it has a.csv, b"),
            (None, "other", "c", "there is no ConfigMap test/other"),
            (None, "../secrets/users", "a", "is no name of an object"),
            (None, "..", "a", "is no name of an object"),
        ] {
            let error = files.config_map(namespace, name, key).await.unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[tokio::test]
    async fn secrets_are_read_only_when_they_are_shared() {
        let shared = || vec!["users@test".to_owned()];
        let parsed =
            |all: Vec<String>| all.iter().map(|one| SharedSecret::parse(one).unwrap()).collect::<Vec<_>>();
        let (_server, files_of_test) = files("test", parsed(shared())).await;
        assert_eq!(files_of_test.secret("users", "a").await.unwrap(), "hi");
        assert!(files_of_test.secret("tokens", "a").await.unwrap_err().contains("-source-secret=tokens"));
        let (_server, files_of_other) = files("other", parsed(shared())).await;
        assert!(files_of_other.secret("users", "a").await.unwrap_err().contains("namespace other"));
    }
}
