"""The agents' calls as data, for their description: what web.agents serves, told so that anybody can write an agent."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from penstock.web import documents as d
from penstock.web.calls import Call
from penstock.wire import messages as wire

BASE = "/api/v1/agent"
FENCE = {wire.FENCE_HEADER: "The fence of the offer."}
RAW = "application/octet-stream"
TAR = "application/x-tar"
FORWARD = "penstock-forward"
"""What a connection becomes that leads through the hub."""
ATTEMPT: Mapping[str, Any] = {"attempt": d.Id}
OUTPUT: Mapping[str, Any] = {**ATTEMPT, "name": d.OutputName}
STOP = {404: d.Problem, 409: wire.Refused}


class Offset(msgspec.Struct):
    """Where this piece begins, in bytes: what the call before answered."""

    offset: Annotated[int, Meta(ge=0, le=1 << 53)]


class Host(msgspec.Struct):
    """Where the connection shall go."""

    to: Annotated[
        str,
        Meta(
            min_length=1,
            description="HOST:PORT, a name, or an address as URLs write it.",
            examples=["files.example.org:443", "[2001:db8::1]:443"],
        ),
    ]


def _call(name: str, path: str, text: str, **more: Any) -> Call:
    more["errors"] = {503: d.NotNow, **more["errors"]}
    return Call(
        **({"method": "POST", "security": "agent", "tag": "agent"} | more),
        name=name,
        path=f"{BASE}/{path}",
        text=text,
    )


AGENT_CALLS: tuple[Call, ...] = (
    _call(
        "register",
        "register",
        """Begins a session.

With an enrolment token, which is good once: the answer's `credential` is the machine's own from then on. The same
token and `key` may register again for ten minutes, in case the answer was lost. The machine's older session ends; of
what `holds` names the answer says what to do, what ran and is not named is lost at once.""",
        security="enrolment",
        body=wire.Register,
        answer=wire.Registered,
        errors={409: wire.Refused},
    ),
    _call(
        "poll",
        "poll",
        """Says what the agent has room for and holds; answers what to do.

The one call that an agent needs in a loop: it renews every attempt that it names, and may carry acknowledgements and
finishes, so that one round trip says everything. It is kept open up to `wait_s` (30 s at most) until there is an offer
or an order. `call` rises with every call of a session; 409 for one that does not, which changes nothing. An attempt
that was acknowledged and is no longer named is lost at once; an offer that was not acknowledged is returned again.""",
        body=wire.Poll,
        answer=wire.Polled,
        errors={409: wire.Refused},
    ),
    _call(
        "acknowledge",
        "attempts/{attempt}/acknowledge",
        """Takes an offer; from now the right to the attempt runs.

Remembered by its body: a repeat gets the first answer again. 409 says that the right has ended, or that another body
was sent before: stop the attempt and upload nothing more.""",
        names=ATTEMPT,
        body=wire.Acknowledge,
        answer=wire.Accepted,
        errors=STOP,
    ),
    _call(
        "renew",
        "attempts/{attempt}/renew",
        """Extends the right to an attempt.

For agents that do not poll while they work. 409 says that the right has ended: stop the attempt.""",
        names=ATTEMPT,
        body=wire.Acknowledge,
        answer=wire.Accepted,
        errors=STOP,
    ),
    _call(
        "append_log",
        "attempts/{attempt}/log",
        """Adds bytes to the log of an attempt; answers the offset that is expected next.

Bytes that are there already are not written twice, a gap is not written: go on from what is answered. At most 4 MiB a
piece. 409 says that the right has ended: stop the attempt.""",
        names=ATTEMPT,
        query=Offset,
        raw=RAW,
        headers=FENCE,
        answer=wire.NextOffset,
        errors=STOP,
    ),
    _call(
        "upload_output",
        "attempts/{attempt}/outputs/{name}",
        """Uploads one output as a tar stream; answers the digest that the hub has read.

Before the finish, which names what was uploaded. A second upload replaces the first. 409 says that the right has
ended: upload nothing more.""",
        method="PUT",
        names=OUTPUT,
        raw=RAW,
        headers=FENCE,
        answer=wire.Uploaded,
        errors=STOP,
    ),
    _call(
        "ask_ticket",
        "attempts/{attempt}/outputs/{name}/ticket",
        """Where to put one output so that it does not pass through the hub.

404 where this hub gives no tickets: then PUT it to the hub. Afterwards say so by `received`.""",
        names=OUTPUT,
        headers=FENCE,
        answer=wire.Ticket,
        errors=STOP,
    ),
    _call(
        "received_output",
        "attempts/{attempt}/outputs/{name}/received",
        """Says that an output was put where its ticket said; the hub reads it and answers its digest.

