use std::convert::Infallible;
use std::sync::Mutex;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::clock::RuntimeClock;

const MINUTE: Duration = Duration::from_secs(60);

/// The part of an API server that keeps one Lease.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    lease: Option<Value>,
    version: u64,
}

/// How one client's requests fare.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    Up,
    Refused,
    Silent,
    /// Requests have their effect, and the answer is lost.
    Deaf,
}

impl Server {
    fn client(&self, line: &Arc<Mutex<Line>>) -> Client {
        let (server, line) = (self.clone(), Arc::clone(line));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (server, line) = (server.clone(), *line.lock().unwrap());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let refused = (StatusCode::INTERNAL_SERVER_ERROR, json!({"message": "down", "code": 500}));
                let (code, answer) = match line {
                    Line::Up => server.answer(&head.method, &body),
                    Line::Refused => refused,
                    Line::Silent => std::future::pending().await,
                    Line::Deaf => {
                        server.answer(&head.method, &body);
                        refused
                    }
                };
                let answer = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, Infallible>(Response::builder().status(code).body(answer).unwrap())
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &Method, body: &[u8]) -> (StatusCode, Value) {
        let refuse = |code: StatusCode, reason: &str| {
            (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                          "message": reason, "reason": reason, "code": code.as_u16()}),
            )
        };
        let mut stored = self.0.lock().unwrap();
        let present = stored.lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        if method == Method::GET {
            return match &stored.lease {
                Some(lease) => (StatusCode::OK, lease.clone()),
                None => refuse(StatusCode::NOT_FOUND, "NotFound"),
            };
        }
        let mut object: Value = serde_json::from_slice(body).unwrap();
        match (method == Method::POST, present) {
            (true, Some(_)) => return refuse(StatusCode::CONFLICT, "AlreadyExists"),
            (false, Some(version)) if version != object["metadata"]["resourceVersion"] => {
                return refuse(StatusCode::CONFLICT, "Conflict");
            }
            (false, None) => return refuse(StatusCode::NOT_FOUND, "NotFound"),
            (true, None) | (false, Some(_)) => {}
        }
        stored.version += 1;
        object["metadata"]["resourceVersion"] = json!(stored.version.to_string());
        stored.lease = Some(object.clone());
        (StatusCode::OK, object)
    }

    /// Changes the stored lease as a third party would.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut stored = self.0.lock().unwrap();
        stored.version += 1;
        let version = json!(stored.version.to_string());
        let lease = stored.lease.as_mut().unwrap();
        change(lease);
        lease["metadata"]["resourceVersion"] = version;
    }

    fn spec(&self) -> LeaseSpec {
        let stored = self.0.lock().unwrap();
        serde_json::from_value(stored.lease.as_ref().unwrap()["spec"].clone()).unwrap()
    }

    fn holder(&self) -> String {
        self.spec().holder_identity.unwrap()
    }
}

/// When somebody's work began and ended.
type Shift = Arc<Mutex<(Option<Instant>, Option<Instant>)>>;

/// Notes the end also when it is dropped.
struct AtWork(Shift);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.lock().unwrap().1 = Some(Instant::now());
    }
}

struct Candidate {
    line: Arc<Mutex<Line>>,
    shutdown: CancellationToken,
    shift: Shift,
    task: JoinHandle<Result<Option<&'static str>, LeadershipLost>>,
}

impl Candidate {
    /// A candidate whose work goes on for `tail` after it is told to stop.
    fn start(server: &Server, identity: &str, tail: Duration) -> Self {
        let line = Arc::new(Mutex::new(Line::Up));
        let shutdown = CancellationToken::new();
        let shift = Shift::default();
        let clock = Arc::new(RuntimeClock::starting_at(Timestamp::UNIX_EPOCH));
        let election = Election::new(server.client(&line), "kube-system", identity, clock);
        let at_work = AtWork(Arc::clone(&shift));
        let task = tokio::spawn(election.lead(shutdown.clone(), move |stop| async move {
            at_work.0.lock().unwrap().0 = Some(Instant::now());
            stop.cancelled().await;
            sleep(tail).await;
            "done"
        }));
        Self { line, shutdown, shift, task }
    }

    fn cut(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }

    fn began(&self) -> Option<Instant> {
        self.shift.lock().unwrap().0
    }

    fn ended(&self) -> Option<Instant> {
        self.shift.lock().unwrap().1
    }

