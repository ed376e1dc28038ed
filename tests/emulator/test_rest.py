"""The REST front: as strict as Google's, with its bodies for errors."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starlake_gcp_emulator import GcpEmulator

CLUSTERS = "/v1/projects/p/regions/r/clusters"
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(gcp: GcpEmulator) -> Ask:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(gcp.rest_endpoint + path, data=content, method=verb)
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return send


def test_both_spellings_of_fields_and_durations_of_json_are_understood(ask: Ask, gcp: GcpEmulator) -> None:
    camel = {"clusterName": "a", "config": {"lifecycleConfig": {"idleDeleteTtl": "3600s"}}}
    snake = {"cluster_name": "b", "config": {"lifecycle_config": {"idle_delete_ttl": "3600s"}}}
    assert ask("POST", f"{CLUSTERS}?requestId=x", camel)[0] == 200
    assert ask("POST", CLUSTERS, snake)[0] == 200
    assert [view.config["lifecycle_config"]["idle_delete_ttl"] for view in gcp.all_clusters] == ["3600s", "3600s"]
    assert gcp.calls("CreateCluster")[0].request["request_id"] == "x"


@pytest.mark.parametrize(
    "body",
    [
        {"clusterName": "a", "colour": "red"},
        {"clusterName": "a", "config": {"idleDeleteTtl": "3600s"}},
        {"clusterName": "a", "config": {"lifecycleConfig": {"idleDeleteTtl": {"seconds": 3600}}}},
        {"clusterName": "a", "config": {"lifecycleConfig": {"idleDeleteTtl": 3600}}},
        {"clusterName": 1},
        ["clusterName"],
        b"{",
    ],
)
def test_what_the_message_does_not_have_is_refused(ask: Ask, gcp: GcpEmulator, body: Any) -> None:
    status, answer = ask("POST", CLUSTERS, body)
    assert status == 400
    assert answer["error"]["code"] == 400
    assert answer["error"]["status"] == "INVALID_ARGUMENT"
    assert "Invalid JSON payload" in answer["error"]["message"]
    assert gcp.journal == []


@pytest.mark.parametrize("query", ["colour=red", "pageSize=many", "page_token.x=1"])
def test_parameters_that_the_method_does_not_have_are_refused(ask: Ask, query: str) -> None:
    assert ask("GET", f"{CLUSTERS}?{query}")[0] == 400


def test_parameters_of_all_of_googles_services_are_taken(ask: Ask) -> None:
    assert ask("GET", f"{CLUSTERS}?alt=json&prettyPrint=false&key=k&pageSize=5&filter=labels.a%3Db") == (200, {})


def test_a_method_without_a_body_takes_none(ask: Ask) -> None:
    assert ask("DELETE", f"{CLUSTERS}/c", {"requestId": "r"})[0] == 400
    assert ask("DELETE", f"{CLUSTERS}/c", {})[1]["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize(("verb", "path"), [("GET", "/v1/nothing"), ("POST", f"{CLUSTERS}/c"), ("GET", "/v3")])
def test_other_paths_are_not_found(ask: Ask, verb: str, path: str) -> None:
    assert ask(verb, path)[0] == 404


def test_enumerations_are_told_by_name_or_by_number(ask: Ask, gcp: GcpEmulator) -> None:
    ask("POST", CLUSTERS, {"clusterName": "a"})
    gcp.wait_for(lambda gcp: gcp.clusters["a"].state == "RUNNING")
    assert ask("GET", f"{CLUSTERS}/a")[1]["status"]["state"] == "RUNNING"
    assert ask("GET", f"{CLUSTERS}/a?$alt=json;enum-encoding=int")[1]["status"]["state"] == 2


def test_a_query_reaches_fields_of_fields_and_truth_values(ask: Ask, gcp: GcpEmulator) -> None:
    assert ask("DELETE", "/v2/projects/p/locations/l/jobs/j?validateOnly=true&etag=x")[0] == 404
    assert gcp.calls("DeleteJob")[0].request["validate_only"] is True
    assert ask("DELETE", "/v2/projects/p/locations/l/jobs/j?validateOnly=perhaps")[0] == 400
    body = {"config": {"workerConfig": {"numInstances": 3}}}
    mask = "updateMask=config.workerConfig.numInstances,labels&gracefulDecommissionTimeout=60s"
    assert ask("PATCH", f"{CLUSTERS}/c?{mask}", body)[0] == 404
    sent = gcp.calls("UpdateCluster")[0].request
    assert sent["update_mask"] == "config.workerConfig.numInstances,labels"
    assert sent["graceful_decommission_timeout"] == "60s"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(name=st.sampled_from(["clusterName", "config", "labels", "status", "x"]), value=JSON, raw=st.binary(max_size=20))
def test_nothing_that_is_sent_makes_the_emulator_itself_fail(ask: Ask, name: str, value: Any, raw: bytes) -> None:
    for body in ({name: value}, value, raw):
        assert ask("POST", CLUSTERS, body)[0] in {200, 400, 409}
    assert ask("GET", f"{CLUSTERS}?pageSize=1")[0] == 200
