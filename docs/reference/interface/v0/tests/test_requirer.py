"""What every requirer of the interface must do: live with whatever stands in the databag."""

import dataclasses

from interface_tester.interface_test import Tester
from scenario import Relation, State

# The tester takes every function of this module for a test.
EMPTY = Relation(endpoint="smtp", interface="smtp", remote_app_name="remote")
RELAY = {
    "host": "smtp.example.com",
    "port": "587",
    "auth_type": "none",
    "transport_security": "starttls",
    "skip_ssl_verify": "False",
}


def test_a_requirer_publishes_nothing() -> None:
    relation = dataclasses.replace(EMPTY, remote_app_data=RELAY)
    tester = Tester(State(leader=True, relations=[relation]))
    tester.run("smtp-relation-changed")
    tester.assert_relation_data_empty()


def test_an_empty_databag_fails_no_hook() -> None:
    tester = Tester(State(leader=True, relations=[EMPTY]))
    tester.run("smtp-relation-changed")
    tester.assert_relation_data_empty()


def test_unknown_keys_fail_no_hook() -> None:
    databag = {**RELAY, "of-a-later-version": "1"}
    relation = dataclasses.replace(EMPTY, remote_app_data=databag)
    tester = Tester(State(leader=True, relations=[relation]))
    tester.run("smtp-relation-changed")
    tester.assert_relation_data_empty()


def test_malformed_data_fails_no_hook() -> None:
    databag = {**RELAY, "port": "many", "recipients": "[", "auth_type": "?"}
    relation = dataclasses.replace(EMPTY, remote_app_data=databag)
    tester = Tester(State(leader=True, relations=[relation]))
    tester.run("smtp-relation-changed")
    tester.assert_relation_data_empty()


def test_a_secret_that_is_not_granted_yet_fails_no_hook() -> None:
    password_id = "secret://6aa1d3c4-9d77-4f0e-8a9b-3a2f51d1a1c2/d4u6k2hfp0q8s1c7v5tg"
    databag = {**RELAY, "auth_type": "plain", "user": "notifier", "password_id": password_id}
    relation = dataclasses.replace(EMPTY, remote_app_data=databag)
    tester = Tester(State(leader=True, relations=[relation]))
    tester.run("smtp-relation-changed")
    tester.assert_relation_data_empty()


def test_a_grant_that_cannot_be_read_fails_no_hook() -> None:
    oauth_id = "secret://6aa1d3c4-9d77-4f0e-8a9b-3a2f51d1a1c2/d4u6k2hfp0q8s1c7v5tg"
    databag = {**RELAY, "user": "notifier", "oauth_id": oauth_id}
    relation = dataclasses.replace(EMPTY, remote_app_data=databag)
    tester = Tester(State(leader=True, relations=[relation]))
    tester.run("smtp-relation-changed")
    tester.assert_relation_data_empty()
