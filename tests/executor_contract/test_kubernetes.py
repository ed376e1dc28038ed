"""The sample executor of Kubernetes Jobs keeps the contract: a backend of one's own gets by with the seam."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from ai.starlake.executor.remote import RemoteExecutor
from ai.starlake.testing.executor_contract import ContractBench, ExecutorContract
from tests.samples.kubernetes.fake_kubernetes import FakeKubernetes
from tests.samples.kubernetes.sample import sample_module


class TestKubernetesExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, bench: ContractBench) -> Iterator[RemoteExecutor]:
        with sample_module() as sample, FakeKubernetes([str(bench.starlake)]) as kubernetes:
            options = sample.KubernetesOptions.read({"kubernetes_image": "starlake"})
            connect = partial(sample.KubernetesJobs, api=sample.KubernetesApi(kubernetes.url), options=options)
            yield RemoteExecutor(connect, interval=0.02, tolerance=5, facts=bench.facts)
