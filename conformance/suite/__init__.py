"""The pytest matrix: pytest --pyargs conformance.suite --subject mykernels -n auto"""
