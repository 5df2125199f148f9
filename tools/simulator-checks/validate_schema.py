"""Validates every object that a cluster serves (except metrics.k8s.io) against the definitions of Kubernetes.

Usage: validate_schema.py KUBECONFIG DEFINITIONS.json.gz
Unknown fields count as errors. Prints one line per kind; ends with status 1 when an object is not valid.
"""
import collections
import gzip
import json
import ssl
import sys
import urllib.request

import jsonschema
from kubernetes import client, config


def definitions(path):
    with gzip.open(path) as file:
        schema = json.load(file)
    by_kind = {}
    for name, definition in schema["$defs"].items():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
        parts = name.split(".")
        if name.startswith("io.k8s.api."):
            by_kind[(parts[-3], parts[-2], parts[-1])] = name
    return schema, by_kind


def resources(api):
    yield "v1", get(api, "/api/v1")
    for group in get(api, "/apis")["groups"]:
        version = group["preferredVersion"]["groupVersion"]
        yield version, get(api, "/apis/" + version)


def get(settings, path):
    request = urllib.request.Request(settings.host + path, headers={
        "Authorization": settings.get_api_key_with_prefix("BearerToken") or settings.get_api_key_with_prefix("authorization")})
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    with urllib.request.urlopen(request, context=context) as response:
        return json.load(response)


def main(kubeconfig, path):
    config.load_kube_config(kubeconfig)
    api = client.Configuration.get_default_copy()
    schema, by_kind = definitions(path)
    counts, failures = collections.Counter(), []
    for group_version, listing in resources(api):
        if group_version.startswith("metrics.k8s.io"):
            continue
        base = ("/api/" if group_version == "v1" else "/apis/") + group_version
        group = "core" if group_version == "v1" else group_version.split("/")[0].split(".")[0]
        version = group_version.split("/")[-1]
        for resource in listing["resources"]:
            if "list" not in resource["verbs"]:
                continue
            name = by_kind[(group, version, resource["kind"])]
            validator = jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/" + name})
            counts[resource["kind"]] += 0
            for item in get(api, base + "/" + resource["name"])["items"]:
                counts[resource["kind"]] += 1
                for error in validator.iter_errors(item):
                    failures.append("%s %s: %s: %s" % (
                        resource["kind"], item["metadata"]["name"], "/".join(map(str, error.absolute_path)), error.message))
    for kind, count in sorted(counts.items()):
        print("%s: %d" % (kind, count))
    for failure in failures[:40]:
        print("INVALID " + failure)
    print("%d objects, %d failures" % (sum(counts.values()), len(failures)))
    return 1 if failures or not counts["Pod"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
