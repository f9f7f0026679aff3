"""One engine: the same tasks planned, judged with one function and merged with one, whoever runs them and where."""
