"""How `[[pool.control]]` is read."""

from penstock.config.items import Field, Fields, record
from penstock.config.values import text
from penstock.model.pool_power import Control

CONTROL: Fields = {
    "machine": Field(read=text, required=True, about="name that the machine's agent gives"),
    "address": Field(read=text, required=True, about="its switch: ipmi://, redfish+https:// or wol://"),
}
CONTROL_RECORD = record(Control, CONTROL)
