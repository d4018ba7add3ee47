//! Scratch.
use canary_core::*;
use canary_routers::{LiveObjects, ObjectError, Objects};
use kube::core::ApiResource;
use serde_json::{Value, json};
use std::sync::Arc;
struct Counting(LiveObjects, std::sync::atomic::AtomicUsize);
#[async_trait::async_trait]
impl Objects for Counting {
    async fn get(&self, k: &ApiResource, ns: &str, n: &str) -> Result<Option<Value>, ObjectError> {
        self.0.get(k, ns, n).await
    }
    async fn create(&self, k: &ApiResource, o: &Value) -> Result<Value, ObjectError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.create(k, o).await
    }
    async fn replace(&self, k: &ApiResource, o: &Value) -> Result<Value, ObjectError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.replace(k, o).await
    }
    async fn merge(&self, k: &ApiResource, ns: &str, n: &str, p: &Value) -> Result<Value, ObjectError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.merge(k, ns, n, p).await
    }
    async fn delete(&self, k: &ApiResource, ns: &str, n: &str) -> Result<(), ObjectError> {
        self.0.delete(k, ns, n).await
    }
}
#[tokio::test]
async fn live() {
    if std::env::var("LIVE").is_err() {
        return;
    }
    let objects =
        Arc::new(Counting(LiveObjects::new(kube::Client::try_default().await.unwrap()), Default::default()));
    let writes = || objects.1.swap(0, std::sync::atomic::Ordering::SeqCst);
    let settings = Arc::new(super::WorkloadSettings::from(&crate::Settings::default()));
    for kind in ["Deployment", "DaemonSet"] {
        let w: Box<dyn crate::workload::ServedWorkload> = if kind == "Deployment" {
            Box::new(super::Deployments::new(objects.clone(), settings.clone()))
        } else {
            Box::new(super::DaemonSets::new(objects.clone(), settings.clone()))
        };
        let res = if kind == "Deployment" {
            super::Kind::Deployment.resource()
        } else {
            super::Kind::DaemonSet.resource()
        };
        let owner = Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "26c0c068-70d1-42c0-acbe-b53818cbdfa3".into(),
        };
        let mut spec = WorkloadSpec::new("default", owner.clone(), format!("web-{}", kind.to_lowercase()));
        let _ = objects.0.delete(&res, "default", &spec.target).await;
        let _ = objects.0.delete(&res, "default", &format!("{}-primary", spec.target)).await;
        let d: Value = serde_json::from_str(&std::fs::read_to_string("/tmp/w/wlc/d.json").unwrap()).unwrap();
        let mut t = d["spec"]["template"].clone();
        t["spec"]["volumes"] =
            json!([{"name": "f", "configMap": {"name": "files"}}, {"name":"e","emptyDir":{}}]);
        t["spec"]["initContainers"] = json!([]);
        let mut o = json!({"apiVersion":"apps/v1","kind":kind,"metadata":{"name":spec.target,"namespace":"default","annotations":{"a":"b"}},"spec":{"selector":{"matchLabels":{"app":"podinfo"}},"template":t}});
        if kind == "Deployment" {
            o["spec"]["replicas"] = 2.into();
        }
        objects.0.create(&res, &o).await.unwrap();
        let cm = ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&());
        let _ = objects.0.delete(&cm, "default", "files").await;
        let _ = objects.0.delete(&cm, "default", "files-primary").await;
        objects.0.create(&cm, &json!({"metadata":{"name":"files","namespace":"default"},"data":{"a":"b"},"binaryData":{"x":"AA=="}})).await.unwrap();
        writes();
        let step = || tokio::time::sleep(std::time::Duration::from_secs(4));
        w.ensure_primary(&spec).await.unwrap();
        println!("{kind} ensure {}", writes());
        w.ensure_primary(&spec).await.unwrap();
        println!("{kind} ensure again {}", writes());
        step().await;
        let st = w.observe(&spec, Timestamp::now()).await.unwrap();
        println!("{st:?}");
        w.promote(&spec, &st.target.revision).await.unwrap();
        println!("{kind} promote same {}", writes());
        step().await;
        w.promote(&spec, &st.target.revision).await.unwrap();
        println!("{kind} promote same again {}", writes());
        objects
            .0
            .merge(
                &res,
                "default",
                &spec.target,
                &json!({"spec":{"template":{"metadata":{"annotations":{"x":"y"}}}}}),
            )
            .await
            .unwrap();
        step().await;
        let st = w.observe(&spec, Timestamp::now()).await.unwrap();
        println!("{st:?}");
        w.promote(&spec, &st.target.revision).await.unwrap();
        println!("{kind} promote new {}", writes());
        step().await;
        w.promote(&spec, &st.target.revision).await.unwrap();
        println!("{kind} promote new again {}", writes());
        let r = w.observe(&spec, Timestamp::now()).await.unwrap();
        println!("{} {:?}", r.target.matches_primary, r.primary);
        w.scale_target(&spec, Scale::Zero).await.unwrap();
        println!("zero {}", writes());
        w.scale_target(&spec, Scale::Zero).await.unwrap();
        println!("zero again {}", writes());
        step().await;
        let r2 = w.observe(&spec, Timestamp::now()).await.unwrap();
        println!("{r2:?} {}", r2.target.revision == r.target.revision);
        w.promote(&spec, &st.target.revision).await.unwrap();
        println!("{kind} promote at rest {}", writes());
        w.scale_target(&spec, Scale::Up).await.unwrap();
        println!("up {}", writes());
        w.scale_target(&spec, Scale::Up).await.unwrap();
        println!("up again {}", writes());
        let mut route = RouteSpec::new("default", "podinfo", spec.target.clone());
        route.port_discovery = true;
        route.target_port = Some(TargetPort::Number(8080));
        route.port_name = "web".into();
        let pods = w.pods(&spec, &route).await.unwrap();
        let options = crate::services::ServiceOptions::default();
        let s =
            crate::services::ServicesSpec { route: &route, owner: &owner, pods: &pods, options: &options };
        for n in ["", "-primary", "-canary"] {
            let _ = objects
                .0
                .delete(
                    &ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&()),
                    "default",
                    &format!("{}{n}", spec.target),
                )
                .await;
        }
        let services = crate::services::Services::new(objects.clone());
        services.ensure_services(s).await.unwrap();
        services.ensure_apex(s).await.unwrap();
        println!("services {}", writes());
        services.ensure_services(s).await.unwrap();
        services.ensure_apex(s).await.unwrap();
        println!("services again {}", writes());
        spec.autoscaler = Some(Autoscaler {
            kind: "HorizontalPodAutoscaler".into(),
            name: "hpa".into(),
            primary_max: Some(7),
            ..Autoscaler::default()
        });
        let h = ApiResource::erase::<k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler>(&());
        let _ = objects.0.delete(&h, "default", "hpa").await;
        let _ = objects.0.delete(&h, "default", "hpa-primary").await;
        objects.0.create(&h, &json!({"metadata":{"name":"hpa","namespace":"default"},"spec":{"maxReplicas":4,"scaleTargetRef":{"apiVersion":"apps/v1","kind":kind,"name":spec.target},"behavior":{"scaleDown":{"stabilizationWindowSeconds":10}}}})).await.unwrap();
        let a = crate::autoscaler::Autoscalers::new(objects.clone());
        a.ensure(&spec).await.unwrap();
        println!("hpa {}", writes());
        a.update(&spec).await.unwrap();
        println!("hpa update {}", writes());
    }
}
