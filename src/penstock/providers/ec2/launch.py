"""What is asked of EC2 for one machine: offers, the parameters of RunInstances, the script of its first boot."""

import hashlib
import shlex
from typing import Any

import msgspec

from penstock.model.pool_ec2 import Ec2, InstanceType, Subnet
from penstock.model.pool_foreign import OURS
from penstock.model.rented import Offer, Order
from penstock.model.rules import Pool
from penstock.providers import serving
from penstock.providers.ec2 import known
from penstock.providers.starting import MINUTE_MS, agent_words

HOME = "/var/lib/penstock"
CLOUD_WORDS = ["--cloud", "ec2"]
"""The agent says which instance it is on, and listens for its end."""

FIRST_BOOT = """#!/bin/sh
set -eu
umask 077
{guard}
mkdir -p {home}
printf '%s\\n' {secret} > {home}/token
cat > {home}/start <<'PENSTOCK'
#!/bin/sh
exec python3 {home}/agent.pyz {words}
PENSTOCK
cat > /etc/systemd/system/penstock-agent.service <<'PENSTOCK'
[Unit]
Description=Penstock agent
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh {home}/start
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
PENSTOCK
until python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])' {agent} {home}/agent.pyz
do sleep 2
done
systemctl daemon-reload
systemctl enable --now penstock-agent.service
{stand_down}
"""
"""Run once, as root, by cloud-init. Until the agent stands guard a timer of the system does."""


class Choice(msgspec.Struct, frozen=True):
    """What an offer's name stands for."""

    type: InstanceType
    subnet: Subnet


def choices(said: Ec2) -> dict[str, Choice]:
    """Every type in every subnet, by the name of the offer: "m7i.large/eu-west-1a/spot"."""
    pairs = [(type_, subnet) for type_ in said.types for subnet in said.subnets]
    return {f"{type_.name}/{subnet.zone}/{said.market}": Choice(type_, subnet) for type_, subnet in pairs}


def offer_of(pool: Pool, name: str, choice: Choice, quota_left: int | None) -> Offer:
    """How it is offered; the price is the type's own where it has one."""
    own = choice.type.price_per_hour_micros
    return Offer(
        name=name,
        price_per_hour_micros=pool.price_per_hour_micros if own is None else own,
        stopped_price_per_hour_micros=pool.stopped_price_per_hour_micros,
        boot=pool.boot,
        resume=pool.resume,
        quota_left=quota_left,
        reclaimed=pool.reclaim_per_hour > 0,
        speed=choice.type.speed,
    )


def client_token(order: Order) -> str:
    """64 letters, as many as EC2 takes: the same for the same order of the same offer, no other's."""
    return hashlib.sha256(f"{order.token} {order.offer}".encode()).hexdigest()


def parameters(pool: Pool, said: Ec2, choice: Choice, order: Order) -> dict[str, Any]:
    """All of RunInstances. What powers itself off is gone, not stopped: nobody pays for the disk of a forgotten machine."""
    asked: dict[str, Any] = {
        "ClientToken": client_token(order),
        "MinCount": 1,
        "MaxCount": 1,
        "InstanceType": choice.type.name,
        "UserData": first_boot(pool, order),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
            "HttpEndpoint": "enabled",
        },
        "NetworkInterfaces": [_interface(said, choice.subnet)],
        "TagSpecifications": _tags(said, order),
    }
    if known.limit_s(pool):
        asked["MetadataOptions"]["InstanceMetadataTags"] = "enabled"
    if said.image:
        asked["ImageId"] = said.image
    if said.template:
        asked["LaunchTemplate"] = _template(said.template)
    if said.profile:
        asked["IamInstanceProfile"] = {"Name": said.profile}
    if said.hibernate:
        asked["HibernationOptions"] = {"Configured": True}
    if said.hibernate or said.disk_gb:
        asked["BlockDeviceMappings"] = [_disk(said)]
    if said.market == "spot":
        once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        asked["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": once}
    return asked


def first_boot(pool: Pool, order: Order) -> str:
    """The script that fetches the agent from the hub and keeps it running, also after a stop and a start."""
    if pool.agent != OURS:
        return serving.first_boot(pool, order, HOME, known.guard(pool, HOME))
    words = agent_words(pool, order, f"{HOME}/token", f"{HOME}/work") + CLOUD_WORDS
    if order.hub.startswith("http://"):
        words.append("--insecure")
    minutes = -(-pool.power_off_after_ms // MINUTE_MS)
    return FIRST_BOOT.format(
        home=HOME,
        secret=shlex.quote(order.secret),
        words=shlex.join(words),
        agent=shlex.quote(f"{order.hub.rstrip('/')}/agent.pyz"),
        guard=f"shutdown -P +{minutes}" if minutes else "",
        stand_down=f"until [ -e {HOME}/work/dead-man ]; do sleep 1; done; shutdown -c" if minutes else "",
    )


def _interface(said: Ec2, subnet: Subnet) -> dict[str, Any]:
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet.id,
        "AssociatePublicIpAddress": said.public_address,
        "DeleteOnTermination": True,
    }
    return interface | ({"Groups": list(said.security_groups)} if said.security_groups else {})


def _tags(said: Ec2, order: Order) -> list[dict[str, Any]]:
    """Everything that is made carries them, so that nothing is left without an owner."""
    named = {**order.tags, "Name": order.name} if order.name else order.tags
    tags = [{"Key": key, "Value": value} for key, value in named.items()]
    kinds = ["instance", "volume"] + (["spot-instances-request"] if said.market == "spot" else [])
    return [{"ResourceType": kind, "Tags": tags} for kind in kinds]


def _template(text: str) -> dict[str, str]:
    name, _, version = text.partition(":")
    key = "LaunchTemplateId" if name.startswith("lt-") else "LaunchTemplateName"
    return {key: name} | ({"Version": version} if version else {})


def _disk(said: Ec2) -> dict[str, Any]:
    """Memory is written to the root disk, which EC2 wants encrypted then."""
    disk: dict[str, Any] = {"DeleteOnTermination": True}
    if said.hibernate:
        disk["Encrypted"] = True
    if said.disk_gb:
        disk["VolumeSize"] = said.disk_gb
    return {"DeviceName": said.disk, "Ebs": disk}
