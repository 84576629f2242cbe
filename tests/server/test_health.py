from __future__ import annotations

import json
from importlib.metadata import version

import pytest
from tornado.httpclient import HTTPClientError

HEALTH = ("coderemote", "api", "health")


async def test_health_says_ok_and_the_version_of_the_wheel(jp_fetch):
    response = await jp_fetch(*HEALTH)

    assert response.code == 200
    assert json.loads(response.body) == {"status": "ok", "version": version("coderemote")}


@pytest.mark.parametrize("authorization", ["", "token wrong"])
async def test_health_is_refused_without_the_right_token(jp_fetch, authorization):
    with pytest.raises(HTTPClientError) as refusal:
        await jp_fetch(*HEALTH, headers={"Authorization": authorization})

    assert refusal.value.code == 403


async def test_asking_for_health_does_not_count_as_activity(jp_serverapp, jp_fetch):
    settings = jp_serverapp.web_app.settings

    await jp_fetch(*HEALTH)
    assert "api_last_activity" not in settings

    await jp_fetch("api", "kernelspecs")
    assert "api_last_activity" in settings


async def test_browsers_are_told_not_to_look_up_the_hosts_of_links(jp_fetch):
    response = await jp_fetch("api", "kernelspecs")

    assert response.headers["X-DNS-Prefetch-Control"] == "off"
