"""How owned machines are switched on and off (`[[pool.control]]` in farm.toml)."""

import msgspec


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One owned machine's switch. `machine`: the name that its agent gives. `address`: ipmi://, redfish+https:// or wol://."""

    machine: str
    address: str
