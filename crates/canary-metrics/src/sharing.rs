//! What providers that are made anew for every query have in common: a server is asked so many things at once, and the same
//! thing once, however many canaries want to know it in one instant.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::Semaphore;

use crate::providers::ProviderSpec;

/// Queries that one server is asked at once.
pub(crate) const AT_ONCE: usize = 16;
/// Characters of an error that are kept: it may repeat an answer of any length, and goes into events and logs.
const TOLD: usize = 1000;
/// How long a query waits for its turn, unless the spec says less.
const TURN: Duration = Duration::from_secs(5);

type Answer = Result<Measurement, MetricError>;
type Asked = BoxFuture<'static, Answer>;
/// By provider, and by query; without one it is asked whether it can be reached.
type Key = (u64, Option<String>);

/// Servers, and the queries that are under way.
#[derive(Default)]
pub(crate) struct Sharing {
    servers: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    under_way: Mutex<BTreeMap<Key, WeakShared<Asked>>>,
}

/// A provider that shares.
struct Sharer {
    inner: Arc<dyn MetricProvider>,
    sharing: Arc<Sharing>,
    server: Arc<Semaphore>,
    identity: u64,
    /// From the question to the answer, the wait for a turn included.
    deadline: Option<Duration>,
}

impl Sharing {
    /// The provider that `spec` describes, asked no more than its server bears.
    pub(crate) fn share(
        self: &Arc<Self>,
        spec: &ProviderSpec,
        inner: Arc<dyn MetricProvider>,
    ) -> Arc<dyn MetricProvider> {
        let name = format!("{} {} {}", spec.kind, spec.address, spec.region);
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        // Servers that nobody holds are forgotten, since addresses come and go with their templates.
        servers.retain(|other, server| Arc::strong_count(server) > 1 || *other == name);
        let server = servers.entry(name).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone();
        let mut hasher = DefaultHasher::new();
        spec.hash(&mut hasher);
        let (sharing, deadline) = (self.clone(), spec.patience);
        Arc::new(Sharer { inner, sharing, server, identity: hasher.finish(), deadline })
    }

    /// The answer that is under way, or the one that `ask` gets.
    fn join(&self, key: Key, ask: impl FnOnce() -> Asked) -> Shared<Asked> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, asked| asked.upgrade().is_some());
        if let Some(asked) = under_way.get(&key).and_then(WeakShared::upgrade) {
            return asked;
        }
        let asked = ask().shared();
        under_way.extend(asked.downgrade().map(|weak| (key, weak)));
        asked
    }
}

impl Sharer {
    fn turn(&self) -> Duration {
        self.deadline.map_or(TURN, |deadline| deadline.min(TURN))
    }

    /// The answer to a query, or to whether the server can be reached.
    async fn ask(&self, query: Option<&str>) -> Answer {
        let key = (self.identity, query.map(str::to_owned));
        let ask = || {
            let (inner, server, query) = (self.inner.clone(), self.server.clone(), key.1.clone());
            let (turn, deadline) = (self.turn(), self.deadline);
            let asked = async move {
                let Ok(permit) = tokio::time::timeout(turn, server.acquire()).await else {
                    return Err(MetricError::Unavailable(format!(
                        "{AT_ONCE} queries to the same server were under way for {turn:?}"
                    )));
                };
                let answer = match &query {
                    Some(query) => inner.measure(query).await,
                    None => inner.check().await.map(|()| Measurement::default()),
                };
                drop(permit);
                answer.map_err(bounded)
            };
            async move {
                let Some(deadline) = deadline else { return asked.await };
                let late =
                    || Err(MetricError::Unreachable(format!("there was no answer within {deadline:?}")));
                tokio::time::timeout(deadline, asked).await.unwrap_or_else(|_| late())
            }
            .boxed()
        };
        let asked = self.sharing.join(key.clone(), ask);
        asked.await
    }

    /// Waits until the server may be asked what is no check; `None` if that takes too long.
    async fn aside<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        let _permit = tokio::time::timeout(self.turn(), self.server.acquire()).await.ok()?;
        tokio::time::timeout(self.turn(), asked).await.ok()
    }
}

/// The error, with the beginning of a text that is too long.
fn bounded(mut error: MetricError) -> MetricError {
    if let MetricError::Unreachable(text)
    | MetricError::Unavailable(text)
    | MetricError::Denied(text)
    | MetricError::Refused(text)
    | MetricError::Unusable(text)
    | MetricError::Configuration(text) = &mut error
        && let Some((end, _)) = text.char_indices().nth(TOLD)
    {
        text.truncate(end);
        text.push('…');
    }
    error
}

#[async_trait]
impl MetricProvider for Sharer {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Answer {
        self.ask(Some(query)).await
    }

    async fn samples(&self, query: &str) -> Samples {
        self.aside(self.inner.samples(query)).await.unwrap_or_default()
    }

    async fn explain(&self, query: &str) -> Option<String> {
        self.aside(self.inner.explain(query)).await.flatten()
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.ask(None).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    /// Answers all that it was asked when it is told to.
    #[derive(Default)]
    struct Slow {
        asked: AtomicUsize,
        at_once: AtomicUsize,
        most: AtomicUsize,
        go: Notify,
    }

    #[async_trait]
    impl MetricProvider for Slow {
        async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.go.notified().await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            Ok(Some(1.0))
        }
        async fn check(&self) -> Result<(), MetricError> {
            self.query("").await.map(drop)
        }
    }

