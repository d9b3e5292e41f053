"""How `[pool.kubernetes]` is read."""

from penstock.config.items import Field, Fields, record
from penstock.config.values import text
from penstock.model.pool_kubernetes import Kubernetes

KUBERNETES: Fields = {
    "image": Field(read=text, required=True, about="container image that agents run in"),
    "namespace": Field(read=text, into="space", about="namespace of the pods"),
}
KUBERNETES_RECORD = record(Kubernetes, KUBERNETES)
