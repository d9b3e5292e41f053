"""GET /metrics: the farm's figures in the text format of Prometheus."""

from typing import Any

from litestar import Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from penstock.hub.census import Census
from penstock.hub.context import Hub
from penstock.hub.metrics import FAMILIES, Metrics, Sample
from penstock.model.people import Role
from penstock.web.calls import Call

MEDIA = "text/plain"
KINDS: dict[str, Any] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}
FORM = f"{MEDIA}; version=0.0.4"  # the framework adds the charset


def metrics_call(hub: Hub, census: Census) -> Call:
    """The call, over one hub."""
    metrics = Metrics(hub, census)
    return Call(
        method="GET",
        path="/metrics",
        name="read_metrics",
        text="Figures for a monitoring system, in the text format of Prometheus, version 0.0.4.",
        run=lambda said: Response(text_of(metrics.samples()), media_type=FORM),
        role=Role.VIEWER,
        media=MEDIA,
    )


class _Found(Collector):
    """Figures of one moment, as the library takes them."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def collect(self) -> list[Metric]:
        """Families in the order of FAMILIES, those of which nothing is known left out."""
        found = {name: KINDS[one.kind](name, one.text, labels=one.labels) for name, one in FAMILIES.items()}
        for sample in self._samples:
            if FAMILIES[sample.name].kind == "histogram":
                found[sample.name].add_metric(sample.labels, sample.buckets, sample.value)
            else:
                found[sample.name].add_metric(sample.labels, sample.value)
        return [family for family in found.values() if family.samples]


def text_of(samples: list[Sample]) -> bytes:
    """Samples as text. One registry for each answer: nothing is counted in this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(samples))
    return generate_latest(registry)
