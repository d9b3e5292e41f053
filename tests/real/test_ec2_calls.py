"""What EC2 is asked, word for word, and what is made of its answers."""

import base64
import subprocess
from typing import Any

import msgspec
import pytest
from conformance.provider_suite import order
from real.ec2cloud import REGION, Cloud

from penstock.model.rented import TAG_FARM, TAG_MACHINE, TAG_POOL, Notice, Order
from penstock.ports import NoAnswer, NoCapacity, ProviderError, QuotaReached, Throttled, UnknownMachine
from penstock.providers.ec2 import instances
from penstock.providers.ec2.instances import Ec2
from penstock.providers.ec2.launch import client_token
from penstock.providers.ec2.pace import BACK_PER_MINUTE, KEPT_FOR_DELETES, MOST, PER_S, Pace
from penstock.providers.ec2.seen import ASK_MS, instance_of


def asked(token: str = "t1", offer: str = "") -> Order:
    tags = {TAG_FARM: "f1", TAG_MACHINE: f"row-{token}", TAG_POOL: "burst"}
    return Order(
        offer=offer,
        token=token,
        tags=tags,
        secret="s3cret",
        name="burst-1",
        hub="https://hub.example.org/",
    )


def made(cloud: Cloud, **changes: Any) -> tuple[Ec2, str, dict[str, str]]:
    """A provider, a machine that is up, and what was sent for it."""
    provider = cloud.provider(**changes)
    id_ = provider.create(asked(offer=provider.offers()[0].name))
    return provider, id_, next(said for name, said in cloud.proxy.calls if name == "RunInstances")


class TestWhatIsAsked:
    def test_no_public_address_version_2_of_the_metadata_and_an_end_that_is_an_end(
        self, cloud: Cloud
    ) -> None:
        _, _, said = made(cloud, security_groups=("sg-1",), profile="")
        assert said["NetworkInterface.1.AssociatePublicIpAddress"] == "false"
        assert said["NetworkInterface.1.SubnetId"] == cloud.subnets[0].id
        assert said["NetworkInterface.1.SecurityGroupId.1"] == "sg-1"
        assert said["MetadataOptions.HttpTokens"] == "required"
        assert said["MetadataOptions.HttpPutResponseHopLimit"] == "1"
        assert said["InstanceInitiatedShutdownBehavior"] == "terminate"
        assert (said["MinCount"], said["MaxCount"]) == ("1", "1")
        assert "InstanceMarketOptions.MarketType" not in said

    def test_instances_and_their_disks_say_whose_they_are(self, cloud: Cloud) -> None:
        _, _, said = made(cloud)
        for number, kind in ((1, "instance"), (2, "volume")):
            assert said[f"TagSpecification.{number}.ResourceType"] == kind
            keys = {value for key, value in said.items() if key.startswith(f"TagSpecification.{number}.Tag.")}
            assert {TAG_FARM, TAG_MACHINE, TAG_POOL, "row-t1", "burst-1"} <= keys

    def test_spot_is_asked_for_once_and_ends_with_its_interruption(self, cloud: Cloud) -> None:
        provider, _, said = made(cloud, market="spot", reclaim_per_hour=0.1, resume=None)
        assert said["InstanceMarketOptions.MarketType"] == "spot"
        assert said["InstanceMarketOptions.SpotOptions.SpotInstanceType"] == "one-time"
        assert said["InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior"] == "terminate"
        assert [one.name.rpartition("/")[2] for one in provider.offers()] == ["spot"] * 4
        assert all(one.reclaimed for one in provider.offers())

    def test_a_template_gives_what_is_not_said(self, cloud: Cloud) -> None:
        account = cloud.account
        account.create_launch_template(
            LaunchTemplateName="builders", LaunchTemplateData={"ImageId": "ami-87654321"}
        )
        _, id_, said = made(cloud, image="", template="builders:1")
        assert "ImageId" not in said
        assert (said["LaunchTemplate.LaunchTemplateName"], said["LaunchTemplate.Version"]) == (
            "builders",
            "1",
        )
        found = account.describe_instances(InstanceIds=[id_])["Reservations"][0]["Instances"][0]
        assert found["ImageId"] == "ami-87654321"

    def test_the_script_of_the_first_boot_is_one_and_keeps_its_secret(self, cloud: Cloud) -> None:
        _, _, said = made(cloud, power_off_after_ms=1_800_000)
        script = base64.b64decode(said["UserData"]).decode()
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)
        assert script.index("umask 077") < script.index("s3cret")
        assert script.count("s3cret") == 1
        assert "https://hub.example.org/agent.pyz" in script
        assert "--power-off-after 30" in script
        assert "--cloud ec2" in script
        assert "shutdown -P +30" in script
        assert len(script) < 16_384  # as much as EC2 takes

    def test_offers_are_types_in_zones_by_price(self, cloud: Cloud) -> None:
        names = [(one.name, one.price_per_hour_micros) for one in cloud.provider().offers()]
        zones = [subnet.zone for subnet in cloud.subnets]
        assert names == [
            *((f"m7a.large/{zone}/on-demand", 90_000) for zone in zones),
            *((f"m7i.large/{zone}/on-demand", 100_000) for zone in zones),
        ]

    def test_a_token_has_64_letters_and_is_another_one_for_another_offer(self) -> None:
        one, other = client_token(asked(offer="a")), client_token(asked(offer="b"))
        assert len(one) == len(other) == 64
        assert one != other

    def test_an_offer_that_is_not_there_any_more_is_refused(self, cloud: Cloud) -> None:
        with pytest.raises(ProviderError, match=r"burst has no offer 'x1.huge/a/spot'"):
            cloud.provider().create(asked(offer="x1.huge/a/spot"))

    def test_a_pool_without_its_table_says_so(self, cloud: Cloud) -> None:
        pool = msgspec.structs.replace(cloud.pool(), ec2=None)
        provider = Ec2(pool, lambda: 0)
        assert provider.offers() == ()
        with pytest.raises(ProviderError, match=r"no \[pool.ec2\]"):
            provider.list()


