"""Between the wire's messages and the hub's own words: nothing is decided here."""

import hashlib
from collections.abc import Collection, Sequence

import msgspec

from penstock.forges.git.address import address_of
from penstock.hub import poller, queue, sessions
from penstock.hub.reaching import entries_of
from penstock.model.job import JobSpec, Output, Source, Usage
from penstock.model.machine import FORWARDS
from penstock.model.rules import Rules
from penstock.model.units import seconds
from penstock.wire import messages as wire

MOST_CAUSE = 1000
"""So many letters of a cause are kept: it goes into events, pages and the reasons of others."""
MOST_TROUBLE = 64
"""So many hosts one poll may complain of."""
SOURCE_DATE_EPOCH = 315532800
"""1980-01-01: the earliest moment that every archive format can hold."""


def body_digest(part: wire.Acknowledge | wire.Finish) -> str:
    """The digest that a repeat is known by; the same whether it came alone or in a poll."""
    return hashlib.sha256(msgspec.json.encode(part)).hexdigest()


def registration(said: wire.Register) -> sessions.Registration:
    """What the hub is told of a machine."""
    return sessions.Registration(
        name=said.name,
        key=said.key,
        slots=said.slots,
        cores=said.cores,
        memory_mb=said.memory_mb,
        identity=said.identity,
        sandbox=said.sandbox,
        agent=said.version[:64] + (FORWARDS if "forward" in said.knows else ""),
        holds=held(said.holds),
        document=said.document,
        signature=said.signature,
        draining=said.draining,
        unclean=said.unclean[:MOST_CAUSE],
    )


def held(holds: Sequence[wire.Held]) -> tuple[sessions.Held, ...]:
    """What the agent holds."""
    return tuple(sessions.Held(attempt=one.attempt, fence=one.fence, state=one.state) for one in holds)


def said_in_poll(poll: wire.Poll) -> poller.Said:
    """A poll, with the digest of each part that is remembered by its body."""
    return poller.Said(
        call=poll.call,
        holds=held(poll.holds),
        acknowledged=tuple(poller.Acknowledged(a.attempt, a.fence, body_digest(a)) for a in poll.acknowledge),
        finished=tuple(poller.Finished(f.attempt, f.fence, body_digest(f), ending(f)) for f in poll.finish),
        draining=poll.draining,
        unclean=poll.unclean[:MOST_CAUSE],
        leaves_ms=None if poll.leaves_in_s is None else round(poll.leaves_in_s * 1000),
        trouble=tuple(
            poller.Trouble(one.host[:253], one.what[:64], one.count) for one in poll.trouble[:MOST_TROUBLE]
        ),
    )


def ending(finish: wire.Finish) -> queue.Ending:
    """How an attempt ended."""
    used = finish.used
    return queue.Ending(
        result=finish.result,
        cause=finish.cause[:MOST_CAUSE],
        exit_code=finish.exit_code,
        remember=finish.remember,
        log_bytes=finish.log_bytes,
        outputs=tuple(Output(one.name, one.digest, one.size_bytes) for one in finish.outputs),
        usage=Usage(
            wall_ms=used.wall_ms,
            held_ms=used.held_ms,
            fetch_ms=used.fetch_ms,
            cpu_ms=used.cpu_ms,
            memory_peak_mb=used.memory_peak_mb,
            measured_by=used.measured_by,
        ),
    )


def polled(heard: poller.Heard, rules: Rules) -> wire.Polled:
    """The hub's answer to a poll."""
    return wire.Polled(
        offers=[offer(work, rules) for work in heard.offers],
        orders=ordered(heard.orders),
        acknowledged=[
            wire.Answered(attempt=a.attempt, status=a.status, reason=a.reason) for a in heard.acknowledged
        ],
        finished=[wire.Answered(attempt=a.attempt, status=a.status, reason=a.reason) for a in heard.finished],
        drain=heard.drain,
    )


def ordered(orders: Sequence[sessions.Ordered]) -> list[wire.Ordered]:
    """What the agent is to do with what it named."""
    return [wire.Ordered(attempt=one.attempt, order=one.order, reason=one.reason) for one in orders]  # type: ignore[arg-type]


def offer(work: queue.Work, rules: Rules) -> wire.Offer:
    """One attempt with all that its agent needs; of what it may reach, what is nearer than the hub."""
    attempt, job, spec = work.attempt, work.job, work.job.spec
    far = not rules.reaches_only_hub(attempt.pool)
    return wire.Offer(
        attempt=attempt.id,
        fence=attempt.fence,
        job=job.id,
        build=job.build,
        n=attempt.n,
        slot=attempt.slot,
        kind=spec.kind,
        module=spec.module,
        platform=spec.platform,
        commands=list(spec.commands),
        environment=spec.environment,
        cores=spec.size.cores,
        memory_mb=spec.size.memory_mb,
        timeout_s=seconds(spec.timeout_ms),
        network=spec.network,
        forward=spec.network == "full" and bool(entries_of(rules, attempt.pool)),
        retry=spec.retry,
        source=work.inputs.source,
        source_key=spec.source.digest if spec.source is not None and not work.inputs.source else "",
        git=_public(spec.source, rules.git_hosts) if far and not work.inputs.source else None,
        inputs=[
            wire.Input(module=p.module, platform=p.platform, digest=p.digest, size_bytes=p.size_bytes)
            for p in work.inputs.parts
        ],
        outputs=outputs_of(spec),
        artifacts=list(spec.artifacts),
        secrets=list(spec.secrets),
        source_date_epoch=SOURCE_DATE_EPOCH,
        offer_s=seconds(work.right_ms),
    )


def _public(source: Source | None, private: Collection[str]) -> wire.GitSource | None:
    """Where an agent may fetch a source itself: over https, to which the hub brings no secret either. Agents call
    nobody in a private network."""
    if source is None or not source.repository.startswith("https://") or "@" in source.repository:
        return None
    if not source.commit or not source.tree:
        return None
    if private and address_of(source.repository).among(private):
        return None
    return wire.GitSource(url=source.repository, commit=source.commit, tree=source.tree, path=source.path)


def outputs_of(spec: JobSpec) -> list[str]:
    """Which outputs the agent is to upload."""
    if spec.kind == "fetch":
        return ["source"]
    wanted = ["tree"] if spec.kind == "build" else []
    wanted += ["worktree"] if spec.keep_worktree else []
    return wanted + (["artifacts"] if spec.artifacts else [])
