"""Uses a cluster through the official Python client: lists, pages, watches, patches, evicts, and is refused.

Usage: python_client.py KUBECONFIG
"""
import sys

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException


def refused(status, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ApiException as error:
        assert error.status == status, (error.status, error.body)
        return error
    raise AssertionError("expected status %d" % status)


def main(kubeconfig):
    config.load_kube_config(kubeconfig)
    core, apps, policy = client.CoreV1Api(), client.AppsV1Api(), client.PolicyV1Api()
    nodes = core.list_node().items
    pods = core.list_pod_for_all_namespaces().items
    assert nodes and pods and all(node.spec.provider_id.startswith("aws:///") for node in nodes)

    paged, token = [], None
    while True:
        page = core.list_pod_for_all_namespaces(limit=7, _continue=token)
        paged += [pod.metadata.uid for pod in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert sorted(paged) == sorted(pod.metadata.uid for pod in pods), "pages do not add up to the list"

    web = core.list_pod_for_all_namespaces(label_selector="app in (web),app!=api").items
    assert web and all(pod.metadata.labels["app"] == "web" for pod in web)
    node = nodes[0].metadata.name
    here = core.list_pod_for_all_namespaces(field_selector="spec.nodeName=" + node).items
    assert here and all(pod.spec.node_name == node for pod in here)

    before = core.list_node()
    patched = core.patch_node(node, {"spec": {"unschedulable": True}, "metadata": {"annotations": {"a": "b"}}})
    assert patched.spec.unschedulable and patched.metadata.annotations["a"] == "b"
    seen = []
    watcher = watch.Watch()
    for event in watcher.stream(core.list_node, resource_version=before.metadata.resource_version, timeout_seconds=5):
        seen.append((event["type"], event["object"].metadata.name))
        watcher.stop()
    assert seen == [("MODIFIED", node)], seen
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"unschedulable": False}}
    refused(409, core.patch_node, node, stale)

    budget = policy.list_namespaced_pod_disruption_budget("kube-system").items[0]
    dns = [pod for pod in pods if pod.metadata.labels.get("app") == "coredns"]
    assert budget.status.disruptions_allowed == 1 and len(dns) == 2

    def evict(pod, uid=None):
        name, namespace = pod.metadata.name, pod.metadata.namespace
        options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=uid or pod.metadata.uid))
        body = client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace=namespace), delete_options=options)
        return core.create_namespaced_pod_eviction(name, namespace, body)

    refused(409, evict, dns[0], uid="00000000-0000-4000-8000-000000000000")
    evict(dns[0])
    error = refused(429, evict, dns[1])
    assert "DisruptionBudget" in error.body and "needs 1 healthy pods and has 1 currently" in error.body, error.body
    deployment = apps.read_namespaced_deployment("coredns", "kube-system")
    scaled = apps.patch_namespaced_deployment_scale("coredns", "kube-system", {"spec": {"replicas": 3}})
    assert scaled.spec.replicas == 3 and deployment.spec.replicas == 2
    created = core.create_namespaced_event("default", client.CoreV1Event(
        metadata=client.V1ObjectMeta(generate_name="drain-"), reason="Drained", message="ok", type="Normal",
        involved_object=client.V1ObjectReference(kind="Node", name=node)))
    assert created.metadata.name.startswith("drain-") and created.metadata.uid
    rules = client.AuthorizationV1Api().create_self_subject_rules_review(
        client.V1SelfSubjectRulesReview(spec=client.V1SelfSubjectRulesReviewSpec(namespace="default")))
    assert rules.status.resource_rules
    metrics = client.CustomObjectsApi().list_cluster_custom_object("metrics.k8s.io", "v1beta1", "nodes")
    assert len(metrics["items"]) == len(nodes)
    refused(404, core.read_namespaced_pod, "nobody", "default")
    core.patch_node(node, {"spec": {"unschedulable": None}})
    print("ok: %d nodes, %d pods" % (len(nodes), len(pods)))


if __name__ == "__main__":
    main(*sys.argv[1:])
