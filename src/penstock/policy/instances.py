"""Whether a rented machine is the one that it says it is: what its provider tells it about itself, against the books."""

import msgspec

from penstock.model.pool_ec2 import Ec2


class Document(msgspec.Struct, frozen=True):
    """The part of an instance's identity document that is looked at. Source: "Instance identity documents"."""

    instance: str = msgspec.field(default="", name="instanceId")
    account: str = msgspec.field(default="", name="accountId")
    region: str = ""


def refusal(text: str, provider_id: str, said: Ec2) -> str:
    """Why an agent with this document is not on the machine that its secret was given to; "" where it is.

    `provider_id`: the instance that EC2 made for that machine by its own word, "" while it has not answered yet.
    """
    if not text:
        return "it does not say which instance it is on: start it with --cloud ec2"
    try:
        document = msgspec.json.decode(text.encode(), type=Document)
    except (msgspec.MsgspecError, UnicodeError):
        return "what it says about its instance is no identity document"
    if not provider_id:
        return "its provider has not said yet which instance it is: come again"
    found = {
        "instance": (document.instance, provider_id),
        "region": (document.region, said.region),
        "account": (document.account, said.account or document.account),
    }
    wrong = [what for what, (told, known) in found.items() if told != known]
    return f"it is on another {wrong[0]} than it was made for" if wrong else ""