    async fn answer_all<T>(slow: &Slow, queries: impl Future<Output = Vec<T>>) -> Vec<T> {
        let release = async {
            loop {
                slow.go.notify_waiters();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            answers = queries => answers,
            () = release => unreachable!(),
        }
    }

    #[tokio::test]
    async fn the_same_query_is_sent_once_in_one_instant_and_anew_later() {
        let (slow, sharing) = (Arc::new(Slow::default()), Arc::new(Sharing::default()));
        let spec = ProviderSpec::new("x", "http://a");
        let providers: Vec<_> = (0..40).map(|_| sharing.share(&spec, slow.clone())).collect();
        for round in 1..=2 {
            let answers = answer_all(&slow, join_all(providers.iter().map(|p| p.query("up")))).await;
            assert_eq!((answers.len(), slow.asked.load(Ordering::SeqCst)), (40, round));
            assert!(answers.iter().all(|answer| *answer == Ok(Some(1.0))));
        }
    }

    /// Repeats in its error what it was asked.
    struct Talkative;

    #[async_trait]
    impl MetricProvider for Talkative {
        async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
            Err(MetricError::Unusable(format!("the value is {query}")))
        }
        async fn check(&self) -> Result<(), MetricError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_error_that_repeats_a_long_answer_is_cut() {
        let provider =
            Arc::new(Sharing::default()).share(&ProviderSpec::new("x", "http://a"), Arc::new(Talkative));
        let told = |error: Result<_, MetricError>| error.unwrap_err().to_string();
        assert_eq!(told(provider.query("short").await), "the value is short");
        let long = told(provider.query(&"ü".repeat(100_000)).await);
        assert_eq!((long.chars().count(), long.ends_with("ü…")), (TOLD + 1, true));
    }

    #[tokio::test]
    async fn other_credentials_are_another_question() {
        let (slow, sharing) = (Arc::new(Slow::default()), Arc::new(Sharing::default()));
        let spec = ProviderSpec::new("x", "http://a");
        let other = ProviderSpec { secret: Some(BTreeMap::new()), ..spec.clone() };
        let providers = [sharing.share(&spec, slow.clone()), sharing.share(&other, slow.clone())];
        answer_all(&slow, join_all(providers.iter().map(|p| p.query("up")))).await;
        assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_server_is_asked_so_many_things_at_once() {
        let (slow, sharing) = (Arc::new(Slow::default()), Arc::new(Sharing::default()));
        let spec = ProviderSpec::new("x", "http://a");
        let provider = sharing.share(&spec, slow.clone());
        let queries: Vec<_> = (0..3 * AT_ONCE).map(|n| n.to_string()).collect();
        let answers = answer_all(&slow, join_all(queries.iter().map(|q| provider.query(q)))).await;
        assert_eq!((answers.len(), slow.most.load(Ordering::SeqCst)), (3 * AT_ONCE, AT_ONCE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_does_not_get_its_turn_says_so() {
        let (slow, sharing) = (Arc::new(Slow::default()), Arc::new(Sharing::default()));
        let provider = sharing.share(&ProviderSpec::new("x", "http://a"), slow.clone());
        let queries: Vec<_> = (0..=AT_ONCE).map(|n| n.to_string()).collect();
        let last = async {
            let all = queries.iter().map(|query| provider.query(query).boxed());
            futures::future::select_all(all).await.0
        };
        assert!(matches!(last.await, Err(MetricError::Unavailable(_))));
    }

    #[tokio::test]
    async fn whether_a_server_can_be_reached_is_asked_once_in_one_instant() {
        let (slow, sharing) = (Arc::new(Slow::default()), Arc::new(Sharing::default()));
        let spec = ProviderSpec::new("x", "http://a");
        let providers: Vec<_> = (0..40).map(|_| sharing.share(&spec, slow.clone())).collect();
        let answers = answer_all(&slow, join_all(providers.iter().map(|p| p.check()))).await;
        assert_eq!((answers, slow.asked.load(Ordering::SeqCst)), (vec![Ok(()); 40], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_comes_before_the_deadline_or_not_at_all() {
        let (slow, sharing) = (Arc::new(Slow::default()), Arc::new(Sharing::default()));
        let mut spec = ProviderSpec::new("x", "http://a");
        spec.patience = Some(Duration::from_secs(9));
        let providers: Vec<_> = (0..=AT_ONCE).map(|_| sharing.share(&spec, slow.clone())).collect();
        let begin = tokio::time::Instant::now();
        let queries: Vec<_> = (0..=AT_ONCE).map(|n| n.to_string()).collect();
        let all = join_all(providers.iter().zip(&queries).map(|(p, query)| p.query(query))).await;
        assert_eq!(begin.elapsed().as_secs(), 9);
        let unreachable = all.iter().filter(|answer| matches!(answer, Err(MetricError::Unreachable(_))));
        assert_eq!(unreachable.count(), AT_ONCE, "{all:?}");
        assert!(matches!(all.last(), Some(Err(MetricError::Unavailable(_)))), "{all:?}");
        assert_eq!(sharing.servers.lock().unwrap().len(), 1);
    }
}
