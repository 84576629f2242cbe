from __future__ import annotations

import warnings

from jupyter_server.auth.authorizer import Authorizer

from coderemote_server.app import CodeRemote


class Clerk(Authorizer):
    """Lets everybody do everything, and writes down what was asked."""

    asked: set[tuple[str, str]]

    def is_authorized(self, handler, user, action, resource):
        self.asked.add((action, resource))
        return True


def test_no_endpoint_is_open_to_strangers(jp_configurable_serverapp):
    # With allow_unauthenticated_access=False the server warns of every handler that lets anyone in.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jp_configurable_serverapp()


async def test_each_endpoint_is_authorised_under_its_own_resource(jp_serverapp, jp_fetch):
    clerk = jp_serverapp.web_app.settings["authorizer"] = Clerk(parent=jp_serverapp)
    clerk.asked = set()

    await jp_fetch("coderemote", "api", "health")
    await jp_fetch("coderemote", "api", "spec")
    await jp_fetch("coderemote", "api", "health")

    assert clerk.asked == {("read", "coderemote:health"), ("read", "coderemote:spec")}


def test_the_extension_is_found_by_the_name_its_configuration_uses(jp_serverapp):
    points = jp_serverapp.extension_manager.extensions["coderemote_server"].extension_points

    assert isinstance(points["coderemote"].app, CodeRemote)