class TestCallsOfTheLibrary:
    def test_calls_are_made_once_and_wait_5_s_at_most(self, cloud: Cloud) -> None:
        config = cloud.provider()._client().meta.config
        assert config.retries["total_max_attempts"] == 1
        assert config.connect_timeout + config.read_timeout <= 5.0
        assert instances.LISTING_S + instances.CONNECT_S < 5.6

    @pytest.mark.parametrize("fault", ["throttled", "unavailable", "cut", "lost", "garbled"])
    def test_a_call_that_failed_was_sent_once(self, cloud: Cloud, fault: str) -> None:
        provider = cloud.provider()
        cloud.proxy.chances = {fault: 1.0}
        with pytest.raises(Throttled if fault == "throttled" else NoAnswer):
            provider.create(asked(offer=provider.offers()[0].name))
        assert [name for name, _ in cloud.proxy.calls] == ["RunInstances"]


class TestAnswers:
    def test_what_is_full_is_an_offer_and_not_the_pool(self, cloud: Cloud) -> None:
        provider = cloud.provider()
        first, second = provider.offers()[:2]
        cloud.proxy.full = {("m7a.large", cloud.subnets[0].id)}
        with pytest.raises(NoCapacity, match="InsufficientInstanceCapacity"):
            provider.create(asked(offer=first.name))
        assert provider.create(asked(offer=second.name)).startswith("i-")

    def test_a_quota_closes_the_offer_for_a_while(self, cloud: Cloud) -> None:
        provider = cloud.provider()
        first = provider.offers()[0].name
        cloud.proxy.most = 0
        with pytest.raises(QuotaReached, match="VcpuLimitExceeded"):
            provider.create(asked(offer=first))
        assert [one.quota_left for one in provider.offers() if one.name == first] == [0]
        cloud.now_ms += instances.QUOTA_MS
        assert [one.quota_left for one in provider.offers() if one.name == first] == [None]

    def test_what_was_made_a_moment_ago_and_is_not_known_yet_is_not_lost(self, cloud: Cloud) -> None:
        cloud.proxy.behind_ms = 20_000
        provider, id_, _ = made(cloud)
        with pytest.raises(NoAnswer, match="not known yet"):
            provider.delete(id_)
        assert provider.list().instances == ()
        cloud.now_ms += 20_000
        provider.delete(id_)

    def test_what_cannot_be_hibernated_is_stopped(self, cloud: Cloud) -> None:
        _, id_, _ = made(cloud)
        cloud.provider(hibernate=True).suspend(id_)
        assert cloud.proxy.states()[id_] == "stopped"
        stops = [said.get("Hibernate") for name, said in cloud.proxy.calls if name == "StopInstances"]
        assert stops == ["true", None]

    def test_what_is_set_up_for_it_hibernates_on_an_encrypted_disk(self, cloud: Cloud) -> None:
        provider, id_, said = made(cloud, hibernate=True, disk_gb=40)
        assert said["HibernationOptions.Configured"] == "true"
        assert said["BlockDeviceMapping.1.Ebs.Encrypted"] == "true"
        assert said["BlockDeviceMapping.1.Ebs.VolumeSize"] == "40"
        provider.suspend(id_)
        assert [said.get("Hibernate") for name, said in cloud.proxy.calls if name == "StopInstances"] == [
            "true"
        ]

    def test_spot_cannot_be_stopped(self, cloud: Cloud) -> None:
        provider, id_, _ = made(cloud, market="spot", reclaim_per_hour=0.1, resume=None)
        with pytest.raises(ProviderError, match="UnsupportedOperation"):
            provider.suspend(id_)
        assert cloud.proxy.states()[id_] == "running"

    def test_what_may_not_be_terminated_is_at_least_stopped(self, cloud: Cloud) -> None:
        provider, id_, _ = made(cloud)
        cloud.proxy.protected.add(id_)
        with pytest.raises(ProviderError, match="OperationNotPermitted"):
            provider.delete(id_)
        assert cloud.proxy.states()[id_] == "stopped"

    def test_what_is_gone_is_not_woken_and_what_is_still_stopping_is_asked_again(self, cloud: Cloud) -> None:
        cloud.proxy.stop_ms = 5_000
        provider, id_, _ = made(cloud)
        provider.suspend(id_)
        with pytest.raises(NoAnswer, match="still stopping"):
            provider.resume(id_)
        cloud.now_ms += 5_000
        provider.delete(id_)
        with pytest.raises(UnknownMachine):
            provider.resume(id_)

    def test_a_token_of_a_machine_that_is_not_listed_yet_waits(self, cloud: Cloud) -> None:
        provider, id_, _ = made(cloud)
        provider.delete(id_)
        cloud.now_ms += 2 * 3_600_000
        with pytest.raises(NoAnswer, match="made before"):
            provider.create(asked(offer=provider.offers()[0].name))

    def test_a_spot_machine_that_is_marked_is_told_of(self, cloud: Cloud) -> None:
        provider, id_, _ = made(cloud, market="spot", reclaim_per_hour=0.1, resume=None)
        assert provider.notices() == ()
        cloud.proxy.mark(id_)
        assert provider.notices() == (Notice(id=id_, left_ms=120_000),)
        cloud.proxy.mark(id_, "instance-terminated-no-capacity")
        assert provider.notices() == (Notice(id=id_, left_ms=1),)
        cloud.proxy.mark(id_, "instance-terminated-by-user")
        assert provider.notices() == ()
        assert cloud.provider().notices() == ()

    def test_a_listing_of_many_pages_is_whole_or_says_that_it_is_not(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider = cloud.provider()
        ids = {provider.create(order(cloud.driver(provider), f"t{n}")) for n in range(7)}
        monkeypatch.setattr(instances, "PAGE", 5)
        listing = provider.list()
        assert ({one.id for one in listing.instances}, listing.complete) == (ids, True)
        monkeypatch.setattr(instances, "LISTING_S", -1.0)
        listing = provider.list()
        assert (len(listing.instances), listing.complete) == (5, False)

    @pytest.mark.parametrize(
        ("state", "reason", "why"),
        [
            ("terminated", {"Code": "Client.VolumeLimitExceeded", "Message": "Volume  limit\nexceeded"}, "Volume limit exceeded"),
            ("terminated", {"Code": "Server.InternalError"}, "Server.InternalError"),
            ("terminated", {"Code": "Client.UserInitiatedShutdown", "Message": "User initiated shutdown"}, ""),
            ("terminated", None, ""),
            ("running", {"Code": "Server.InternalError", "Message": "of yesterday"}, ""),
        ],
    )  # fmt: skip
    def test_why_a_machine_went_is_told_where_it_was_not_us(
        self, state: str, reason: dict[str, str] | None, why: str
    ) -> None:
        found = instance_of({"InstanceId": "i-1", "State": {"Name": state}, "StateReason": reason})
        assert found.why == why

    def test_what_has_no_tag_of_a_farm_is_not_listed(self, cloud: Cloud) -> None:
        cloud.account.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
        assert cloud.provider().list().instances == ()


class TestShown:
    def test_what_was_listed_is_shown_without_a_call(self, cloud: Cloud) -> None:
        provider, id_, _ = made(cloud)
        provider.list()
        calls = len(cloud.proxy.calls)
        shown = provider.shown(id_, cloud.now_ms)
        assert (shown.instance.id, shown.account, shown.region) == (id_, "123456789012", REGION)
        assert shown.started_ms == cloud.now_ms
        assert shown.instance.tags[TAG_MACHINE] == "row-t1"
        assert len(cloud.proxy.calls) == calls

    def test_what_was_started_since_then_is_asked_for_and_not_in_a_loop(self, cloud: Cloud) -> None:
        provider, id_, _ = made(cloud)
        provider.list()
        provider.suspend(id_)
        cloud.now_ms += 3_600_000
        provider.resume(id_)
        shown = provider.shown(id_, cloud.now_ms)
        assert (shown.started_ms, shown.instance.state) == (cloud.now_ms, "up")
        with pytest.raises(NoAnswer, match="a moment ago"):
            provider.shown(id_, 1)
        cloud.now_ms += ASK_MS
        assert provider.shown(id_, 1).started_ms > 1, "it says what is so, not what was asked"

    def test_what_is_not_there_is_not_shown(self, cloud: Cloud) -> None:
        with pytest.raises(UnknownMachine):
            cloud.provider().shown("i-0123456789abcdef0", 0)


class TestQuotas:
    def test_what_the_account_may_run_is_known_before_it_is_refused(self, cloud: Cloud) -> None:
        cloud.proxy.quotas = {"L-1216C47A": 5.0}
        provider, _, _ = made(cloud)
        assert [one.quota_left for one in provider.offers()] == [None] * 4, "nobody has asked"
        provider._quotas.refresh()
        provider.list()
        # Two vCPUs each: five, less what runs.
        assert [one.quota_left for one in provider.offers()] == [1] * 4
        provider.create(asked("t2", offer=provider.offers()[0].name))
        provider.list()
        assert [one.quota_left for one in provider.offers()] == [0] * 4
        asked_for = [said for name, said in cloud.proxy.calls if name == "GetServiceQuota"]
        assert asked_for == [{"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}]

    def test_who_may_not_ask_knows_nothing_and_goes_on(self, cloud: Cloud) -> None:
        provider = cloud.provider(market="spot", reclaim_per_hour=0.1, resume=None)
        provider._quotas.refresh()
        assert [one.quota_left for one in provider.offers()] == [None] * 4
        cloud.proxy.quotas = {"L-34B43A08": 1.0}
        provider._quotas.refresh()
        assert [one.quota_left for one in provider.offers()] == [0] * 4
        cloud.proxy.chances = {"cut": 1.0}
        provider._quotas.refresh()
        assert [one.quota_left for one in provider.offers()] == [None] * 4


class TestPace:
    def pace(self) -> tuple[Pace, list[int]]:
        now = [0]
        return Pace(lambda: now[0]), now

    def test_what_gives_back_has_tokens_that_others_do_not_get(self) -> None:
        pace, _ = self.pace()
        for _ in range(int(MOST - KEPT_FOR_DELETES)):
            pace.take()
        with pytest.raises(Throttled, match=r"our own limit of 2\.0 calls"):
            pace.take()
        for _ in range(int(KEPT_FOR_DELETES)):
            pace.take(giving_back=True)
        with pytest.raises(Throttled):
            pace.take(giving_back=True)

    def test_it_is_filled_by_the_clock(self) -> None:
        pace, now = self.pace()
        for _ in range(int(MOST - KEPT_FOR_DELETES)):
            pace.take()
        now[0] += 1000
        pace.take()
        pace.take()
        with pytest.raises(Throttled):
            pace.take()
        now[0] -= 5000
        with pytest.raises(Throttled):
            pace.take()

    def test_who_is_told_that_it_was_too_fast_is_half_as_fast_and_comes_back(self) -> None:
        pace, now = self.pace()
        pace.slower()
        assert pace.per_s == PER_S / 2
        now[0] += 120_000
        pace.take()
        assert pace.per_s == pytest.approx(PER_S / 2 + 2 * BACK_PER_MINUTE * PER_S)
        for _ in range(40):
            pace.slower()
        assert 0 < pace.per_s <= 0.1
        now[0] += 600_000
        pace.take()
        assert pace.per_s == pytest.approx(PER_S)

    def test_a_throttled_call_makes_all_calls_slower(self, cloud: Cloud) -> None:
        provider = cloud.provider()
        cloud.proxy.chances = {"throttled": 1.0}
        with pytest.raises(Throttled, match="RequestLimitExceeded"):
            provider.list()
        assert provider._pace.per_s == PER_S / 2
