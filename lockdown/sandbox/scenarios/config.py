"""The lockdown.yaml that belongs to a scenario."""

from collections.abc import Mapping, Sequence

import yaml


def lockdown_yaml(
    subscriptions: Sequence[str],
    *,
    virtual_networks: Sequence[str] = (),
    egress_addresses: Sequence[str] = (),
    waivers: Sequence[Mapping[str, object]] = (),
) -> str:
    """Return the text of a lockdown.yaml; scope and boundary are ``subscriptions``.

    Args:
        subscriptions: subscription ids.
        virtual_networks: resource ids; none means every virtual network of the subscriptions.
        egress_addresses: CIDR ranges that traffic may leave through.
        waivers: the failures that are accepted, each as the file writes it.
    """
    return yaml.safe_dump(
        {
            "scope": {"subscriptions": list(subscriptions)},
            "boundary": {
                "subscriptions": list(subscriptions),
                "virtualNetworks": list(virtual_networks),
                "egressAddresses": list(egress_addresses),
            },
            "waivers": [dict(waiver) for waiver in waivers],
        },
        sort_keys=False,
        width=1000,
    )