May be repeated. 409 says that the right has ended: upload nothing more.""",
        names=OUTPUT,
        headers=FENCE,
        answer=wire.Uploaded,
        errors=STOP,
    ),
    _call(
        "finish",
        "attempts/{attempt}/finish",
        """Says how an attempt ended; the right and the slot end here.

Write the body to disk before it is first sent, and send the same bytes until they are answered: it is remembered by its
body, a repeat gets the first answer again. 409 says that the right had ended before, or that another body was accepted:
the result is not taken.""",
        names=ATTEMPT,
        body=wire.Finish,
        answer=wire.Accepted,
        errors=STOP,
    ),
    _call(
        "read_source",
        "attempts/{attempt}/source",
        """What the working folder starts as, as a tar stream: a function of its digest alone.""",
        method="GET",
        names=ATTEMPT,
        media=TAR,
        errors=STOP,
    ),
    _call(
        "read_input",
        "attempts/{attempt}/inputs/{digest}",
        """One installed tree that $PREFIX holds, as a tar stream. Only the attempt's own inputs are given.""",
        method="GET",
        names={**ATTEMPT, "digest": Annotated[str, Meta(pattern=rf"^sha256:[0-9a-f]{{64}}{d.END}")]},
        media=TAR,
        errors=STOP,
    ),
    _call(
        "read_secret",
        "attempts/{attempt}/secrets/{name}",
        """One secret that the offer names, once the attempt is acknowledged and as long as it runs.

Only for trusted attempts in the sandbox of a machine whose pool takes trusted jobs alone. Keep it in memory and out of the
log. 404 says also that the hub cannot read it, which a person must mend.""",
        method="GET",
        names={
            **ATTEMPT,
            "name": Annotated[str, Meta(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._+-]{{0,99}}{d.END}")],
        },
        headers=FENCE,
        answer=wire.SecretValue,
        errors=STOP,
    ),
    _call(
        "forward",
        "attempts/{attempt}/forward",
        """A connection to a host of the world, through the hub, for attempts whose offer says `forward`.

101 once the hub is connected to that host: wait for it before sending. From then on both sides speak in frames: a byte of
kind, four of length (big endian), so many bytes (1 MiB at most). `D` is data, `E` the end of this direction, `X` the end of
all, its bytes say why. A connection that is closed without `E` or `X` was broken off.""",
        method="GET",
        names=ATTEMPT,
        query=Host,
        headers=FENCE,
        upgrade=FORWARD,
        errors={**STOP, **dict.fromkeys((403, 424, 426, 429), d.Problem)},
        means={
            400: "`to` is no host with a port.",
            403: "`pool.reaches` does not name it.",
            424: "The host cannot be resolved, or does not answer.",
            429: "The attempt has too many connections open.",
        },
    ),
)

