"""What is asked of the rules as a whole."""

from penstock.model.rules import Pool, Rules


def test_which_pools_reach_only_the_hub() -> None:
    shut = Pool(name="shut", provider="libvirt", platforms=("p",), network="hub-only")
    rules = Rules(pools=(shut, Pool(name="open", provider="owned", platforms=("p",))))
    assert [rules.reaches_only_hub(name) for name in ("shut", "open", "none")] == [True, False, False]


def test_what_is_reached_through_the_hub_opens_a_pool() -> None:
    shut = Pool(name="shut", provider="libvirt", platforms=("p",), network="hub-only")
    through = Pool(
        name="t", provider="owned", platforms=("p",), network="hub-only", reaches=("a.example:80",)
    )
    rules = Rules(pools=(shut, through, Pool(name="open", provider="owned", platforms=("p",))))
    assert [pool.closed for pool in rules.pools] == [True, False, False]
