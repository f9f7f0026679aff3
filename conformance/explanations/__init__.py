"""What each word of a report means: a page of Markdown for each requirement, output, finding and term."""

from conformance.explanations.pages import FINDINGS, KINDS, MEANT, explanation, file_of, pages

__all__ = ["FINDINGS", "KINDS", "MEANT", "explanation", "file_of", "pages"]
