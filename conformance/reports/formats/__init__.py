"""Ways to write a report to a file: a further one is a new file here, which makes it an option of `conformance run`."""

from collections.abc import Mapping

PURPOSES: Mapping[str, str] = {  # what each writes, and what that is for: the help of its option
    "badge": "JSON that shields.io makes a badge of, for a README",
    "html": "one page with pictures, for a browser",
    "json": "data with everything, which conformance report, compare and --baseline read",
    "junit": "JUnit XML, for the test view of GitLab, Jenkins and others",
    "markdown": "Markdown, for the summary of a job on GitHub or a comment",
    "sarif": "SARIF, for code scanning, which shows findings beside the lines of the kernel",
}
