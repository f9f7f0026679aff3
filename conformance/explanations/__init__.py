"""What each word of a report means: a page of Markdown for each requirement, output and finding."""

from conformance.explanations.pages import FINDINGS, KINDS, explanation, file_of, pages

__all__ = ["FINDINGS", "KINDS", "explanation", "file_of", "pages"]
