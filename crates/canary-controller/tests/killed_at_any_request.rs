//! A controller that is killed at any request of the tutorial's rollout, before the request took effect or after it but
//! before the answer, and started again, ends as one that lived through it; and traffic always has pods to go to.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/farm.rs"]
mod farm;

use canary_sandbox::Verdict;
use farm::{End, Traffic, User, messages, objects, phase, run_process, sandbox};

/// Events that tell of a change of phase: at least one of each, whatever happens.
const TRANSITIONS: [&str; 5] = [
    "Initialization done! podinfo.test",
    "New revision detected! Scaling up podinfo.test",
    "Copying podinfo.test template spec to podinfo-primary.test",
    "Routing all traffic to primary",
    "Promotion completed! Scaling down podinfo.test",
];

#[test]
fn a_controller_killed_at_any_request_ends_as_one_that_lived() {
    let reference = sandbox();
    let mut traffic = Traffic::default();
    reference.after_each_request(move |request, view| traffic.inspect(request, view));
    assert_eq!(run_process(&reference, &User::default()), End::Done);
    assert_eq!(phase(&reference), "Succeeded");
    assert_eq!(reference.violations(), Vec::<String>::new());
    let expected = objects(&reference);
    let requests = reference.requests().total();
    assert!(requests > 40, "only {requests} requests");

    let mut kills = 0;
    for n in 1..=requests {
        for verdict in [Verdict::KillBefore, Verdict::KillAfter] {
            let sandbox = sandbox();
            let mut traffic = Traffic::default();
            sandbox.after_each_request(move |request, view| traffic.inspect(request, view));
            sandbox.intercept(move |request| if request.n == n { verdict } else { Verdict::Pass });
            let user = User::default();
            let first = run_process(&sandbox, &user);
            if first == End::Killed {
                kills += 1;
                sandbox.stop_intercepting();
                assert_eq!(run_process(&sandbox, &user), End::Done, "{verdict:?} at {n}");
            }
            let at = format!("{verdict:?} at request {n} of {requests}");
            assert_eq!(sandbox.violations(), Vec::<String>::new(), "{at}");
            assert_eq!(phase(&sandbox), "Succeeded", "{at}");
            let found = objects(&sandbox);
            for (name, object) in &expected {
                assert_eq!(found.get(name), Some(object), "{name}, {at}");
            }
            assert_eq!(found.len(), expected.len(), "{at}");
            let told = messages(&sandbox);
            for message in TRANSITIONS {
                assert!(told.iter().any(|m| m == message), "{message:?} was not told, {at}");
            }
        }
    }
    assert_eq!(kills, 2 * requests, "every request was one to be killed at");
}
