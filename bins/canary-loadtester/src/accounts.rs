//! Tokens of service accounts: the API server says whose they are, the flags say what that account may do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use ring::digest::{SHA256, digest};

use crate::tokens::{Rights, roles};

/// How long an answer of the API server holds.
const FRESH: Duration = Duration::from_secs(60);
/// Answers that are kept: more callers than that are attackers.
const MOST: usize = 1000;
/// How long a caller waits for the API server.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions at a time: anybody can send tokens.
const QUESTIONS: usize = 4;

/// A service account and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// As the API server calls it.
    user: String,
    rights: Rights,
}

impl Account {
    /// Reads `NAMESPACE/NAME=ROLES[@NAMESPACES]`.
    ///
    /// # Errors
    /// What it takes.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            "it takes NAMESPACE/NAME=ROLES[@NAMESPACES], such as flagger-system/flagger=run,read@test"
                .to_owned()
        };
        let (account, rights) = text.split_once('=').ok_or_else(wrong)?;
        let (namespace, name) = account.split_once('/').ok_or_else(wrong)?;
        let (names, namespaces) = rights.split_once('@').map_or((rights, None), |(r, n)| (r, Some(n)));
        if namespace.is_empty() || name.is_empty() || name.contains('/') || namespaces == Some("") {
            return Err(wrong());
        }
        let namespaces = namespaces.into_iter().flat_map(|all| all.split(',')).map(str::to_owned).collect();
        let rights = Rights { roles: roles(names)?, namespaces };
        Ok(Self { user: format!("system:serviceaccount:{namespace}:{name}"), rights })
    }
}

/// When the API server answered, and whose the token is, if anybody's.
type Answer = (Instant, Option<String>);

/// Asks the API server whose tokens those are.
pub(crate) struct Accounts {
    client: Option<Client>,
    audience: String,
    known: Vec<Account>,
    answers: Mutex<HashMap<Vec<u8>, Answer>>,
    questions: tokio::sync::Semaphore,
}

impl Default for Accounts {
    fn default() -> Self {
        Self::new(None, String::new(), Vec::new())
    }
}

impl Accounts {
    /// Takes tokens for `audience` of these accounts.
    pub(crate) fn new(client: Option<Client>, audience: String, known: Vec<Account>) -> Self {
        Self {
            client,
            audience,
            known,
            answers: Mutex::default(),
            questions: tokio::sync::Semaphore::new(QUESTIONS),
        }
    }

    /// The name and the rights of the account that a token is of, if it is one of ours.
    pub(crate) async fn find(&self, token: &str) -> Option<(String, Rights)> {
        // Without accounts nobody's token is shown to the API server.
        if self.known.is_empty() {
            return None;
        }
        let user = self.user(token).await?;
        let account = self.known.iter().find(|account| account.user == user)?;
        Some((user, account.rights.clone()))
    }

    async fn user(&self, token: &str) -> Option<String> {
        let hash = digest(&SHA256, token.as_bytes()).as_ref().to_vec();
        {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, user)) = answers.get(&hash)
                && at.elapsed() < FRESH
            {
                return user.clone();
            }
        }
        let review = tokio::time::timeout(PATIENCE, self.review(token)).await;
        let user = match review {
            Ok(Ok(user)) => user,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "tokens cannot be reviewed");
                return None;
            }
            Err(_) => {
                tracing::warn!("the API server does not answer a review of a token");
                return None;
            }
        };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (at, _)| at.elapsed() < FRESH);
        if answers.len() < MOST {
            answers.insert(hash, (Instant::now(), user.clone()));
        }
        user
    }

    async fn review(&self, token: &str) -> kube::Result<Option<String>> {
        let Some(client) = &self.client else { return Ok(None) };
        let Ok(_permit) = self.questions.acquire().await else { return Ok(None) };
        let audiences = Some(vec![self.audience.clone()]);
        let spec = TokenReviewSpec { token: token.to_owned(), audiences };
        let review = TokenReview { spec, ..TokenReview::default() };
        let reviews: Api<TokenReview> = Api::all(client.clone());
        let Some(status) = reviews.create(&PostParams::default(), &review).await?.status else {
            return Ok(None);
        };
        // A server that does not know audiences leaves them out, and would take a token for anybody.
        let is_for_us = status.audiences.is_some_and(|audiences| audiences.contains(&self.audience));
        let is_valid = status.authenticated == Some(true) && is_for_us;
        Ok(status.user.filter(|_| is_valid).and_then(|user| user.username))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::tokens::Role;

    /// An API server that knows one token, and counts how often it was asked.
    fn server(asked: Arc<AtomicUsize>) -> Client {
        let answer = move |request: http::Request<Body>| {
            asked.fetch_add(1, Ordering::Relaxed);
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let mut review: Value = serde_json::from_slice(&body).unwrap();
                let is_good = review["spec"]["token"] == "good" || review["spec"]["token"] == "other";
                let user = if review["spec"]["token"] == "good" { "flagger" } else { "intruder" };
                review["status"] = json!({"authenticated": is_good, "audiences": review["spec"]["audiences"],
                    "user": {"username": format!("system:serviceaccount:flagger-system:{user}")}});
                Ok::<_, Infallible>(http::Response::new(Body::from(review.to_string().into_bytes())))
            }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    #[tokio::test]
    async fn a_token_has_the_rights_of_its_account_and_is_reviewed_once_a_minute() {
        let asked = Arc::new(AtomicUsize::new(0));
        let known = vec![Account::parse("flagger-system/flagger=run,read@test").unwrap()];
        let accounts = Accounts::new(Some(server(asked.clone())), "canary-loadtester".into(), known);
        for _ in 0..3 {
            let (user, rights) = accounts.find("good").await.unwrap();
            assert_eq!(user, "system:serviceaccount:flagger-system:flagger");
            assert!(rights.may(Role::Run, "test") && !rights.may(Role::Run, "prod"));
            assert!(!rights.may(Role::Gate, "test"));
            assert!(accounts.find("bad").await.is_none(), "not authenticated");
            assert!(accounts.find("other").await.is_none(), "an account that no flag names");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn without_accounts_tokens_are_shown_to_nobody() {
        let asked = Arc::new(AtomicUsize::new(0));
        let accounts = Accounts::new(Some(server(asked.clone())), "canary-loadtester".into(), vec![]);
        assert!(accounts.find("good").await.is_none());
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn malformed_accounts_say_what_is_right() {
        for text in ["flagger=run", "a/b", "a/b=", "a/b=walk", "a/b=run@", "/b=run", "a/b/c=run"] {
            assert!(Account::parse(text).is_err(), "{text}");
        }
    }
}
