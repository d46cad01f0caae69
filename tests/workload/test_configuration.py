"""The configuration of Cromwell, read by a real parser of HOCON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from pyhocon import ConfigFactory

from lockdown.provisioner.blueprint import workload_values
from lockdown.provisioner.workload import template
from tests.workload.test_environments import on_paper

SECRET = 'database.db.password = "drawn-in-the-cluster"\n'


def parsed(tmp_path: Path, name: str, **changes: Any) -> Any:
    """Return Cromwell's configuration as its parser sees it: the files that it includes stand where they are mounted.

    What Cromwell's own jar holds is left out: there is no jar here.
    """
    text = template.text("configuration/cromwell.conf", workload_values.values(on_paper(name, **changes)))
    assert 'include required(classpath("application"))' in text.splitlines()
    (tmp_path / "database.conf").write_text(SECRET, encoding="utf-8")
    text = text.replace('include required(classpath("application"))', "")
    return ConfigFactory.parse_string(text.replace("/database/database.conf", str(tmp_path / "database.conf")))


@pytest.mark.parametrize(
    ("name", "domain"),
    [("coa-private", "postgres.database.azure.com"), ("coa-private-gov", "postgres.database.usgovcloudapi.net")],
)
def test_cromwell_s_configuration(tmp_path: Path, name: str, domain: str) -> None:
    found = parsed(tmp_path, name)
    url = found["database.db.url"]
    assert f".{domain.partition('.')[2]}" in url
    assert "sslmode=verify-full" in url
    assert "sslrootcert=/configuration/roots.pem" in url
    assert found["database.db.user"] == "cromwell"
    assert found["database.db.password"] == "drawn-in-the-cluster"
    assert found["backend.default"] == "TES"
    tes = found["backend.providers.TES.config"]
    assert tes["endpoint"] == "http://tes/v1/tasks"
    assert tes["root"] == "/cromwell-executions"
    assert tes["filesystems.local.enabled"] is True
    assert tes["default-runtime-attributes.preemptible"] is False


def test_spot_machines_are_a_setting(tmp_path: Path) -> None:
    found = parsed(tmp_path, "coa-private", tasks={"spotOnly": True})
    assert found["backend.providers.TES.config.default-runtime-attributes.preemptible"] is True


def test_no_password_is_in_the_configuration() -> None:
    text = template.text("configuration/cromwell.conf", workload_values.values(on_paper()))
    assert "password" not in text.replace("# The password, from the Secret that the cluster drew it into.", "")


def test_allowed_machine_sizes_stand_one_a_line() -> None:
    wanted = on_paper(tasks={"vmSizes": ["Standard_D2s_v5", "standardDSv5Family"]})
    text = template.text("configuration/allowed-vm-sizes", workload_values.values(wanted))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines == ["Standard_D2s_v5", "standardDSv5Family"]


def test_the_roots_are_certificates_that_last() -> None:
    text = template.text("configuration/roots.pem", {})
    found = x509.load_pem_x509_certificates(text.encode())
    names = sorted(each.subject.rfc4514_string().split(",")[0] for each in found)
    assert names == ["CN=DigiCert Global Root G2", "CN=Microsoft RSA Root Certificate Authority 2017"]
    assert all(each.not_valid_after_utc > datetime(2037, 1, 1, tzinfo=UTC) for each in found)


def test_a_value_never_becomes_another_object() -> None:
    hostile = {**workload_values.values(on_paper()), "setupDigest": "", "workloadAccount": 'x"\n---\nkind: Secret'}
    found = list(template.manifests("manifests/setup/20-accounts.yaml", hostile))
    assert [each["kind"] for each in found].count("Secret") == 0
    assert found[0]["metadata"]["name"] == 'x"\n---\nkind: Secret'


def test_a_template_that_asks_for_what_there_is_not_is_a_mistake() -> None:
    with pytest.raises(template.TemplateError, match="workloadAccount"):
        list(template.manifests("manifests/setup/20-accounts.yaml", {}))
