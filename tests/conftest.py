"""The order of the tests, and what Hypothesis draws in them."""

import hypothesis

# The same examples each time, however long a busy machine takes for one: a test that fails now and then says nothing.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items):
    """What takes seconds comes first: at the end, no process of pytest-xdist is left alone with it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
