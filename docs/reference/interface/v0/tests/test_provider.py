"""What every provider of the interface must do: its charm is configured, its unit the leader."""

from interface_tester.interface_test import Tester
from scenario import Relation, State

# The tester takes every function of this module for a test.
RELATION = Relation(endpoint="smtp", interface="smtp", remote_app_name="remote")


def test_a_leader_publishes_a_relay_that_the_schema_accepts() -> None:
    tester = Tester(State(leader=True, relations=[RELATION]))
    tester.run("smtp-relation-created")
    tester.assert_schema_valid()


def test_a_joining_unit_leaves_it_valid() -> None:
    tester = Tester(State(leader=True, relations=[RELATION]))
    tester.run("smtp-relation-joined")
    tester.assert_schema_valid()
