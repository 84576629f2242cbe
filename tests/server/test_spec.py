from __future__ import annotations

import pytest
import yaml
from openapi_spec_validator import validate
from tornado.httpclient import HTTPClientError

from coderemote_server.app import ROUTES


async def test_the_description_is_served_and_is_valid_openapi(jp_fetch):
    response = await jp_fetch("coderemote", "api", "spec")

    assert response.headers["Content-Type"].startswith("text/x-yaml")
    validate(yaml.safe_load(response.body))


async def test_the_description_is_refused_without_a_token(jp_fetch):
    with pytest.raises(HTTPClientError) as refusal:
        await jp_fetch("coderemote", "api", "spec", headers={"Authorization": ""})

    assert refusal.value.code == 403


async def test_every_route_of_the_extension_is_described_and_the_other_way_round(jp_fetch):
    described = yaml.safe_load((await jp_fetch("coderemote", "api", "spec")).body)["paths"]

    assert set(described) == {pattern for pattern, _ in ROUTES}
