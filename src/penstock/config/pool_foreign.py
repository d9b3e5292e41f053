"""How `[pool.serves]` is read."""

from penstock.config.items import Field, Fields, record
from penstock.config.values import text
from penstock.model.pool_foreign import Serves

SERVES: Fields = {
    "url": Field(read=text, required=True, about="address of the other system's REST interface"),
}
SERVES_RECORD = record(Serves, SERVES)
