"""What a cloud says of itself: its endpoints and its identity service. Pure functions of its URL and tenant.

Sources: the ``/metadata/endpoints`` answers of ARM (2015-01-01, 2019-05-01, 2022-09-01), OpenID Connect Discovery 1.0.
"""

from typing import Any

from lockdown.sandbox import clouds
from lockdown.sandbox.arm_error import ArmError

NAME = "lockdown-sandbox"


def audiences(url: str) -> tuple[str, ...]:
    """Return the audiences that ARM accepts in a token."""
    return (f"{url}/", url)


def vault_audience(url: str) -> str:
    """Return the audience that the vault accepts in a token."""
    return f"{url}/vault"


def endpoints(url: str, tenant: str, version: str, cloud: str = "public") -> Any:  # noqa: ANN401  # a JSON value
    """Return the body of ``/metadata/endpoints``.

    2019-05-01 is a list of clouds, 2022-09-01 (and other versions) the one cloud as an object, 2015-01-01 the first
    short form.

    Raises:
        ArmError: no api-version is given.
    """
    if not version:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    authentication = {"loginEndpoint": url, "audiences": list(audiences(url)), "tenant": tenant}
    if version == "2015-01-01":
        del authentication["tenant"]
        return {
            "galleryEndpoint": f"{url}/gallery/",
            "graphEndpoint": f"{url}/graph/",
            "portalEndpoint": f"{url}/portal/",
            "authentication": authentication,
        }
    found = {
        "name": NAME,
        "portal": f"{url}/portal",
        "authentication": {**authentication, "identityProvider": "AAD"},
        "resourceManager": url,
        "graph": f"{url}/graph/",
        "graphAudience": f"{url}/graph/",
        "microsoftGraphResourceId": f"{url}/graph/",
        "gallery": f"{url}/gallery/",
        "batch": f"{url}/batch/",
        "media": f"{url}/media/",
        "sqlManagement": f"{url}/sql/",
        "ossrdbmsResourceId": f"{url}/ossrdbms/",
        "logAnalyticsResourceId": f"{url}/loganalytics/",
        "vmImageAliasDoc": f"{url}/aliases.json",
        "suffixes": dict(clouds.SUFFIXES[cloud]),
    }
    return [found] if version == "2019-05-01" else found


def openid_configuration(url: str, tenant: str, *, version: int) -> dict[str, Any]:
    """Return the OpenID configuration of a tenant, for the v1 or v2 endpoint."""
    base = f"{url}/{tenant}"
    v2 = version == 2  # noqa: PLR2004
    return {
        "issuer": issuer(url, tenant, version=version),
        "authorization_endpoint": f"{base}/oauth2/{'v2.0/' if v2 else ''}authorize",
        "token_endpoint": f"{base}/oauth2/{'v2.0/' if v2 else ''}token",
        "device_authorization_endpoint": f"{base}/oauth2/{'v2.0/' if v2 else ''}devicecode",
        "jwks_uri": f"{base}/discovery/{'v2.0/' if v2 else ''}keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "tid", "oid", "appid", "ver"],
        "tenant_region_scope": "NA",
        "cloud_instance_name": url.removeprefix("https://"),
    }


def issuer(url: str, tenant: str, *, version: int) -> str:
    """Return the issuer of tokens of the v1 or v2 endpoint."""
    return f"{url}/{tenant}/" if version == 1 else f"{url}/{tenant}/v2.0"


def instance_discovery(url: str, tenant: str) -> dict[str, Any]:
    """Return the body of ``/common/discovery/instance``: this host is the only one of its cloud."""
    host = url.removeprefix("https://")
    return {
        "tenant_discovery_endpoint": f"{url}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }
