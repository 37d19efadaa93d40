"""One drawing per kind of panel."""
