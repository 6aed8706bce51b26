"""One module per format, each with `read(content, given)`. They run in the reading process, not in the host's."""
