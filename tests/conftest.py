"""The order of the tests."""


def pytest_collection_modifyitems(items):
    """What takes seconds comes first: at the end, no process of pytest-xdist is left alone with it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
