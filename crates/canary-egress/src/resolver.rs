//! Name resolution that keeps the rules: a name may lead anywhere, and somewhere else a moment later.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::rules::Egress;

/// The machine's resolver, minus refused addresses.
#[derive(Debug)]
pub(crate) struct GuardedResolver {
    egress: Egress,
}

impl GuardedResolver {
    pub(crate) fn new(egress: Egress) -> Self {
        Self { egress }
    }
}

impl Resolve for GuardedResolver {
    /// Fails if one of the addresses is refused: whoever mixes them with others does so to get around the rules.
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.egress.clone();
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for address in &found {
                egress.check_resolved(name.as_str(), address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use reqwest::Client;
    use url::Url;
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::Refused;

    fn client(egress: &Egress) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        egress.guard(Client::builder()).build().unwrap()
    }

    fn refusal(error: &reqwest::Error) -> Option<String> {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(refused) = error.downcast_ref::<Refused>() {
                return Some(refused.to_string());
            }
            cause = error.source();
        }
        None
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_resolves_to() {
        let server = MockServer::start().await;
        let named = format!("http://localhost:{}/", server.address().port());
        assert_eq!(client(&Egress::default()).get(&named).send().await.unwrap().status(), 404);

        // Resolved as any name is, with what a name of an attacker's would lead to.
        for name in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1"] {
            let resolved = GuardedResolver::new(Egress::default()).resolve(name.parse().unwrap()).await;
            let error = resolved.err().unwrap();
            assert!(error.downcast_ref::<Refused>().is_some(), "{name}: {error}");
        }
    }

    #[tokio::test]
    async fn a_redirect_leads_to_no_refused_address() {
        let server = MockServer::start().await;
        for (at, to) in [("/metadata", "http://169.254.169.254/"), ("/fine", "/end")] {
            let answer = ResponseTemplate::new(302).insert_header("location", to);
            Mock::given(path(at)).respond_with(answer).mount(&server).await;
        }
        let client = client(&Egress::default());
        let error = client.get(format!("{}/metadata", server.uri())).send().await.unwrap_err();
        let text = refusal(&error).unwrap_or_else(|| panic!("{error:?}"));
        assert!(text.starts_with("169.254.169.254 may not be reached"), "{text}");
        let url = Url::parse(&format!("{}/fine", server.uri())).unwrap();
        assert_eq!(client.get(url).send().await.unwrap().url().path(), "/end");
    }
}