FIELDS = {
    "Held.attempt": "Its id.",
    "Held.fence": "As the offer said it.",
    "Held.state": "How far it is.",
    "Register.protocol": "The version of these messages; this hub speaks 1.",
    "Register.name": "What people call the machine.",
    "Register.slots": "How many attempts it runs at the same time.",
    "Register.cores": "Processors that jobs may use together.",
    "Register.memory_mb": "Memory that jobs may use together; null = not measured: one job per slot, whatever its size.",
    "Register.sandbox": "How it runs commands; trusted jobs need bubblewrap.",
    "Register.version": "The agent's release.",
    "Register.holds": "Every attempt that it still has.",
    "Register.draining": "It takes nothing from the beginning.",
    "Register.knows": "Fields of offers that it obeys, as far as the hub offers nothing with them to others: `forward`.",
    "Register.unclean": "Why the machine could not be cleaned.",
    "Ordered.attempt": "Which one.",
    "Ordered.order": "`continue`, `stop` (now, and upload nothing more) or `drain` (end it, then take nothing more).",
    "Ordered.reason": "Why, for its log.",
    "Registered.protocol": "The version that the hub speaks.",
    "Registered.machine": "The machine's id.",
    "Registered.session": "The session's id.",
    "Registered.token": "The bearer token of every other call.",
    "Registered.contact_s": "After so long without a word nothing new is placed here.",
    "Registered.right_s": "How long a right lasts without being renewed.",
    "Registered.poll_s": "How long a poll should wait.",
    "Registered.orders": "What to do with each attempt that was named.",
    "Registered.power_off": "The machine is to sleep: switch it off.",
    "Registered.clean_after": "After so many jobs it is to be cleaned; 0 = never.",
    "Acknowledge.attempt": "Its id, as in the address.",
    "Acknowledge.fence": "As the offer said it.",
    "Used.wall_ms": "Its commands, from start to end.",
    "Used.held_ms": "From the offer to this message: getting the source, its commands, sending the outputs.",
    "Used.fetch_ms": "From the offer to the first command: getting the source and what the job needs.",
    "Used.cpu_ms": "Processor time of all its processes.",
    "Used.memory_peak_mb": "The most memory that it had.",
    "Used.measured_by": "How that was measured.",
    "Uploaded.name": "Which output.",
    "Uploaded.digest": "sha256 of its bytes.",
    "Uploaded.size_bytes": "How many there are.",
    "Finish.attempt": "Its id, as in the address.",
    "Finish.fence": "As the offer said it.",
    "Finish.result": "The verdict.",
    "Finish.cause": "What happened, in one line.",
    "Finish.exit_code": "Of the command that failed.",
    "Finish.log_bytes": "How much log was sent in all.",
    "Finish.outputs": "What was uploaded, as the hub answered it.",
    "Finish.used": "What it used.",
    "Finish.log_offset": "Where `log` begins, in bytes.",
    "Poll.free_slots": "Numbers of the slots that are free, from 0.",
    "Poll.holds": "Every attempt that it has; these are renewed.",
    "Poll.acknowledge": "Offers that it takes.",
    "Poll.finish": "Attempts that ended.",
    "Poll.trouble": "Downloads that failed, for people.",
    "Poll.unclean": "Why the machine could not be cleaned.",
    "Poll.leaves_in_s": "Seconds until the machine's provider takes it away, where it said so.",
    "Trouble.host": "Which host did not give it.",
    "Trouble.what": "What happened, in one line.",
    "Trouble.count": "How often.",
    "Poll.draining": "It takes nothing more and ends when its attempts have.",
    "Input.module": "Whose tree.",
    "Input.platform": "Built for which.",
    "Input.digest": "What to ask `inputs/{digest}` for.",
    "Input.size_bytes": "Of the tar stream.",
    "Offer.attempt": "The id of this try.",
    "Offer.fence": "Proves the right to it; opaque.",
    "Offer.job": "What is tried.",
    "Offer.build": "Whose job that is.",
    "Offer.n": "Which try of this job, from 1.",
    "Offer.slot": "The slot that it is for.",
    "Offer.kind": "What it is.",
    "Offer.module": "Whose.",
    "Offer.platform": "$PLATFORM.",
    "Offer.commands": "Run one after another by `sh -e` in the working folder.",
    "Offer.environment": "Added to the fixed one.",
    "Offer.cores": "$CORES.",
    "Offer.memory_mb": "The most memory; null = as much as there is.",
    "Offer.timeout_s": "After so long it is ended as `timed_out`.",
    "Offer.network": "Whether commands see a network.",
    "Offer.retry": "`never`: it must not run twice; stop it 30 s before its right ends.",
    "Offer.inputs": "What $PREFIX holds.",
    "Offer.git": "Where the source may be taken from instead.",
    "GitSource.url": "An https address.",
    "GitSource.commit": "What to fetch.",
    "Offer.artifacts": "Patterns of what to keep.",
    "Offer.secrets": "What `secrets/{name}` gives.",
    "SecretValue.name": "As it was asked for.",
    "SecretValue.value": "Its bytes, in base64.",
    "Offer.source_date_epoch": "$SOURCE_DATE_EPOCH, and the time of every source file.",
    "Offer.offer_s": "How long it stands.",
    "Answered.attempt": "Which one.",
    "Answered.status": "200, or as the call of its own would have answered.",
    "Answered.reason": "Why it was refused.",
    "Polled.offers": "All that is offered to this machine and not acknowledged.",
    "Polled.orders": "One for each attempt that was named.",
    "Polled.acknowledged": "What became of the acknowledgements.",
    "Polled.finished": "What became of the finishes.",
    "Polled.address": 'Where this farm is to be found from now on; "" = where it was.',
    "Polled.drain": "End what runs and take nothing more.",
    "Accepted.order": "What to do with it from here.",
    "Accepted.reason": "Why.",
    "Refused.stop": "Stop the attempt and upload nothing more.",
    "Refused.reason": "Why, in one line.",
    "NextOffset.next": "Where the next piece begins.",
    "Problem.reason": "One line for people.",
}
"""What the fields of messages are, where the descriptions of the messages do not say it."""
