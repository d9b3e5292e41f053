"""Whether a rented machine is the one that it says it is: what its provider tells it about itself, against the books and against
what the provider says of it to us."""

from datetime import datetime

import msgspec

from penstock.model.machine import Machine
from penstock.model.pool_ec2 import Ec2
from penstock.model.rented import TAG_FARM, TAG_MACHINE, Shown

NEAR_MS = 300_000
"""The moments at which a document and its provider say that an instance was started may be so far apart."""
THERE = ("coming", "up")


class Document(msgspec.Struct, frozen=True):
    """The part of an instance's identity document that is looked at. Source: "Instance identity documents"."""

    instance: str = msgspec.field(default="", name="instanceId")
    account: str = msgspec.field(default="", name="accountId")
    region: str = ""
    pending: str = msgspec.field(default="", name="pendingTime")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an instance beside what its agent says. `unsigned`: why its document is not vouched for, "" where it is,
    or where nobody is asked to. `shown`: the instance as its provider has it now, None = it has no such one."""

    unsigned: str = ""
    shown: Shown | None = None


def refusal(text: str, machine: Machine, said: Ec2, farm: str, evidence: Evidence | None) -> str:
    """Why an agent with this document is not on the machine that its secret was given to; "" where it is.

    `farm`: whose tags the instance must carry. `evidence`: None where nobody could be asked.
    """
    if not text:
        return "it does not say which instance it is on: start it with --cloud ec2"
    document = read(text)
    if document is None:
        return "what it says about its instance is no identity document"
    if evidence is not None and evidence.unsigned:
        return evidence.unsigned
    if not machine.provider_id:
        return "its provider has not said yet which instance it is: come again"
    found = {
        "instance": (document.instance, machine.provider_id),
        "region": (document.region, said.region),
        "account": (document.account, said.account or document.account),
    }
    wrong = [what for what, (told, known) in found.items() if told != known]
    if wrong:
        return f"it is on another {wrong[0]} than it was made for"
    return _otherwise(document, machine, farm, evidence) if evidence is not None else ""


def read(text: str) -> Document | None:
    """An identity document; None where the text is none."""
    try:
        return msgspec.json.decode(text.encode(), type=Document)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def started_ms(document: Document | None) -> int:
    """When an instance was started by its own word, UTC; 0 where it does not say so."""
    try:
        when = datetime.fromisoformat(document.pending if document else "")
        # What says no zone is no moment.
        return round(when.timestamp() * 1000) if when.tzinfo else 0
    except ValueError:
        return 0


def _otherwise(document: Document, machine: Machine, farm: str, evidence: Evidence) -> str:
    """What its provider says otherwise."""
    shown = evidence.shown
    if shown is None:
        return f"its provider does not list {machine.provider_id}: come again"
    tags = shown.instance.tags
    if (tags.get(TAG_FARM), tags.get(TAG_MACHINE)) != (farm, machine.id):
        return f"{machine.provider_id} does not carry the tags of this machine"
    if shown.instance.state not in THERE:
        return f"its provider says that {machine.provider_id} is {shown.instance.state}"
    if (document.account, document.region) != (shown.account, shown.region):
        return f"its provider has {machine.provider_id} in {shown.account}, {shown.region}"
    if abs(started_ms(document) - shown.started_ms) > NEAR_MS:
        return "its identity document is not of the last start of its instance"
    return ""
