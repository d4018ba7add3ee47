//! Every router keeps the contract of routers, on the sandbox. The same on a real API server is in the workspace's `tests`.

#[path = "adapters/all.rs"]
mod adapters;

use canary_sandbox::router_contract;

use adapters::*;

router_contract!(apisix, Apisix);
router_contract!(appmesh_v1beta1, AppMesh("v1beta1"));
router_contract!(appmesh_v1beta2, AppMesh("v1beta2"));
router_contract!(contour, Contour);
router_contract!(gateway_api_v1, GatewayApi("v1"));
router_contract!(gateway_api_v1beta1, GatewayApi("v1beta1"));
router_contract!(gloo, Gloo);
router_contract!(istio, Istio);
router_contract!(knative, Knative);
router_contract!(kubernetes, Kubernetes);
router_contract!(kuma, Kuma);
router_contract!(nginx, Nginx);
router_contract!(skipper, Skipper);
router_contract!(smi_v1alpha1, Smi("v1alpha1"));
router_contract!(smi_v1alpha2, Smi("v1alpha2"));
router_contract!(smi_v1alpha3, Smi("v1alpha3"));
router_contract!(traefik, Traefik);
