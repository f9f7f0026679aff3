"""The report as one page: what each part of it shows, its pictures, and the templates that lay it out."""
