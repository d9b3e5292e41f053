"""`penstock costs books`: what it takes."""

from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder


def books(
    farm: FarmFile = None, state: StateFolder = None, hub: HubUrl = None, as_json: AsJson = False
) -> None:
    """Say from when and until when usage is entered."""
    from penstock.cli.costs.printing import moment
    from penstock.cli.output import print_json
    from penstock.cli.queries import opened

    with opened(farm, state, hub) as found:
        document = found.ask("books")
    if as_json:
        print_json(document)
    elif document["from_s"] is None:
        print("nothing is entered yet: a hub or `penstock build` keeps the books while it runs")
    else:
        print(f"usage is entered from {moment(document['from_s'])} until {moment(document['until_s'])}")
