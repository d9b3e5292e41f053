"""How `[pool.ec2]` is read."""

from penstock.config.items import Field, Fields, record
from penstock.config.values import text
from penstock.model.pool_ec2 import Ec2

EC2: Fields = {
    "region": Field(read=text, required=True, about="region of the instances"),
    "image": Field(read=text, required=True, about="machine image of the instances"),
}
EC2_RECORD = record(Ec2, EC2)