    async fn until_working(&self) -> Instant {
        loop {
            if let Some(began) = self.began() {
                return began;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_the_other_follows_soon_after_a_release() {
    let server = Server::default();
    let first = Candidate::start(&server, "a", Duration::ZERO);
    first.until_working().await;
    let second = Candidate::start(&server, "b", Duration::ZERO);
    sleep(10 * MINUTE).await;
    assert_eq!((second.began(), server.holder().as_str()), (None, "a"));

    let stopped = Instant::now();
    first.shutdown.cancel();
    assert_eq!(first.task.await.unwrap(), Ok(Some("done")));
    let began = second.until_working().await;
    assert!(began - stopped <= Duration::from_secs(6), "{:?}", began - stopped);
    assert_eq!((server.holder().as_str(), server.spec().lease_transitions), ("b", Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_crashed_leader_is_followed_once_its_lease_was_seen_unchanged_for_its_length() {
    let server = Server::default();
    let first = Candidate::start(&server, "a", Duration::ZERO);
    first.until_working().await;
    let second = Candidate::start(&server, "b", Duration::ZERO);
    sleep(MINUTE).await;
    let crashed = Instant::now();
    first.task.abort();
    let waited = second.until_working().await - crashed;
    assert!(waited >= Duration::from_secs(55) && waited <= Duration::from_secs(70), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_held_until_the_work_has_stopped_and_only_then_released() {
    let server = Server::default();
    let first = Candidate::start(&server, "a", 5 * MINUTE);
    first.until_working().await;
    let second = Candidate::start(&server, "b", Duration::ZERO);
    first.shutdown.cancel();
    assert_eq!(first.task.await.unwrap(), Ok(Some("done")));
    assert!(second.until_working().await >= first.shift.lock().unwrap().1.unwrap());
    assert_eq!(server.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_its_work_at_the_deadline() {
    for line in [Line::Refused, Line::Silent] {
        let server = Server::default();
        let leader = Candidate::start(&server, "a", Duration::ZERO);
        leader.until_working().await;
        sleep(MINUTE).await;
        leader.cut(line);
        let cut = Instant::now();
        let shift = Arc::clone(&leader.shift);
        let lost = leader.task.await.unwrap().unwrap_err();
        assert!(lost.stopped, "{lost}");
        let waited = shift.lock().unwrap().1.unwrap() - cut;
        assert!(waited >= Duration::from_secs(9) && waited <= Duration::from_secs(15), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_stop_is_dropped_before_another_leads() {
    let server = Server::default();
    let stubborn = Candidate::start(&server, "a", 1000 * MINUTE);
    stubborn.until_working().await;
    let second = Candidate::start(&server, "b", Duration::ZERO);
    sleep(MINUTE).await;
    // The worst case: the last renewal takes effect, and the leader does not learn of it.
    stubborn.cut(Line::Deaf);
    sleep(Duration::from_secs(4)).await;
    stubborn.cut(Line::Silent);
    let began = second.until_working().await;
    let ended = stubborn.ended().expect("the work has ended");
    assert!(ended < began);
    assert!(!stubborn.task.await.unwrap().unwrap_err().stopped);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_touched_is_still_ours() {
    let server = Server::default();
    let leader = Candidate::start(&server, "a", Duration::ZERO);
    leader.until_working().await;
    for _ in 0..20 {
        server.edit(|lease| lease["metadata"]["annotations"] = json!({"looked-at": "yes"}));
        sleep(Duration::from_secs(7)).await;
    }
    assert_eq!((leader.ended(), server.holder().as_str()), (None, "a"));
    server.edit(|lease| lease["metadata"]["annotations"] = json!({"looked-at": "again"}));
    leader.shutdown.cancel();
    assert_eq!(leader.task.await.unwrap(), Ok(Some("done")));
    assert_eq!(server.holder(), "", "released in spite of the change");
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_was_taken_stops_at_its_next_renewal() {
    let server = Server::default();
    let leader = Candidate::start(&server, "a", Duration::ZERO);
    leader.until_working().await;
    server.edit(|lease| lease["spec"]["holderIdentity"] = json!("flagger"));
    let taken = Instant::now();
    assert!(leader.task.await.unwrap().is_err());
    assert!(taken.elapsed() <= Duration::from_secs(6));
    assert_eq!(server.holder(), "flagger");
}

#[tokio::test(start_paused = true)]
async fn of_many_candidates_for_a_new_lease_exactly_one_leads() {
    let server = Server::default();
    let all: Vec<Candidate> =
        ["a", "b", "c", "d"].map(|id| Candidate::start(&server, id, Duration::ZERO)).into();
    sleep(5 * MINUTE).await;
    assert_eq!(all.iter().filter(|candidate| candidate.began().is_some()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_is_told_to_stop_never_leads() {
    let server = Server::default();
    let first = Candidate::start(&server, "a", Duration::ZERO);
    first.until_working().await;
    let second = Candidate::start(&server, "b", Duration::ZERO);
    sleep(MINUTE).await;
    second.shutdown.cancel();
    assert_eq!(second.task.await.unwrap(), Ok(None));
    assert_eq!(server.holder(), "a");
}
