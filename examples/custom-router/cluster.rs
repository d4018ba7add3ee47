//! The cluster of the example, which is simulated, and its user, who applies a new image.
#![allow(clippy::print_stdout, reason = "it is what an example is for")]

use std::error::Error;
use std::sync::{Arc, Mutex};

use canary_controller::{Controller, RuntimeClock};
use canary_routers::kube::Client;
use canary_sandbox::{Sandbox, drive};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Lets the controller release one revision. It fails unless the revision is promoted.
pub(crate) async fn play(controller: impl FnOnce(Client) -> Controller) -> Result<(), Box<dyn Error>> {
    let (begin, stop) = ("2026-01-01T00:00:00Z".parse()?, CancellationToken::new());
    let sandbox = Sandbox::new(begin);
    for definition in canary_api::crds() {
        sandbox.put_object(serde_json::to_value(definition)?)?;
    }
    for object in [include_str!("deployment.yaml"), include_str!("canary.yaml")] {
        sandbox.put_object(serde_saphyr::from_str(object)?)?;
    }
    let seen = percentages(&sandbox);
    let clock = Arc::new(RuntimeClock::starting_at(begin));
    let controller = controller(sandbox.client("default")).with_clock(clock);
    let played = async {
        let outcome = roll_out(&sandbox).await;
        stop.cancel();
        outcome
    };
    tokio::select! {
        (ended, outcome) = async { tokio::join!(controller.run(stop.clone()), played) } => {
            ended?;
            outcome?;
        }
        never = drive(sandbox.clone(), begin) => match never {},
    }
    let seen = seen.lock().map_err(|error| error.to_string())?;
    assert_eq!(*seen, ["0", "20", "40", "60", "0"], "percentages that the load balancer was given");
    Ok(())
}

/// Notes each percentage that the load balancer is given, and shows it.
fn percentages(sandbox: &Sandbox) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::<String>::new()));
    let noted = Arc::clone(&seen);
    sandbox.after_each_request(move |_, view| {
        let map = view.get("configmaps", "test", "podinfo-balancer").unwrap_or_default();
        let mut noted = noted.lock().map_err(|error| error.to_string())?;
        if let Some(percent) = map["data"]["percent"].as_str().filter(|p| noted.last().is_none_or(|s| s != p))
        {
            println!("{}  {percent:>3} % to the canary", view.now().strftime("%H:%M:%S"));
            noted.push(percent.to_owned());
        }
        Ok(())
    });
    seen
}

/// Applies a new image once the canary is ready for it, and waits for the end.
async fn roll_out(sandbox: &Sandbox) -> Result<(), Box<dyn Error>> {
    let mut applied = false;
    loop {
        let canary = sandbox.get("canaries.flagger.app", "test", "podinfo").unwrap_or_default();
        match canary["status"]["phase"].as_str().unwrap_or_default() {
            "Initialized" if !applied => {
                applied = true;
                sandbox.patch_object("deployments.apps", "test", "podinfo", &new_image())?;
            }
            "Succeeded" | "Failed" => return Ok(()),
            _ => sandbox.stirred().await,
        }
    }
}

fn new_image() -> Value {
    let container = json!({"name": "podinfod", "image": "ghcr.io/stefanprodan/podinfo:6.0.1"});
    json!({"spec": {"template": {"spec": {"containers": [container]}}}})
}
