"""How `[pool.ec2]` is read, and what a pool of provider ec2 must and must not say beside it."""

import re
from typing import Any

from penstock.config.items import Desk, Field, Fields, Item, Refused, each, record, shown
from penstock.config.pool_tables import Needs, own_table, value_of
from penstock.config.values import choice, count, flag, positive, price, text
from penstock.model.pool_ec2 import Ec2, InstanceType, Subnet


def _shaped(pattern: str, example: str) -> Any:
    """Text of this shape."""

    def read(desk: Desk, item: Item, where: str) -> str:
        value = text(desk, item, where)
        if not re.fullmatch(pattern, value):
            raise Refused(f"{where} is {shown(value)}", f"write one such as {example}")
        return value

    return read


def _place(desk: Desk, item: Item, where: str) -> str:
    """A whole path: the hub may be started anywhere."""
    value = text(desk, item, where)
    if not value.startswith("/"):
        raise Refused(f"{where} is {shown(value)}", "write the whole path, such as /etc/penstock/amazon")
    return value


ZONE = r"[a-z]{2}(-[a-z]+)+-\d+[a-z]"
TYPE: Fields = {
    "name": Field(
        read=_shaped(r"[a-z0-9-]+\.[a-z0-9-]+", "m7i.large"), required=True, about="name, such as m7i.large"
    ),
    "price_per_hour": Field(
        read=price,
        into="price_per_hour_micros",
        about="what it costs; the type of least price for its speed is taken first",
    ),
    "speed": Field(read=positive, about="how fast it is beside the other types of the pool"),
}
SUBNET: Fields = {
    "zone": Field(read=_shaped(ZONE, "eu-west-1a"), required=True, about="availability zone of the subnet"),
    "id": Field(read=_shaped("subnet-[0-9a-f]+", "subnet-0a1b2c3d"), required=True, about="its id"),
}
EC2: Fields = {
    "region": Field(
        read=_shaped(r"[a-z]{2}(-[a-z]+)+-\d+", "eu-west-1"), required=True, about="region of the instances"
    ),
    "types": Field(
        read=each(record(InstanceType, TYPE), 'a list such as [{ name = "m7i.large" }]', empty=False),
        inner=TYPE,
        required=True,
        about="types of instances that will do; each is tried in each subnet",
    ),
    "subnets": Field(
        read=each(
            record(Subnet, SUBNET), 'a list such as [{ zone = "...", id = "subnet-..." }]', empty=False
        ),
        inner=SUBNET,
        required=True,
        about="subnets that instances may be in; one for each zone is enough",
    ),
    "image": Field(
        read=_shaped("ami-[0-9a-f]+", "ami-0a1b2c3d"),
        about="machine image of the instances; it can be left out where the launch template has one",
    ),
    "template": Field(
        read=text, about="launch template that the rest comes from: its id or name, :VERSION behind it"
    ),
    "market": Field(
        read=choice("on-demand", "spot"), about='"on-demand", or "spot": cheaper, and may be taken away'
    ),
    "security_groups": Field(
        read=each(_shaped("sg-[0-9a-f]+", "sg-0a1b2c3d"), 'a list such as ["sg-..."]'),
        about="security groups of the instances; none named = the subnet's default",
    ),
    "account": Field(
        read=_shaped(r"\d{12}", "123456789012"), about="account that the instances must say they are of"
    ),
    "identity_certificates": Field(
        read=_place,
        about="file of Amazon's RSA-2048 certificate of the region, or folder with REGION.pem: documents must be signed with it",
    ),
    "profile": Field(read=text, about="instance profile, where jobs need a role; best none"),
    "quotas": Field(
        read=flag, about="whether Service Quotas is asked what the account may run, once an hour"
    ),
    "hibernate": Field(read=flag, about="whether a suspended instance keeps its memory, too"),
    "public_address": Field(read=flag, about="whether instances get an address that the internet sees"),
    "disk": Field(
        read=_shaped("/dev/[a-z0-9]+", "/dev/xvda"),
        about="name of the image's root disk, for disk_gb and hibernate",
    ),
    "disk_gb": Field(read=count(), about="size of the root disk; 0 = as in the image"),
}
NEEDS = Needs("ec2", "region, types, subnets and image", "instances")
EC2_RECORD = record(Ec2, EC2)


def check_ec2(desk: Desk, pool: Item, farm: Any) -> None:
    """What is only seen beside the rest of the pool. `farm`: what [farm] holds, None where it is not there."""
    table = own_table(desk, pool, farm, NEEDS)
    if table is None:
        return
    _market(desk, pool, table)
    _image(desk, table)


def _market(desk: Desk, pool: Item, table: Item) -> None:
    """Spot and reclaim belong together; what is asked for once cannot be stopped by who asked for it."""
    spot, chance = value_of(table, "market") == "spot", value_of(pool, "reclaim_per_hour")
    if spot and not chance:
        desk.wrong(
            table.line,
            'market = "spot" without `reclaim_per_hour`',
            "write reclaim_per_hour = 0.05 in the pool",
        )
    if spot and value_of(pool, "resume_s") is not None:
        what = "spot instances cannot be stopped and started again"
        desk.wrong(pool.value["resume_s"].line, what, "remove resume_s and stopped_price_per_hour")
    if not spot and chance:
        desk.wrong(
            pool.value["reclaim_per_hour"].line,
            "instances on demand are not reclaimed",
            'write market = "spot"',
        )
    if spot and value_of(table, "hibernate"):
        desk.wrong(
            table.value["hibernate"].line, "spot instances cannot be hibernated by us", "remove `hibernate`"
        )


def _image(desk: Desk, table: Item) -> None:
    if value_of(table, "image") is None and value_of(table, "template") is None:
        desk.wrong(table.line, "[pool.ec2] has neither `image` nor `template`", 'write image = "ami-..."')
